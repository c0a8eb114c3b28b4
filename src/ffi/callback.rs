//! The way back: C functions with their user data behind the [`Host`] trait.

use std::ffi::c_void;
use std::mem::size_of;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::handle;
use super::request::nbwss_request;
use super::str::nbwss_str;
use crate::connector::{Delivery, Event, EventKind, Host, LogLevel, LogLine, Request};
use crate::outbox::Outcome;

/// Called once with a callback's `user_data`, after the callback's last call. May be NULL.
pub type nbwss_destructor = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// A REST call that the cloud application asks for.
///
/// Runs on one of the `dispatch.threads`, so it may block. It (or whoever it hands the request to, later, on
/// any thread) must consume the request exactly once: `nbwss_request_respond` or `nbwss_request_fail`. Without
/// an answer within `dispatch.timeout` the cloud application gets 504.
pub type nbwss_request_callback = Option<unsafe extern "C" fn(request: *mut nbwss_request, user_data: *mut c_void)>;

/// What became of a notification in a server group.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub enum nbwss_delivery_outcome {
    /// Acknowledged by the cloud application.
    NBWSS_DELIVERED = 0,
    /// Given up; `reason` says why. It may have arrived.
    NBWSS_ABANDONED = 1,
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

/// Takes a delivery report. Runs on the report thread; should not block for long, because events and log
/// lines wait behind it.
pub type nbwss_delivery_callback =
    Option<unsafe extern "C" fn(delivery: *const nbwss_delivery, user_data: *mut c_void)>;

/// What happened to a connection.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub enum nbwss_event_kind {
    /// Dialling begins.
    NBWSS_EVENT_CONNECTING = 1,
    /// The token was accepted: the session is established.
    NBWSS_EVENT_ESTABLISHED = 2,
    /// The token was refused (`valid: false`). The endpoint is left alone for `connectionInfo.period`.
    NBWSS_EVENT_REJECTED = 3,
    /// No session came about; `reason` says in which phase and why.
    NBWSS_EVENT_CONNECT_FAILED = 4,
    /// A session ended; `reason` says why.
    NBWSS_EVENT_DISCONNECTED = 5,
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
}

/// Takes an event. Runs on the report thread.
pub type nbwss_event_callback = Option<unsafe extern "C" fn(event: *const nbwss_event, user_data: *mut c_void)>;

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

/// Takes a log line. Runs on the report thread.
pub type nbwss_log_callback = Option<unsafe extern "C" fn(line: *const nbwss_log, user_data: *mut c_void)>;

/// A C function and its user data.
pub(super) struct Callback<F> {
    function: F,
    user_data: *mut c_void,
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
    pub(super) request: Option<Arc<Callback<unsafe extern "C" fn(*mut nbwss_request, *mut c_void)>>>,
    pub(super) delivery: Option<Arc<Callback<unsafe extern "C" fn(*const nbwss_delivery, *mut c_void)>>>,
    pub(super) event: Option<Arc<Callback<unsafe extern "C" fn(*const nbwss_event, *mut c_void)>>>,
    pub(super) log: Option<Arc<Callback<unsafe extern "C" fn(*const nbwss_log, *mut c_void)>>>,
}

impl Host for Callbacks {
    fn on_request(&self, request: Request) {
        let Some(callback) = &self.request else {
            // Expired is as good as answered.
            let _ = request.fail(501, "the host takes no requests");
            return;
        };
        // Refused only in a forked child, which has no thread that could get here.
        let Ok(handle) = handle::insert::<nbwss_request>(Arc::new(request)) else { return };
        // SAFETY: the host's function with the host's data; the handle is live until the host consumes it.
        unsafe { (callback.function)(handle, callback.user_data) }
    }

    fn wants_deliveries(&self) -> bool {
        self.delivery.is_some()
    }

    fn on_delivery(&self, delivery: &Delivery) {
        let Some(callback) = &self.delivery else { return };
        let (outcome, reason) = match delivery.outcome {
            Outcome::Delivered => (nbwss_delivery_outcome::NBWSS_DELIVERED, c""),
            Outcome::GroupRemoved => {
                (nbwss_delivery_outcome::NBWSS_ABANDONED, c"the server group's last endpoint was removed")
            }
            Outcome::Shutdown => {
                (nbwss_delivery_outcome::NBWSS_ABANDONED, c"not acknowledged when the connector was destroyed")
            }
        };
        let delivery = nbwss_delivery {
            struct_size: size_of::<nbwss_delivery>(),
            sequence: delivery.sequence,
            group_id: nbwss_str::borrow(&delivery.group_id),
            outcome,
            reason: nbwss_str::literal(reason),
        };
        // SAFETY: the host's function with the host's data; the report lives during the call.
        unsafe { (callback.function)(&delivery, callback.user_data) }
    }

    fn on_event(&self, event: &Event) {
        let Some(callback) = &self.event else { return };
        let event = nbwss_event {
            struct_size: size_of::<nbwss_event>(),
            kind: match event.kind {
                EventKind::Connecting => nbwss_event_kind::NBWSS_EVENT_CONNECTING,
                EventKind::Established => nbwss_event_kind::NBWSS_EVENT_ESTABLISHED,
                EventKind::Rejected => nbwss_event_kind::NBWSS_EVENT_REJECTED,
                EventKind::ConnectFailed => nbwss_event_kind::NBWSS_EVENT_CONNECT_FAILED,
                EventKind::Disconnected => nbwss_event_kind::NBWSS_EVENT_DISCONNECTED,
            },
            host_name: nbwss_str::borrow(&event.host_name),
            group_id: nbwss_str::borrow(&event.group_id),
            reason: nbwss_str::borrow(&event.reason),
            retry_in_ms: event.retry_in.map_or(-1, |pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)),
        };
        // SAFETY: the host's function with the host's data; the event lives during the call.
        unsafe { (callback.function)(&event, callback.user_data) }
    }

    fn on_log(&self, line: &LogLine) {
        let Some(callback) = &self.log else { return };
        let since_1970 = line.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = nbwss_log {
            struct_size: size_of::<nbwss_log>(),
            level: match line.level {
                LogLevel::Off | LogLevel::Error => nbwss_log_level::NBWSS_LOG_ERROR,
                LogLevel::Warn => nbwss_log_level::NBWSS_LOG_WARN,
                LogLevel::Info => nbwss_log_level::NBWSS_LOG_INFO,
                LogLevel::Debug => nbwss_log_level::NBWSS_LOG_DEBUG,
            },
            time_ms: i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX),
            text: nbwss_str::borrow(&line.text),
        };
        // SAFETY: the host's function with the host's data; the line lives during the call.
        unsafe { (callback.function)(&line, callback.user_data) }
    }
}
