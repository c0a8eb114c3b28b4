//! The C functions behind the [`Host`] trait: each is given a struct that lives during the call.

use std::borrow::Cow;
use std::ffi::CString;
use std::mem::size_of;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use socket2::Socket;
use zeroize::Zeroizing;

use super::callback::*;
use super::handle;
use super::request::nbwss_request;
use super::str::nbwss_str;
use crate::connector::{AuditRecord, Delivery, Event, EventKind, Host, LogLevel, LogLine, Request, Wants};
use crate::dispatch::{Decision, Step};
use crate::endpoint::StoreKey;
use crate::error::Error;
use crate::outbox::Outcome;

/// What a store key callback fills in.
const STORE_KEY_BYTES: usize = 32;

/// Why a notification was given up.
fn why(outcome: Outcome) -> Cow<'static, str> {
    let why = match outcome {
        Outcome::Expired { setting } => return format!("let go while the server group was away ({setting})").into(),
        Outcome::Delivered => "",
        Outcome::Kept => "not acknowledged when the connector was destroyed; kept for the next",
        Outcome::GroupRemoved => "the server group's last endpoint was removed",
        Outcome::Shutdown => "not acknowledged when the connector was destroyed",
        Outcome::NeverAcknowledged => "never acknowledged, while others were (notification.maxAttempts)",
        Outcome::Superseded => "a later state of the job was waiting (outbox.collapseJobs)",
        Outcome::Damaged => "damaged in the store",
    };
    why.into()
}

impl Host for Callbacks {
    fn on_request(&self, request: Request) {
        let Some(callback) = &self.request else {
            // Expired is as good as answered.
            let _ = request.fail(501, "the host takes no requests");
            return;
        };
        // Refused only in a forked child, which has no thread that could get here.
        let request = Arc::new(request);
        let Ok(handle) = handle::insert::<nbwss_request>(request.clone()) else { return };
        if self.cancel.is_some() {
            request.set_tag(handle as u64);
        }
        drop(request);
        // SAFETY: the host's function with the host's data; the handle is live until the host consumes it.
        unsafe { (callback.function)(handle, callback.user_data) }
    }

    fn wants(&self) -> Wants {
        Wants {
            deliveries: self.delivery.is_some(),
            events: self.event.is_some(),
            audit: self.audit.is_some(),
            cancel: self.cancel.is_some(),
            log: self.log.is_some(),
            dial: self.dial.is_some(),
        }
    }

