//! One server group: its endpoints by priority, and at most one attempt or session.
//!
//! A round gives every endpoint its turn, the best first. When all had theirs and no session came of it, and
//! after a session, the next round waits for the back-off. An endpoint that is to be left alone takes no part in
//! rounds: it has its turn when its time is over, but after a session not before the round, which the best begins.

use std::mem;
use std::time::{Duration, Instant};

use super::candidate::Candidate;
use super::{Action, Aftermath, AttemptId, Connection, ConnectionState, Policy};
use crate::endpoint::EndpointId;

/// A server group and where its connection stands.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// By rank.
    candidates: Vec<Candidate>,
    stopped: bool,
    state: State,
    /// When those that had their turn get another. `None` while the others still have theirs.
    next_round: Option<Instant>,
    /// Rounds and unproven sessions that failed since the last proven session.
    failures: u32,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing under way, nothing to wait for.
    #[default]
    Idle,
    /// For the next round, or for an endpoint that is left alone.
    Waiting,
    /// Connecting to an endpoint.
    Dialling(Attempt),
    /// A session.
    Connected { attempt: Attempt, since: Instant },
    /// To end; nothing new before it has. `told`: the action was given out.
    Ending { attempt: Attempt, told: bool },
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    id: AttemptId,
    endpoint: EndpointId,
}

impl Group {
    pub(super) fn add(&mut self, candidate: Candidate) {
        let at = self.candidates.partition_point(|other| other.rank() < candidate.rank());
        self.candidates.insert(at, candidate);
    }

