/**
 * @file
 * libnbwss: the NetBackup WebSocket Service protocol for a backup service.
 *
 * The service dials out over wss:// to cloud applications, answers the REST calls that they send, and pushes
 * job and image notifications until they are acknowledged.
 *
 *     nbwss_options_new -> nbwss_options_set, nbwss_options_on_request, ...
 *     nbwss_connector_new -> nbwss_endpoint_add_file -> nbwss_connector_start
 *     nbwss_notify_job, nbwss_notify_image; nbwss_request_respond in the callback or later
 *     nbwss_connector_drain -> nbwss_connector_stop -> nbwss_connector_wait -> nbwss_connector_destroy
 *
 * - Results: functions return a status; nbwss_last_error() has the words, per thread. Results come last in the
 *   argument list and are zeroed on entry.
 * - Handles: nbwss_options, nbwss_connector, nbwss_endpoints, nbwss_inspection and nbwss_request are checked: a
 *   handle that is NULL, freed, freed twice, made up or of another type gives a status. Freeing NULL does nothing.
 * - Text: UTF-8. A function that ends in `_n` takes pointer and length; its twin without `_n` takes a text that
 *   ends in NUL. Text that comes back is borrowed, for as long as the function says.
 * - Structs: start from the INIT macro: it sets `struct_size`, by which old hosts and new libraries understand
 *   each other.
 * - Threads: any function may be called from any thread. These wait for others, and may not be called in a
 *   callback: nbwss_connector_drain, _wait, _destroy and _poll; nbwss_endpoint_validate, _diagnose and _add_url
 *   and nbwss_endpoints_fetch. With a database, functions that change endpoints (`endpoint.store.path`) and
 *   `nbwss_notify_*` and `nbwss_job_*` (`outbox.store.path`) wait for the disk; the latter with `outbox.fullWait`
 *   for space, too. nbwss_connector_new, functions with `_file` in their names and those given an nbwss_tls that
 *   names files may wait for files. No other function waits; share/doc/nbwss/threads.md has a table.
 *
 * Callbacks:
 *
 *                          thread                may block     may call
 *       on_request         nbwss-call-N          yes           all but those that wait for others
 *       (dispatch.inline)  nbwss-io              no            all but those that wait for others
 *       on_delivery, on_event, on_audit, on_cancel, on_log
 *                          nbwss-report          not for long  all but those that wait for others
 *       on_dial            nbwss-dns             yes           all but those that wait for others
 *       on_store_key       the caller of nbwss_connector_new   nothing of that connector
 *       destructors        the thread that frees yes           all but those that wait for others
 *
 * With the setting `callbacks.poll` those of the first rows, down to on_log, run on the host's thread that calls
 * nbwss_connector_poll, _drain, _wait or _destroy, and there are no nbwss-call-N and nbwss-report threads.
 *
 * A callback must return: it must not throw, longjmp or end its thread. A C++ exception that leaves one ends the process
 * with SIGABRT (see nbwss_guard at the end). No lock of the library is held during a callback. Functions that wait for
 * others, called from one, return `NBWSS_ILLEGAL_STATE` at once.
 *
 * The library installs no signal handlers (its threads block all signals), raises no SIGPIPE, writes nothing
 * to standard output or error, has no environment variable decide anything (but those of a proxy, with the setting
 * `proxy.fromEnvironment`) and registers nothing to run at exit. A process that forks must do so before it first
 * calls nbwss_options_new: in a child made later every call returns `NBWSS_FORKED`.
 */

#ifndef NBWSS_H
#define NBWSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** @{ */
/** The version of this header: see nbwss_check_compat. */
#define NBWSS_VERSION_MAJOR 0
#define NBWSS_VERSION_MINOR 1
#define NBWSS_VERSION_PATCH 0
#define NBWSS_VERSION "0.1.0"
/** @} */

/// What a call came to. Every function that can fail returns one; `nbwss_last_error` has the words.
enum nbwss_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /// Done.
  NBWSS_OK = 0,
  /// An argument that no state could make valid: NULL, not UTF-8, a struct_size that is too small, ...
  NBWSS_INVALID_ARGUMENT = 1,
  /// A handle that was never given out, is already freed, or is of another type.
  NBWSS_BAD_HANDLE = 2,
  /// Not possible now (the connector is being destroyed), or not on this thread (a call that waits, made
  /// from a callback).
  NBWSS_ILLEGAL_STATE = 3,
  /// There is no such setting.
  NBWSS_UNKNOWN_KEY = 4,
  /// A setting's value is malformed or out of bounds.
  NBWSS_INVALID_VALUE = 5,
  /// Endpoint details with a value of the wrong type; the last error names the field. The other rules have codes of
  /// their own, `NBWSS_ENDPOINT_...`.
  NBWSS_INVALID_ENDPOINT = 6,
  /// The endpoint's host name is taken (compared without case).
  NBWSS_DUPLICATE_ENDPOINT = 7,
  /// No such endpoint, server group, header or list entry.
  NBWSS_NOT_FOUND = 8,
  /// A notification has nowhere to go: no endpoint has been added.
  NBWSS_NO_ENDPOINT = 9,
  /// A notification that breaks a rule; the last error names the field.
  NBWSS_INVALID_NOTIFICATION = 10,
  /// The outbox is at a limit. Nothing that was accepted is dropped; try again after deliveries.
  NBWSS_QUEUE_FULL = 11,
  /// What was waited for did not happen in time.
  NBWSS_TIMEOUT = 12,
  /// The request waits for no answer any more: deadline passed, already answered, or connector destroyed.
  NBWSS_EXPIRED = 13,
  /// A file or the operating system refused.
  NBWSS_IO = 14,
  /// Certificates or a private key that cannot be used.
  NBWSS_TLS = 15,
  /// Called in a child made by `fork` after the library was first used.
  NBWSS_FORKED = 16,
  /// A bug in the library, contained. Please report the last error.
  NBWSS_PANIC = 17,
  /// The header that the host was compiled with does not fit the library.
  NBWSS_INCOMPATIBLE = 18,
  /// A database cannot be used; nothing in it was changed.
  NBWSS_STORE = 19,
  /// A database that another process or connector has open.
  NBWSS_STORE_IN_USE = 20,
  /// A database of a newer version of this library.
  NBWSS_STORE_NEWER = 21,
  /// The key does not fit the database; nothing in it was changed.
  NBWSS_STORE_KEY = 22,
  /// A field of endpoint details is not there or empty. For all codes about endpoint details, the last error names
  /// the field and, in an array, the element.
  NBWSS_ENDPOINT_MISSING = 23,
  /// The endpoint's URL is `ws://`: not encrypted. Only `wss://` is dialled.
  NBWSS_ENDPOINT_NOT_ENCRYPTED = 24,
  /// The endpoint's URL cannot be read, or is not `wss://`.
  NBWSS_ENDPOINT_BAD_URL = 25,
  /// The endpoint's URL holds a user name or a password.
  NBWSS_ENDPOINT_USER_INFO = 26,
  /// The endpoint's priority is not a whole number from 0.
  NBWSS_ENDPOINT_BAD_PRIORITY = 27,
  /// A text of the endpoint's details is too long.
  NBWSS_ENDPOINT_TOO_LONG = 28,
  /// Endpoint details with a control character or half of a surrogate pair, or with white space in the host name.
  NBWSS_ENDPOINT_BAD_CHARACTER = 29,
  /// Endpoint details that are not UTF-8.
  NBWSS_ENDPOINT_NOT_UTF8 = 30,
  /// Endpoint details that are not JSON; the last error names line and column.
  NBWSS_ENDPOINT_NOT_JSON = 31,
  /// Endpoint details with a key twice, known or not.
  NBWSS_ENDPOINT_DUPLICATE_KEY = 32,
  /// A choice for TLS that cannot be meant: a malformed pin, two sources of certificate authorities, ...
  NBWSS_ENDPOINT_BAD_TLS = 33,
  /// Endpoint details could not be fetched from their URL; the last error says in which step and why.
  NBWSS_FETCH_FAILED = 34,
  /// The host of an endpoint's URL, or of a URL with endpoint details, is not among those of the setting
  /// `endpoint.allowedHosts`.
  NBWSS_ENDPOINT_HOST_NOT_ALLOWED = 35,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nbwss_status nbwss_status;
#else
typedef int32_t nbwss_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// What became of a notification in a server group.
enum nbwss_delivery_outcome
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /// Acknowledged by the cloud application.
  NBWSS_DELIVERED = 0,
  /// Given up; `reason` says why. It may have arrived.
  NBWSS_ABANDONED = 1,
  /// Not acknowledged when the connector was destroyed, and kept in `outbox.store.path`: the next connector with
  /// that store goes on with it, and its report has the same sequence number.
  NBWSS_KEPT = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nbwss_delivery_outcome nbwss_delivery_outcome;
