//! `nbwss_connector`: its life, and its server groups.

use std::sync::Arc;
use std::time::Duration;

use super::boundary;
use super::callback::nbwss_socket;
use super::handle::{self, opaque};
use super::options::nbwss_options;
use super::ptr::{self, Growing, Out};
use super::signals;
use super::status::nbwss_status;
use super::str::nbwss_str;
use crate::connector::Connector;
use crate::error::Error;

/// Sessions to cloud applications, and everything that goes over them. May be used from any thread.
///
/// Life: new, add endpoints, start; and at the end drain, stop, wait, destroy. Only the last is a must.
pub struct nbwss_connector {
    _private: [u8; 0],
}

opaque!(nbwss_connector, Connector, Connector, "connector");

/// What a drain counted: once per notification and server group, since the connector was made.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_drained {
    /// `sizeof(nbwss_drained)`: start from `NBWSS_DRAINED_INIT`.
    pub struct_size: usize,
    /// Acknowledged.
    pub delivered: u64,
    /// Not acknowledged yet.
    pub pending: u64,
    /// Given up, with a report.
    pub abandoned: u64,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_drained {}

/// Totals since the connector was made. Start from `NBWSS_STATS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_stats {
    /// `sizeof(nbwss_stats)`.
    pub struct_size: usize,
    /// Sessions established at this moment.
    pub sessions: u64,
    /// Notifications acknowledged, once per server group; likewise the next two.
    pub notifications_delivered: u64,
    /// Notifications not acknowledged yet.
    pub notifications_pending: u64,
    /// Notifications given up, with a report.
    pub notifications_abandoned: u64,
    /// REST calls handed to the host.
    pub calls_allowed: u64,
    /// REST calls refused by the policy (403).
    pub calls_refused: u64,
    /// REST calls that were unusable (400, 413, 414, 431).
    pub calls_malformed: u64,
    /// REST calls over a limit, or while shutting down (429, 503).
    pub calls_limited: u64,
    /// REST calls that came again and share the first answer.
    pub calls_repeated: u64,
    /// REST calls with the id of another request (409).
    pub calls_conflicting: u64,
    /// REST calls answered with 504 because the host had not answered.
    pub calls_expired: u64,
    /// Answers of the host that came too late.
    pub answers_late: u64,
    /// Requests that the host let go of without an answer (500).
    pub answers_missing: u64,
    /// Inline request callbacks that took longer than `dispatch.inlineLimit`.
    pub callbacks_blocked: u64,
    /// All notifications with a smaller sequence number are safe in `outbox.store.path`; 0 without one.
    pub notifications_stored_before: u64,
    /// Requests that the host holds at this moment, answered for it or not: what `dispatch.maxOutstanding` counts.
    pub requests_outstanding: u64,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_stats {}

/// How the server groups are connected. Start from `NBWSS_HEALTH_INIT`.
///
/// A group counts when it is started and has an active endpoint. It is connected while a session is authenticated and
/// its peer was heard within the keep-alive limit: `keepAlive.scheduledRate` times one more than
/// `keepAlive.maxPongMissAllowed`. All is well where `groups_connected` equals `groups`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_health {
    /// `sizeof(nbwss_health)`.
    pub struct_size: usize,
    /// Groups that should be connected.
    pub groups: u64,
    /// Those that are.
    pub groups_connected: u64,
    /// All endpoints.
    pub endpoints: u64,
    /// Those that are active.
    pub endpoints_active: u64,
    /// Those that refused the token.
    pub endpoints_refused: u64,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_health {}

/// Makes a connector from options, which may be changed or freed afterwards. It has its threads but is not
/// started: it takes endpoints and notifications and dials nobody.
///
/// `*connector` is to be destroyed with `nbwss_connector_destroy`. Returns `NBWSS_IO` or `NBWSS_TLS` where a file of
/// the settings `tls.*` cannot be used, an `NBWSS_STORE...` status for `endpoint.store.path` and
/// `outbox.store.path`, `NBWSS_INVALID_VALUE` for
/// settings that do not go together, and `NBWSS_IO` where threads cannot be made.
///
/// A process that becomes a daemon by `fork` must do so before the first call of `nbwss_options_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_connector_new(
    options: *const nbwss_options,
    connector: *mut *mut nbwss_connector,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for the handle, by the header.
        let out = unsafe { Out::new("connector", connector) }?;
        let (settings, callbacks) = handle::get(options)?.copy();
        let _blocked = signals::Blocked::new();
        let connector = Connector::new(settings, Arc::new(callbacks))?;
        out.set(handle::insert::<nbwss_connector>(Arc::new(connector))?);
        Ok(())
    })
}

