//! The way back: the C functions that a host may set, and what they are given. [`super::host`] calls them.
//!
//! They must not throw. Their ABI is "C-unwind" all the same, so that a C++ exception reaches our `catch_unwind`, which
//! aborts: the process ends in a defined way.

use std::ffi::c_void;
use std::sync::Arc;

use super::request::nbwss_request;
use super::str::nbwss_str;
use crate::connector::Cause;
use crate::endpoint::StoreKey;

/// Called once with a callback's `user_data`, after the callback's last call. May be NULL.
pub type nbwss_destructor = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

/// A REST call that the cloud application asks for.
///
/// Runs on one of the `dispatch.threads`, so it may block (but with `dispatch.inline` on the thread of the sessions,
/// where it must not, and with `callbacks.poll` on the host's). Only calls that the policy allows get here. It (or
/// whoever it hands the request to, later, on any thread) must consume the request exactly once:
/// `nbwss_request_respond` or `nbwss_request_fail`. Without an answer within `dispatch.timeout` the cloud application
/// gets 504.
pub type nbwss_request_callback =
    Option<unsafe extern "C-unwind" fn(request: *mut nbwss_request, user_data: *mut c_void)>;

/// What became of a notification in a server group.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub enum nbwss_delivery_outcome {
    /// Acknowledged by the cloud application.
    NBWSS_DELIVERED = 0,
    /// Given up; `reason` says why. It may have arrived.
    NBWSS_ABANDONED = 1,
    /// Not acknowledged when the connector was destroyed, and kept in `outbox.store.path`: the next connector with
    /// that store goes on with it, and its report has the same sequence number.
    NBWSS_KEPT = 2,
}

/// A delivery report: exactly one for each accepted notification and each server group that existed then.
/// Borrowed during the callback.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_delivery {
    /// Size of the struct as this library knows it.
    pub struct_size: usize,
    /// As `nbwss_notify_job`, `_image` or `_json` returned it.
    pub sequence: u64,
    /// The server group.
    pub group_id: nbwss_str,
    /// What became of it.
    pub outcome: nbwss_delivery_outcome,
    /// Empty when delivered.
    pub reason: nbwss_str,
}

/// Takes a delivery report. Runs on the report thread, or with `callbacks.poll` on the host's; should not block for
/// long, because events and log lines wait behind it.
pub type nbwss_delivery_callback =
    Option<unsafe extern "C-unwind" fn(delivery: *const nbwss_delivery, user_data: *mut c_void)>;

/// What happened to a connection.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub enum nbwss_event_kind {
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
}

/// The class of a reason: what a host decides by, where the words are for people.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub enum nbwss_cause {
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
}

impl From<Cause> for nbwss_cause {
    fn from(cause: Cause) -> nbwss_cause {
        match cause {
            Cause::None => nbwss_cause::NBWSS_CAUSE_NONE,
            Cause::Resolve => nbwss_cause::NBWSS_CAUSE_RESOLVE,
            Cause::Tcp => nbwss_cause::NBWSS_CAUSE_TCP,
            Cause::Proxy => nbwss_cause::NBWSS_CAUSE_PROXY,
            Cause::HostDial => nbwss_cause::NBWSS_CAUSE_DIAL,
            Cause::Tls => nbwss_cause::NBWSS_CAUSE_TLS,
            Cause::Upgrade => nbwss_cause::NBWSS_CAUSE_UPGRADE,
            Cause::HttpStatus => nbwss_cause::NBWSS_CAUSE_HTTP_STATUS,
            Cause::NoAnswer => nbwss_cause::NBWSS_CAUSE_NO_ANSWER,
            Cause::Token => nbwss_cause::NBWSS_CAUSE_TOKEN,
            Cause::KeepAlive => nbwss_cause::NBWSS_CAUSE_KEEP_ALIVE,
            Cause::PeerClosed => nbwss_cause::NBWSS_CAUSE_PEER_CLOSED,
            Cause::Lost => nbwss_cause::NBWSS_CAUSE_LOST,
            Cause::Protocol => nbwss_cause::NBWSS_CAUSE_PROTOCOL,
            Cause::Stopped => nbwss_cause::NBWSS_CAUSE_STOPPED,
            Cause::Internal => nbwss_cause::NBWSS_CAUSE_INTERNAL,
            Cause::Store => nbwss_cause::NBWSS_CAUSE_STORE,
        }
    }
}