#else
typedef int32_t nbwss_delivery_outcome;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// What happened to a connection.
enum nbwss_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /// Dialling begins.
  NBWSS_EVENT_CONNECTING = 1,
  /// The token was accepted: the session is established.
  NBWSS_EVENT_ESTABLISHED = 2,
  /// The endpoint refuses us: `valid: false`, or an HTTP status or close code that means it. It is left alone for
  /// `connectionInfo.period`. A close code may come in an established session: then this is its end, in the place of
  /// `NBWSS_EVENT_DISCONNECTED`.
  NBWSS_EVENT_REJECTED = 3,
  /// No session came about; `reason` says in which phase and why. With `NBWSS_CAUSE_STOPPED` the attempt was called off:
  /// the host stopped, removed or changed what was being dialled.
  NBWSS_EVENT_CONNECT_FAILED = 4,
  /// A session ended; `reason` says why.
  NBWSS_EVENT_DISCONNECTED = 5,
  /// The request callback runs inline (`dispatch.inline`) and takes longer than `dispatch.inlineLimit`: all
  /// sessions stand still meanwhile.
  NBWSS_EVENT_CALLBACK_BLOCKS = 6,
  /// The endpoint was activated.
  NBWSS_EVENT_ACTIVATED = 7,
  /// The endpoint was deactivated.
  NBWSS_EVENT_DEACTIVATED = 8,
  /// `outbox.store.path` cannot be written or read; `reason` says why. Notifications are refused until it can, and it
  /// is tried again by itself. Of no endpoint and no server group.
  NBWSS_EVENT_STORE_FAILED = 9,
  /// It can again.
  NBWSS_EVENT_STORE_RECOVERED = 10,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nbwss_event_kind nbwss_event_kind;
#else
typedef int32_t nbwss_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// The class of a reason: what a host decides by, where the words are for people.
enum nbwss_cause
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /// Nothing to tell.
  NBWSS_CAUSE_NONE = 0,
  /// The host's name could not be resolved.
  NBWSS_CAUSE_RESOLVE = 1,
  /// No TCP connection.
  NBWSS_CAUSE_TCP = 2,
  /// The proxy refused or failed.
  NBWSS_CAUSE_PROXY = 3,
  /// The dial callback.
  NBWSS_CAUSE_DIAL = 4,
  /// TLS: the certificate or the handshake.
  NBWSS_CAUSE_TLS = 5,
  /// The WebSocket upgrade broke HTTP or RFC 6455.
  NBWSS_CAUSE_UPGRADE = 6,
  /// The upgrade was answered with another HTTP status than 101: `code`.
  NBWSS_CAUSE_HTTP_STATUS = 7,
  /// No answer to CONNECT in time.
  NBWSS_CAUSE_NO_ANSWER = 8,
  /// The token was refused.
  NBWSS_CAUSE_TOKEN = 9,
  /// Too many pings without a pong.
  NBWSS_CAUSE_KEEP_ALIVE = 10,
  /// The peer closed the session, with the close code `code`.
  NBWSS_CAUSE_PEER_CLOSED = 11,
  /// The connection was lost without a close frame.
  NBWSS_CAUSE_LOST = 12,
  /// The peer broke the WebSocket or the NBWSS protocol.
  NBWSS_CAUSE_PROTOCOL = 13,
  /// Stopped, deactivated, removed or changed by the host.
  NBWSS_CAUSE_STOPPED = 14,
  /// A bug of the library.
  NBWSS_CAUSE_INTERNAL = 15,
  /// The database of notifications.
  NBWSS_CAUSE_STORE = 16,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nbwss_cause nbwss_cause;
#else
typedef int32_t nbwss_cause;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// How much a log line matters.
enum nbwss_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /// Something that was asked for cannot be done.
  NBWSS_LOG_ERROR = 1,
  /// Something went wrong and is being retried.
  NBWSS_LOG_WARN = 2,
  /// Sessions coming and going.
  NBWSS_LOG_INFO = 3,
  /// Each step of a connection.
  NBWSS_LOG_DEBUG = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nbwss_log_level nbwss_log_level;
#else
typedef int32_t nbwss_log_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// What was decided about a REST call when it arrived, or that it ended.
enum nbwss_audit_step
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /// Arrived, and handed to the host.
  NBWSS_AUDIT_ALLOWED = 1,
  /// Arrived, and refused by the policy: 403.
  NBWSS_AUDIT_REFUSED = 2,
  /// Arrived, and unusable: 400, 413, 414 or 431.
  NBWSS_AUDIT_MALFORMED = 3,
  /// Arrived, and over a limit, or too late before the end: 429 or 503.
  NBWSS_AUDIT_LIMITED = 4,
  /// Arrived again with its id: it gets the answer of the first time, or 409 where that could not be kept. No record of
  /// its end follows.
  NBWSS_AUDIT_REPEATED = 5,
  /// Arrived with the id of another request: 409.
  NBWSS_AUDIT_CONFLICT = 6,
  /// Ended: answered with `status_code`.
  NBWSS_AUDIT_ENDED = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nbwss_audit_step nbwss_audit_step;
#else
typedef int32_t nbwss_audit_step;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// An endpoint's connection.
enum nbwss_connection_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /// Not connected, and not being tried at this moment.
  NBWSS_DISCONNECTED = 0,
  /// Being connected.
  NBWSS_CONNECTING = 1,
  /// Established: the token was accepted.
  NBWSS_CONNECTED = 2,
  /// Told to end, and not ended yet.
  NBWSS_CLOSING = 3,
  /// The token was refused. The endpoint is tried again, slowly.
  NBWSS_REFUSED = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nbwss_connection_state nbwss_connection_state;
#else
typedef int32_t nbwss_connection_state;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// A step of a connection.
enum nbwss_phase
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /// Asking for the addresses of a name.
  NBWSS_PHASE_RESOLVE = 1,
  /// Reaching one of the addresses.
  NBWSS_PHASE_TCP = 2,
  /// Having a proxy reach the endpoint.
  NBWSS_PHASE_PROXY = 3,
  /// Having the dial callback reach the endpoint.
  NBWSS_PHASE_DIAL = 4,
  /// The TLS handshake, with verification.
  NBWSS_PHASE_TLS = 5,
  /// From HTTP to WebSocket.
  NBWSS_PHASE_UPGRADE = 6,
  /// The message with the token, and its answer.
  NBWSS_PHASE_CONNECT = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nbwss_phase nbwss_phase;
#else
typedef int32_t nbwss_phase;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/// Sessions to cloud applications, and everything that goes over them. May be used from any thread.
///
/// Life: new, add endpoints, start; and at the end drain, stop, wait, destroy. Only the last is a must.
typedef struct nbwss_connector nbwss_connector;

/// A list of endpoints: as they were at one moment, or as they are to be added.
typedef struct nbwss_endpoints nbwss_endpoints;

/// What was seen on the way to an endpoint. All texts are borrowed until it is freed, and none holds a secret.
typedef struct nbwss_inspection nbwss_inspection;

/// Settings and callbacks for connectors. May be used from several threads, and freed as soon as the
/// connectors are made.
typedef struct nbwss_options nbwss_options;

/// A REST call that the cloud application asks for. Texts read from it are borrowed until it is consumed by
/// `nbwss_request_respond` or `nbwss_request_fail`, exactly once, on any thread. It may outlive the connector.
typedef struct nbwss_request nbwss_request;

/// Text (UTF-8) or, for bodies, bytes: a pointer and a length in bytes. It need not end in NUL.
///
/// As an argument it is only read during the call; `ptr` may be NULL only together with `len` 0. As a result
/// it is borrowed, for as long as the function says. This struct never grows.
typedef struct nbwss_str {
  /// First byte.
  const char *ptr;
  /// Number of bytes.
  size_t len;
} nbwss_str;

/// A REST call that the cloud application asks for.
///
/// Runs on one of the `dispatch.threads`, so it may block (but with `dispatch.inline` on the thread of the sessions,
/// where it must not, and with `callbacks.poll` on the host's). Only calls that the policy allows get here. It (or
/// whoever it hands the request to, later, on any thread) must consume the request exactly once:
/// `nbwss_request_respond` or `nbwss_request_fail`. Without an answer within `dispatch.timeout` the cloud application
/// gets 504.
typedef void (*nbwss_request_callback)(struct nbwss_request *request, void *user_data);

/// Called once with a callback's `user_data`, after the callback's last call. May be NULL.
typedef void (*nbwss_destructor)(void *user_data);

/// A delivery report: exactly one for each accepted notification and each server group that existed then.
/// Borrowed during the callback.
typedef struct nbwss_delivery {
  /// Size of the struct as this library knows it.
  size_t struct_size;
  /// As `nbwss_notify_job`, `_image` or `_json` returned it.
  uint64_t sequence;
  /// The server group.
  struct nbwss_str group_id;
  /// What became of it.
  nbwss_delivery_outcome outcome;
  /// Empty when delivered.
  struct nbwss_str reason;
} nbwss_delivery;

/// Takes a delivery report. Runs on the report thread, or with `callbacks.poll` on the host's; should not block for
/// long, because events and log lines wait behind it.
typedef void (*nbwss_delivery_callback)(const struct nbwss_delivery *delivery, void *user_data);

