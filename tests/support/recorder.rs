//! A backup server for tests: a connector, and a host behind it that keeps all it is told and answers as the
//! test says.
#![allow(dead_code)] // each test file uses its own part

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nbwss::outbox::Outcome;
use nbwss::protocol::notification::Job;
use nbwss::protocol::{Header, Response};
use nbwss::{Connector, Delivery, Event, EventKind, Host, LogLine, Request, Settings};

use crate::support::{Cloud, DEADLINE};

/// Everything a host is told, in the order told.
#[derive(Default)]
pub struct Seen {
    pub events: Vec<Told>,
    pub deliveries: Vec<Delivery>,
    pub log: Vec<LogLine>,
    pub calls: Vec<Call>,
}

/// An event and when it was told.
#[derive(Debug, Clone)]
pub struct Told {
    pub at: Instant,
    pub event: Event,
}

/// What a request held when it came.
#[derive(Debug, Clone)]
pub struct Call {
    pub host_name: String,
    pub group_id: String,
    pub method: String,
    pub uri: String,
    pub headers: Vec<Header>,
    pub body: Option<String>,
}

pub struct Recorder {
    answer: Box<dyn Fn(Request) + Send + Sync>,
    seen: Mutex<Seen>,
    grown: Condvar,
}

impl Host for Recorder {
    fn on_request(&self, request: Request) {
        self.note(|seen| seen.calls.push(Call::of(&request)));
        (self.answer)(request);
    }

    fn on_delivery(&self, delivery: &Delivery) {
        self.note(|seen| seen.deliveries.push(delivery.clone()));
    }

    fn on_event(&self, event: &Event) {
        self.note(|seen| seen.events.push(Told { at: Instant::now(), event: event.clone() }));
    }

    fn on_log(&self, line: &LogLine) {
        self.note(|seen| seen.log.push(line.clone()));
    }
}

impl Call {
    fn of(request: &Request) -> Call {
        Call {
            host_name: request.host_name().to_owned(),
            group_id: request.group_id().to_owned(),
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            headers: request.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: request.body().map(str::to_owned),
        }
    }
}

impl Recorder {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
        self.grown.notify_all();
    }

    /// Looks at all that was told.
    pub fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    /// Looks now, and again whenever something is told, until something is found.
    pub fn wait_until<T>(&self, what: &str, mut find: impl FnMut(&Seen) -> Option<T>) -> T {
        let until = Instant::now() + DEADLINE;
        let mut seen = self.seen.lock().unwrap();
        loop {
            if let Some(found) = find(&seen) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (events, log) = (seen.events.clone(), seen.log.clone());
                drop(seen);
                panic!("the host was never told of {what}; it was told {events:#?} and {log:#?}");
            }
            seen = self.grown.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// The number-th event of this kind, counted from 1.
    pub fn event(&self, kind: EventKind, number: usize) -> Told {
        self.wait_until(&format!("{kind:?} number {number}"), |seen| {
            seen.events.iter().filter(|told| told.event.kind == kind).nth(number - 1).cloned()
        })
    }

    /// The first event of this kind from this endpoint after so many events.
    pub fn event_of(&self, host_name: &str, kind: EventKind, after: usize) -> Told {
        let is_it = |told: &&Told| told.event.kind == kind && told.event.host_name == host_name;
        self.wait_until(&format!("{kind:?} of {host_name} after {after} events"), |seen| {
            seen.events.iter().skip(after).find(is_it).cloned()
        })
    }

    /// The number-th call, counted from 1.
    pub fn call(&self, number: usize) -> Call {
        self.wait_until(&format!("call {number}"), |seen| seen.calls.get(number - 1).cloned())
    }

    /// A log line that contains this text.
    pub fn logged(&self, text: &str) -> LogLine {
        self.wait_until(&format!("a log line with {text:?}"), |seen| {
            seen.log.iter().find(|line| line.text.contains(text)).cloned()
        })
    }

    /// Waits for so many delivery reports, and returns all there are.
    pub fn deliveries(&self, count: usize) -> Vec<Delivery> {
        self.wait_until(&format!("{count} deliveries"), |seen| {
            (seen.deliveries.len() >= count).then(|| seen.deliveries.clone())
        })
    }

    /// How often the host was asked for this uri.
    pub fn calls_for(&self, uri: &str) -> usize {
        self.look(|seen| seen.calls.iter().filter(|call| call.uri == uri).count())
    }
}

