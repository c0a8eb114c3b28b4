//! One endpoint as its group sees it: whether and when it may be dialled, and what became of it.

use std::time::Instant;

use super::Aftermath;
use crate::endpoint::EndpointId;

/// An endpoint that its group may dial.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) endpoint: EndpointId,
    pub(super) priority: i32,
    /// A deactivated one is never dialled.
    pub(super) active: bool,
    /// Had its turn in this round, or waits for the one after a session.
    pub(super) tried: bool,
    /// To be left alone until then. Unless it waits for a round as well, it then has its turn.
    pub(super) not_before: Option<Instant>,
    /// The last thing it did was to refuse the token.
    pub(super) refused: bool,
    /// When it entered the state that it is in.
    pub(super) since: Instant,
    pub(super) attempts: u64,
    pub(super) sessions: u64,
}

impl Candidate {
    pub(super) fn new(now: Instant, endpoint: EndpointId, priority: i32, active: bool) -> Candidate {
        Candidate {
            endpoint,
            priority,
            active,
            tried: false,
            not_before: None,
            refused: false,
            since: now,
            attempts: 0,
            sessions: 0,
        }
    }

    /// The order of selection: by priority, then in the order added.
    pub(super) fn rank(&self) -> (i32, EndpointId) {
        (self.priority, self.endpoint)
    }

    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.active && !self.tried && !self.is_left_alone(now)
    }

    pub(super) fn is_left_alone(&self, now: Instant) -> bool {
        self.not_before.is_some_and(|at| at > now)
    }

    /// Waits for the group's next round.
    pub(super) fn waits_for_round(&self) -> bool {
        self.active && self.tried
    }

    /// Starts afresh, as if it had just been added.
    pub(super) fn forget(&mut self, now: Instant) {
        (self.tried, self.not_before) = (false, None);
        if std::mem::take(&mut self.refused) {
            self.since = now;
        }
    }

    pub(super) fn dialled(&mut self, now: Instant) {
        (self.not_before, self.refused, self.since) = (None, false, now);
        self.attempts += 1;
    }

    pub(super) fn established(&mut self, now: Instant) {
        self.since = now;
        self.sessions += 1;
    }

    pub(super) fn ended(&mut self, now: Instant, how: Aftermath, not_before: Option<Instant>) {
        self.since = now;
        self.refused = how == Aftermath::Refused;
        self.not_before = not_before;
        self.tried = not_before.is_none();
    }
}