/// A change of a connection. Borrowed during the callback.
typedef struct nbwss_event {
  /// Size of the struct as this library knows it.
  size_t struct_size;
  /// What happened.
  nbwss_event_kind kind;
  /// The endpoint.
  struct nbwss_str host_name;
  /// Its server group.
  struct nbwss_str group_id;
  /// Why, in words, on one line; empty when there is nothing to say.
  struct nbwss_str reason;
  /// Milliseconds to the server group's next attempt; -1 when none is planned.
  int64_t retry_in_ms;
  /// The class of the reason.
  nbwss_cause cause;
  /// A close code (RFC 6455, section 7.4) or an HTTP status, where the cause says so; else 0.
  int32_t code;
} nbwss_event;

/// Takes an event. Runs on the report thread, or with `callbacks.poll` on the host's.
typedef void (*nbwss_event_callback)(const struct nbwss_event *event, void *user_data);

/// One line for the host's log, free of secrets and control characters. Borrowed during the callback.
typedef struct nbwss_log {
  /// Size of the struct as this library knows it.
  size_t struct_size;
  /// How much it matters. The setting `log.level` decides what is made at all.
  nbwss_log_level level;
  /// Milliseconds since 1970.
  int64_t time_ms;
  /// The line, without a line end.
  struct nbwss_str text;
} nbwss_log;

/// Takes a log line. Runs on the report thread, or with `callbacks.poll` on the host's.
typedef void (*nbwss_log_callback)(const struct nbwss_log *line, void *user_data);

/// A record for the audit: one when a REST call arrives, one when it ends. Never a body, a header or a query.
/// Borrowed during the callback.
typedef struct nbwss_audit {
  /// Size of the struct as this library knows it.
  size_t struct_size;
  /// Arrival with its decision, or end.
  nbwss_audit_step step;
  /// Seconds since 1970.
  int64_t time;
  /// The endpoint that asked.
  struct nbwss_str host_name;
  /// Its server group.
  struct nbwss_str group_id;
  /// The request's id: the cloud application's text as it was sent, of at most 128 bytes, control characters included.
  struct nbwss_str id;
  /// HTTP method; empty where the call could not be read.
  struct nbwss_str method;
  /// Path in its normal form, without the query; empty where the call could not be read.
  struct nbwss_str path;
  /// At the end: HTTP status of the answer.
  int32_t status_code;
  /// On arrival: size of the request's body. At the end: size of the answer's.
  uint64_t body_bytes;
  /// At the end: microseconds since arrival.
  uint64_t duration_us;
} nbwss_audit;

/// Takes an audit record. Runs on the report thread, or with `callbacks.poll` on the host's. While many wait, no more
/// calls are read from the network, so none goes unrecorded.
typedef void (*nbwss_audit_callback)(const struct nbwss_audit *record, void *user_data);

/// The request is not wanted any more: its deadline has passed, or the session that asked is gone. Told once, and
/// only of requests that `nbwss_request_callback` was given. It must still be consumed. If another thread may have
/// done so meanwhile, the handle may be dead: compare it, or use it and get a status, but read no texts from it.
/// Runs on the report thread, or with `callbacks.poll` on the host's.
typedef void (*nbwss_cancel_callback)(struct nbwss_request *request, void *user_data);

/// A connection that the host is to make. Borrowed during the callback.
typedef struct nbwss_dial {
  /// Size of the struct as this library knows it.
  size_t struct_size;
  /// Host name or address, without brackets. Ends in NUL, which does not count.
  struct nbwss_str host;
  /// TCP port.
  uint16_t port;
  /// Milliseconds after which the socket is not wanted any more: the setting `connect.timeout`.
  uint32_t timeout_ms;
} nbwss_dial;

/// A socket of the operating system: a file descriptor, or a `SOCKET` on Windows.
typedef ptrdiff_t nbwss_socket;

/// Makes a connection by a way that only the host knows: NTLM or Kerberos to a proxy, a VPN, a socket handed over. Used
/// instead of name resolution, TCP and the settings `proxy.*`; TLS with the endpoint is the library's in any case.
///
/// Puts a connected stream socket (TCP or, on Unix, local) into `*socket`, which the library closes from then on, and
/// returns 0; or returns another number, which the reason of the failed attempt then shows. Runs on an `nbwss-dns`
/// thread and may block until `timeout_ms` have passed; a socket that comes later is closed. While one runs,
/// `nbwss_connector_destroy` waits for it.
typedef int32_t (*nbwss_dial_callback)(const struct nbwss_dial *dial, nbwss_socket *socket, void *user_data);

/// Gives the key for the tokens in `endpoint.store.path`: fills in the 32 bytes at `key` and returns 0, or returns
/// another number, which `nbwss_connector_new` then tells. Called once, during `nbwss_connector_new`, on its thread.
typedef int32_t (*nbwss_store_key_callback)(uint8_t *key, void *user_data);

/// What a drain counted: once per notification and server group, since the connector was made.
typedef struct nbwss_drained {
  /// `sizeof(nbwss_drained)`: start from `NBWSS_DRAINED_INIT`.
  size_t struct_size;
  /// Acknowledged.
  uint64_t delivered;
  /// Not acknowledged yet.
  uint64_t pending;
  /// Given up, with a report.
  uint64_t abandoned;
} nbwss_drained;

/// Totals since the connector was made. Start from `NBWSS_STATS_INIT`.
typedef struct nbwss_stats {
  /// `sizeof(nbwss_stats)`.
  size_t struct_size;
  /// Sessions established at this moment.
  uint64_t sessions;
  /// Notifications acknowledged, once per server group; likewise the next two.
  uint64_t notifications_delivered;
  /// Notifications not acknowledged yet.
  uint64_t notifications_pending;
  /// Notifications given up, with a report.
  uint64_t notifications_abandoned;
  /// REST calls handed to the host.
  uint64_t calls_allowed;
  /// REST calls refused by the policy (403).
  uint64_t calls_refused;
  /// REST calls that were unusable (400, 413, 414, 431).
  uint64_t calls_malformed;
  /// REST calls over a limit, or while shutting down (429, 503).
  uint64_t calls_limited;
  /// REST calls that came again and share the first answer.
  uint64_t calls_repeated;
  /// REST calls with the id of another request (409).
  uint64_t calls_conflicting;
  /// REST calls answered with 504 because the host had not answered.
  uint64_t calls_expired;
  /// Answers of the host that came too late.
  uint64_t answers_late;
  /// Requests that the host let go of without an answer (500).
  uint64_t answers_missing;
  /// Inline request callbacks that took longer than `dispatch.inlineLimit`.
  uint64_t callbacks_blocked;
  /// All notifications with a smaller sequence number are safe in `outbox.store.path`; 0 without one.
  uint64_t notifications_stored_before;
  /// Requests that the host holds at this moment, answered for it or not: what `dispatch.maxOutstanding` counts.
  uint64_t requests_outstanding;
} nbwss_stats;

/// How the server groups are connected. Start from `NBWSS_HEALTH_INIT`.
///
/// A group counts when it is started and has an active endpoint. It is connected while a session is authenticated and
/// its peer was heard within the keep-alive limit: `keepAlive.scheduledRate` times one more than
/// `keepAlive.maxPongMissAllowed`. All is well where `groups_connected` equals `groups`.
typedef struct nbwss_health {
  /// `sizeof(nbwss_health)`.
  size_t struct_size;
  /// Groups that should be connected.
  uint64_t groups;
  /// Those that are.
  uint64_t groups_connected;
  /// All endpoints.
  uint64_t endpoints;
  /// Those that are active.
  uint64_t endpoints_active;
  /// Those that refused the token.
  uint64_t endpoints_refused;
} nbwss_health;

/// The notifications of one server group. Start from `NBWSS_GROUP_COUNTS_INIT`.
typedef struct nbwss_group_counts {
  /// `sizeof(nbwss_group_counts)`.
  size_t struct_size;
  /// Notifications that wait, for sending or for their acknowledgement.
  uint64_t pending;
  /// Encoded bytes from the oldest that waits to the newest.
  uint64_t pending_bytes;
  /// How long the oldest waits already, by the wall clock and to the second; 0 where none waits.
  uint64_t oldest_age_ms;
  /// Of those that wait: sent, and not acknowledged yet.
  uint64_t in_flight;
  /// Notifications acknowledged. Like all that follow since the connector was made.
  uint64_t delivered;
  /// Notifications given up, with a report.
  uint64_t abandoned;
  /// Messages sent for the first time.
  uint64_t messages;
  /// Messages sent again.
  uint64_t messages_resent;
} nbwss_group_counts;

/// How TLS with one endpoint is done, where that differs from the settings `tls.*`. Start from `NBWSS_TLS_INIT`; a
/// field that is left empty is not meant.
///
/// Nothing turns verification off. The administrator's way: `nbwss_endpoint_validate` shows the certificates, and what
/// is accepted comes here. A `pin` without certificate authorities says alone who the endpoint is (for self-signed
/// ones); with them, both must hold.
typedef struct nbwss_tls {
  /// `sizeof(nbwss_tls)`.
  size_t struct_size;
  /// Certificate authorities as PEM text; at most 64 KiB.
  struct nbwss_str ca_pem;
  /// Instead: a PEM file with them, read at each attempt.
  struct nbwss_str ca_file;
  /// The endpoint's own certificate: `certificate:` and its SHA-256 in hexadecimal digits, or `spki:` and that of its
  /// public key. Colons between the bytes are allowed.
  struct nbwss_str pin;
  /// Our certificate, for endpoints that ask for one: a PEM file with it and its issuers, read at each attempt.
  struct nbwss_str client_certificate_file;
  /// The PEM file with its private key.
  struct nbwss_str client_key_file;
} nbwss_tls;

