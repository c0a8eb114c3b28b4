//! Which endpoint of which server group to connect, and when: pure decisions on events and time.
//!
//! The rules (guide topic "connections"): a group without a connection tries its endpoints by priority, the
//! lowest number first; a group has at most one connection; there is no fail-back while it has one; when it
//! ends, selection starts from the best again. Pauses between rounds and retries are ours: see [`backoff`] for
//! how long they are, and [`aftermath`] for what leads to which.

pub mod aftermath;
mod backoff;
mod candidate;
mod group;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::endpoint::EndpointId;
use crate::settings::Settings;
pub use aftermath::Aftermath;
use backoff::Backoff;
use candidate::Candidate;
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

/// Where an endpoint's connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// Not connected and not being tried at this moment.
    Disconnected,
    /// Being connected; the token is not accepted yet.
    Connecting,
    /// Established: the token was accepted.
    Connected,
    /// Told to end, and not ended yet.
    Closing,
    /// Not connected: the last attempt or session ended because the token is not accepted.
    Refused,
}

/// An endpoint's connection as a list shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Where it stands.
    pub state: ConnectionState,
    /// Since when it stands there.
    pub since: Instant,
    /// When it will be dialled, if no better one is connected by then. `None` where nothing is planned: its group
    /// is stopped, connected or just trying, or the endpoint is deactivated.
    pub next_attempt: Option<Instant>,
    /// How often it was dialled since it was added.
    pub attempts: u64,
    /// How often a session came of it.
    pub sessions: u64,
}

/// All server groups.
#[derive(Debug)]
pub struct Supervisor {
    running: bool,
    groups: BTreeMap<Arc<str>, Group>,
    /// When each group that waits has something to do.
    timers: BTreeSet<(Instant, Arc<str>)>,
    attempts: BTreeMap<AttemptId, Arc<str>>,
    policy: Policy,
    actions: VecDeque<Action>,
}

/// What all groups decide with.
#[derive(Debug)]
struct Policy {
    backoff: Backoff,
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
            timers: BTreeSet::new(),
            attempts: BTreeMap::new(),
            policy: Policy {
                backoff: Backoff::new(settings, seed),
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
            self.change(now, &group_id, |_, _| {});
        }
    }

    /// Starts or stops one group; the others go on. Returns `false` if there is no endpoint of such a group.
    pub fn set_group_running(&mut self, now: Instant, group_id: &str, running: bool) -> bool {
        let is_there = self.groups.get(group_id).is_some_and(|group| !group.is_empty());
        is_there && self.change(now, group_id, |group, _| group.set_stopped(!running))
    }

    /// Whether the group should be connected: everything is started, and so is the group.
    pub fn is_running(&self, group_id: &str) -> bool {
        self.running && self.groups.get(group_id).is_some_and(|group| !group.is_stopped())
    }

    /// Adds an endpoint. If it is `active`, a group that is waiting tries it at once.
    pub fn add(&mut self, now: Instant, group_id: &Arc<str>, endpoint: EndpointId, priority: i32, active: bool) {
        self.groups.entry(group_id.clone()).or_default();
        self.change(now, group_id, |group, _| group.add(Candidate::new(now, endpoint, priority, active)));
    }

    /// Removes an endpoint and ends its session.
    pub fn remove(&mut self, now: Instant, group_id: &str, endpoint: EndpointId) {
        self.change(now, group_id, |group, _| group.remove(endpoint));
    }

    /// Activates an endpoint, which is then like one that was just added, or deactivates it and ends its session.
    pub fn set_active(&mut self, now: Instant, group_id: &str, endpoint: EndpointId, active: bool) {
        self.change(now, group_id, |group, _| group.set_active(now, endpoint, active));
    }

    /// Changes an endpoint's priority, from the group's next selection on: there is no fail-back.
    pub fn set_priority(&mut self, now: Instant, group_id: &str, endpoint: EndpointId, priority: i32) {
        self.change(now, group_id, |group, _| group.set_priority(endpoint, priority));
    }

    /// An endpoint's token, or something else that it is dialled with, has changed. That it refused the old one or
    /// asked to be left alone is forgotten. If its group is waiting, it is tried at once; if it is itself what the
    /// group is connected to or tries, that ends, and selection starts from the best at once.
    pub fn renewed(&mut self, now: Instant, group_id: &str, endpoint: EndpointId) {
        self.change(now, group_id, |group, policy| group.renewed(now, endpoint, policy));
    }

    /// Ends what the group is connected to or tries, forgets all failures, refusals and waiting times, and starts
    /// from the best at once. Returns `false` if there is no such group.
    pub fn reconnect(&mut self, now: Instant, group_id: &str) -> bool {
        self.change(now, group_id, |group, policy| group.reconnect(now, policy))
    }

    /// The attempt's token was accepted.
    pub fn established(&mut self, now: Instant, attempt: AttemptId) {
        if let Some(group_id) = self.attempts.get(&attempt).cloned() {
            self.change(now, &group_id, |group, _| group.established(now));
        }
    }

    /// The attempt or session is over. Returns the time to the group's next attempt, or `None` if none is planned.
    pub fn ended(&mut self, now: Instant, attempt: AttemptId, how: Aftermath) -> Option<Duration> {
        let group_id = self.attempts.remove(&attempt)?;
        self.change(now, &group_id, |group, policy| group.ended(now, how, policy));
        self.groups.get(&group_id)?.next_attempt_in(now)
    }

    /// Does what has become due.
    pub fn timeout(&mut self, now: Instant) {
        let due: Vec<Arc<str>> =
            self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, group_id)| group_id.clone()).collect();
        for group_id in due {
            self.change(now, &group_id, |_, _| {});
        }
    }

    /// When to call [`Supervisor::timeout`] next.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether any attempt or session is under way.
    pub fn is_quiet(&self) -> bool {
        self.attempts.is_empty()
    }

    /// An endpoint's connection; `None` if there is no such endpoint.
    pub fn connection(&self, group_id: &str, endpoint: EndpointId) -> Option<Connection> {
        self.groups.get(group_id)?.connection(endpoint)
    }

    /// Changes a group and lets it decide what to do then; drops it when it has nothing left. Returns `false` if
    /// there is no such group.
    fn change(&mut self, now: Instant, group_id: &str, change: impl FnOnce(&mut Group, &mut Policy)) -> bool {
        let Some((group_id, _)) = self.groups.get_key_value(group_id) else { return false };
        let group_id = group_id.clone();
        let Some(group) = self.groups.get_mut(&group_id) else { return false };
        let before = group.next_timeout();
        change(group, &mut self.policy);
        let action = group.decide(now, self.running, &mut self.policy);
        let (after, gone) = (group.next_timeout(), group.is_gone());
        if gone {
            self.groups.remove(&group_id);
        }
        if let Some(at) = before.filter(|_| after != before) {
            self.timers.remove(&(at, group_id.clone()));
        }
        if let Some(at) = after.filter(|_| after != before) {
            self.timers.insert((at, group_id.clone()));
        }
        if let Some(Action::Dial { attempt, .. }) = action {
            self.attempts.insert(attempt, group_id);
        }
        self.actions.extend(action);
        true
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