/// A change of a connection. Borrowed during the callback.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_event {
    /// Size of the struct as this library knows it.
    pub struct_size: usize,
    /// What happened.
    pub kind: nbwss_event_kind,
    /// The endpoint.
    pub host_name: nbwss_str,
    /// Its server group.
    pub group_id: nbwss_str,
    /// Why, in words, on one line; empty when there is nothing to say.
    pub reason: nbwss_str,
    /// Milliseconds to the server group's next attempt; -1 when none is planned.
    pub retry_in_ms: i64,
    /// The class of the reason.
    pub cause: nbwss_cause,
    /// A close code (RFC 6455, section 7.4) or an HTTP status, where the cause says so; else 0.
    pub code: i32,
}

/// Takes an event. Runs on the report thread, or with `callbacks.poll` on the host's.
pub type nbwss_event_callback = Option<unsafe extern "C-unwind" fn(event: *const nbwss_event, user_data: *mut c_void)>;

/// What was decided about a REST call when it arrived, or that it ended.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub enum nbwss_audit_step {
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
}

/// A record for the audit: one when a REST call arrives, one when it ends. Never a body, a header or a query.
/// Borrowed during the callback.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_audit {
    /// Size of the struct as this library knows it.
    pub struct_size: usize,
    /// Arrival with its decision, or end.
    pub step: nbwss_audit_step,
    /// Seconds since 1970.
    pub time: i64,
    /// The endpoint that asked.
    pub host_name: nbwss_str,
    /// Its server group.
    pub group_id: nbwss_str,
    /// The request's id: the cloud application's text as it was sent, of at most 128 bytes, control characters included.
    pub id: nbwss_str,
    /// HTTP method; empty where the call could not be read.
    pub method: nbwss_str,
    /// Path in its normal form, without the query; empty where the call could not be read.
    pub path: nbwss_str,
    /// At the end: HTTP status of the answer.
    pub status_code: i32,
    /// On arrival: size of the request's body. At the end: size of the answer's.
    pub body_bytes: u64,
    /// At the end: microseconds since arrival.
    pub duration_us: u64,
}

/// Takes an audit record. Runs on the report thread, or with `callbacks.poll` on the host's. While many wait, no more
/// calls are read from the network, so none goes unrecorded.
pub type nbwss_audit_callback = Option<unsafe extern "C-unwind" fn(record: *const nbwss_audit, user_data: *mut c_void)>;

/// The request is not wanted any more: its deadline has passed, or the session that asked is gone. Told once, and
/// only of requests that `nbwss_request_callback` was given. It must still be consumed. If another thread may have
/// done so meanwhile, the handle may be dead: compare it, or use it and get a status, but read no texts from it.
/// Runs on the report thread, or with `callbacks.poll` on the host's.
pub type nbwss_cancel_callback =
    Option<unsafe extern "C-unwind" fn(request: *mut nbwss_request, user_data: *mut c_void)>;

/// How much a log line matters.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub enum nbwss_log_level {
    /// Something that was asked for cannot be done.
    NBWSS_LOG_ERROR = 1,
    /// Something went wrong and is being retried.
    NBWSS_LOG_WARN = 2,
    /// Sessions coming and going.
    NBWSS_LOG_INFO = 3,
    /// Each step of a connection.
    NBWSS_LOG_DEBUG = 4,
}

/// One line for the host's log, free of secrets and control characters. Borrowed during the callback.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_log {
    /// Size of the struct as this library knows it.
    pub struct_size: usize,
    /// How much it matters. The setting `log.level` decides what is made at all.
    pub level: nbwss_log_level,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// The line, without a line end.
    pub text: nbwss_str,
}

/// Takes a log line. Runs on the report thread, or with `callbacks.poll` on the host's.
pub type nbwss_log_callback = Option<unsafe extern "C-unwind" fn(line: *const nbwss_log, user_data: *mut c_void)>;

