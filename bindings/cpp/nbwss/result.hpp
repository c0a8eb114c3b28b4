/// @file
/// What a call came to: its value, or a status with words. Exceptions are the host's choice.

#ifndef NBWSS_RESULT_HPP
#define NBWSS_RESULT_HPP

#include <nbwss.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#if defined(__cpp_exceptions)
#include <stdexcept>
#endif

#include "detail.hpp"

namespace nbwss {

#if defined(__cpp_exceptions)
/// What `Result::value` throws. Only there where exceptions are enabled.
class Error : public std::runtime_error {
public:
  /// A failure with its words.
  Error(nbwss_status status, const std::string &message) : std::runtime_error(message), status_(status) {}

  /// Which failure it was; `what` has the words.
  nbwss_status status() const noexcept { return status_; }

private:
  nbwss_status status_;
};
#endif

/// What a call came to: a `T`, or a failure. Test it, or have `value` do so.
///
/// As with every object here, one thread at a time.
template <class T> class [[nodiscard]] Result;

/// What a call without a value came to.
template <> class [[nodiscard]] Result<void> {
public:
  /// Takes the status of a C function that this thread has just called, and with a failure the words of
  /// `nbwss_last_error`.
  Result(nbwss_status status) : status_(status) {
    if (status != NBWSS_OK) message_ = detail::view(nbwss_last_error());
  }

  /// Whether it was done.
  explicit operator bool() const noexcept { return status_ == NBWSS_OK; }

  /// `NBWSS_OK`, or which failure it was.
  nbwss_status status() const noexcept { return status_; }

  /// Why it failed, for a person; never a secret. Empty where it was done.
  const std::string &message() const noexcept { return message_; }

  /// Nothing, where it was done. Otherwise throws `Error`; without exceptions ends the process by `std::abort`.
  void value() const {
    if (*this) return;
#if defined(__cpp_exceptions)
    throw Error(status_, message_);
#else
    std::abort();
#endif
  }

private:
  nbwss_status status_;
  std::string message_;
};

template <class T> class [[nodiscard]] Result {
public:
  /// As of a call without a value. `value` counts only with `NBWSS_OK`.
  ///
  /// A braced list is evaluated in order, so `return {nbwss_do(&value), value};` is right.
  Result(nbwss_status status, T value) : done_(status) {
    if (done_) value_.emplace(std::move(value));
  }

  /// Whether it was done, and there is a value.
  explicit operator bool() const noexcept { return value_.has_value(); }

  /// As of a call without a value.
  nbwss_status status() const noexcept { return done_.status(); }

  /// As of a call without a value.
  const std::string &message() const noexcept { return done_.message(); }

  /// The value. After a failure throws `Error`; without exceptions ends the process by `std::abort`.
  T &value() & {
    done_.value();
    return *value_;
  }

  /// As the other.
  const T &value() const & {
    done_.value();
    return *value_;
  }

  /// As the other. The value is moved out.
  T value() && {
    done_.value();
    return std::move(*value_);
  }

  /// As `value`.
  T &operator*() & { return value(); }

  /// As `value`.
  const T &operator*() const & { return value(); }

  /// As `value`.
  T operator*() && { return std::move(*this).value(); }

  /// As `value`.
  T *operator->() { return &value(); }

  /// As `value`.
  const T *operator->() const { return &value(); }

private:
  Result<void> done_;
  std::optional<T> value_;
};

/// The version of the library, for example `"0.1.0"`. Static. That of the header is `NBWSS_VERSION`.
inline std::string_view version() noexcept { return nbwss_version(); }

/// A status's name, for example `"NBWSS_TIMEOUT"`. Static.
inline std::string_view status_name(nbwss_status status) noexcept { return nbwss_status_name(status); }

} // namespace nbwss

#endif