/// Starts dialling: a session for every server group. Does not wait; idempotent; possible again after stop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_connector_start(connector: *mut nbwss_connector) -> nbwss_status {
    boundary::call(|| handle::get(connector)?.start())
}

/// Ends all sessions with a close frame and dials no more. Does not wait; idempotent. Notifications stay, and
/// requests in the host's hands may still be answered: the answer is kept for the request's repetition.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_connector_stop(connector: *mut nbwss_connector) -> nbwss_status {
    boundary::call(|| handle::get(connector)?.stop())
}

/// Waits at most `timeout_ms` milliseconds until every accepted notification is acknowledged (or given up) and
/// its delivery report was made. Accepting goes on meanwhile.
///
/// `drained` may be NULL; it is filled in for `NBWSS_OK` and `NBWSS_TIMEOUT`. Returns `NBWSS_ILLEGAL_STATE`
/// at once from a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_connector_drain(
    connector: *mut nbwss_connector,
    timeout_ms: u32,
    drained: *mut nbwss_drained,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a struct of the host's, by the header.
        let out = if drained.is_null() { None } else { Some(unsafe { ptr::out("drained", drained) }?) };
        let result = handle::get(connector)?.drain(Duration::from_millis(timeout_ms.into()))?;
        if let Some(out) = out {
            out.set(nbwss_drained {
                struct_size: size_of::<nbwss_drained>(),
                delivered: result.delivered,
                pending: result.pending,
                abandoned: result.abandoned,
            });
        }
        if result.complete { Ok(()) } else { Err(Error::Timeout("notifications are still waiting")) }
    })
}

/// Totals since the connector was made: what a monitor wants to see. Never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_connector_stats(
    connector: *mut nbwss_connector,
    stats: *mut nbwss_stats,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a struct of the host's, by the header.
        let out = unsafe { ptr::out("stats", stats) }?;
        let totals = handle::get(connector)?.stats()?;
        let (notifications, calls) = (totals.notifications, totals.calls);
        out.set(nbwss_stats {
            struct_size: size_of::<nbwss_stats>(),
            sessions: totals.sessions as u64,
            notifications_delivered: notifications.delivered,
            notifications_pending: notifications.pending,
            notifications_abandoned: notifications.abandoned,
            calls_allowed: calls.allowed,
            calls_refused: calls.refused,
            calls_malformed: calls.malformed,
            calls_limited: calls.limited,
            calls_repeated: calls.repeated,
            calls_conflicting: calls.conflicting,
            calls_expired: calls.expired,
            answers_late: calls.late,
            answers_missing: calls.missing,
            callbacks_blocked: totals.blocked_callbacks,
            notifications_stored_before: totals.saved_before,
            requests_outstanding: totals.outstanding_requests as u64,
        });
        Ok(())
    })
}

/// How the server groups are connected. Never waits for the network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_connector_health(
    connector: *mut nbwss_connector,
    health: *mut nbwss_health,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a struct of the host's, by the header.
        let out = unsafe { ptr::out("health", health) }?;
        let health = handle::get(connector)?.health()?;
        out.set(nbwss_health {
            struct_size: size_of::<nbwss_health>(),
            groups: health.groups as u64,
            groups_connected: health.groups_connected as u64,
            endpoints: health.endpoints as u64,
            endpoints_active: health.endpoints_active as u64,
            endpoints_refused: health.endpoints_refused as u64,
        });
        Ok(())
    })
}

/// After stop: waits at most `timeout_ms` milliseconds until every session has ended.
///
/// Returns `NBWSS_TIMEOUT`; `NBWSS_ILLEGAL_STATE` while started and, at once, from a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_connector_wait(connector: *mut nbwss_connector, timeout_ms: u32) -> nbwss_status {
    boundary::call(|| handle::get(connector)?.wait(Duration::from_millis(timeout_ms.into())))
}