/// A connection that the host is to make. Borrowed during the callback.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_dial {
    /// Size of the struct as this library knows it.
    pub struct_size: usize,
    /// Host name or address, without brackets. Ends in NUL, which does not count.
    pub host: nbwss_str,
    /// TCP port.
    pub port: u16,
    /// Milliseconds after which the socket is not wanted any more: the setting `connect.timeout`.
    pub timeout_ms: u32,
}

/// Makes a connection by a way that only the host knows: NTLM or Kerberos to a proxy, a VPN, a socket handed over. Used
/// instead of name resolution, TCP and the settings `proxy.*`; TLS with the endpoint is the library's in any case.
///
/// Puts a connected stream socket (TCP or, on Unix, local) into `*socket`, which the library closes from then on, and
/// returns 0; or returns another number, which the reason of the failed attempt then shows. Runs on an `nbwss-dns`
/// thread and may block until `timeout_ms` have passed; a socket that comes later is closed. While one runs,
/// `nbwss_connector_destroy` waits for it.
pub type nbwss_dial_callback = Option<
    unsafe extern "C-unwind" fn(dial: *const nbwss_dial, socket: *mut nbwss_socket, user_data: *mut c_void) -> i32,
>;

/// A socket of the operating system: a file descriptor, or a `SOCKET` on Windows.
pub type nbwss_socket = isize;

/// Gives the key for the tokens in `endpoint.store.path`: fills in the 32 bytes at `key` and returns 0, or returns
/// another number, which `nbwss_connector_new` then tells. Called once, during `nbwss_connector_new`, on its thread.
pub type nbwss_store_key_callback = Option<unsafe extern "C-unwind" fn(key: *mut u8, user_data: *mut c_void) -> i32>;

/// A C function and its user data.
pub(super) struct Callback<F> {
    pub(super) function: F,
    pub(super) user_data: *mut c_void,
    destructor: nbwss_destructor,
}

// SAFETY: the header says on which threads a callback and its destructor run; the host's user data is made
// for that, and we never look into it.
unsafe impl<F: Send> Send for Callback<F> {}
// SAFETY: as above.
unsafe impl<F: Sync> Sync for Callback<F> {}

impl<F> Callback<F> {
    pub(super) fn new(function: F, user_data: *mut c_void, destructor: nbwss_destructor) -> Arc<Callback<F>> {
        Arc::new(Callback { function, user_data, destructor })
    }
}

impl<F> Drop for Callback<F> {
    fn drop(&mut self) {
        if let Some(destructor) = self.destructor {
            // SAFETY: the host's own pair, called once, when nobody can call the function any more.
            unsafe { destructor(self.user_data) }
        }
    }
}

/// All callbacks of a connector. The destructors run when the options and every connector made from them are gone.
#[derive(Clone, Default)]
pub(super) struct Callbacks {
    pub(super) request: Option<Arc<Callback<unsafe extern "C-unwind" fn(*mut nbwss_request, *mut c_void)>>>,
    pub(super) delivery: Option<Arc<Callback<unsafe extern "C-unwind" fn(*const nbwss_delivery, *mut c_void)>>>,
    pub(super) event: Option<Arc<Callback<unsafe extern "C-unwind" fn(*const nbwss_event, *mut c_void)>>>,
    pub(super) audit: Option<Arc<Callback<unsafe extern "C-unwind" fn(*const nbwss_audit, *mut c_void)>>>,
    pub(super) cancel: Option<Arc<Callback<unsafe extern "C-unwind" fn(*mut nbwss_request, *mut c_void)>>>,
    pub(super) log: Option<Arc<Callback<unsafe extern "C-unwind" fn(*const nbwss_log, *mut c_void)>>>,
    pub(super) dial: Option<Arc<Callback<DialFunction>>>,
    pub(super) store_key: Option<Arc<Callback<unsafe extern "C-unwind" fn(*mut u8, *mut c_void) -> i32>>>,
    /// Given instead of a callback.
    pub(super) fixed_store_key: Option<StoreKey>,
}

type DialFunction = unsafe extern "C-unwind" fn(*const nbwss_dial, *mut nbwss_socket, *mut c_void) -> i32;
