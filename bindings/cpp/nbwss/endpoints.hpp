/// @file
/// Endpoints: what a cloud application hands out, how TLS with it is done, and lists of them.

#ifndef NBWSS_ENDPOINTS_HPP
#define NBWSS_ENDPOINTS_HPP

#include <nbwss.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "detail.hpp"
#include "result.hpp"

namespace nbwss {

/// How TLS with one endpoint is done, where that differs from the settings `tls.*`. A field that is left empty is not
/// meant. Nothing turns verification off: see `nbwss_tls`.
struct Tls {
  std::string_view ca_pem = {};                  ///< Certificate authorities as PEM text; at most 64 KiB.
  std::string_view ca_file = {};                 ///< Instead: a PEM file with them, read at each attempt.
  std::string_view pin = {};                     ///< `certificate:` or `spki:`, and a SHA-256 in hexadecimal digits.
  std::string_view client_certificate_file = {}; ///< Our certificate, with its issuers', as a PEM file.
  std::string_view client_key_file = {};         ///< The PEM file with its private key.
};

/// What a cloud application hands out for its listening URL.
struct Endpoint {
  std::string_view host_name = {}; ///< Unique among the endpoints, compared without case; at most 253 bytes.
  std::string_view url = {};       ///< `wss://` only, at most 2048 bytes.
  std::string_view group_id = {};  ///< One endpoint of a server group is connected at a time; at most 256 bytes.
  std::string_view token = {};     ///< The proof of who we are; at most 16384 bytes. The library wipes its copy.
  std::int32_t priority = 0;       ///< From 0: the lowest is tried first.
  std::optional<Tls> tls = {};     ///< How TLS is done; without it, as the settings `tls.*` have it.
};

/// An endpoint as it was when its list was made: everything but the token. The texts are borrowed from the list.
struct EndpointInfo {
  std::string_view host_name;                        ///< As it was added.
  std::string_view url;                              ///< As it was added.
  std::string_view group_id;                         ///< The server group.
  std::int32_t priority = 0;                         ///< The lowest is tried first.
  nbwss_connection_state state = NBWSS_DISCONNECTED; ///< Its connection.
  bool active = false;                               ///< Activated; or else deactivated, or not added yet.
  std::int64_t since_ms = 0;                         ///< Since when, in ms since 1970; 0: not added yet.
  std::int64_t next_attempt_in_ms = -1;              ///< Milliseconds to its next attempt; -1: none is planned.
  std::int64_t last_heard_ms = -1;                   ///< Milliseconds since the peer was heard; -1 without a session.
  std::uint64_t attempts = 0;                        ///< How often it was dialled.
  std::uint64_t sessions = 0;                        ///< How many sessions were established.
  std::string_view last_error;                       ///< Its latest failure in words; empty if there was none.
  nbwss_cause last_error_cause = NBWSS_CAUSE_NONE;   ///< The class of that failure.
  std::int64_t last_error_ms = 0;                    ///< When it was, in ms since 1970.
  std::string_view ca_pem;                           ///< Its choice for TLS; empty, as the next two, without one.
  std::string_view ca_file;                          ///< A PEM file with certificate authorities.
  std::string_view pin;                              ///< What its certificate must be.
};

/// @cond internal
namespace detail {

inline nbwss_tls to_c(const Tls &tls) noexcept {
  return {sizeof(nbwss_tls), str(tls.ca_pem),                  str(tls.ca_file),
          str(tls.pin),      str(tls.client_certificate_file), str(tls.client_key_file)};
}

inline nbwss_endpoint to_c(const Endpoint &endpoint, const nbwss_tls *tls) noexcept {
  return {sizeof(nbwss_endpoint),   str(endpoint.host_name), str(endpoint.url),
          str(endpoint.group_id), str(endpoint.token),     endpoint.priority,
          tls};
}

/// A choice for TLS, or none, as C functions take it.
class TlsArgument {
public:
  explicit TlsArgument(const std::optional<Tls> &tls) noexcept : given_(tls) {
    if (tls) c_ = to_c(*tls);
  }
  const nbwss_tls *get() const noexcept { return given_ ? &c_ : nullptr; }

private:
  bool given_;
  nbwss_tls c_ = NBWSS_TLS_INIT;
};

inline EndpointInfo from_c(const nbwss_endpoint_info &c) noexcept {
  return {view(c.host_name), view(c.url),        view(c.group_id),     c.priority,      c.state,
          c.active,          c.since_ms,         c.next_attempt_in_ms, c.last_heard_ms, c.attempts,
          c.sessions,        view(c.last_error), c.last_error_cause,   c.last_error_ms, view(c.ca_pem),
          view(c.ca_file),   view(c.pin)};
}

} // namespace detail
/// @endcond

/// A list of endpoints: as they were at one moment, or as they are to be added. Empty when it was moved from.
class Endpoints {
public:
  /// Takes over a handle of the C interface; without one it is empty.
  explicit Endpoints(nbwss_endpoints *endpoints = nullptr) noexcept : handle_(endpoints) {}

  /// The handle, which stays this object's.
  nbwss_endpoints *get() const noexcept { return handle_.get(); }

  /// Reads the endpoint, or all endpoints of the array, in a JSON text without adding anything: an administrator may
  /// look at them first. Fails with an `NBWSS_ENDPOINT_...` status; the message names the field, or line and column.
  static Result<Endpoints> read_json(std::string_view json) {
    nbwss_endpoints *c = nullptr;
    return {nbwss_endpoints_read_json_n(detail::str(json), &c), Endpoints(c)};
  }

  /// As `read_json`, from a file. Fails in addition with `NBWSS_IO`.
  static Result<Endpoints> read_file(std::string_view path) {
    nbwss_endpoints *c = nullptr;
    return {nbwss_endpoints_read_file_n(detail::str(path), &c), Endpoints(c)};
  }

  /// All of them, in order. The texts are borrowed from this object, which is why a temporary has none to give.
  std::vector<EndpointInfo> all() const & {
    std::size_t count = 0;
    nbwss_endpoints_count(get(), &count);
    std::vector<EndpointInfo> all(count);
    for (std::size_t i = 0; i < count; i++) {
      nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
      nbwss_endpoints_get(get(), i, &info);
      all[i] = detail::from_c(info);
    }
    return all;
  }
  std::vector<EndpointInfo> all() const && = delete;

  /// Copies the token of one endpoint, counted from 0, into the host's buffer, which is the host's to wipe. The value
  /// is its length; with `size` 0, `buffer` may be null, to ask for that alone.
  ///
  /// Fails with `NBWSS_INVALID_ARGUMENT` where `size` is too small, and `NBWSS_NOT_FOUND` past the end.
  Result<std::size_t> token(std::size_t index, char *buffer, std::size_t size) const {
    std::size_t length = 0;
    return {nbwss_endpoints_token(get(), index, buffer, size, &length), length};
  }

private:
  detail::Handle<nbwss_endpoints, nbwss_endpoints_free> handle_;
};

} // namespace nbwss

#endif
