//! The driver of a history: a queue of events in virtual time, the network between connector and clouds, the
//! host's side, and the promises that are checked along the way and at the end.

mod attempts;
mod faults;
mod notifying;
mod settings;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nbwss::dispatch::{Answer, CallId, Decision, Dispatch, Notice, SessionId, Step, Verdict, Wanted};
use nbwss::endpoint::{EndpointId, Registry};
use nbwss::outbox::{Change, Outbox, Outcome, Store};
use nbwss::protocol::{Response, ResponseFormat};
use nbwss::session::{End, Received, Session, Transmit};
use nbwss::supervisor::{Aftermath, AttemptId, Supervisor};
use nbwss::{Now, Settings};

use super::cloud::{Cloud, Manners};
use super::disk::Disk;
use notifying::Notified;

/// Faults happen until then; afterwards everybody behaves, and everything must come to a good end.
const CHAOS: Duration = Duration::from_secs(180);
const END: Duration = Duration::from_secs(600);
/// Calls are refused from then on, and those under way answered.
const SHUT_DOWN: Duration = Duration::from_secs(599);
const GROUPS: [&str; 2] = ["near", "far"];

enum Event {
    /// An attempt to connect came to its end, good or bad.
    Dialled(AttemptId, Result<(), Aftermath>),
    ToCloud(AttemptId, Wire),
    ToConnector(AttemptId, Wire),
    /// The connector notices that the connection is gone.
    Lost(AttemptId),
    /// An attempt that was told to end has ended.
    Closed(AttemptId),
    /// The peer's close frame, with its code, reaches the connector.
    PeerCloses(AttemptId, u16),
    Notify,
    /// The writer begins a change, unless the process of that time is gone.
    Write(u32),
    /// It is done, likewise.
    Written(u32),
    /// It reads, likewise.
    Read(u32),
    /// The application of this connection acknowledges late, in whatever order.
    Acknowledge(AttemptId, String),
    DiskWorks,
    /// The application of this group sends a command.
    Command(usize),
    Respond(CallId, String),
    Fault,
    Calm,
    /// The connector is about to be destroyed.
    ShutDown,
}

enum Wire {
    /// A message and when it was sent.
    Text(String, Duration),
    Ping,
    Pong,
}

struct Dialling {
    endpoint: EndpointId,
    told_to_end: bool,
}

struct Connection {
    endpoint: EndpointId,
    group: usize,
    session: Session,
    open: Option<SessionId>,
    /// Nothing passes any more, and nobody was told.
    silent: bool,
    /// The connector was told to end it, and does nothing with it any more.
    closing: bool,
    authenticated: bool,
    /// When the last message of each direction arrives: later ones do not overtake it.
    arrivals: [Duration; 2],
    /// Commands sent over it that wait for an answer, and when each reached the connector.
    asked: Vec<(String, Duration)>,
    /// How often each was sent and answered.
    balance: HashMap<String, i32>,
}

/// What happened in a history, for counting.
#[derive(Debug, Default)]
pub struct Totals {
    pub accepted: u64,
    pub delivered: u64,
    pub repeated: u64,
    pub sessions: u64,
    /// Endpoints that were left alone because they said so, or refused the token.
    pub left_alone: u64,
    pub answered: u64,
    pub repeated_calls: u64,
    pub timeouts: u64,
    pub restarts: u64,
    /// Notifications given up because they were never acknowledged, and because their group was away.
    pub poison: u64,
    pub expired: u64,
    pub superseded: u64,
    pub removed: u64,
    /// Notifications refused for lack of space.
    pub refused: u64,
}

impl Totals {
    pub fn add(&mut self, other: &Totals) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.repeated += other.repeated;
        self.sessions += other.sessions;
        self.left_alone += other.left_alone;
        self.answered += other.answered;
        self.repeated_calls += other.repeated_calls;
        self.timeouts += other.timeouts;
        self.restarts += other.restarts;
        self.poison += other.poison;
        self.expired += other.expired;
        self.superseded += other.superseded;
        self.removed += other.removed;
        self.refused += other.refused;
    }
}

/// The result of a history.
pub struct History {
    pub totals: Totals,
    pub trace: Vec<String>,
}

