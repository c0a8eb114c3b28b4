//! The connection rules as invariants: whatever administrators, applications and networks do, in any order, what
//! the supervisor does is checked against a naive book of what each endpoint did and said.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::{Action, Aftermath, AttemptId, ConnectionState, Details, EndpointId, Registry, Secret, Supervisor, busy};
use crate::settings::Settings;

const SEEDS: u64 = 2000;
const STEPS: usize = 250;
const GROUPS: [&str; 3] = ["g", "h", "i"];

/// What is known of an endpoint.
struct Known {
    group: usize,
    priority: i32,
    active: bool,
    /// Had its turn in its group's round, or waits for the one after a session.
    tried: bool,
    /// It is left alone until some time between these.
    left_alone: Option<(Instant, Instant)>,
    refused: bool,
    since: Instant,
    attempts: u64,
    sessions: u64,
}

impl Known {
    fn forget(&mut self, now: Instant) {
        (self.tried, self.left_alone) = (false, None);
        if std::mem::take(&mut self.refused) {
            self.since = now;
        }
    }

    /// Whether it may be dialled before the next round, and whether it must be.
    fn turn(&self, now: Instant) -> (bool, bool) {
        match self.left_alone {
            Some((from, to)) => (from <= now && !self.tried, to <= now && !self.tried),
            None => (!self.tried, !self.tried),
        }
    }
}

struct UnderWay {
    endpoint: EndpointId,
    group: usize,
    established: bool,
    /// There is a reason to end it, and since when it was told.
    must_end: bool,
    told: bool,
}

#[derive(Default)]
struct Group {
    stopped: bool,
    next_round: Option<Instant>,
    /// There is one, but all who wait for it are left alone for longer, so that their plans do not show when.
    hidden_round: bool,
}

/// How often what happened, over all histories.
#[derive(Debug, Default)]
struct Totals {
    dials: u64,
    sessions: u64,
    told_to_end: u64,
    left_alone: u64,
    failovers: u64,
    refused_again: u64,
}

struct History<'a> {
    supervisor: Supervisor,
    settings: Settings,
    registry: Registry,
    random: fastrand::Rng,
    now: Instant,
    running: bool,
    groups: [Group; 3],
    known: BTreeMap<EndpointId, Known>,
    under_way: BTreeMap<AttemptId, UnderWay>,
    totals: &'a mut Totals,
}

