//! What the host gives us to call, and what it is told.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use socket2::Socket;

use super::cause::Cause;
use super::request::Request;
pub use crate::dispatch::{AuditRecord, CallCounts};
use crate::endpoint::{Details, StoreKey};
use crate::error::Error;
pub use crate::outbox::{Counts, GroupCounts, Outcome};
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
        Wants { deliveries: true, events: true, audit: true, cancel: true, log: true, dial: false }
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

    /// A connected stream socket to this host and port, by a way that only the host knows; asked for where
    /// [`Wants::dial`] says so, instead of name resolution, TCP and proxies. May block for `timeout`; runs on a thread of
    /// its own.
    ///
    /// # Errors
    /// Why there is none, in words for the log.
    fn dial(&self, _host: &str, _port: u16, _timeout: Duration) -> Result<Socket, String> {
        Err("the host does not dial".to_owned())
    }

    /// The key for the tokens in `endpoint.store.path`; asked for once, by [`Connector::new`](super::Connector::new).
    ///
    /// # Errors
    /// Why there is none.
    fn store_key(&self) -> Result<Option<StoreKey>, Error> {
        Ok(None)
    }
}

/// What a host wants to be told; nothing by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wants {
    /// [`Host::on_delivery`].
    pub deliveries: bool,
    /// [`Host::on_event`].
    pub events: bool,
    /// [`Host::on_audit`].
    pub audit: bool,
    /// [`Host::on_cancel`].
    pub cancel: bool,
    /// [`Host::on_log`].
    pub log: bool,
    /// [`Host::dial`].
    pub dial: bool,
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
    /// The class of the reason.
    pub cause: Cause,
    /// A close code (RFC 6455, section 7.4) with [`Cause::PeerClosed`], an HTTP status with [`Cause::HttpStatus`]; else 0.
    pub code: u16,
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
    /// The administrator activated the endpoint.
    Activated,
    /// The administrator deactivated the endpoint.
    Deactivated,
    /// The outbox's store cannot be written or read; notifications are refused until it can. Of no endpoint.
    StoreFailed,
    /// It can again.
    StoreRecovered,
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

/// An endpoint as it was at one moment. Its token is in the details, and shown by nothing but
/// [`Secret::expose`](crate::Secret::expose).
#[derive(Debug, Clone)]
pub struct EndpointInfo {
    /// What the administrator gave.
    pub details: Details,
    /// ACTIVATED, or else DEACTIVATED.
    pub active: bool,
    /// Its connection.
    pub state: ConnectionState,
    /// When it came into that state.
    pub since: Option<SystemTime>,
    /// Time to the next attempt, where one is planned.
    pub next_attempt_in: Option<Duration>,
    /// How often it was dialled.
    pub attempts: u64,
    /// How many sessions were established.
    pub sessions: u64,
    /// Time since the peer was last heard: since the last pong, or, before the first, since the token was accepted.
    /// None without a session.
    pub last_heard: Option<Duration>,
    /// The latest failure, which stays when it is over.
    pub last_error: Option<Trouble>,
}

impl From<Details> for EndpointInfo {
    /// An endpoint that has not been added yet.
    fn from(details: Details) -> EndpointInfo {
        EndpointInfo {
            details,
            active: false,
            state: ConnectionState::Disconnected,
            since: None,
            next_attempt_in: None,
            attempts: 0,
            sessions: 0,
            last_heard: None,
            last_error: None,
        }
    }
}

/// A connection's failure.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// When.
    pub time: SystemTime,
    /// Its class.
    pub cause: Cause,
    /// In words, as the event has them.
    pub reason: String,
}

/// How the server groups are connected. A group counts when it is started and has an active endpoint; it is connected
/// while a session is authenticated and its peer was heard within the keep-alive limit, which is
/// `keepAlive.scheduledRate` times one more than `keepAlive.maxPongMissAllowed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Groups that should be connected.
    pub groups: usize,
    /// Those that are.
    pub groups_connected: usize,
    /// All endpoints.
    pub endpoints: usize,
    /// Those that are active.
    pub endpoints_active: usize,
    /// Those that refused the token.
    pub endpoints_refused: usize,
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
    /// Requests that the host holds at this moment.
    pub outstanding_requests: usize,
    /// Inline request callbacks that took longer than `dispatch.inlineLimit`.
    pub blocked_callbacks: u64,
    /// Sessions established at this moment.
    pub sessions: usize,
    /// All notifications before this sequence number are in the store; 0 without a store.
    pub saved_before: u64,
}

/// The numbers of one server group.
#[derive(Debug, Clone, Copy)]
pub struct GroupStats {
    /// What waits, and what became of the rest.
    pub counts: GroupCounts,
    /// How long the oldest notification waits already, by the wall clock.
    pub oldest_age: Option<Duration>,
}

/// Text from elsewhere as a log or an event may show it: one line, and not longer than anyone reads.
pub(super) fn one_line(text: impl fmt::Display) -> String {
    const MAX_CHARS: usize = 500;
    without_controls(text.to_string().chars().take(MAX_CHARS))
}

/// Text from elsewhere, however long, that makes no line of its own.
pub(super) fn without_controls(text: impl Iterator<Item = char>) -> String {
    text.map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