pub struct World {
    random: fastrand::Rng,
    start: Instant,
    at: Duration,
    events: BTreeMap<(Duration, u64), Event>,
    last_event: u64,
    settings: Settings,
    registry: Registry,
    supervisor: Supervisor,
    outbox: Outbox,
    /// The groups that have an endpoint, in the order in which they came.
    groups: Vec<usize>,
    /// In half of the histories.
    disk: Option<Disk>,
    /// The change that is being written.
    change: Option<Change>,
    /// One is being written, or planned.
    writes: bool,
    /// It is about to read.
    reads: bool,
    /// Counts the restarts.
    life: u32,
    notified: Notified,
    dispatch: Dispatch,
    group_ids: [Arc<str>; 2],
    endpoints: Vec<(EndpointId, usize)>,
    down: Vec<EndpointId>,
    /// Their tokens have expired.
    stale: BTreeSet<EndpointId>,
    deactivated: BTreeSet<EndpointId>,
    /// The administrator just did something for which sessions may have to end.
    intervened: bool,
    /// Not to be dialled before.
    left_alone: BTreeMap<EndpointId, Duration>,
    dialling: BTreeMap<AttemptId, Dialling>,
    connections: BTreeMap<AttemptId, Connection>,
    clouds: [Cloud; 2],
    /// How often the host was called for each command.
    calls: HashMap<(usize, String), u32>,
    /// Arrivals without an end in the audit, for each command.
    audited: HashMap<(usize, String), i32>,
    last_command: u64,
    /// How each notification ended in each group.
    reports: HashMap<(usize, u64), Outcome>,
    totals: Totals,
    trace: Vec<String>,
}

impl World {
    /// Runs one history to its end and checks it.
    pub fn run(seed: u64) -> History {
        let mut random = fastrand::Rng::with_seed(seed);
        let settings = settings::draw(&mut random);
        let disk = random.bool().then(Disk::default);
        let bytes = if random.bool() { 0 } else { 300 };
        let start = Instant::now();
        let mut world = World {
            start,
            at: Duration::ZERO,
            events: BTreeMap::new(),
            last_event: 0,
            registry: Registry::default(),
            supervisor: Supervisor::new(&settings, seed),
            outbox: match disk {
                Some(_) => Outbox::restored(&settings, true, &Disk::default().load().expect("an empty store")),
                None => Outbox::new(&settings, true),
            },
            groups: Vec::new(),
            disk,
            change: None,
            writes: false,
            reads: false,
            life: 0,
            notified: Notified { bytes, ..Notified::default() },
            dispatch: Dispatch::new(&settings, Wanted { audit: true, cancel: true, ..Wanted::default() }),
            settings,
            group_ids: GROUPS.map(Arc::from),
            endpoints: Vec::new(),
            down: Vec::new(),
            stale: BTreeSet::new(),
            deactivated: BTreeSet::new(),
            intervened: false,
            left_alone: BTreeMap::new(),
            dialling: BTreeMap::new(),
            connections: BTreeMap::new(),
            clouds: [(); 2].map(|()| Cloud::new(Manners::draw(&mut random))),
            calls: HashMap::new(),
            audited: HashMap::new(),
            last_command: 0,
            reports: HashMap::new(),
            totals: Totals::default(),
            trace: Vec::new(),
            random,
        };
        world.supervisor.set_running(start, true);
        if settings::is_small(&world.settings) {
            // It could fill up behind one, and then there would be no others to show by that it is to blame.
            world.clouds.iter_mut().for_each(|cloud| cloud.manners.poison = 0);
        }
        for index in 0..world.random.usize(0..6) {
            world.add_endpoint(index % 2);
        }
        for _ in 0..world.random.usize(10..200) {
            let at = world.in_chaos();
            world.schedule(at, Event::Notify);
        }
        // What is never acknowledged shows by others that are.
        for second in 0..40 {
            world.schedule(CHAOS + Duration::from_secs(5 * second), Event::Notify);
        }
        for _ in 0..world.random.usize(0..80) {
            let (at, group) = (world.in_chaos(), world.random.usize(0..2));
            world.schedule(at, Event::Command(group));
        }
        for _ in 0..world.random.usize(0..60) {
            let at = world.in_chaos();
            world.schedule(at, Event::Fault);
        }
        world.schedule(CHAOS, Event::Calm);
        for _ in 0..world.random.usize(0..10) {
            let (before, group) = (world.milliseconds(0..300), world.random.usize(0..2));
            world.schedule(SHUT_DOWN - before, Event::Command(group));
        }
        world.schedule(SHUT_DOWN, Event::ShutDown);
        world.live();
        world.judge();
        History { totals: world.totals, trace: world.trace }
    }

    fn now(&self) -> Now {
        Now { instant: self.start + self.at, epoch_seconds: World::epoch(self.at) }
    }

