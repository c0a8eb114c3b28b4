/// @file
/// Settings and callbacks, collected before a connector is made from them; and the boundary that no exception crosses.

#ifndef NBWSS_OPTIONS_HPP
#define NBWSS_OPTIONS_HPP

#include <nbwss.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "detail.hpp"
#include "reports.hpp"
#include "request.hpp"
#include "result.hpp"

namespace nbwss {

/// A connection that the host is to make.
struct Dial {
  std::string_view host;         ///< Host name or address, without brackets. Ends in NUL, which does not count.
  std::uint16_t port = 0;        ///< TCP port.
  std::uint32_t timeout_ms = 0;  ///< Milliseconds after which the socket is not wanted any more.
};

/// Takes a REST call: see `Options::on_request`.
using RequestCallback = std::function<void(Request request)>;
/// Takes a delivery report: see `Options::on_delivery`.
using DeliveryCallback = std::function<void(const Delivery &delivery)>;
/// Takes a change of a connection: see `Options::on_event`.
using EventCallback = std::function<void(const Event &event)>;
/// Takes a log line: see `Options::on_log`.
using LogCallback = std::function<void(const Log &line)>;
/// Takes an audit record: see `Options::on_audit`.
using AuditCallback = std::function<void(const Audit &record)>;
/// Hears that a request is not wanted any more: see `Options::on_cancel`.
using CancelCallback = std::function<void(const nbwss_request *request)>;
/// Makes a connection: see `Options::on_dial`.
using DialCallback = std::function<std::int32_t(const Dial &dial, nbwss_socket &socket)>;
/// Gives a key of 32 bytes: see `Options::on_store_key`.
using StoreKeyCallback = std::function<std::int32_t(std::uint8_t *key)>;
/// Hears of an exception that a callback threw: see `Options::create`. `callback` is its setter's name, `"on_event"`.
using ExceptionCallback = std::function<void(std::string_view callback, std::exception_ptr exception)>;

/// @cond internal
namespace detail {

/// What the host's number is where a callback that returns one has thrown.
constexpr std::int32_t threw = -1;

/// A callback in the library's keeping: its `user_data`.
template <class Callback> struct Held {
  const char *name;
  Callback function;
  std::shared_ptr<const ExceptionCallback> on_exception;

  /// Lets `call` do with the function what is to be done. What is thrown is told, and goes no further: the library's
  /// frames cannot be unwound.
  template <class Call> static void run(void *user_data, Call call) noexcept {
    const Held &held = *static_cast<const Held *>(user_data);
#if defined(__cpp_exceptions)
    try {
      call(held.function);
    } catch (...) {
      held.tell(std::current_exception());
    }
#else
    call(held.function);
#endif
  }

  static void destroy(void *user_data) noexcept { delete static_cast<Held *>(user_data); }

#if defined(__cpp_exceptions)
private:
  void tell(const std::exception_ptr &exception) const noexcept {
    try {
      if (*on_exception) (*on_exception)(name, exception);
    } catch (...) {
      // Nobody is left to be told.
    }
  }
#endif
};

inline Dial from_c(const nbwss_dial &c) noexcept { return {view(c.host), c.port, c.timeout_ms}; }

} // namespace detail
/// @endcond

/// Settings and callbacks for connectors, which keep what they need: options may be changed, reused or destroyed as
/// soon as a connector is made. Any thread may call any member, but moving needs the object alone.
///
/// A callback, with what it has captured, is destroyed exactly once, after its last call: when it is replaced or the
/// options are destroyed, and every connector made with it is destroyed; on the thread that does the last of these. The
/// header's table says on which thread each runs, whether it may block and what it may call. A setter that fails has
/// destroyed the callback already, and one that is given an empty function fails with `NBWSS_INVALID_ARGUMENT`.
///
/// A callback may throw, if the host is compiled with exceptions: the exception goes to the callback given to `create`,
/// a request that the unwinding destroys is answered with 500, and all goes on.
class Options {
public:
  /// Takes over a handle of the C interface; without one it is empty. `on_exception` as for `create`.
  explicit Options(nbwss_options *options = nullptr, ExceptionCallback on_exception = {})
      : handle_(options), on_exception_(std::make_shared<const ExceptionCallback>(std::move(on_exception))) {}

  /// Makes options with every setting at its default and no callbacks.
  ///
  /// `on_exception` is told what the callbacks set here throw, on the thread of the callback; what it throws itself is
  /// lost, as everything is without it.
  ///
  /// Fails with `NBWSS_INCOMPATIBLE` where the library does not fit this header.
  static Result<Options> create(ExceptionCallback on_exception = {}) {
    nbwss_options *options = nullptr;
    nbwss_status status = nbwss_check_compat();
    if (status == NBWSS_OK) status = nbwss_options_new(&options);
    return {status, Options(options, std::move(on_exception))};
  }

  /// The handle, which stays this object's.
  nbwss_options *get() const noexcept { return handle_.get(); }

  /// Changes one setting, given as text. Fails with `NBWSS_UNKNOWN_KEY` or `NBWSS_INVALID_VALUE`; the message names
  /// key, value and bounds.
  Result<void> set(std::string_view key, std::string_view value) {
    return nbwss_options_set_n(get(), detail::str(key), detail::str(value));
  }

