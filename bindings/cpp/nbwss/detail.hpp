/// @file
/// What the classes share to speak C: texts and handles. Nothing here is for hosts.

#ifndef NBWSS_DETAIL_HPP
#define NBWSS_DETAIL_HPP

#include <nbwss.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

/// @cond internal
namespace nbwss::detail {

inline nbwss_str str(std::string_view text) noexcept { return {text.data(), text.size()}; }

inline std::string_view view(nbwss_str text) noexcept { return {text.ptr, text.len}; }

/// The bounds of a C timeout are 0 and some 49 days.
inline std::uint32_t milliseconds(std::chrono::milliseconds time) noexcept {
  constexpr std::int64_t longest = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(time.count(), 0, longest));
}

template <auto Free> struct Deleter {
  template <class C> void operator()(C *handle) const noexcept { Free(handle); }
};

/// A C handle that is freed with its owner.
template <class C, auto Free> using Handle = std::unique_ptr<C, Deleter<Free>>;

} // namespace nbwss::detail
/// @endcond

#endif