    fn on_delivery(&self, delivery: &Delivery) {
        let Some(callback) = &self.delivery else { return };
        let (outcome, reason) = match delivery.outcome {
            Outcome::Delivered => (nbwss_delivery_outcome::NBWSS_DELIVERED, "".into()),
            Outcome::Kept => (nbwss_delivery_outcome::NBWSS_KEPT, why(Outcome::Kept)),
            given_up => (nbwss_delivery_outcome::NBWSS_ABANDONED, why(given_up)),
        };
        let delivery = nbwss_delivery {
            struct_size: size_of::<nbwss_delivery>(),
            sequence: delivery.sequence,
            group_id: nbwss_str::borrow(&delivery.group_id),
            outcome,
            reason: nbwss_str::borrow(&reason),
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
                EventKind::CallbackBlocks => nbwss_event_kind::NBWSS_EVENT_CALLBACK_BLOCKS,
                EventKind::Activated => nbwss_event_kind::NBWSS_EVENT_ACTIVATED,
                EventKind::Deactivated => nbwss_event_kind::NBWSS_EVENT_DEACTIVATED,
                EventKind::StoreFailed => nbwss_event_kind::NBWSS_EVENT_STORE_FAILED,
                EventKind::StoreRecovered => nbwss_event_kind::NBWSS_EVENT_STORE_RECOVERED,
            },
            host_name: nbwss_str::borrow(&event.host_name),
            group_id: nbwss_str::borrow(&event.group_id),
            reason: nbwss_str::borrow(&event.reason),
            retry_in_ms: event.retry_in.map_or(-1, |pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)),
            cause: event.cause.into(),
            code: event.code.into(),
        };
        // SAFETY: the host's function with the host's data; the event lives during the call.
        unsafe { (callback.function)(&event, callback.user_data) }
    }

    fn on_audit(&self, record: &AuditRecord) {
        let Some(callback) = &self.audit else { return };
        let (step, status_code, body_bytes, duration) = match record.step {
            Step::Arrived { decision, request_bytes } => {
                let step = match decision {
                    Decision::Allowed => nbwss_audit_step::NBWSS_AUDIT_ALLOWED,
                    Decision::Refused => nbwss_audit_step::NBWSS_AUDIT_REFUSED,
                    Decision::Malformed => nbwss_audit_step::NBWSS_AUDIT_MALFORMED,
                    Decision::Limited => nbwss_audit_step::NBWSS_AUDIT_LIMITED,
                    Decision::Repeated => nbwss_audit_step::NBWSS_AUDIT_REPEATED,
                    Decision::Conflict => nbwss_audit_step::NBWSS_AUDIT_CONFLICT,
                };
                (step, 0, request_bytes, Duration::ZERO)
            }
            Step::Ended { status_code, response_bytes, duration } => {
                (nbwss_audit_step::NBWSS_AUDIT_ENDED, status_code, response_bytes, duration)
            }
        };
        let record = nbwss_audit {
            struct_size: size_of::<nbwss_audit>(),
            step,
            time: record.time,
            host_name: nbwss_str::borrow(&record.host_name),
            group_id: nbwss_str::borrow(&record.group_id),
            id: nbwss_str::borrow(&record.id),
            method: nbwss_str::borrow(&record.method),
            path: nbwss_str::borrow(&record.path),
            status_code: status_code.into(),
            body_bytes: body_bytes as u64,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
        };
        // SAFETY: the host's function with the host's data; the record lives during the call.
        unsafe { (callback.function)(&record, callback.user_data) }
    }

    fn on_cancel(&self, tag: u64) {
        let Some(callback) = &self.cancel else { return };
        // SAFETY: the host's function with the host's data; the handle is checked whenever it is used.
        unsafe { (callback.function)(tag as *mut nbwss_request, callback.user_data) }
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

    fn dial(&self, host: &str, port: u16, timeout: Duration) -> Result<Socket, String> {
        let callback = self.dial.as_ref().ok_or("there is no dial callback")?;
        let host = CString::new(host).map_err(|_| "the host name holds a NUL character")?;
        let dial = nbwss_dial {
            struct_size: size_of::<nbwss_dial>(),
            host: nbwss_str { ptr: host.as_ptr(), len: host.count_bytes() },
            port,
            timeout_ms: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
        };
        let mut socket: nbwss_socket = -1;
        // SAFETY: the host's function with the host's data; both places live during the call.
        let result = unsafe { (callback.function)(&dial, &mut socket, callback.user_data) };
        if result != 0 {
            return Err(format!("the dial callback returned {result}"));
        }
        owned_socket(socket)
    }

    fn store_key(&self) -> Result<Option<StoreKey>, Error> {
        let Some(callback) = &self.store_key else { return Ok(self.fixed_store_key.clone()) };
        let mut key = Zeroizing::new([0; STORE_KEY_BYTES]);
        // SAFETY: the host's function with the host's data; the place lives during the call.
        let result = unsafe { (callback.function)(key.as_mut_ptr(), callback.user_data) };
        if result != 0 {
            return Err(Error::NoStoreKey(result));
        }
        StoreKey::new(&*key).map(Some)
    }
}

/// Takes a socket over from the host.
#[cfg(unix)]
fn owned_socket(socket: nbwss_socket) -> Result<Socket, String> {
    use std::os::fd::{FromRawFd, OwnedFd, RawFd};
    let no_socket = || "the dial callback gave no socket".to_owned();
    let descriptor = RawFd::try_from(socket).ok().filter(|fd| *fd >= 0).ok_or_else(no_socket)?;
    // SAFETY: only asks about a number, whatever it is.
    if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } < 0 {
        return Err(no_socket());
    }
    // SAFETY: an open descriptor that the host gives to us, by the header.
    Ok(Socket::from(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

/// Takes a socket over from the host.
#[cfg(windows)]
fn owned_socket(socket: nbwss_socket) -> Result<Socket, String> {
    use std::os::windows::io::{FromRawSocket, OwnedSocket, RawSocket};
    if socket < 0 {
        return Err("the dial callback gave no socket".to_owned());
    }
    // SAFETY: an open socket that the host gives to us, by the header.
    Ok(Socket::from(unsafe { OwnedSocket::from_raw_socket(socket as RawSocket) }))
}