/// Ends everything, within the setting `shutdown.timeout` whatever the network or a callback does: requests in
/// flight are answered with 503, sessions closed, notifications without an acknowledgement reported as
/// abandoned, or as kept in `outbox.store.path`. After `NBWSS_OK` the handle is dead, all threads have ended (but one in
/// the system's resolver, which ends by itself), and no callback runs or will run. NULL is nothing to do.
///
/// Returns `NBWSS_TIMEOUT` where a callback of the host, or the disk of a database, has not returned: no other callback
/// will be begun, and the handle stays, for another destroy only. Returns `NBWSS_ILLEGAL_STATE` at once from a callback.
///
/// With `callbacks.poll` the last callbacks run on this thread, and the time that they take themselves is not bounded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_connector_destroy(connector: *mut nbwss_connector) -> nbwss_status {
    boundary::call(|| {
        if !connector.is_null() {
            handle::get(connector)?.destroy()?;
        }
        handle::free(connector)
    })
}

/// With the setting `callbacks.poll`: runs the callbacks that wait, on this thread. With none it waits for the first, at
/// most `timeout_ms` milliseconds. `*ran` (may be NULL) is how many ran; 0 where the time is over, which is no error.
///
/// Callbacks run on one thread at a time, in the order that each kind has. After some 1000 of them it returns, so that the
/// host gets to its own work: what is left keeps the descriptor readable. The functions that wait (`nbwss_connector_drain`,
/// `_wait` and `_destroy`) run callbacks meanwhile, too. Requests that nobody polls get 504 at `dispatch.timeout`.
///
/// Returns `NBWSS_ILLEGAL_STATE` without that setting and, at once, from a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_connector_poll(
    connector: *mut nbwss_connector,
    timeout_ms: u32,
    ran: *mut usize,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for a number, by the header.
        let out = if ran.is_null() { None } else { Some(unsafe { Out::new("ran", ran) }?) };
        let ran = handle::get(connector)?.poll(Duration::from_millis(timeout_ms.into()))?;
        if let Some(out) = out {
            out.set(ran);
        }
        Ok(())
    })
}

/// The descriptor that is readable while callbacks wait for `nbwss_connector_poll`: for select, poll, epoll or kqueue.
/// It may seldom be readable without any. It is the library's until the connector is destroyed: wait for it, and do
/// nothing else with it.
///
/// Returns `NBWSS_ILLEGAL_STATE` without the setting `callbacks.poll`, and on Windows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_connector_poll_fd(
    connector: *mut nbwss_connector,
    fd: *mut nbwss_socket,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for a number, by the header.
        let out = unsafe { Out::new("fd", fd) }?;
        out.set(descriptor(&*handle::get(connector)?)?);
        Ok(())
    })
}

#[cfg(unix)]
fn descriptor(connector: &Connector) -> Result<nbwss_socket, Error> {
    connector.poll_descriptor().map(|fd| fd as nbwss_socket)
}

#[cfg(not(unix))]
fn descriptor(_connector: &Connector) -> Result<nbwss_socket, Error> {
    Err(Error::IllegalState("this platform has no descriptor to poll: call nbwss_connector_poll with a timeout"))
}

/// Replaces the rules for REST calls, from the next call on. They begin as the setting `dispatch.policy` has them;
/// without a rule nothing is allowed, and the first rule that matches decides.
///
/// One rule a line, or between semicolons: `allow` or `deny`, methods (`GET`, `GET,POST` or `*`), a path, and if
/// wanted `group` and a server group. In a path `*` stands for one segment and `/**` at its end for any number:
/// `allow GET /netbackup/**; allow POST /netbackup/login group cloud`. A `#` at the start of a word begins a comment.
/// Paths have case. A path that is denied is denied with a slash at its end and without.
///
/// Returns `NBWSS_INVALID_VALUE`; the last error names the rule, and the policy is as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_connector_set_policy_n(
    connector: *mut nbwss_connector,
    rules: nbwss_str,
) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.set_policy(unsafe { rules.text("rules") }?))
}

/// Starts a server group that was stopped on its own. Groups start out started.
///
/// Returns `NBWSS_NOT_FOUND` for a group without an endpoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_group_start_n(connector: *mut nbwss_connector, group_id: nbwss_str) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.set_group_running(unsafe { group_id.text("group_id") }?, true))
}

/// Stops one server group: its session is closed, the others go on, its notifications stay.
///
/// Returns `NBWSS_NOT_FOUND` for a group without an endpoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_group_stop_n(connector: *mut nbwss_connector, group_id: nbwss_str) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.set_group_running(unsafe { group_id.text("group_id") }?, false))
}
