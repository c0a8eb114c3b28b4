//! What the host gives us to call, and what it is told.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::request::Request;
pub use crate::dispatch::{AuditRecord, CallCounts};
pub use crate::outbox::{Counts, Outcome};
pub use crate::settings::LogLevel;
pub use crate::supervisor::ConnectionState;

/// The host's side. No lock of ours is held during a call, so each may call the connector; only the blocking
/// calls (`drain`, `wait`, `destroy`) are refused on our threads.
pub trait Host: Send + Sync + 'static {
    /// A REST call. Runs on one of the `dispatch.threads`; it may block, and may keep the request and answer
    /// later from any thread. A request that is dropped without an answer is answered with 500.
    fn on_request(&self, request: Request);

    /// What is wanted at all; the rest is not even made.
    fn wants(&self) -> Wants {
        Wants { deliveries: true, audit: true, cancel: true }
    }

    /// The end of one notification in one server group. On the report thread.
    fn on_delivery(&self, _delivery: &Delivery) {}

    /// A connection changed. On the report thread.
    fn on_event(&self, _event: &Event) {}

    /// A record for the audit: one when a REST call arrives and one when it ends. On the report thread. Calls
    /// are not read from the network while too many records wait, so none goes unrecorded.
    fn on_audit(&self, _record: &AuditRecord) {}

    /// The request that was tagged so ([`Request::set_tag`]) is not wanted any more: its deadline has passed,
    /// or its session is gone. On the report thread.
    fn on_cancel(&self, _tag: u64) {}

    /// A line for the log. On the report thread.
    fn on_log(&self, _line: &LogLine) {}
}

/// What a host wants to be told.
#[derive(Debug, Clone, Copy)]
pub struct Wants {
    /// [`Host::on_delivery`].
    pub deliveries: bool,
    /// [`Host::on_audit`].
    pub audit: bool,
    /// [`Host::on_cancel`].
    pub cancel: bool,
}

/// Exactly one is made for each accepted notification and server group.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// As `notify_*` returned it.
    pub sequence: u64,
    /// The server group.
    pub group_id: Arc<str>,
    /// What became of it.
    pub outcome: Outcome,
}

/// A change of a connection.
#[derive(Debug, Clone)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The endpoint.
    pub host_name: String,
    /// Its server group.
    pub group_id: Arc<str>,
    /// Why, in words; empty when there is nothing to say. Holds no secret and no control character.
    pub reason: String,
    /// Time to the group's next attempt, where one is planned.
    pub retry_in: Option<Duration>,
}

/// What happened to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Dialling begins.
    Connecting,
    /// The token was accepted.
    Established,
    /// The token was refused.
    Rejected,
    /// No session came about.
    ConnectFailed,
    /// A session ended.
    Disconnected,
    /// An inline request callback takes longer than `dispatch.inlineLimit`: all sessions stand still meanwhile.
    CallbackBlocks,
}

/// One line for the host's log: text of ours or cleaned of control characters, and never a secret.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// When it was written.
    pub time: SystemTime,
    /// One line.
    pub text: String,
}

/// An endpoint as a list shows it: everything but the token.
#[derive(Debug, Clone)]
pub struct EndpointInfo {
    /// Unique, as it was added.
    pub host_name: String,
    /// Where it is dialled.
    pub url: String,
    /// Its server group.
    pub group_id: Arc<str>,
    /// The lowest is tried first.
    pub priority: i32,
    /// Its connection at the time of listing.
    pub state: ConnectionState,
}

/// What a drain counted, once per notification and server group since the connector was made.
#[derive(Debug, Clone, Copy)]
pub struct Drained {
    /// Acknowledged.
    pub delivered: u64,
    /// Not acknowledged yet.
    pub pending: u64,
    /// Given up, with a report.
    pub abandoned: u64,
    /// Nothing is pending and every report was made, within the time given.
    pub complete: bool,
}

/// Totals since the connector was made.
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    /// Notifications, once per server group.
    pub notifications: Counts,
    /// REST calls.
    pub calls: CallCounts,
    /// Inline request callbacks that took longer than `dispatch.inlineLimit`.
    pub blocked_callbacks: u64,
    /// Sessions established at this moment.
    pub sessions: usize,
}

/// Text from elsewhere as a log or an event may show it: one line, and not longer than anyone reads.
pub(super) fn one_line(text: impl fmt::Display) -> String {
    const MAX_CHARS: usize = 500;
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.to_string().chars().take(MAX_CHARS).map(clean).collect()
}
