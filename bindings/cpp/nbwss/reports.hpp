/// @file
/// What the library tells the host: deliveries, events, log lines, audit records. Each lives during its callback, with
/// its texts: copy what is to stay.

#ifndef NBWSS_REPORTS_HPP
#define NBWSS_REPORTS_HPP

#include <nbwss.h>

#include <cstdint>
#include <string_view>

#include "detail.hpp"

namespace nbwss {

/// A delivery report: exactly one for each accepted notification and each server group that existed then.
struct Delivery {
  std::uint64_t sequence = 0;                       ///< What `Connector::notify_job` and its like returned.
  std::string_view group_id;                        ///< The server group.
  nbwss_delivery_outcome outcome = NBWSS_DELIVERED; ///< What became of it.
  std::string_view reason;                          ///< Why; empty when delivered.
};

/// A change of a connection.
struct Event {
  nbwss_event_kind kind = NBWSS_EVENT_CONNECTING; ///< What happened.
  std::string_view host_name;                     ///< The endpoint.
  std::string_view group_id;                      ///< Its server group.
  std::string_view reason;                        ///< Why, in words, on one line; may be empty.
  std::int64_t retry_in_ms = -1;                  ///< Milliseconds to the group's next attempt; -1: none is planned.
  nbwss_cause cause = NBWSS_CAUSE_NONE;           ///< The class of the reason.
  std::int32_t code = 0;                          ///< A close code or HTTP status, where the cause says so; else 0.
};

/// One line for the host's log, free of secrets and control characters.
struct Log {
  nbwss_log_level level = NBWSS_LOG_ERROR; ///< How much it matters.
  std::int64_t time_ms = 0;                ///< Milliseconds since 1970.
  std::string_view text;                   ///< The line, without a line end.
};

/// A record for the audit: one when a REST call arrives, one when it ends. Never a body, a header or a query.
struct Audit {
  nbwss_audit_step step = NBWSS_AUDIT_ALLOWED; ///< Arrival with its decision, or end.
  std::int64_t time = 0;                       ///< Seconds since 1970.
  std::string_view host_name;                  ///< The endpoint that asked.
  std::string_view group_id;                   ///< Its server group.
  std::string_view id;                         ///< The request's id.
  std::string_view method;                     ///< HTTP method; empty where the call could not be read.
  std::string_view path;                       ///< Path in its normal form, without the query; empty as the method is.
  std::int32_t status_code = 0;                ///< At the end: HTTP status of the answer.
  std::uint64_t body_bytes = 0;                ///< On arrival: size of the request's body. At the end: of the answer's.
  std::uint64_t duration_us = 0;               ///< At the end: microseconds since arrival.
};

/// @cond internal
namespace detail {

inline Delivery from_c(const nbwss_delivery &c) noexcept {
  return {c.sequence, view(c.group_id), c.outcome, view(c.reason)};
}

inline Event from_c(const nbwss_event &c) noexcept {
  return {c.kind, view(c.host_name), view(c.group_id), view(c.reason), c.retry_in_ms, c.cause, c.code};
}

inline Log from_c(const nbwss_log &c) noexcept { return {c.level, c.time_ms, view(c.text)}; }

inline Audit from_c(const nbwss_audit &c) noexcept {
  return {c.step,         c.time,       view(c.host_name), view(c.group_id), view(c.id), view(c.method), view(c.path),
          c.status_code, c.body_bytes, c.duration_us};
}

} // namespace detail
/// @endcond

} // namespace nbwss

#endif