/// What a cloud application hands out for its listening URL. Start from `NBWSS_ENDPOINT_INIT`.
typedef struct nbwss_endpoint {
  /// `sizeof(nbwss_endpoint)`.
  size_t struct_size;
  /// `hostName`: unique among the endpoints, compared without case; at most 253 bytes.
  struct nbwss_str host_name;
  /// `url`: `wss://` only, at most 2048 bytes. Its host is what the certificate must be for.
  struct nbwss_str url;
  /// `groupId`: at most one endpoint of a server group is connected at a time; at most 256 bytes.
  struct nbwss_str group_id;
  /// `token`: the proof of who we are; at most 16384 bytes. Copied, and wiped when no longer needed.
  struct nbwss_str token;
  /// `priority`, from 0: the lowest is tried first.
  int32_t priority;
  /// How TLS is done; NULL for the settings `tls.*`.
  const struct nbwss_tls *tls;
} nbwss_endpoint;

/// An endpoint as it was when the list was made: everything but the token, which only `nbwss_endpoints_token` shows.
/// Start from `NBWSS_ENDPOINT_INFO_INIT`. The texts are borrowed until the list is freed.
typedef struct nbwss_endpoint_info {
  /// `sizeof(nbwss_endpoint_info)`.
  size_t struct_size;
  /// As it was added.
  struct nbwss_str host_name;
  /// As it was added.
  struct nbwss_str url;
  /// The server group.
  struct nbwss_str group_id;
  /// The lowest is tried first.
  int32_t priority;
  /// Its connection.
  nbwss_connection_state state;
  /// ACTIVATED; or else DEACTIVATED, or not added yet.
  bool active;
  /// When it came into that state: milliseconds since 1970; 0 where it was not added yet.
  int64_t since_ms;
  /// Milliseconds to its next attempt; -1 when none is planned.
  int64_t next_attempt_in_ms;
  /// Milliseconds since the peer was last heard; -1 without a session.
  int64_t last_heard_ms;
  /// How often it was dialled.
  uint64_t attempts;
  /// How many sessions were established.
  uint64_t sessions;
  /// Its latest failure in words, which stays when it is over; empty if there was none.
  struct nbwss_str last_error;
  /// The class of that failure.
  nbwss_cause last_error_cause;
  /// When it was: milliseconds since 1970.
  int64_t last_error_ms;
  /// Its choice for TLS: certificate authorities as PEM text. Empty, as the next two, where there is none.
  struct nbwss_str ca_pem;
  /// A PEM file with certificate authorities.
  struct nbwss_str ca_file;
  /// What its certificate must be.
  struct nbwss_str pin;
} nbwss_endpoint_info;

/// What became of an inspection. Start from `NBWSS_INSPECTION_RESULT_INIT`.
typedef struct nbwss_inspection_result {
  /// `sizeof(nbwss_inspection_result)`.
  size_t struct_size;
  /// Every step was done.
  bool ok;
  /// The certificates are what the choice for TLS trusts.
  bool trusted;
  /// Why they are not, in words; empty where they are, or none were seen.
  struct nbwss_str distrust;
  /// PEM text of the certificate that, given as `ca_pem`, makes the endpoint trusted: what an administrator accepts
  /// after having compared fingerprints. Empty where there is none, and only a pin can do.
  struct nbwss_str ca_to_accept;
  /// `TLS 1.3` or `TLS 1.2`; empty where it did not get so far.
  struct nbwss_str tls_version;
  /// Why the last step failed, in words; empty where it was done.
  struct nbwss_str failure;
  /// The class of that failure.
  nbwss_cause cause;
} nbwss_inspection_result;

/// A certificate, the endpoint's own first. Start from `NBWSS_CERTIFICATE_INIT`.
typedef struct nbwss_certificate {
  /// `sizeof(nbwss_certificate)`.
  size_t struct_size;
  /// Distinguished name (RFC 4514).
  struct nbwss_str subject;
  /// Distinguished name of who signed it.
  struct nbwss_str issuer;
  /// What it is for: `DNS:...` and `IP:...`, separated by `, `.
  struct nbwss_str names;
  /// Serial number in hexadecimal digits.
  struct nbwss_str serial;
  /// First second of its time, since 1970.
  int64_t not_before;
  /// Last second of its time, since 1970.
  int64_t not_after;
  /// `RSA 2048`, `ECDSA P-256`, `Ed25519`, ...
  struct nbwss_str key_type;
  /// SHA-256 of the certificate, in hexadecimal digits: what `certificate:` pins.
  struct nbwss_str sha256;
  /// SHA-256 of its public key, in hexadecimal digits: what `spki:` pins.
  struct nbwss_str spki_sha256;
  /// It may sign others.
  bool is_ca;
  /// The certificate as PEM text.
  struct nbwss_str pem;
} nbwss_certificate;

/// One step of an inspection. Start from `NBWSS_STEP_INIT`.
typedef struct nbwss_step {
  /// `sizeof(nbwss_step)`.
  size_t struct_size;
  /// What was done.
  nbwss_phase phase;
  /// With whom: a name, an address or a proxy.
  struct nbwss_str peer;
  /// How long it took, in microseconds.
  uint64_t duration_us;
  /// What went wrong, in words; empty where nothing did.
  struct nbwss_str failure;
} nbwss_step;

/// What is known of a job. A job is announced when it starts, in whatever state it then is, and when it is
/// `DONE`, failed or not. Names other than those shown pass through. Start from `NBWSS_JOB_INIT`.
typedef struct nbwss_job {
  /// `sizeof(nbwss_job)`.
  size_t struct_size;
  /// `scheduleType`, for example `ST_FULL`. May be empty. Like every text here at most 4096 bytes.
  struct nbwss_str schedule_type;
  /// `clientName`: the host that is backed up or restored.
  struct nbwss_str client_name;
  /// `policyName`; empty for a restore.
  struct nbwss_str policy_name;
  /// `policyType`, for example `VMWARE` or `STANDARD`. May be empty.
  struct nbwss_str policy_type;
  /// `jobType`, for example `BACKUP` or `RESTORE`.
  struct nbwss_str job_type;
  /// `state`: `QUEUED`, `ACTIVE` or `DONE`.
  struct nbwss_str state;
  /// `status`: 0 for success.
  int64_t status;
  /// `startTime`, in seconds since 1970.
  int64_t start_time;
  /// `parentJobId`: equal to `job_id` for a top-level job.
  int64_t parent_job_id;
  /// `jobId`, from 1.
  int64_t job_id;
} nbwss_job;

/// What is known of a backup image. Start from `NBWSS_IMAGE_INIT`.
typedef struct nbwss_image {
  /// `sizeof(nbwss_image)`.
  size_t struct_size;
  /// `clientType`, for example `VMWARE` or `STANDARD`. May be empty. Like every text here at most 4096 bytes.
  struct nbwss_str client_type;
  /// `clientName`: the host that was backed up.
  struct nbwss_str client_name;
  /// `operationId`: `CREATE`, `UPDATE`, `DELETE` or `NO_LOCAL_COPY_AVAILABLE`.
  struct nbwss_str operation_id;
  /// `backupId`: `clientName_backupTime`.
  struct nbwss_str backup_id;
  /// `backupTime`, in seconds since 1970.
  int64_t backup_time;
  /// `createdTime`, in seconds since 1970.
  int64_t created_time;
} nbwss_image;

/// An HTTP header. This struct never grows.
typedef struct nbwss_header {
  /// A name as HTTP allows it (RFC 9110, section 5.1).
  struct nbwss_str name;
  /// A value without control characters.
  struct nbwss_str value;
} nbwss_header;

/// The answer to a request. Start from `NBWSS_RESPONSE_INIT`. Everything is copied during the call.
typedef struct nbwss_response {
  /// `sizeof(nbwss_response)`.
  size_t struct_size;
  /// HTTP status, 100 to 599.
  int32_t status_code;
  /// `header_count` headers; NULL if that is 0. At most 100, each name once. Names are sent in lower case.
  const struct nbwss_header *headers;
  /// Number of headers.
  size_t header_count;
  /// The body; `ptr` NULL for none. Bytes that are not UTF-8 are sent in base64, with a header that says so.
  struct nbwss_str body;
} nbwss_response;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// The code's name, for example `"NBWSS_TIMEOUT"`; `"NBWSS_UNKNOWN_STATUS"` for a number that is no code.
/// The text is static and never NULL.
const char *nbwss_status_name(int32_t status);

/// Why this thread's last failed call failed: which argument, field or key, what is wrong with it and what
/// would be right, followed by the causes. Empty if no call failed. Never holds a secret.
///
/// The text ends in NUL and is borrowed until this thread's next call that fails. Calls that succeed leave it.
struct nbwss_str nbwss_last_error(void);