    fn in_chaos(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(0..CHAOS.as_millis() as u64))
    }

    fn milliseconds(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.u64(range))
    }

    fn schedule(&mut self, at: Duration, event: Event) {
        self.last_event += 1;
        self.events.insert((at, self.last_event), event);
    }

    /// Lets time pass until the end, from event to event and timer to timer.
    fn live(&mut self) {
        self.pump();
        let mut steps_at_once = 0;
        while self.at < END {
            let event = self.events.keys().next().map_or(END, |(at, _)| *at);
            let timer = self.next_timeout().map_or(END, |at| at.saturating_duration_since(self.start));
            let next = event.min(timer).min(END);
            steps_at_once = if next > self.at { 0 } else { steps_at_once + 1 };
            assert!(steps_at_once < 10_000, "time stands still at {:?}", self.at);
            self.at = next.max(self.at);
            if event <= self.at
                && let Some((_, event)) = self.events.pop_first()
            {
                self.happen(event);
            }
            self.pump();
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let live = || self.connections.values().filter(|c| !c.closing);
        let sessions = live().map(|c| c.session.next_timeout());
        let open = || live().filter_map(|c| Some((c.open?, c.group)));
        let calls = open().filter_map(|(open, _)| self.dispatch.next_timeout(open));
        let resends = open().filter_map(|(_, group)| self.outbox.next_timeout(GROUPS[group]));
        sessions.chain(calls).chain(resends).chain(self.supervisor.next_timeout()).min()
    }

    /// What the connector's I/O thread does: everything that is due, as the supervisor and the rooms say.
    fn pump(&mut self) {
        let now = self.now();
        self.supervisor.timeout(now.instant);
        let ids: Vec<AttemptId> = self.connections.keys().copied().collect();
        for id in ids {
            self.pump_connection(id);
        }
        while let Some(action) = self.supervisor.poll_action() {
            self.carry_out(action);
        }
        self.intervened = false;
        while let Some(notice) = self.dispatch.poll_notice() {
            if let Notice::Audit(record) = notice {
                let group = GROUPS.iter().position(|id| **id == *record.group_id).expect("a known group");
                let open = self.audited.entry((group, record.id.into())).or_default();
                match record.step {
                    Step::Arrived { decision: Decision::Repeated, .. } => {}
                    Step::Arrived { .. } => *open += 1,
                    Step::Ended { .. } => *open -= 1,
                }
                assert!(*open >= 0, "an end without an arrival");
            }
        }
        // It takes a moment until the thread comes to it.
        if self.random.u8(0..4) == 0 {
            self.outbox.expire(now.epoch_seconds);
        }
        self.pump_reports();
        self.pump_store();
    }

    fn group_of(&self, endpoint: EndpointId) -> usize {
        self.endpoints.iter().find(|(id, _)| *id == endpoint).expect("a known endpoint").1
    }

    fn pump_connection(&mut self, id: AttemptId) {
        let now = self.now();
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| !connection.closing) else { return };
        if let Err(end) = connection.session.timeout(now.instant) {
            return self.end(id, &end);
        }
        if let Some(open) = connection.open {
            self.dispatch.timeout(now, open);
        }
        loop {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            let wire = match connection.session.poll_transmit(now) {
                Some(Transmit::Connect(message)) => Wire::Text(message.expose().to_owned(), self.at),
                Some(Transmit::Ping) => Wire::Ping,
                None => {
                    let Some(open) = connection.open else { return };
                    let group_id = GROUPS[connection.group];
                    let mut answers = self.dispatch.take_answers(open);
                    if !answers.is_empty() {
                        while let Some(text) = answers.pop() {
                            let text = text.to_owned();
                            self.send(id, 0, Wire::Text(text, self.at));
                        }
                        continue;
                    }
                    match self.outbox.poll_transmit(now, group_id) {
                        Some(text) => Wire::Text(text, self.at),
                        None => return,
                    }
                }
            };
            self.send(id, 0, wire);
        }
    }

    /// Puts a message on the wire: direction 0 goes to the cloud, 1 to the connector.
    fn send(&mut self, id: AttemptId, direction: usize, wire: Wire) {
        let delay = self.milliseconds(1..80);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.silent {
            return;
        }
        let arrival = connection.arrivals[direction].max(self.at + delay);
        connection.arrivals[direction] = arrival;
        let event = if direction == 0 { Event::ToCloud(id, wire) } else { Event::ToConnector(id, wire) };
        self.schedule(arrival, event);
    }

    fn happen(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Dialled(id, how) => self.dialled(id, how),
            Event::ToCloud(id, wire) => self.at_cloud(id, wire),
            Event::ToConnector(id, wire) => self.at_connector(id, wire),
            Event::Lost(id) => self.end(id, &End::Lost("reset".into())),
            Event::Closed(id) => self.end(id, &End::Stopped),
            Event::PeerCloses(id, code) => self.end(id, &End::PeerClosed { code, reason: String::new() }),
            Event::Notify => self.notify(),
            Event::Write(life) if life == self.life => self.write(),
            Event::Written(life) if life == self.life => self.written(),
            Event::Read(life) if life == self.life => self.read(),
            Event::Write(_) | Event::Written(_) | Event::Read(_) => {}
            Event::Acknowledge(id, text) => self.send(id, 1, Wire::Text(text, self.at)),
            Event::DiskWorks => {
                if let Some(disk) = &mut self.disk {
                    (disk.fails, disk.fails_to_read) = (false, false);
                }
            }
            Event::Command(group) => self.ask(group),
            Event::Respond(call, id) => {
                let body = format!("{call:?}").into_bytes();
                let response = Response::new(200, vec![], Some(body)).expect("valid");
                // Too late is one of the things that happen.
                let answer = Answer::new(now, &id, &response, &ResponseFormat::default());
                let _ = self.dispatch.respond(now, call, answer);
                self.dispatch.release(|| now, call);
            }
            Event::Fault => self.fault(),
            Event::ShutDown => {
                self.dispatch.shut_down(now);
                self.ask(0);
            }
            Event::Calm => self.calm(),
        }
    }

    fn at_cloud(&mut self, id: AttemptId, wire: Wire) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.silent {
            return;
        }
        match wire {
            Wire::Ping => self.send(id, 1, Wire::Pong),
            Wire::Pong => {}
            Wire::Text(text, sent) => {
                let cloud = &mut self.clouds[connection.group];
                let (out, answered) = cloud.take(&mut self.random, &mut connection.authenticated, &text);
                if let Some((command, status)) = answered {
                    let balance = connection.balance.entry(command.clone()).or_default();
                    *balance -= 1;
                    assert!(*balance >= 0, "more answers to {command} than it was sent over this connection");
                    let waited =
                        connection.asked.iter().filter(|(asked, arrived)| *asked == command && *arrived <= sent);
                    let longest = waited.map(|(_, arrived)| sent - *arrived).max().unwrap_or_default();
                    assert!(longest <= self.settings.dispatch_timeout, "{command} waited {longest:?} for its answer");
                    connection.asked.retain(|(asked, arrived)| *asked != command || *arrived > sent);
                    self.totals.answered += 1;
                    self.totals.timeouts += u64::from(status == 504);
                }
                for (delay, text) in out {
                    match delay {
                        None => self.send(id, 1, Wire::Text(text, self.at)),
                        Some(delay) => self.schedule(self.at + delay, Event::Acknowledge(id, text)),
                    }
                }
            }
        }
    }

    fn at_connector(&mut self, id: AttemptId, wire: Wire) {
        let now = self.now();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.silent || connection.closing {
            return;
        }
        let group = connection.group;
        let text = match wire {
            Wire::Pong => return connection.session.pong(),
            Wire::Ping => return,
            Wire::Text(text, _) => text,
        };
        match connection.session.receive(&text) {
            Err(end) => self.end(id, &end),
            Ok(Received::Established) => {
                connection.open = Some(self.dispatch.open(now, "cloud", &self.group_ids[group]));
                self.outbox.connection_opened(GROUPS[group]);
                self.supervisor.established(now.instant, id);
                self.totals.sessions += 1;
                self.trace.push(format!("{:?} established {:?}", self.at, connection.endpoint));
            }
            Ok(Received::Command { id: command, request }) => {
                let open = connection.open.expect("established before commands");
                if let Verdict::Call { call, .. } = self.dispatch.request(now, open, &command, &request) {
                    let command = command.into_owned();
                    let calls = self.calls.entry((group, command.clone())).or_default();
                    *calls += 1;
                    assert_eq!(*calls, 1, "the host is called twice");
                    // One in ten hosts has forgotten it for a long time.
                    let slowest = if self.random.u8(0..10) == 0 { 100_000 } else { 8000 };
                    let delay = self.milliseconds(1..slowest);
                    self.schedule(self.at + delay, Event::Respond(call, command));
                }
            }
            Ok(Received::Acknowledged(message)) => {
                self.outbox.acknowledge(GROUPS[group], &message);
            }
            Ok(Received::Ignored(_)) => {}
        }
    }

    /// After a long calm: everything has arrived, was told, and is answered.
    fn judge(&mut self) {
        self.judge_notifications();
        assert!(self.audited.values().all(|open| *open == 0), "the audit has arrivals without an end");
        for connection in self.connections.values() {
            assert!(connection.open.is_some() || self.at < CHAOS, "no session in calm");
            assert_eq!(connection.asked, [], "commands without an answer");
        }
        assert_eq!(self.connections.len(), GROUPS.len(), "a session for each group");
    }
}