/// The sequence numbers that ended so, in the order told.
pub fn sequences(deliveries: &[Delivery], outcome: Outcome) -> Vec<u64> {
    deliveries.iter().filter(|delivery| delivery.outcome == outcome).map(|delivery| delivery.sequence).collect()
}

/// Answers 200 with the uri as the body.
pub fn ok(request: Request) {
    let body = Some(request.uri().as_bytes().to_vec());
    respond(&request, 200, &[("Content-Type", "text/plain")], body);
}

/// Answers. That it is too late shows on the other side.
pub fn respond(request: &Request, status_code: i64, headers: &[(&str, &str)], body: Option<Vec<u8>>) {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let response = Response::new(status_code, headers, body).expect("a good response");
    let _ = request.respond(&response);
}

/// A finished backup with this id.
pub fn job(job_id: i64) -> Job<'static> {
    Job {
        schedule_type: "ST_FULL",
        client_name: "client1.example.com",
        status: 0,
        start_time: 1_459_829_674,
        state: "DONE",
        policy_name: "nightly",
        parent_job_id: job_id,
        job_id,
        policy_type: "VMWARE",
        job_type: "BACKUP",
    }
}

/// A connector with its host. Pauses between attempts are short, and everything is logged.
pub struct Backup {
    pub connector: Connector,
    pub host: Arc<Recorder>,
}

impl Backup {
    /// Made and not started; without a CA file the system's authorities are trusted.
    pub fn new(
        ca_file: Option<&Path>,
        settings: &[(&str, &str)],
        answer: impl Fn(Request) + Send + Sync + 'static,
    ) -> Backup {
        let mut all = Settings::default();
        let mut set = |key: &str, value: &str| all.set(key, value).unwrap_or_else(|why| panic!("{why}"));
        set("connect.backoffBase", "10");
        set("log.level", "debug");
        // Without a rule no call reaches the host.
        set("dispatch.policy", "allow * /**");
        if let Some(path) = ca_file {
            set("tls.caFile", path.to_str().expect("a path in UTF-8"));
        }
        for (key, value) in settings {
            set(key, value);
        }
        let host = Recorder { answer: Box::new(answer), seen: Mutex::default(), grown: Condvar::new() };
        let host = Arc::new(host);
        let connector = Connector::new(all, host.clone()).unwrap_or_else(|why| panic!("{why}"));
        Backup { connector, host }
    }

    /// Knows the cloud application and trusts its CA; not started.
    pub fn beside(
        cloud: &Cloud,
        settings: &[(&str, &str)],
        answer: impl Fn(Request) + Send + Sync + 'static,
    ) -> Backup {
        let backup = Backup::new(Some(&cloud.ca_file()), settings, answer);
        backup.connector.add_endpoints_file(&cloud.endpoint_file()).expect("good endpoint details");
        backup
    }

    /// As [`Backup::beside`], and with the session established.
    pub fn connected(
        cloud: &Cloud,
        settings: &[(&str, &str)],
        answer: impl Fn(Request) + Send + Sync + 'static,
    ) -> Backup {
        let backup = Backup::beside(cloud, settings, answer);
        backup.connector.start().expect("it starts");
        backup.host.event(EventKind::Established, 1);
        backup
    }

    /// Waits until all notifications are reported: so many, each once, in order, and delivered.
    pub fn all_delivered(&self, count: u64) {
        let drained = self.connector.drain(DEADLINE).expect("a drain");
        assert!(drained.complete, "{drained:?}");
        assert_eq!((drained.delivered, drained.pending, drained.abandoned), (count, 0, 0));
        let deliveries = self.host.look(|seen| seen.deliveries.clone());
        assert_eq!(sequences(&deliveries, Outcome::Delivered), (1..=count).collect::<Vec<u64>>());
        assert_eq!(deliveries.len() as u64, count);
    }

    /// Ends the sessions and waits for it.
    pub fn stop(&self) {
        self.connector.stop().expect("it stops");
        self.connector.wait(Duration::from_secs(30)).expect("the sessions end");
    }
}