/// The library's version, for example `"0.1.0"`. The text is static.
const char *nbwss_version(void);

/// Whether a host compiled with the header of this version may use the library: the same major version (for
/// 0.x the same minor version), and not a newer minor version. Call it as `nbwss_check_compat()`.
///
/// Returns `NBWSS_OK` or `NBWSS_INCOMPATIBLE`.
nbwss_status nbwss_check_compat_version(uint32_t major, uint32_t minor, uint32_t patch);

/// Makes options with every setting at its default and no callbacks.
///
/// `*options` is to be freed with `nbwss_options_free`.
nbwss_status nbwss_options_new(struct nbwss_options **options);

/// Changes one setting, given as text. share/doc/nbwss/settings.md lists all keys; those of `nbwss.properties` are among
/// them. White space around the value counts for nothing, but in text, secrets and paths it belongs to them.
///
/// Returns `NBWSS_UNKNOWN_KEY` or `NBWSS_INVALID_VALUE`; the last error names key, value and bounds.
nbwss_status nbwss_options_set_n(struct nbwss_options *options,
                                 struct nbwss_str key,
                                 struct nbwss_str value);

/// Changes one setting that is a number. Otherwise as `nbwss_options_set_n`.
nbwss_status nbwss_options_set_int_n(struct nbwss_options *options, struct nbwss_str key, int64_t value);

/// Changes one setting that is true or false. Otherwise as `nbwss_options_set_n`.
nbwss_status nbwss_options_set_bool_n(struct nbwss_options *options, struct nbwss_str key, bool value);

/// Reads a file of settings, as NetBackup's `nbwss.properties` is: lines of `key=value` or `key: value`, comments that
/// begin with `#` or `!`, blank lines. White space around keys and values is passed over. All or nothing.
///
/// A key that this library does not know does no harm: `*unknown`, unless NULL, gets a line `line 7: its.key` for each,
/// separated by line ends; empty where all are known. Borrowed until the next file is loaded into these options, or they
/// are freed.
///
/// Returns `NBWSS_IO` where the file cannot be read or a line is not `key=value`, and `NBWSS_INVALID_VALUE`; the last
/// error names the line.
nbwss_status nbwss_options_load_file_n(struct nbwss_options *options,
                                       struct nbwss_str path,
                                       struct nbwss_str *unknown);

/// Sets the callback for REST calls. Without one they are answered with 501; without a rule in the setting
/// `dispatch.policy` that allows them, with 403. With `dispatch.forward.url` the library makes the calls itself.
///
/// On `NBWSS_OK` the options own `user_data`: `destructor` runs exactly once, after the last call, when the
/// options are freed (or the callback is replaced) and every connector made with it is destroyed; on the thread
/// that does the last of these. On any other status it does not run. The same holds for the other callbacks.
nbwss_status nbwss_options_on_request(struct nbwss_options *options,
                                      nbwss_request_callback callback,
                                      void *user_data,
                                      nbwss_destructor destructor);

/// Sets the callback for delivery reports. Ownership as for `nbwss_options_on_request`.
nbwss_status nbwss_options_on_delivery(struct nbwss_options *options,
                                       nbwss_delivery_callback callback,
                                       void *user_data,
                                       nbwss_destructor destructor);

/// Sets the callback for changes of connections. Ownership as for `nbwss_options_on_request`.
nbwss_status nbwss_options_on_event(struct nbwss_options *options,
                                    nbwss_event_callback callback,
                                    void *user_data,
                                    nbwss_destructor destructor);

/// Sets the callback for log lines. Ownership as for `nbwss_options_on_request`.
nbwss_status nbwss_options_on_log(struct nbwss_options *options,
                                  nbwss_log_callback callback,
                                  void *user_data,
                                  nbwss_destructor destructor);

/// Sets the callback for the audit of REST calls. Ownership as for `nbwss_options_on_request`.
nbwss_status nbwss_options_on_audit(struct nbwss_options *options,
                                    nbwss_audit_callback callback,
                                    void *user_data,
                                    nbwss_destructor destructor);

/// Sets the callback for requests that are not wanted any more. Ownership as for `nbwss_options_on_request`.
nbwss_status nbwss_options_on_cancel(struct nbwss_options *options,
                                     nbwss_cancel_callback callback,
                                     void *user_data,
                                     nbwss_destructor destructor);

/// Sets the callback that makes the connections. Ownership as for `nbwss_options_on_request`.
nbwss_status nbwss_options_on_dial(struct nbwss_options *options,
                                   nbwss_dial_callback callback,
                                   void *user_data,
                                   nbwss_destructor destructor);

/// Sets the callback that gives the key for the tokens in `endpoint.store.path`: they are then encrypted (AES-256-GCM).
/// A database that was written without a key is encrypted when it is first opened with one. Ownership as for
/// `nbwss_options_on_request`.
nbwss_status nbwss_options_on_store_key(struct nbwss_options *options,
                                        nbwss_store_key_callback callback,
                                        void *user_data,
                                        nbwss_destructor destructor);

/// Gives the key for the tokens in `endpoint.store.path` itself: 32 bytes, which are copied. Otherwise as
/// `nbwss_options_on_store_key`, which it replaces.
nbwss_status nbwss_options_set_store_key(struct nbwss_options *options, const uint8_t *key, size_t size);

/// Frees options. NULL is nothing to do.
nbwss_status nbwss_options_free(struct nbwss_options *options);

/// Makes a connector from options, which may be changed or freed afterwards. It has its threads but is not
/// started: it takes endpoints and notifications and dials nobody.
///
/// `*connector` is to be destroyed with `nbwss_connector_destroy`. Returns `NBWSS_IO` or `NBWSS_TLS` where a file of
/// the settings `tls.*` cannot be used, an `NBWSS_STORE...` status for `endpoint.store.path` and
/// `outbox.store.path`, `NBWSS_INVALID_VALUE` for
/// settings that do not go together, and `NBWSS_IO` where threads cannot be made.
///
/// A process that becomes a daemon by `fork` must do so before the first call of `nbwss_options_new`.
nbwss_status nbwss_connector_new(const struct nbwss_options *options,
                                 struct nbwss_connector **connector);

/// Starts dialling: a session for every server group. Does not wait; idempotent; possible again after stop.
nbwss_status nbwss_connector_start(struct nbwss_connector *connector);

/// Ends all sessions with a close frame and dials no more. Does not wait; idempotent. Notifications stay, and
/// requests in the host's hands may still be answered: the answer is kept for the request's repetition.
nbwss_status nbwss_connector_stop(struct nbwss_connector *connector);

/// Waits at most `timeout_ms` milliseconds until every accepted notification is acknowledged (or given up) and
/// its delivery report was made. Accepting goes on meanwhile.
///
/// `drained` may be NULL; it is filled in for `NBWSS_OK` and `NBWSS_TIMEOUT`. Returns `NBWSS_ILLEGAL_STATE`
/// at once from a callback.
nbwss_status nbwss_connector_drain(struct nbwss_connector *connector,
                                   uint32_t timeout_ms,
                                   struct nbwss_drained *drained);

/// Totals since the connector was made: what a monitor wants to see. Never waits.
nbwss_status nbwss_connector_stats(struct nbwss_connector *connector, struct nbwss_stats *stats);

/// How the server groups are connected. Never waits for the network.
nbwss_status nbwss_connector_health(struct nbwss_connector *connector, struct nbwss_health *health);

/// After stop: waits at most `timeout_ms` milliseconds until every session has ended.
///
/// Returns `NBWSS_TIMEOUT`; `NBWSS_ILLEGAL_STATE` while started and, at once, from a callback.
nbwss_status nbwss_connector_wait(struct nbwss_connector *connector, uint32_t timeout_ms);

/// Ends everything, within the setting `shutdown.timeout` whatever the network or a callback does: requests in
/// flight are answered with 503, sessions closed, notifications without an acknowledgement reported as
/// abandoned, or as kept in `outbox.store.path`. After `NBWSS_OK` the handle is dead, all threads have ended (but one in
/// the system's resolver, which ends by itself), and no callback runs or will run. NULL is nothing to do.
///
/// Returns `NBWSS_TIMEOUT` where a callback of the host, or the disk of a database, has not returned: no other callback
/// will be begun, and the handle stays, for another destroy only. Returns `NBWSS_ILLEGAL_STATE` at once from a callback.
///
/// With `callbacks.poll` the last callbacks run on this thread, and the time that they take themselves is not bounded.
nbwss_status nbwss_connector_destroy(struct nbwss_connector *connector);

/// With the setting `callbacks.poll`: runs the callbacks that wait, on this thread. With none it waits for the first, at
/// most `timeout_ms` milliseconds. `*ran` (may be NULL) is how many ran; 0 where the time is over, which is no error.
///
/// Callbacks run on one thread at a time, in the order that each kind has. After some 1000 of them it returns, so that the
/// host gets to its own work: what is left keeps the descriptor readable. The functions that wait (`nbwss_connector_drain`,
/// `_wait` and `_destroy`) run callbacks meanwhile, too. Requests that nobody polls get 504 at `dispatch.timeout`.
///
/// Returns `NBWSS_ILLEGAL_STATE` without that setting and, at once, from a callback.
nbwss_status nbwss_connector_poll(struct nbwss_connector *connector,
                                  uint32_t timeout_ms,
                                  size_t *ran);