    pub(super) fn remove(&mut self, endpoint: EndpointId) {
        self.candidates.retain(|candidate| candidate.endpoint != endpoint);
        if self.is_empty() {
            // Whoever comes next with this name is a new group, even while the old one's session still ends.
            (self.stopped, self.failures) = (false, 0);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    pub(super) fn set_active(&mut self, now: Instant, endpoint: EndpointId, active: bool) {
        if let Some(candidate) = self.candidate(endpoint)
            && candidate.active != active
        {
            candidate.active = active;
            candidate.forget(now);
        }
    }

    pub(super) fn set_priority(&mut self, endpoint: EndpointId, priority: i32) {
        if let Some(candidate) = self.candidate(endpoint) {
            candidate.priority = priority;
            self.candidates.sort_by_key(Candidate::rank);
        }
    }

    /// The endpoint is to be dialled with new details.
    pub(super) fn renewed(&mut self, now: Instant, endpoint: EndpointId, policy: &Policy) {
        if let Some(candidate) = self.candidate(endpoint) {
            candidate.forget(now);
            if self.under_way().is_some_and(|attempt| attempt.endpoint == endpoint) {
                self.end(now, policy);
            }
        }
    }

    /// All over again.
    pub(super) fn reconnect(&mut self, now: Instant, policy: &Policy) {
        self.candidates.iter_mut().for_each(|candidate| candidate.forget(now));
        self.new_round();
        self.end(now, policy);
        self.failures = 0;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub(super) fn set_stopped(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    pub(super) fn established(&mut self, now: Instant) {
        if let State::Dialling(attempt) = self.state {
            self.state = State::Connected { attempt, since: now };
            self.next_round = None;
            if let Some(candidate) = self.candidate(attempt.endpoint) {
                candidate.established(now);
            }
        }
    }

    pub(super) fn ended(&mut self, now: Instant, how: Aftermath, policy: &mut Policy) {
        // Where a round is due by now, what ends here has had its turn in it.
        self.begin_round_if_due(now);
        let mut wait = policy.backoff.wait_after(how);
        match mem::take(&mut self.state) {
            State::Dialling(attempt) => self.candidate_ended(now, attempt, how, wait),
            State::Connected { attempt, since } => {
                self.prove(now, since, policy);
                let mut pause = self.next_pause(policy);
                if wait.is_none() && matches!(how, Aftermath::Busy { .. }) {
                    // It waits for the whole pause, and the others, which go first, for a part of it.
                    wait = Some(pause);
                    pause = policy.backoff.part_of(pause);
                }
                self.candidate_ended(now, attempt, how, wait);
                // Tried, left alone or neither, the endpoints there are now wait: the best is to go first. One that is
                // added during the pause does not.
                self.candidates.iter_mut().for_each(|candidate| candidate.tried = true);
                self.next_round = Some(now + pause);
            }
            State::Ending { attempt, .. } => {
                self.new_round();
                if let Some(candidate) = self.candidate(attempt.endpoint) {
                    candidate.since = now;
                }
            }
            state @ (State::Idle | State::Waiting) => self.state = state,
        }
    }

    fn candidate_ended(&mut self, now: Instant, attempt: Attempt, how: Aftermath, wait: Option<Duration>) {
        if let Some(candidate) = self.candidate(attempt.endpoint) {
            candidate.ended(now, how, wait.map(|wait| now + wait));
        }
    }

    /// What to do next, if anything. `wanted`: the connector is running.
    pub(super) fn decide(&mut self, now: Instant, wanted: bool, policy: &mut Policy) -> Option<Action> {
        let wanted = wanted && !self.stopped;
        let may_be_dialled = |endpoint| self.candidates.iter().any(|c| c.active && c.endpoint == endpoint);
        if self.under_way().is_some_and(|attempt| !wanted || !may_be_dialled(attempt.endpoint)) {
            self.end(now, policy);
        }
        match &mut self.state {
            State::Dialling(_) | State::Connected { .. } => None,
            State::Ending { attempt, told } => {
                (!mem::replace(told, true)).then_some(Action::End { attempt: attempt.id })
            }
            State::Idle | State::Waiting if !wanted || !self.candidates.iter().any(|candidate| candidate.active) => {
                self.state = State::Idle;
                self.new_round();
                None
            }
            State::Idle | State::Waiting => self.select(now, policy),
        }
    }

    /// Dials the best endpoint that may be dialled, or waits for one.
    fn select(&mut self, now: Instant, policy: &mut Policy) -> Option<Action> {
        self.begin_round_if_due(now);
        if let Some(candidate) = self.candidates.iter_mut().find(|candidate| candidate.is_ready(now)) {
            candidate.dialled(now);
            let attempt = Attempt { id: policy.new_attempt(), endpoint: candidate.endpoint };
            self.state = State::Dialling(attempt);
            return Some(Action::Dial { attempt: attempt.id, endpoint: attempt.endpoint });
        }
        self.state = State::Waiting;
        if !self.candidates.iter().any(Candidate::waits_for_round) {
            self.next_round = None;
        } else if self.next_round.is_none() {
            self.next_round = Some(now + self.next_pause(policy));
        }
        None
    }

    fn begin_round_if_due(&mut self, now: Instant) {
        if self.next_round.is_some_and(|at| at <= now) {
            self.new_round();
        }
    }

    fn new_round(&mut self) {
        self.next_round = None;
        for candidate in &mut self.candidates {
            candidate.tried = false;
        }
    }

    fn next_pause(&mut self, policy: &mut Policy) -> Duration {
        let pause = policy.backoff.pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// A session that lived long enough makes up for all failures before it.
    fn prove(&mut self, now: Instant, since: Instant, policy: &Policy) {
        if now.duration_since(since) >= policy.proven_after {
            self.failures = 0;
        }
    }

    /// What is under way, if anything, is to end.
    fn end(&mut self, now: Instant, policy: &Policy) {
        let Some(attempt) = self.under_way() else { return };
        if let State::Connected { since, .. } = self.state {
            self.prove(now, since, policy);
        }
        self.state = State::Ending { attempt, told: false };
        if let Some(candidate) = self.candidate(attempt.endpoint) {
            candidate.since = now;
        }
    }

    /// The attempt or session that has not been told to end.
    fn under_way(&self) -> Option<Attempt> {
        match self.state {
            State::Dialling(attempt) | State::Connected { attempt, .. } => Some(attempt),
            State::Idle | State::Waiting | State::Ending { .. } => None,
        }
    }

    fn candidate(&mut self, endpoint: EndpointId) -> Option<&mut Candidate> {
        self.candidates.iter_mut().find(|candidate| candidate.endpoint == endpoint)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.candidates.iter().filter_map(|candidate| self.next_attempt(candidate)).min()
    }

    /// When the endpoint will be dialled at the earliest, as far as the group has plans.
    fn next_attempt(&self, candidate: &Candidate) -> Option<Instant> {
        match self.state {
            State::Waiting if candidate.waits_for_round() => self.next_round.max(candidate.not_before),
            State::Waiting if candidate.active => candidate.not_before,
            _ => None,
        }
    }

    /// Time to the next attempt: zero while one is under way, `None` when nothing is planned.
    pub(super) fn next_attempt_in(&self, now: Instant) -> Option<Duration> {
        let planned = self.next_timeout().map(|at| at.saturating_duration_since(now));
        planned.or_else(|| self.under_way().map(|_| Duration::ZERO))
    }

    pub(super) fn connection(&self, endpoint: EndpointId) -> Option<Connection> {
        let candidate = self.candidates.iter().find(|candidate| candidate.endpoint == endpoint)?;
        let state = match self.state {
            State::Dialling(attempt) if attempt.endpoint == endpoint => ConnectionState::Connecting,
            State::Connected { attempt, .. } if attempt.endpoint == endpoint => ConnectionState::Connected,
            State::Ending { attempt, .. } if attempt.endpoint == endpoint => ConnectionState::Closing,
            _ if candidate.refused => ConnectionState::Refused,
            _ => ConnectionState::Disconnected,
        };
        Some(Connection {
            state,
            since: candidate.since,
            next_attempt: self.next_attempt(candidate),
            attempts: candidate.attempts,
            sessions: candidate.sessions,
        })
    }

    /// No endpoint, and nothing under way.
    pub(super) fn is_gone(&self) -> bool {
        self.is_empty() && matches!(self.state, State::Idle)
    }
}
