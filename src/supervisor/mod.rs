//! Which endpoint of which server group to connect, and when: pure decisions on events and time.
//!
//! The rules (guide topic "connections"): a group without a connection tries its endpoints by priority, the
//! lowest number first; a group has at most one connection; there is no fail-back while it has one; when it
//! ends, selection starts from the best again. Pauses between rounds and retries are ours: see [`backoff`].

mod backoff;
mod group;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::endpoint::EndpointId;
use crate::settings::Settings;
use backoff::Backoff;
use group::Group;

/// One attempt to connect and the session that may come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(u64);

/// What the connector has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Connect to this endpoint. [`Supervisor::ended`] must follow some day.
    Dial {
        /// Names the attempt from now on.
        attempt: AttemptId,
        /// Where to.
        endpoint: EndpointId,
    },
    /// Give up this attempt or session; [`Supervisor::ended`] follows.
    End {
        /// Which one.
        attempt: AttemptId,
    },
}

/// How an attempt came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// No session, or a session that was lost.
    Failed,
    /// `valid: false`: the endpoint is left alone for `connectionInfo.period`.
    Rejected,
}

/// An endpoint's connection as a list shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// Not connected and not being tried at this moment.
    Disconnected,
    /// Being connected, or closing.
    Connecting,
    /// Established: the token was accepted.
    Connected,
}

/// All server groups.
#[derive(Debug)]
pub struct Supervisor {
    running: bool,
    groups: BTreeMap<Arc<str>, Group>,
    attempts: BTreeMap<AttemptId, Arc<str>>,
    policy: Policy,
    actions: VecDeque<Action>,
}

/// What all groups decide with.
#[derive(Debug)]
struct Policy {
    backoff: Backoff,
    /// A refused endpoint is left alone for this long.
    rejected_pause: Duration,
    /// A session that lived this long has proved itself.
    proven_after: Duration,
    last_attempt: u64,
}

impl Supervisor {
    /// No groups, not running. The same seed and the same calls give the same decisions.
    pub fn new(settings: &Settings, seed: u64) -> Supervisor {
        Supervisor {
            running: false,
            groups: BTreeMap::new(),
            attempts: BTreeMap::new(),
            policy: Policy {
                backoff: Backoff::new(settings.backoff_base, settings.backoff_cap, seed),
                rejected_pause: settings.backoff_cap,
                proven_after: settings.keep_alive_interval,
                last_attempt: 0,
            },
            actions: VecDeque::new(),
        }
    }

    /// Starts or stops all groups. Idempotent.
    pub fn set_running(&mut self, now: Instant, running: bool) {
        self.running = running;
        let groups: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for group_id in groups {
            self.decide(now, &group_id);
        }
    }

    /// Starts or stops one group; the others go on. Returns `false` if there is no such group.
    pub fn set_group_running(&mut self, now: Instant, group_id: &str, running: bool) -> bool {
        let Some(group) = self.groups.get_mut(group_id) else { return false };
        group.set_stopped(!running);
        self.decide(now, group_id);
        true
    }

    /// Adds an endpoint. A group that is waiting tries it at once.
    pub fn add(&mut self, now: Instant, group_id: &Arc<str>, endpoint: EndpointId, priority: i32) {
        self.groups.entry(group_id.clone()).or_default().add(endpoint, priority);
        self.decide(now, group_id);
    }

    /// Removes an endpoint and ends its session.
    pub fn remove(&mut self, now: Instant, group_id: &str, endpoint: EndpointId) {
        if let Some(group) = self.groups.get_mut(group_id) {
            group.remove(endpoint);
            self.decide(now, group_id);
        }
    }

    /// The attempt's token was accepted.
    pub fn established(&mut self, now: Instant, attempt: AttemptId) {
        if let Some(group) = self.attempts.get(&attempt).and_then(|group_id| self.groups.get_mut(group_id)) {
            group.established(now);
        }
    }

    /// The attempt or session is over. Returns the time to the group's next attempt, or `None` if none is planned.
    pub fn ended(&mut self, now: Instant, attempt: AttemptId, how: Ended) -> Option<Duration> {
        let group_id = self.attempts.remove(&attempt)?;
        self.groups.get_mut(&group_id)?.ended(now, how, &mut self.policy);
        self.decide(now, &group_id);
        self.groups.get(&group_id)?.next_attempt_in(now)
    }

    /// Does what has become due.
    pub fn timeout(&mut self, now: Instant) {
        let is_due = |group: &Group| group.next_timeout().is_some_and(|at| at <= now);
        let due = self.groups.iter_mut().filter(|(_, group)| is_due(group));
        let woken: Vec<Arc<str>> = due
            .map(|(group_id, group)| {
                group.wake();
                group_id.clone()
            })
            .collect();
        for group_id in woken {
            self.decide(now, &group_id);
        }
    }

    /// When to call [`Supervisor::timeout`] next.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.groups.values().filter_map(Group::next_timeout).min()
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether any attempt or session is under way.
    pub fn is_quiet(&self) -> bool {
        self.attempts.is_empty()
    }

    /// An endpoint's connection.
    pub fn state(&self, group_id: &str, endpoint: EndpointId) -> ConnectionState {
        self.groups.get(group_id).map_or(ConnectionState::Disconnected, |group| group.state(endpoint))
    }

    /// Lets a group that has changed decide what to do; drops it when it has nothing left.
    fn decide(&mut self, now: Instant, group_id: &str) {
        let Some((group_id, _)) = self.groups.get_key_value(group_id) else { return };
        let group_id = group_id.clone();
        let Some(group) = self.groups.get_mut(&group_id) else { return };
        let action = group.decide(now, self.running, &mut self.policy);
        if group.is_gone() {
            self.groups.remove(&group_id);
        }
        if let Some(Action::Dial { attempt, .. }) = action {
            self.attempts.insert(attempt, group_id);
        }
        self.actions.extend(action);
    }
}

impl Policy {
    fn new_attempt(&mut self) -> AttemptId {
        self.last_attempt += 1;
        AttemptId(self.last_attempt)
    }
}

#[cfg(test)]
mod tests;
