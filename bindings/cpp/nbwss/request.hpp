/// @file
/// A REST call that the cloud application asks for, and its answer.

#ifndef NBWSS_REQUEST_HPP
#define NBWSS_REQUEST_HPP

#include <nbwss.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "detail.hpp"
#include "result.hpp"

namespace nbwss {

/// An HTTP header.
struct Header {
  std::string_view name;  ///< A name as HTTP allows it (RFC 9110, section 5.1).
  std::string_view value; ///< A value without control characters.
};

/// The answer to a request. Its texts are copied when it is given.
struct Response {
  std::int32_t status_code = 200; ///< HTTP status, 100 to 599.
  /// The body; a view without a pointer for none. Bytes that are not UTF-8 are sent in base64, with a header that says
  /// so.
  std::string_view body = {};
  std::vector<Header> headers = {}; ///< At most 100, each name once. Names are sent in lower case.
};

/// @cond internal
namespace detail {
inline void let_go(nbwss_request *request) noexcept {
  nbwss_request_fail_n(request, 500, str("the host did not answer"));
}
} // namespace detail
/// @endcond

/// A REST call in the host's hands. Whoever has it answers it once, on any thread; it may outlive the connector.
/// Destroyed without an answer, it is answered with 500.
///
/// Its texts are borrowed until it is answered or destroyed; afterwards, or when it was moved from, they read as empty.
class Request {
public:
  /// Takes over a handle of the C interface; without one it is empty.
  explicit Request(nbwss_request *request = nullptr) noexcept : handle_(request) {}

  /// The handle: what `Options::on_cancel` tells. Null after the answer.
  nbwss_request *get() const noexcept { return handle_.get(); }

  /// Its id, as the cloud application gave it.
  std::string_view id() const noexcept { return text(nbwss_request_id); }

  /// The host name of the endpoint that asks.
  std::string_view host_name() const noexcept { return text(nbwss_request_host_name); }

  /// The server group of the endpoint that asks.
  std::string_view group_id() const noexcept { return text(nbwss_request_group_id); }

  /// The HTTP method, as sent.
  std::string_view method() const noexcept { return text(nbwss_request_method); }

  /// Path and query: the path in the normal form that the policy was asked about, the query as it was sent.
  std::string_view uri() const noexcept { return text(nbwss_request_uri); }

  /// The body, usually JSON; a view without a pointer if there is none.
  std::string_view body() const noexcept { return text(nbwss_request_body); }

  /// The value of the first header with this name, compared without case.
  std::optional<std::string_view> header(std::string_view name) const noexcept {
    nbwss_str value = NBWSS_STR_INIT;
    if (nbwss_request_header_n(get(), detail::str(name), &value) != NBWSS_OK) return std::nullopt;
    return detail::view(value);
  }

  /// All headers, in the order sent.
  std::vector<Header> headers() const {
    std::size_t count = 0;
    nbwss_request_header_count(get(), &count);
    std::vector<Header> headers(count);
    for (std::size_t i = 0; i < count; i++) {
      nbwss_header header = {NBWSS_STR_INIT, NBWSS_STR_INIT};
      nbwss_request_header_at(get(), i, &header);
      headers[i] = {detail::view(header.name), detail::view(header.value)};
    }
    return headers;
  }

  /// Whether anybody still waits for the answer: the deadline has not passed, and the session that asked is there.
  bool is_wanted() const noexcept {
    bool wanted = false;
    nbwss_request_is_wanted(get(), &wanted);
    return wanted;
  }

  /// Answers, and is empty afterwards, whatever the status.
  ///
  /// Fails with `NBWSS_EXPIRED` when nobody waits any more, and with `NBWSS_INVALID_ARGUMENT` for a response that
  /// cannot be sent (the cloud application then gets 500) and for a request that was answered before.
  Result<void> respond(const Response &response) {
    std::vector<nbwss_header> headers;
    headers.reserve(response.headers.size());
    for (const Header &header : response.headers) {
      headers.push_back({detail::str(header.name), detail::str(header.value)});
    }
    const nbwss_response c = {sizeof c, response.status_code, headers.data(), headers.size(),
                              detail::str(response.body)};
    return nbwss_request_respond(handle_.release(), &c);
  }

  /// Answers with an error in the shape of NetBackup's. Otherwise as `respond`.
  Result<void> fail(std::int32_t status_code, std::string_view message) {
    return nbwss_request_fail_n(handle_.release(), status_code, detail::str(message));
  }

private:
  std::string_view text(nbwss_status (*read)(const nbwss_request *, nbwss_str *)) const noexcept {
    nbwss_str text = NBWSS_STR_INIT;
    read(get(), &text);
    return detail::view(text);
  }

  detail::Handle<nbwss_request, detail::let_go> handle_;
};

} // namespace nbwss

#endif