impl History<'_> {
    fn run(seed: u64, totals: &mut Totals) {
        let settings = Settings::default();
        let mut history = History {
            supervisor: Supervisor::new(&settings, seed),
            settings,
            registry: Registry::default(),
            random: fastrand::Rng::with_seed(seed),
            now: Instant::now(),
            running: true,
            groups: Default::default(),
            known: BTreeMap::new(),
            under_way: BTreeMap::new(),
            totals,
        };
        history.supervisor.set_running(history.now, true);
        for _ in 0..STEPS {
            history.step();
            history.settle();
        }
    }

    fn step(&mut self) {
        let group = self.random.usize(0..GROUPS.len());
        let endpoints: Vec<EndpointId> = self.known.keys().copied().collect();
        match (self.random.u8(0..40), self.random.choice(&endpoints).copied()) {
            (0..=2, _) if endpoints.len() < 12 => self.add(group),
            (3, Some(endpoint)) => self.remove(endpoint),
            (4..=6, Some(endpoint)) => self.set_active(endpoint),
            (7..=8, Some(endpoint)) => {
                let priority = self.random.i32(0..4);
                self.supervisor.set_priority(self.now, self.group_of(endpoint), endpoint, priority);
                self.book(endpoint).priority = priority;
            }
            (9, Some(endpoint)) => {
                self.supervisor.renewed(self.now, self.group_of(endpoint), endpoint);
                let now = self.now;
                self.book(endpoint).forget(now);
                self.under_way.values_mut().filter(|under_way| under_way.endpoint == endpoint).for_each(must_end);
            }
            (10, _) => self.reconnect(group),
            (11, _) => {
                // Mostly running, or there is little to see.
                self.running = self.random.u8(0..4) > 0;
                self.supervisor.set_running(self.now, self.running);
            }
            (12, _) => {
                let running = self.random.u8(0..4) > 0;
                let exists = self.supervisor.set_group_running(self.now, GROUPS[group], running);
                self.groups[group].stopped = exists && !running;
            }
            (13..=19, _) => self.establish(),
            (20..=31, _) => self.end(),
            (32..=37, _) => {
                if let Some(at) = self.supervisor.next_timeout() {
                    self.pass(at - self.now);
                }
            }
            _ => {
                let time = Duration::from_millis(self.random.u64(0..90_000));
                self.pass(time);
            }
        }
    }

    fn book(&mut self, endpoint: EndpointId) -> &mut Known {
        self.known.get_mut(&endpoint).expect("it is there")
    }

    fn group_of(&self, endpoint: EndpointId) -> &'static str {
        GROUPS[self.known[&endpoint].group]
    }

    fn of_group(&mut self, group: usize) -> impl Iterator<Item = &mut Known> {
        self.known.values_mut().filter(move |known| known.group == group)
    }

    fn add(&mut self, group: usize) {
        let name = format!("e{}", self.random.u64(..));
        let (priority, active) = (self.random.i32(0..4), self.random.u8(0..4) > 0);
        let details = Details::new(&name, "wss://h/", GROUPS[group], priority, Secret::new("t".into())).unwrap();
        let endpoint = self.registry.add(vec![(details, true)]).unwrap().remove(0);
        self.supervisor.add(self.now, &endpoint.details.group_id, endpoint.id, priority, active);
        let known = Known {
            group,
            priority,
            active,
            tried: false,
            left_alone: None,
            refused: false,
            since: self.now,
            attempts: 0,
            sessions: 0,
        };
        self.known.insert(endpoint.id, known);
    }

    fn remove(&mut self, endpoint: EndpointId) {
        self.supervisor.remove(self.now, self.group_of(endpoint), endpoint);
        self.known.remove(&endpoint);
    }

    fn set_active(&mut self, endpoint: EndpointId) {
        let (now, active) = (self.now, self.random.bool());
        self.supervisor.set_active(now, self.group_of(endpoint), endpoint, active);
        let known = self.book(endpoint);
        if known.active != active {
            known.active = active;
            known.forget(now);
        }
    }

    fn reconnect(&mut self, group: usize) {
        let now = self.now;
        self.supervisor.reconnect(now, GROUPS[group]);
        self.of_group(group).for_each(|known| known.forget(now));
        self.new_round(group);
        self.under_way.values_mut().filter(|under_way| under_way.group == group).for_each(must_end);
    }

    fn new_round(&mut self, group: usize) {
        self.of_group(group).for_each(|known| known.tried = false);
        (self.groups[group].next_round, self.groups[group].hidden_round) = (None, false);
    }

    fn new_round_if_due(&mut self, group: usize) {
        if self.groups[group].next_round.is_some_and(|at| at <= self.now) {
            self.new_round(group);
        }
    }

    fn an_attempt(&mut self) -> Option<AttemptId> {
        let ids: Vec<AttemptId> = self.under_way.keys().copied().collect();
        self.random.choice(&ids).copied()
    }

    fn establish(&mut self) {
        let Some(id) = self.an_attempt() else { return };
        self.supervisor.established(self.now, id);
        let under_way = self.under_way.get_mut(&id).expect("just chosen");
        if under_way.established || under_way.must_end {
            return;
        }
        under_way.established = true;
        let group = &mut self.groups[under_way.group];
        (group.next_round, group.hidden_round) = (None, false);
        let known = self.known.get_mut(&under_way.endpoint).expect("else it must end");
        known.sessions += 1;
        known.since = self.now;
        self.totals.sessions += 1;
    }

    fn end(&mut self) {
        let Some(id) = self.an_attempt() else { return };
        let how = match self.random.u8(0..10) {
            0..=5 => Aftermath::Retry,
            6 => Aftermath::Busy { after: None },
            7..=8 => busy(self.random.choice([0, 1, 5, 30, 300, 5000]).expect("not empty")),
            _ => Aftermath::Refused,
        };
        self.supervisor.ended(self.now, id, how);
        let UnderWay { endpoint, group, established, must_end, .. } = self.under_way.remove(&id).expect("just chosen");
        let now = self.now;
        self.new_round_if_due(group);
        if must_end {
            self.new_round(group);
            if let Some(known) = self.known.get_mut(&endpoint) {
                known.since = now;
            }
            return;
        }
        let (period, base) = (self.settings.backoff_cap, self.settings.backoff_base);
        let wait = match how {
            Aftermath::Refused => Some((period, period / 4)),
            Aftermath::Busy { after: Some(after) } if !after.is_zero() => {
                let after = after.min(self.settings.max_retry_after);
                Some((after, base.max(after / 10)))
            }
            Aftermath::Busy { .. } if established => Some((Duration::ZERO, period)),
            _ => None,
        };
        let known = self.book(endpoint);
        known.left_alone = wait.map(|(least, more)| (now + least, now + least + more));
        known.refused = how == Aftermath::Refused;
        known.tried = wait.is_none();
        known.since = now;
        self.totals.left_alone += u64::from(wait.is_some());
        if established {
            self.of_group(group).for_each(|known| known.tried = true);
        }
    }

    /// Time passes from timer to timer, as the connector lets it.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.settle();
        let mut steps_at_once = 0;
        while let Some(at) = self.supervisor.next_timeout().filter(|at| *at <= until) {
            steps_at_once = if at > self.now { 0 } else { steps_at_once + 1 };
            assert!(steps_at_once < 100, "time stands still");
            self.now = at;
            self.supervisor.timeout(at);
            self.settle();
        }
        self.now = until;
    }

    /// Takes what the supervisor wants done, and looks at everything that it shows.
    fn settle(&mut self) {
        for group in 0..GROUPS.len() {
            let is_trying = self.under_way.values().any(|under_way| under_way.group == group);
            if !is_trying && !self.is_wanted(group) {
                self.new_round(group);
            }
            if self.of_group(group).next().is_none() {
                // The next of this name is another group, even while this one's session still ends.
                self.groups[group] = Group::default();
            }
        }
        for under_way in self.under_way.values_mut().filter(|under_way| !under_way.must_end) {
            let is_welcome = self.known.get(&under_way.endpoint).is_some_and(|known| known.active);
            under_way.must_end = !is_welcome || !self.running || self.groups[under_way.group].stopped;
        }
        while let Some(action) = self.supervisor.poll_action() {
            match action {
                Action::Dial { attempt, endpoint } => self.dialled(attempt, endpoint),
                Action::End { attempt } => {
                    let under_way = self.under_way.get_mut(&attempt).expect("it has not ended");
                    assert!(under_way.must_end && !under_way.told, "no fail-back, and nothing ends without a reason");
                    under_way.told = true;
                    self.totals.told_to_end += 1;
                    if let Some(known) = self.known.get_mut(&under_way.endpoint) {
                        known.since = self.now;
                    }
                }
            }
        }
        assert!(self.under_way.values().all(|under_way| under_way.told == under_way.must_end), "not told to end");
        assert_eq!(self.supervisor.is_quiet(), self.under_way.is_empty());
        for group in 0..GROUPS.len() {
            self.look_at_plans(group);
        }
        self.look_at_states();
    }

    /// The connector and the group are to be connected, and there is an endpoint for it.
    fn is_wanted(&self, group: usize) -> bool {
        let may_be_dialled = |known: &Known| known.group == group && known.active;
        self.running && !self.groups[group].stopped && self.known.values().any(may_be_dialled)
    }

    fn dialled(&mut self, attempt: AttemptId, endpoint: EndpointId) {
        let now = self.now;
        let group = self.known.get(&endpoint).expect("dialled after it was removed").group;
        assert!(self.is_wanted(group), "dialled in a group that is stopped");
        assert!(self.under_way.values().all(|other| other.group != group), "two connections of one group");
        self.new_round_if_due(group);
        let known = &self.known[&endpoint];
        assert!(known.active, "dialled a deactivated endpoint");
        let (may, _) = known.turn(now);
        let may_be_its_round = self.groups[group].hidden_round && known.left_alone.is_none_or(|(from, _)| from <= now);
        assert!(may || may_be_its_round, "dialled before its time");
        let rank = (known.priority, endpoint);
        for (other, better) in self.known.iter().filter(|(_, other)| other.group == group && other.active) {
            let (_, must) = better.turn(now);
            assert!(!must || (better.priority, *other) >= rank, "{other:?} is better and has not had its turn");
        }
        let others_had_theirs = self.of_group(group).any(|other| other.tried);
        self.totals.failovers += u64::from(others_had_theirs);
        self.totals.dials += 1;
        let known = self.book(endpoint);
        let was_refused = std::mem::take(&mut known.refused);
        (known.left_alone, known.since) = (None, now);
        known.attempts += 1;
        self.totals.refused_again += u64::from(was_refused);
        let under_way = UnderWay { endpoint, group, established: false, must_end: false, told: false };
        assert!(self.under_way.insert(attempt, under_way).is_none(), "an attempt's id comes twice");
    }

    /// A group that is to be connected and has nothing under way has a plan for each of its endpoints, which is
    /// kept; the others have none.
    fn look_at_plans(&mut self, group: usize) {
        let waits = self.is_wanted(group) && self.under_way.values().all(|under_way| under_way.group != group);
        if waits && !self.of_group(group).any(|known| known.active && known.tried) {
            self.groups[group].next_round = None;
        }
        let mut alone = Vec::new();
        for (endpoint, known) in self.known.iter_mut().filter(|(_, known)| known.group == group) {
            let plan = self.supervisor.connection(GROUPS[group], *endpoint).expect("it is there").next_attempt;
            if !(waits && known.active) {
                assert_eq!(plan, None);
                continue;
            }
            let at = plan.expect("nobody is forgotten");
            assert!(at >= self.now, "overdue by {:?}", self.now - at);
            if let Some((from, _)) = known.left_alone.filter(|(_, to)| at <= *to) {
                assert!(from <= at, "not left alone");
                alone.push((known, at));
                continue;
            }
            assert!(known.tried, "it could be dialled now");
            let next_round = self.groups[group].next_round.get_or_insert(at);
            assert_eq!(at, *next_round, "a round that was planned takes place");
            self.groups[group].hidden_round = false;
            assert!(at <= self.now + self.settings.backoff_cap, "a pause longer than the period");
        }
        for (known, at) in alone.into_iter().filter(|(known, _)| known.tried) {
            match self.groups[group].next_round {
                Some(next_round) => assert!(at >= next_round, "before the best has its turn"),
                None => (known.tried, self.groups[group].hidden_round) = (false, true),
            }
        }
    }

    fn look_at_states(&self) {
        let mut plans = Vec::new();
        for (endpoint, known) in &self.known {
            let shown = self.supervisor.connection(GROUPS[known.group], *endpoint).expect("it is there");
            let state = match self.under_way.values().find(|under_way| under_way.endpoint == *endpoint) {
                Some(UnderWay { told: true, .. }) => ConnectionState::Closing,
                Some(UnderWay { established: true, .. }) => ConnectionState::Connected,
                Some(_) => ConnectionState::Connecting,
                None if known.refused => ConnectionState::Refused,
                None => ConnectionState::Disconnected,
            };
            assert_eq!((shown.state, shown.since), (state, known.since));
            assert_eq!((shown.attempts, shown.sessions), (known.attempts, known.sessions));
            plans.extend(shown.next_attempt);
        }
        assert_eq!(self.supervisor.next_timeout(), plans.into_iter().min(), "woken when something is due, only");
    }
}

fn must_end(under_way: &mut UnderWay) {
    under_way.must_end = true;
}

#[test]
fn the_rules_hold_in_every_history() {
    let seeds = match std::env::var("NBWSS_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("NBWSS_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    let mut totals = Totals::default();
    for seed in seeds {
        catch_unwind(AssertUnwindSafe(|| History::run(seed, &mut totals)))
            .unwrap_or_else(|_| panic!("seed {seed} failed: NBWSS_SEED={seed} replays it"));
    }
    println!("{totals:?}");
    if std::env::var_os("NBWSS_SEED").is_none() {
        let Totals { dials, sessions, told_to_end, left_alone, failovers, refused_again } = totals;
        let least = [dials, sessions, told_to_end, left_alone, failovers, refused_again].into_iter().min();
        assert!(least > Some(SEEDS), "a history in which nothing happens proves nothing: {totals:?}");
    }
}