  /// Changes one setting that is a number. Otherwise as `set`.
  Result<void> set_int(std::string_view key, std::int64_t value) {
    return nbwss_options_set_int_n(get(), detail::str(key), value);
  }

  /// Changes one setting that is true or false. Otherwise as `set`.
  Result<void> set_bool(std::string_view key, bool value) {
    return nbwss_options_set_bool_n(get(), detail::str(key), value);
  }

  /// Reads a file of settings, as NetBackup's `nbwss.properties` is; all or nothing. The value names each
  /// key that this library does not know, with its line: `line 7: its.key`, separated by line ends.
  ///
  /// Fails with `NBWSS_IO` or `NBWSS_INVALID_VALUE`; the message names the line.
  Result<std::string> load_file(std::string_view path) {
    nbwss_str unknown = NBWSS_STR_INIT;
    const nbwss_status status = nbwss_options_load_file_n(get(), detail::str(path), &unknown);
    return {status, std::string(detail::view(unknown))};
  }

  /// Sets the callback for the REST calls that the policy allows. It, or whoever it moves the request to, answers it,
  /// at any time. Several threads call it at once (`dispatch.threads`).
  Result<void> on_request(RequestCallback callback) {
    return set_callback<nbwss_request_callback>(
        "on_request", std::move(callback), nbwss_options_on_request, [](nbwss_request *c, void *user_data) noexcept {
          detail::Held<RequestCallback>::run(user_data, [&](auto &function) { function(Request(c)); });
        });
  }

  /// Sets the callback for delivery reports.
  Result<void> on_delivery(DeliveryCallback callback) {
    return set_callback<nbwss_delivery_callback>("on_delivery", std::move(callback), nbwss_options_on_delivery,
                                                 report<DeliveryCallback>);
  }

  /// Sets the callback for changes of connections.
  Result<void> on_event(EventCallback callback) {
    return set_callback<nbwss_event_callback>("on_event", std::move(callback), nbwss_options_on_event,
                                              report<EventCallback>);
  }

  /// Sets the callback for log lines.
  Result<void> on_log(LogCallback callback) {
    return set_callback<nbwss_log_callback>("on_log", std::move(callback), nbwss_options_on_log, report<LogCallback>);
  }

  /// Sets the callback for the audit of REST calls.
  Result<void> on_audit(AuditCallback callback) {
    return set_callback<nbwss_audit_callback>("on_audit", std::move(callback), nbwss_options_on_audit,
                                              report<AuditCallback>);
  }

  /// Sets the callback for requests that are not wanted any more. It is given what `Request::get` returns, to be
  /// compared: the request is still its owner's, and still to be answered or destroyed.
  Result<void> on_cancel(CancelCallback callback) {
    return set_callback<nbwss_cancel_callback>(
        "on_cancel", std::move(callback), nbwss_options_on_cancel, [](nbwss_request *c, void *user_data) noexcept {
          detail::Held<CancelCallback>::run(user_data, [&](auto &function) { function(c); });
        });
  }

  /// Sets the callback that makes the connections. It puts a connected stream socket into `socket`, which is the
  /// library's from then on, and returns 0; or returns another number, which the reason of the failed attempt then
  /// shows. When it throws, that number is -1, and the socket stays the host's.
  Result<void> on_dial(DialCallback callback) {
    return set_callback<nbwss_dial_callback>(
        "on_dial", std::move(callback), nbwss_options_on_dial,
        [](const nbwss_dial *c, nbwss_socket *socket, void *user_data) noexcept {
          std::int32_t answer = detail::threw;
          detail::Held<DialCallback>::run(user_data,
                                          [&](auto &function) { answer = function(detail::from_c(*c), *socket); });
          return answer;
        });
  }

  /// Sets the callback that gives the key for the tokens in `endpoint.store.path`: it fills in the 32 bytes and returns
  /// 0, or returns another number, which `Connector::create` then tells. When it throws, that number is -1.
  Result<void> on_store_key(StoreKeyCallback callback) {
    return set_callback<nbwss_store_key_callback>(
        "on_store_key", std::move(callback), nbwss_options_on_store_key,
        [](std::uint8_t *key, void *user_data) noexcept {
          std::int32_t answer = detail::threw;
          detail::Held<StoreKeyCallback>::run(user_data, [&](auto &function) { answer = function(key); });
          return answer;
        });
  }

  /// Gives that key itself: 32 bytes, which are copied. Replaces the callback.
  Result<void> set_store_key(const std::uint8_t *key, std::size_t size) {
    return nbwss_options_set_store_key(get(), key, size);
  }

private:
  template <class Callback, class C> static void report(const C *c, void *user_data) noexcept {
    detail::Held<Callback>::run(user_data, [&](auto &function) { function(detail::from_c(*c)); });
  }

  template <class C, class Callback>
  Result<void> set_callback(const char *name, Callback callback,
                            nbwss_status (*install)(nbwss_options *, C, void *, nbwss_destructor), C call) {
    using Held = detail::Held<Callback>;
    auto held = std::make_unique<Held>(Held{name, std::move(callback), on_exception_});
    Result<void> result = install(get(), held->function ? call : nullptr, held.get(), &Held::destroy);
    if (result) (void)held.release();
    return result;
  }

  detail::Handle<nbwss_options, nbwss_options_free> handle_;
  std::shared_ptr<const ExceptionCallback> on_exception_;
};

} // namespace nbwss

#endif