/// The descriptor that is readable while callbacks wait for `nbwss_connector_poll`: for select, poll, epoll or kqueue.
/// It may seldom be readable without any. It is the library's until the connector is destroyed: wait for it, and do
/// nothing else with it.
///
/// Returns `NBWSS_ILLEGAL_STATE` without the setting `callbacks.poll`, and on Windows.
nbwss_status nbwss_connector_poll_fd(struct nbwss_connector *connector,
                                     nbwss_socket *fd);

/// Replaces the rules for REST calls, from the next call on. They begin as the setting `dispatch.policy` has them;
/// without a rule nothing is allowed, and the first rule that matches decides.
///
/// One rule a line, or between semicolons: `allow` or `deny`, methods (`GET`, `GET,POST` or `*`), a path, and if
/// wanted `group` and a server group. In a path `*` stands for one segment and `/**` at its end for any number:
/// `allow GET /netbackup/**; allow POST /netbackup/login group cloud`. A `#` at the start of a word begins a comment.
/// Paths have case. A path that is denied is denied with a slash at its end and without.
///
/// Returns `NBWSS_INVALID_VALUE`; the last error names the rule, and the policy is as it was.
nbwss_status nbwss_connector_set_policy_n(struct nbwss_connector *connector,
                                          struct nbwss_str rules);

/// Starts a server group that was stopped on its own. Groups start out started.
///
/// Returns `NBWSS_NOT_FOUND` for a group without an endpoint.
nbwss_status nbwss_group_start_n(struct nbwss_connector *connector, struct nbwss_str group_id);

/// Stops one server group: its session is closed, the others go on, its notifications stay.
///
/// Returns `NBWSS_NOT_FOUND` for a group without an endpoint.
nbwss_status nbwss_group_stop_n(struct nbwss_connector *connector, struct nbwss_str group_id);

/// What waits for a server group, and what became of the rest. Never waits.
///
/// Returns `NBWSS_NOT_FOUND` for a group that has no endpoint and nothing in `outbox.store.path`.
nbwss_status nbwss_group_stats_n(struct nbwss_connector *connector,
                                 struct nbwss_str group_id,
                                 struct nbwss_group_counts *stats);

/// Gives up, with reports, what waits for a server group that has no endpoint and will have none: one that
/// `outbox.store.path` still knows from an earlier process.
///
/// Returns `NBWSS_NOT_FOUND`; `NBWSS_ILLEGAL_STATE` while the group has an endpoint.
nbwss_status nbwss_group_forget_n(struct nbwss_connector *connector, struct nbwss_str group_id);

/// Adds an endpoint, activated. If the connector is started, it is dialled at once, unless its server group has a
/// connection. With the setting `endpoint.store.path`, it is on the disk when this returns.
///
/// Returns an `NBWSS_ENDPOINT_...` status (the last error names the field), `NBWSS_DUPLICATE_ENDPOINT`, `NBWSS_IO` or
/// `NBWSS_TLS` for a file of the choice for TLS, or `NBWSS_STORE`.
nbwss_status nbwss_endpoint_add(struct nbwss_connector *connector,
                                const struct nbwss_endpoint *endpoint);

/// Adds the endpoint, or all endpoints of the array, in a JSON text with the keys `hostName`, `url`, `groupId`,
/// `priority` (a number, or a number in a string) and `token`; others are ignored. All or nothing; at most 64 KiB.
/// To show them before they are added, or for a choice of TLS, see `nbwss_endpoints_read_json`.
///
/// Returns as `nbwss_endpoint_add`.
nbwss_status nbwss_endpoint_add_json_n(struct nbwss_connector *connector,
                                       struct nbwss_str json);

/// As `nbwss_endpoint_add_json_n`, from a file. Returns in addition `NBWSS_IO` where it cannot be read.
nbwss_status nbwss_endpoint_add_file_n(struct nbwss_connector *connector, struct nbwss_str path);

/// As `nbwss_endpoint_add_json_n`, from an `https://` URL that the cloud application generated, fetched as
/// `nbwss_endpoints_fetch` does. Waits for the network. Returns in addition `NBWSS_FETCH_FAILED`;
/// `NBWSS_ILLEGAL_STATE` at once from a callback.
nbwss_status nbwss_endpoint_add_url_n(struct nbwss_connector *connector, struct nbwss_str url);

/// Removes an endpoint by host name, compared without case, and closes its session. With the last endpoint of
/// a server group go the group's notifications, each with a delivery report.
///
/// Returns `NBWSS_NOT_FOUND` or `NBWSS_STORE`, as the following do.
nbwss_status nbwss_endpoint_remove_n(struct nbwss_connector *connector, struct nbwss_str host_name);

/// Activates an endpoint that was deactivated: it is dialled at once, unless its server group has a connection.
nbwss_status nbwss_endpoint_activate_n(struct nbwss_connector *connector,
                                       struct nbwss_str host_name);

/// Deactivates an endpoint: its session is closed, and it is not tried. Its group's notifications stay.
nbwss_status nbwss_endpoint_deactivate_n(struct nbwss_connector *connector, struct nbwss_str host_name);

/// Gives an endpoint a new token. It is dialled anew with it at once; its session, opened with the old token, is
/// closed. An endpoint that had refused the old one is not left alone any longer.
///
/// Returns in addition an `NBWSS_ENDPOINT_...` status.
nbwss_status nbwss_endpoint_set_token_n(struct nbwss_connector *connector,
                                        struct nbwss_str host_name,
                                        struct nbwss_str token);

/// Gives an endpoint another choice for TLS (NULL: the settings `tls.*`) and dials it anew, as `nbwss_endpoint_set_token`.
nbwss_status nbwss_endpoint_set_tls_n(struct nbwss_connector *connector,
                                      struct nbwss_str host_name,
                                      const struct nbwss_tls *tls);

/// Gives an endpoint another priority. It counts from the group's next selection on: there is no fail-back.
///
/// Returns in addition `NBWSS_ENDPOINT_BAD_PRIORITY`.
nbwss_status nbwss_endpoint_set_priority_n(struct nbwss_connector *connector,
                                           struct nbwss_str host_name,
                                           int32_t priority);

/// Reconnects now: ends the session of the endpoint's server group, if there is one, forgets pauses and refusals, and
/// dials anew, the best endpoint first.
nbwss_status nbwss_endpoint_reconnect_n(struct nbwss_connector *connector,
                                        struct nbwss_str host_name);

/// One endpoint as it is now: a list of one. `*endpoints` is to be freed with `nbwss_endpoints_free`.
nbwss_status nbwss_endpoint_get_n(struct nbwss_connector *connector,
                                  struct nbwss_str host_name,
                                  struct nbwss_endpoints **endpoints);

/// All endpoints as they are now, ordered by host name. `*endpoints` is to be freed with `nbwss_endpoints_free`.
nbwss_status nbwss_endpoint_list(struct nbwss_connector *connector,
                                 struct nbwss_endpoints **endpoints);

/// Reads the endpoint, or all endpoints of the array, in a JSON text as `nbwss_endpoint_add_json` takes it, without
/// adding anything: an administrator may look at them first. `*endpoints` is to be freed with `nbwss_endpoints_free`.
///
/// Returns an `NBWSS_ENDPOINT_...` status; the last error names the field, or line and column.
nbwss_status nbwss_endpoints_read_json_n(struct nbwss_str json,
                                         struct nbwss_endpoints **endpoints);

/// As `nbwss_endpoints_read_json_n`, from a file. Returns in addition `NBWSS_IO` where it cannot be read.
nbwss_status nbwss_endpoints_read_file_n(struct nbwss_str path, struct nbwss_endpoints **endpoints);

/// As `nbwss_endpoints_read_json_n`, from an `https://` URL that the cloud application generated. It is fetched by the
/// connector's own way out (proxy) and trust (`tls.caFile`); redirects to another origin are not followed; bounded by
/// `endpoint.url.maxBytes` and `endpoint.url.timeout`. The connector need not be started.
///
/// Waits for the network. Returns in addition `NBWSS_FETCH_FAILED`; `NBWSS_ILLEGAL_STATE` at once from a callback.
nbwss_status nbwss_endpoints_fetch_n(struct nbwss_connector *connector,
                                     struct nbwss_str url,
                                     struct nbwss_endpoints **endpoints);

/// Adds all endpoints of a list or none. `tls` is the choice for TLS of each; NULL for the settings `tls.*`.
///
/// Returns as `nbwss_endpoint_add`.
nbwss_status nbwss_endpoints_add(struct nbwss_connector *connector,
                                 const struct nbwss_endpoints *endpoints,
                                 const struct nbwss_tls *tls);

/// How many endpoints the list has.
nbwss_status nbwss_endpoints_count(const struct nbwss_endpoints *endpoints, size_t *count);

