//! One server group: its endpoints by priority, and at most one attempt or session.

use std::time::{Duration, Instant};

use super::{Action, AttemptId, ConnectionState, Ended, Policy};
use crate::endpoint::EndpointId;

/// A server group and where its connection stands.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// By priority, then in the order added.
    candidates: Vec<Candidate>,
    stopped: bool,
    state: State,
    /// Rounds and unproven sessions that failed since the last proven session.
    failures: u32,
}

#[derive(Debug)]
struct Candidate {
    endpoint: EndpointId,
    priority: i32,
    /// Had its turn in this round.
    tried: bool,
    /// Refused our token: not before this time.
    not_before: Option<Instant>,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing under way, nothing to wait for.
    #[default]
    Idle,
    /// Between rounds.
    Waiting { until: Instant },
    /// Connecting to an endpoint.
    Dialling(Attempt),
    /// A session.
    Connected { attempt: Attempt, since: Instant },
    /// Told to end; nothing new before it has.
    Ending(Attempt),
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    id: AttemptId,
    endpoint: EndpointId,
}

impl Group {
    pub(super) fn add(&mut self, endpoint: EndpointId, priority: i32) {
        let at = self.candidates.partition_point(|other| other.priority <= priority);
        self.candidates.insert(at, Candidate { endpoint, priority, tried: false, not_before: None });
    }

    pub(super) fn remove(&mut self, endpoint: EndpointId) {
        self.candidates.retain(|candidate| candidate.endpoint != endpoint);
    }

    pub(super) fn set_stopped(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    pub(super) fn established(&mut self, now: Instant) {
        if let State::Dialling(attempt) = self.state {
            self.state = State::Connected { attempt, since: now };
        }
    }

    pub(super) fn ended(&mut self, now: Instant, how: Ended, policy: &mut Policy) {
        let state = std::mem::take(&mut self.state);
        match state {
            State::Dialling(attempt) => {
                if let Some(candidate) = self.candidates.iter_mut().find(|c| c.endpoint == attempt.endpoint) {
                    candidate.tried = true;
                    if how == Ended::Rejected {
                        candidate.not_before = Some(now + policy.rejected_pause);
                    }
                }
            }
            State::Connected { since, .. } => {
                if now.duration_since(since) >= policy.proven_after {
                    self.failures = 0;
                }
                self.pause(now, policy);
            }
            State::Ending(_) => self.new_round(),
            State::Idle | State::Waiting { .. } => self.state = state,
        }
    }

    /// The pause is over.
    pub(super) fn wake(&mut self) {
        self.new_round();
        self.state = State::Idle;
    }

    fn new_round(&mut self) {
        for candidate in &mut self.candidates {
            candidate.tried = false;
        }
    }

    fn pause(&mut self, now: Instant, policy: &mut Policy) {
        // Tried or not, the endpoints there are now have had this round; one that is added during the pause has not.
        for candidate in &mut self.candidates {
            candidate.tried = true;
        }
        let mut until = now + policy.backoff.pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        // Where every endpoint refused the token there is nothing to try before the first may be asked again.
        let earliest = self.candidates.iter().map(|candidate| candidate.not_before.unwrap_or(now)).min();
        until = until.max(earliest.unwrap_or(until));
        self.state = State::Waiting { until };
    }

    /// What to do next, if anything. `wanted`: the connector is running.
    pub(super) fn decide(&mut self, now: Instant, wanted: bool, policy: &mut Policy) -> Option<Action> {
        let wanted = wanted && !self.stopped;
        match self.state {
            State::Dialling(attempt) | State::Connected { attempt, .. } => {
                let removed = self.candidates.iter().all(|candidate| candidate.endpoint != attempt.endpoint);
                (removed || !wanted).then(|| {
                    self.state = State::Ending(attempt);
                    Action::End { attempt: attempt.id }
                })
            }
            State::Ending(_) => None,
            State::Idle | State::Waiting { .. } if !wanted || self.candidates.is_empty() => {
                self.state = State::Idle;
                self.new_round();
                None
            }
            State::Idle | State::Waiting { .. } => {
                let ready = |c: &&Candidate| !c.tried && c.not_before.is_none_or(|at| at <= now);
                match self.candidates.iter().find(ready) {
                    Some(candidate) => {
                        let attempt = Attempt { id: policy.new_attempt(), endpoint: candidate.endpoint };
                        self.state = State::Dialling(attempt);
                        Some(Action::Dial { attempt: attempt.id, endpoint: attempt.endpoint })
                    }
                    None => {
                        if matches!(self.state, State::Idle) {
                            self.pause(now, policy);
                        }
                        None
                    }
                }
            }
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            _ => None,
        }
    }

    /// Time to the next attempt: zero while one is under way, `None` when nothing is planned.
    pub(super) fn next_attempt_in(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Waiting { until } => Some(until.saturating_duration_since(now)),
            State::Dialling(_) | State::Connected { .. } => Some(Duration::ZERO),
            State::Idle | State::Ending(_) => None,
        }
    }

    pub(super) fn state(&self, endpoint: EndpointId) -> ConnectionState {
        match self.state {
            State::Connected { attempt, .. } if attempt.endpoint == endpoint => ConnectionState::Connected,
            State::Dialling(attempt) | State::Ending(attempt) if attempt.endpoint == endpoint => {
                ConnectionState::Connecting
            }
            _ => ConnectionState::Disconnected,
        }
    }

    /// No endpoint, and nothing under way.
    pub(super) fn is_gone(&self) -> bool {
        self.candidates.is_empty() && matches!(self.state, State::Idle)
    }
}
