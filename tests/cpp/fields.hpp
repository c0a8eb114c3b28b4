// For the program that tests/cpp_binding/complete.rs writes: any field is given a value of its own, and is compared
// with its counterpart on the other side of the binding.
#ifndef NBWSS_TEST_FIELDS_HPP
#define NBWSS_TEST_FIELDS_HPP

#include "check.hpp"

using nbwss::detail::from_c;
using nbwss::detail::to_c;

inline nbwss_endpoint to_c(const nbwss::Endpoint &endpoint) { return to_c(endpoint, nullptr); }

inline void fill(nbwss_str &place, const char *name, int) { place = nbwss_str_z(name); }
inline void fill(std::string_view &place, const char *name, int) { place = name; }
inline void fill(bool &place, const char *, int number) { place = number % 2 == 1; }
inline void fill(std::optional<nbwss::Tls> &, const char *, int) {} // goes apart: administration.cpp
template <class Number> void fill(Number &place, const char *, int number) { place = static_cast<Number>(number); }

inline bool same(nbwss_str c, std::string_view cpp) { return nbwss::detail::view(c) == cpp; }
inline bool same(std::string_view cpp, nbwss_str c) { return same(c, cpp); }
inline bool same(const nbwss_tls *c, const std::optional<nbwss::Tls> &cpp) { return c == nullptr && !cpp; }
template <class Number> bool same(Number one, Number other) { return one == other; }

#endif
