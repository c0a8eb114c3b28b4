//! A process that keeps notifications in a store and says what it was promised, until it is killed. A tool of the
//! tests in this directory.
//!
//! `writer rooms FILE SEED` drives outbox and store on one thread, with applications that acknowledge;
//! `writer connector FILE CA THREADS COUNT` notifies through a connector, from many threads;
//! `writer backlog FILE CA COUNT` the same as fast as it can, then takes endpoint details on standard input and drains.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nbwss::outbox::{Disk, Outbox, Pending, Store};
use nbwss::{Connector, Event, EventKind, Host, Now, Request, Settings, Wants};

const GROUPS: [&str; 2] = ["near", "far"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["rooms", file, seed] => rooms(Path::new(file), seed.parse().expect("a seed")),
        ["connector", file, ca, threads, count] => {
            through_connector(file, ca, threads.parse().expect("threads"), count.parse().expect("a count"));
        }
        ["backlog", file, ca, count] => backlog(file, ca, count.parse().expect("a count")),
        _ => panic!("what {arguments:?}?"),
    }
}

/// One line, in one write: whoever reads it can rely on what it says.
fn say(line: &str) {
    if std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).is_err() {
        // Nobody listens any more.
        std::process::exit(0);
    }
}

fn rooms(file: &Path, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut disk = Disk::open(file).expect("a store");
    let mut settings = Settings::default();
    settings.set("notification.batchCount", "5").expect("valid");
    let mut outbox = Outbox::restored(&settings, true, &disk.load().expect("readable"));
    for group_id in GROUPS {
        outbox.add_group(&Arc::from(group_id));
        outbox.connection_opened(group_id);
    }
    let mut sequence = disk.load().expect("readable").end.max(1);
    loop {
        for _ in 0..random.u8(0..8) {
            // In this process nothing fails, so the number is known before.
            let pad = "x".repeat(random.usize(0..300));
            outbox.accept(0, format!("{{\"n\":{sequence},\"pad\":\"{pad}\"}}").into()).expect("there is room");
            sequence += 1;
        }
        if outbox.pending_change() != Pending::Nothing
            && let Some(change) = outbox.begin_change()
        {
            let result = disk.commit(&change);
            assert!(result.is_ok(), "{result:?}");
            let run = change.records.first().zip(change.records.last()).map(|(a, b)| (a.sequence, b.sequence));
            outbox.end_change(change, &result);
            if let Some((first, last)) = run {
                say(&format!("OK {first} {last}"));
            }
        }
        while let Some(load) = outbox.poll_load() {
            let records = disk.read(load.from, load.max_bytes).expect("readable");
            outbox.loaded(&load, records);
        }
        for group_id in GROUPS {
            while let Some(message) = outbox.poll_transmit(Now::read(), group_id) {
                let id = message.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an id");
                if random.u8(0..4) > 0 {
                    outbox.acknowledge(group_id, id);
                }
            }
            // Now and then all that was not acknowledged comes again.
            if random.u8(0..8) == 0 {
                outbox.connection_closed(group_id);
                outbox.connection_opened(group_id);
            }
        }
        while let Some(report) = outbox.poll_report() {
            say(&format!("END {} {} {}", report.group_id, report.first, report.last));
            outbox.report_told(&report);
        }
    }
}

struct Told {
    delivered: AtomicU64,
}

impl Host for Told {
    fn on_request(&self, _: Request) {}

    fn wants(&self) -> Wants {
        Wants { deliveries: true, events: true, ..Wants::default() }
    }

    fn on_delivery(&self, _: &nbwss::Delivery) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    fn on_event(&self, event: &Event) {
        match event.kind {
            EventKind::StoreFailed => say(&format!("FAILED {}", event.reason)),
            EventKind::StoreRecovered => say("RECOVERED"),
            _ => {}
        }
    }
}

fn connector(file: &str, ca: &str, more: &[(&str, &str)]) -> (Connector, Arc<Told>) {
    let mut settings = Settings::default();
    for (key, value) in [("outbox.store.path", file), ("tls.caFile", ca)].iter().chain(more) {
        settings.set(key, value).expect("valid");
    }
    let host = Arc::new(Told { delivered: AtomicU64::new(0) });
    (Connector::new(settings, host.clone()).expect("a connector"), host)
}

fn element(number: u64) -> String {
    format!(r#"{{"notificationType":"INFO","object":"TEST","data":[{{"n":{number},"pad":"{:200}"}}]}}"#, "")
}

fn through_connector(file: &str, ca: &str, threads: u64, count: u64) {
    let (connector, _) = connector(file, ca, &[]);
    // Never dialled: the connector is not started.
    let details = r#"{"token":"t","priority":1,"groupId":"near","hostName":"h","url":"wss://localhost:9/"}"#;
    connector.add_endpoints_json(details).expect("an endpoint");
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let connector = &connector;
            scope.spawn(move || {
                for number in 0..count {
                    let number = number * threads + thread;
                    match connector.notify_json(&element(number)) {
                        Ok(sequence) => say(&format!("OK {sequence} {number}")),
                        Err(error) => {
                            say(&format!("NO {number} {error}"));
                            std::thread::sleep(Duration::from_millis(20));
                        }
                    }
                }
            });
        }
    });
    connector.destroy().expect("destroyed");
    say("DONE");
}

fn backlog(file: &str, ca: &str, count: u64) {
    let more = [
        ("outbox.store.sync", "false"),
        ("outbox.maxCount", "2000000"),
        ("outbox.maxBytes", "1073741824"),
        ("connect.backoffBase", "10"),
    ];
    let (connector, host) = connector(file, ca, &more);
    let details = r#"{"token":"t","priority":2,"groupId":"g","hostName":"nobody","url":"wss://localhost:9/"}"#;
    connector.add_endpoints_json(details).expect("an endpoint");
    for number in 0..count {
        connector.notify_json(&element(number)).expect("accepted");
    }
    while connector.stats().expect("numbers").saved_before <= count {
        std::thread::sleep(Duration::from_millis(5));
    }
    say("WRITTEN");
    let details = std::io::stdin().lock().lines().next().expect("endpoint details").expect("readable");
    connector.add_endpoints_json(&details).expect("an endpoint");
    connector.remove_endpoint("nobody").expect("it is there");
    connector.start().expect("started");
    let drained = connector.drain(Duration::from_secs(300)).expect("a drain");
    assert!(drained.complete && drained.delivered == count, "{drained:?}");
    assert_eq!(host.delivered.load(Ordering::Relaxed), count);
    say("DRAINED");
    // Until it was measured.
    let _ = std::io::stdin().lock().lines().next();
    connector.destroy().expect("destroyed");
}