/// One endpoint of the list, counted from 0.
///
/// Returns `NBWSS_NOT_FOUND` past the end.
nbwss_status nbwss_endpoints_get(const struct nbwss_endpoints *endpoints,
                                 size_t index,
                                 struct nbwss_endpoint_info *info);

/// Copies the token of one endpoint of the list, counted from 0, into the host's buffer: the only function that shows
/// one. `*length` is its length in bytes; nothing is appended to it. With `size` 0, `buffer` may be NULL, to ask for the
/// length alone.
///
/// Returns `NBWSS_INVALID_ARGUMENT` where `size` is not 0 and too small, and copies nothing then; `NBWSS_NOT_FOUND` past
/// the end. The buffer is the host's to wipe.
nbwss_status nbwss_endpoints_token(const struct nbwss_endpoints *endpoints,
                                   size_t index,
                                   char *buffer,
                                   size_t size,
                                   size_t *length);

/// Frees a list. NULL is nothing to do.
nbwss_status nbwss_endpoints_free(struct nbwss_endpoints *endpoints);

/// Validates an endpoint before it is added: dials it (through the proxy, if there is one), finishes the TLS handshake
/// without sending a byte more, and shows its certificates, trusted or not. `tls` is the choice for TLS to judge them
/// by; NULL for the settings `tls.*`. The connector need not be started.
///
/// An endpoint that cannot be reached is not an error of this call: the steps tell. Waits for the network, for each step
/// at most `connect.timeout`. `*inspection` is to be freed with `nbwss_inspection_free`.
///
/// Returns an `NBWSS_ENDPOINT_...` status for the URL; `NBWSS_ILLEGAL_STATE` at once from a callback.
nbwss_status nbwss_endpoint_validate_n(struct nbwss_connector *connector,
                                       struct nbwss_str url,
                                       const struct nbwss_tls *tls,
                                       struct nbwss_inspection **inspection);

/// Diagnoses an added endpoint: the same walk, and then the real one to its end, the WebSocket upgrade; with `connect`
/// the token is sent, too, and the answer awaited. For an endpoint that has a session this is a second connection.
///
/// Otherwise as `nbwss_endpoint_validate`. Returns in addition `NBWSS_NOT_FOUND`.
nbwss_status nbwss_endpoint_diagnose_n(struct nbwss_connector *connector,
                                       struct nbwss_str host_name,
                                       bool connect,
                                       struct nbwss_inspection **inspection);

/// What became of it.
nbwss_status nbwss_inspection_get_result(const struct nbwss_inspection *inspection,
                                         struct nbwss_inspection_result *result);

/// How many certificates the endpoint showed.
nbwss_status nbwss_inspection_certificate_count(const struct nbwss_inspection *inspection, size_t *count);

/// One certificate, counted from 0: the endpoint's own, then its issuers, as the endpoint sent them.
///
/// Returns `NBWSS_NOT_FOUND` past the end.
nbwss_status nbwss_inspection_certificate(const struct nbwss_inspection *inspection,
                                          size_t index,
                                          struct nbwss_certificate *certificate);

/// How many steps were taken.
nbwss_status nbwss_inspection_step_count(const struct nbwss_inspection *inspection, size_t *count);

/// One step, counted from 0, in the order taken.
///
/// Returns `NBWSS_NOT_FOUND` past the end.
nbwss_status nbwss_inspection_step(const struct nbwss_inspection *inspection,
                                   size_t index,
                                   struct nbwss_step *step);

/// All of it as text of several lines, for a person: an operator can send it to support.
nbwss_status nbwss_inspection_text(const struct nbwss_inspection *inspection, struct nbwss_str *text);

/// Frees an inspection. NULL is nothing to do.
nbwss_status nbwss_inspection_free(struct nbwss_inspection *inspection);

/// Accepts a job notification for every server group that has an endpoint (or had one, in an earlier process with the
/// same `outbox.store.path`). Never waits for the network; with a store it waits for the disk, unless
/// `outbox.store.sync` is off, and at a limit as long as `outbox.fullWait` allows.
///
/// After `NBWSS_OK` it is delivered at least once to each of these groups, in the order accepted, or reported
/// as abandoned; `*sequence` (may be NULL) is its number in the delivery reports. Returns
/// `NBWSS_INVALID_NOTIFICATION` (the last error names the field), `NBWSS_NO_ENDPOINT`, `NBWSS_QUEUE_FULL` at
/// `outbox.maxCount` or `outbox.maxBytes`, or `NBWSS_STORE` where it cannot be stored: it is not accepted then.
nbwss_status nbwss_notify_job(struct nbwss_connector *connector,
                              const struct nbwss_job *job,
                              uint64_t *sequence);

/// Tells that a job waits. The simple way to tell the life of a job: keep one `nbwss_job` from its beginning to its end,
/// fill in what it is, and give it to `nbwss_job_queued`, `nbwss_job_active` and `nbwss_job_done`, those that apply.
/// They fill in `state`, `status`, `start_time` (now, unless it is set) and `parent_job_id` (`job_id`, unless it is set).
///
/// Otherwise as `nbwss_notify_job`. Unless this returns `NBWSS_OK`, `*job` is as it was.
nbwss_status nbwss_job_queued(struct nbwss_connector *connector,
                              struct nbwss_job *job,
                              uint64_t *sequence);

/// Tells that a job runs. Otherwise as `nbwss_job_queued`.
nbwss_status nbwss_job_active(struct nbwss_connector *connector, struct nbwss_job *job, uint64_t *sequence);

/// Tells that a job has ended, with this status: 0 for success. Otherwise as `nbwss_job_queued`.
nbwss_status nbwss_job_done(struct nbwss_connector *connector,
                            struct nbwss_job *job,
                            int64_t status,
                            uint64_t *sequence);

/// Accepts an image notification. Otherwise as `nbwss_notify_job`.
nbwss_status nbwss_notify_image(struct nbwss_connector *connector,
                                const struct nbwss_image *image,
                                uint64_t *sequence);

/// Accepts a notification in JSON, for fields that this header does not know: an object with
/// `notificationType` and `object` (texts) and `data` (an array of at least one object). It is sent as it is.
/// Otherwise as `nbwss_notify_job`.
nbwss_status nbwss_notify_json_n(struct nbwss_connector *connector,
                                 struct nbwss_str notification,
                                 uint64_t *sequence);

/// The request's id, as the cloud application gave it: at most 128 bytes, control characters included.
nbwss_status nbwss_request_id(const struct nbwss_request *request, struct nbwss_str *id);

/// The host name of the endpoint that asks.
nbwss_status nbwss_request_host_name(const struct nbwss_request *request, struct nbwss_str *host_name);

/// The server group of the endpoint that asks.
nbwss_status nbwss_request_group_id(const struct nbwss_request *request, struct nbwss_str *group_id);

/// The HTTP method: an HTTP token of at most 32 bytes without small letters.
nbwss_status nbwss_request_method(const struct nbwss_request *request, struct nbwss_str *method);

/// Path and query: visible ASCII, starting with `/`, at most 8192 bytes. The path is in the normal form that the
/// policy was asked about: no `.`, `..` or empty segments, no encoded separators, percent-encoding only where it
/// is needed. The query is as it was sent.
nbwss_status nbwss_request_uri(const struct nbwss_request *request,
                               struct nbwss_str *uri);

/// The body, usually JSON; `ptr` NULL if there is none.
nbwss_status nbwss_request_body(const struct nbwss_request *request, struct nbwss_str *body);

/// The value of the first header with this name, compared without case.
///
/// Returns `NBWSS_NOT_FOUND`.
nbwss_status nbwss_request_header_n(const struct nbwss_request *request,
                                    struct nbwss_str name,
                                    struct nbwss_str *value);

/// How many headers the request has.
nbwss_status nbwss_request_header_count(const struct nbwss_request *request, size_t *count);

/// One header, counted from 0 in the order sent.
///
/// Returns `NBWSS_NOT_FOUND` past the end.
nbwss_status nbwss_request_header_at(const struct nbwss_request *request,
                                     size_t index,
                                     struct nbwss_header *header);

/// Whether anybody still waits for the answer: the deadline has not passed, and the session that asked is there.
/// (An answer that comes after the session has ended is still worth giving: it is kept for the request's repetition.)
nbwss_status nbwss_request_is_wanted(const struct nbwss_request *request,
                                     bool *wanted);

/// Answers the request and consumes it, whatever the status.
///
/// Returns `NBWSS_EXPIRED` when nobody waits for the answer any more: after `dispatch.timeout` (the cloud
/// application has its 504), or when the connector is destroyed. Returns `NBWSS_INVALID_ARGUMENT` for a response
/// that cannot be sent; the cloud application then gets 500.
nbwss_status nbwss_request_respond(struct nbwss_request *request,
                                   const struct nbwss_response *response);

/// Answers the request with an error and consumes it, whatever the status. The body has the shape of NetBackup's
/// errors: `{"errorCode": status_code, "errorMessage": message}`.
///
/// Returns as `nbwss_request_respond`.
nbwss_status nbwss_request_fail_n(struct nbwss_request *request,
                                  int32_t status_code,
                                  struct nbwss_str message);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus


/* Initial values. */

/** @{ */
/** What a struct of this name starts from. */
#define NBWSS_STR_INIT { NULL, 0 }
#define NBWSS_DRAINED_INIT { sizeof(nbwss_drained), 0, 0, 0 }
#define NBWSS_STATS_INIT { sizeof(nbwss_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
#define NBWSS_GROUP_COUNTS_INIT { sizeof(nbwss_group_counts), 0, 0, 0, 0, 0, 0, 0, 0 }
#define NBWSS_HEALTH_INIT { sizeof(nbwss_health), 0, 0, 0, 0, 0 }
#define NBWSS_TLS_INIT \
  { sizeof(nbwss_tls), NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT }
#define NBWSS_ENDPOINT_INIT \
  { sizeof(nbwss_endpoint), NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, 0, NULL }
#define NBWSS_ENDPOINT_INFO_INIT \
  { sizeof(nbwss_endpoint_info), NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, 0, NBWSS_DISCONNECTED, false, \
    0, 0, 0, 0, 0, NBWSS_STR_INIT, NBWSS_CAUSE_NONE, 0, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT }
#define NBWSS_INSPECTION_RESULT_INIT \
  { sizeof(nbwss_inspection_result), false, false, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, \
    NBWSS_STR_INIT, NBWSS_CAUSE_NONE }
#define NBWSS_CERTIFICATE_INIT \
  { sizeof(nbwss_certificate), NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, 0, 0, \
    NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, false, NBWSS_STR_INIT }
#define NBWSS_STEP_INIT { sizeof(nbwss_step), NBWSS_PHASE_RESOLVE, NBWSS_STR_INIT, 0, NBWSS_STR_INIT }
#define NBWSS_JOB_INIT \
  { sizeof(nbwss_job), NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, \
    NBWSS_STR_INIT, 0, 0, 0, 0 }
#define NBWSS_IMAGE_INIT \
  { sizeof(nbwss_image), NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, 0, 0 }
#define NBWSS_RESPONSE_INIT { sizeof(nbwss_response), 200, NULL, 0, NBWSS_STR_INIT }

/** @} */

/** A text that ends in NUL as pointer and length. */
static inline nbwss_str nbwss_str_z(const char *text) {
  nbwss_str view = NBWSS_STR_INIT;
  view.ptr = text;
  view.len = text != NULL ? strlen(text) : 0;
  return view;
}

/** Whether the library fits the header that this host is compiled with. Call it once, first. */
static inline nbwss_status nbwss_check_compat(void) {
  return nbwss_check_compat_version(NBWSS_VERSION_MAJOR, NBWSS_VERSION_MINOR, NBWSS_VERSION_PATCH);
}

/* Twins that take text ending in NUL. */

/** @{ */
/** As its twin that ends in _n, for text that ends in NUL. */
static inline nbwss_status nbwss_options_set(nbwss_options *options, const char *key, const char *value) {
  return nbwss_options_set_n(options, nbwss_str_z(key), nbwss_str_z(value));
}

static inline nbwss_status nbwss_options_set_int(nbwss_options *options, const char *key, int64_t value) {
  return nbwss_options_set_int_n(options, nbwss_str_z(key), value);
}

static inline nbwss_status nbwss_options_set_bool(nbwss_options *options, const char *key, bool value) {
  return nbwss_options_set_bool_n(options, nbwss_str_z(key), value);
}

static inline nbwss_status nbwss_options_load_file(nbwss_options *options, const char *path, nbwss_str *unknown) {
  return nbwss_options_load_file_n(options, nbwss_str_z(path), unknown);
}

static inline nbwss_status nbwss_connector_set_policy(nbwss_connector *connector, const char *rules) {
  return nbwss_connector_set_policy_n(connector, nbwss_str_z(rules));
}

static inline nbwss_status nbwss_group_start(nbwss_connector *connector, const char *group_id) {
  return nbwss_group_start_n(connector, nbwss_str_z(group_id));
}

static inline nbwss_status nbwss_group_stop(nbwss_connector *connector, const char *group_id) {
  return nbwss_group_stop_n(connector, nbwss_str_z(group_id));
}

static inline nbwss_status nbwss_group_stats(nbwss_connector *connector, const char *group_id,
                                                nbwss_group_counts *stats) {
  return nbwss_group_stats_n(connector, nbwss_str_z(group_id), stats);
}

static inline nbwss_status nbwss_group_forget(nbwss_connector *connector, const char *group_id) {
  return nbwss_group_forget_n(connector, nbwss_str_z(group_id));
}

static inline nbwss_status nbwss_endpoint_add_json(nbwss_connector *connector, const char *json) {
  return nbwss_endpoint_add_json_n(connector, nbwss_str_z(json));
}

static inline nbwss_status nbwss_endpoint_add_file(nbwss_connector *connector, const char *path) {
  return nbwss_endpoint_add_file_n(connector, nbwss_str_z(path));
}

static inline nbwss_status nbwss_endpoint_add_url(nbwss_connector *connector, const char *url) {
  return nbwss_endpoint_add_url_n(connector, nbwss_str_z(url));
}

static inline nbwss_status nbwss_endpoint_remove(nbwss_connector *connector, const char *host_name) {
  return nbwss_endpoint_remove_n(connector, nbwss_str_z(host_name));
}

static inline nbwss_status nbwss_endpoint_activate(nbwss_connector *connector, const char *host_name) {
  return nbwss_endpoint_activate_n(connector, nbwss_str_z(host_name));
}

static inline nbwss_status nbwss_endpoint_deactivate(nbwss_connector *connector, const char *host_name) {
  return nbwss_endpoint_deactivate_n(connector, nbwss_str_z(host_name));
}

static inline nbwss_status nbwss_endpoint_reconnect(nbwss_connector *connector, const char *host_name) {
  return nbwss_endpoint_reconnect_n(connector, nbwss_str_z(host_name));
}

static inline nbwss_status nbwss_endpoint_set_token(nbwss_connector *connector, const char *host_name,
                                                    const char *token) {
  return nbwss_endpoint_set_token_n(connector, nbwss_str_z(host_name), nbwss_str_z(token));
}

static inline nbwss_status nbwss_endpoint_set_tls(nbwss_connector *connector, const char *host_name,
                                                  const nbwss_tls *tls) {
  return nbwss_endpoint_set_tls_n(connector, nbwss_str_z(host_name), tls);
}

static inline nbwss_status nbwss_endpoint_set_priority(nbwss_connector *connector, const char *host_name,
                                                       int32_t priority) {
  return nbwss_endpoint_set_priority_n(connector, nbwss_str_z(host_name), priority);
}

static inline nbwss_status nbwss_endpoint_get(nbwss_connector *connector, const char *host_name,
                                              nbwss_endpoints **endpoints) {
  return nbwss_endpoint_get_n(connector, nbwss_str_z(host_name), endpoints);
}

static inline nbwss_status nbwss_endpoint_validate(nbwss_connector *connector, const char *url,
                                                   const nbwss_tls *tls, nbwss_inspection **inspection) {
  return nbwss_endpoint_validate_n(connector, nbwss_str_z(url), tls, inspection);
}

static inline nbwss_status nbwss_endpoint_diagnose(nbwss_connector *connector, const char *host_name, bool connect,
                                                   nbwss_inspection **inspection) {
  return nbwss_endpoint_diagnose_n(connector, nbwss_str_z(host_name), connect, inspection);
}

static inline nbwss_status nbwss_endpoints_read_json(const char *json, nbwss_endpoints **endpoints) {
  return nbwss_endpoints_read_json_n(nbwss_str_z(json), endpoints);
}

static inline nbwss_status nbwss_endpoints_read_file(const char *path, nbwss_endpoints **endpoints) {
  return nbwss_endpoints_read_file_n(nbwss_str_z(path), endpoints);
}

static inline nbwss_status nbwss_endpoints_fetch(nbwss_connector *connector, const char *url,
                                                 nbwss_endpoints **endpoints) {
  return nbwss_endpoints_fetch_n(connector, nbwss_str_z(url), endpoints);
}

static inline nbwss_status nbwss_notify_json(nbwss_connector *connector, const char *notification,
                                             uint64_t *sequence) {
  return nbwss_notify_json_n(connector, nbwss_str_z(notification), sequence);
}

static inline nbwss_status nbwss_request_header(const nbwss_request *request, const char *name, nbwss_str *value) {
  return nbwss_request_header_n(request, nbwss_str_z(name), value);
}

static inline nbwss_status nbwss_request_fail(nbwss_request *request, int32_t status_code, const char *message) {
  return nbwss_request_fail_n(request, status_code, nbwss_str_z(message));
}

/** @} */

#if defined(__cplusplus) && defined(__cpp_exceptions)
/**
 * A request callback that may throw, as one that does not: the request is then answered with 500, unless it was
 * consumed before: `nbwss_options_on_request(options, nbwss_guard<on_request>, data, NULL)`.
 */
template <void (*Callback)(nbwss_request *, void *)>
void nbwss_guard(nbwss_request *request, void *user_data) noexcept {
  try {
    Callback(request, user_data);
  } catch (...) {
    nbwss_request_fail(request, 500, "the host failed");
  }
}
#endif

#endif  /* NBWSS_H */
