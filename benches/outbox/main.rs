//! What it costs to accept a notification, in memory and on disk, and how fast a full outbox is emptied.
//!
//! On disk it is set beside a loop that appends as many bytes to a file and syncs it, for as many notifications at a
//! time: more than that no store can do. And beside as many callers that wait for one thread which appends and syncs for
//! all of them: more than that no call can do that waits for the disk. They take turns, a slice of time each, so that
//! the ratios hold when the disk's speed drifts.

#[path = "../../examples/cloud_app/certs.rs"]
mod certs;
#[allow(dead_code)] // the other benchmark uses the rest
#[path = "../throughput/server.rs"]
mod server;

mod bare;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bare::Bare;
use nbwss::{Connector, Host, Request, Settings, Wants};
use server::{Server, Work};

/// How long one of them is measured at a time, and how often.
const SLICE: Duration = Duration::from_millis(80);
const SLICES: usize = 20;
const ROUNDS: usize = 3;
/// Calls of the measurement in memory, and objects of the last one.
const COUNT: u64 = 500_000;

struct Nobody;

impl Host for Nobody {
    fn on_request(&self, _: Request) {}

    fn wants(&self) -> Wants {
        Wants::default()
    }
}

fn connector(server: &Server, more: &[(&str, &str)]) -> Connector {
    let mut settings = Settings::default();
    settings.set("tls.caFile", server.ca_file().to_str().expect("a path")).expect("valid");
    settings.set("outbox.maxCount", "100000000").expect("valid");
    settings.set("outbox.maxBytes", "68719476736").expect("valid");
    for (key, value) in more {
        settings.set(key, value).expect("valid");
    }
    let connector = Connector::new(settings, Arc::new(Nobody)).expect("a connector");
    connector.add_endpoints_json(server.endpoint_json()).expect("an endpoint");
    connector
}

fn main() {
    println!("Medians of {ROUNDS} rounds.");
    let server = Server::start(Work::Notifications);
    println!("\naccepting in memory {:>24}", "ns a call");
    for threads in [1, 8] {
        let time = median((0..ROUNDS).map(|_| in_memory(&server, threads)));
        let text = format!("{threads} {}", if threads == 1 { "thread" } else { "threads at once, wall time" });
        println!("  {text:<30} {time:>12.0}");
    }
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("outbox-bench");
    std::fs::create_dir_all(&dir).expect("a directory");
    println!("\naccepting on disk, notifications a second");
    println!(
        "  {:>7} {:>8} {:>6} {:>15} {:>6} {:>13} {:>6}",
        "callers", "accepted", "batch", "append and sync", "ratio", "bare callers", "ratio"
    );
    for callers in [1, 8, 64, 256] {
        let rates = on_disk(&server, &dir, callers);
        let [ours, raw, bare] = [rates.ours, rates.raw, rates.bare];
        let (to_raw, to_bare) = (ours / raw, ours / bare);
        let batch = rates.batch;
        println!("  {callers:>7} {ours:>8.0} {batch:>6.1} {raw:>15.0} {to_raw:>6.2} {bare:>13.0} {to_bare:>6.2}");
    }
    std::fs::remove_dir_all(&dir).expect("removed");
    let rate = median((0..ROUNDS).map(|_| emptied()));
    println!("\nobjects to one endpoint, messages full {rate:>12.0} /s");
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn in_memory(server: &Server, threads: u64) -> f64 {
    let connector = connector(server, &[]);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..COUNT / threads {
                    connector.notify_job(&server::job()).expect("accepted");
                }
            });
        }
    });
    start.elapsed().as_nanos() as f64 / COUNT as f64
}

/// What was done a second, and how many notifications one change had.
struct Rates {
    ours: f64,
    raw: f64,
    bare: f64,
    batch: f64,
}

/// What the callers do now.
const NOTIFY: u8 = 0;
const APPEND: u8 = 1;
const REST: u8 = 2;
const END: u8 = 3;

fn on_disk(server: &Server, dir: &Path, callers: usize) -> Rates {
    let [file, appended, bare_file] = ["outbox.db", "appended", "bare"].map(|name| {
        let path = dir.join(name);
        let _ = std::fs::remove_file(&path);
        path
    });
    let connector = connector(server, &[("outbox.store.path", file.to_str().expect("a path"))]);
    let element = server::job().encode().expect("valid");
    let bare = Bare::new(new_file(&bare_file));
    let mut raw = new_file(&appended);
    let (turn, barrier, count) = (AtomicU8::new(REST), Barrier::new(callers + 1), AtomicU64::new(0));
    let caller = || {
        loop {
            barrier.wait();
            let now = turn.load(Ordering::SeqCst);
            let guest = (now == APPEND).then(|| bare.enter());
            while turn.load(Ordering::Relaxed) == now {
                match now {
                    NOTIFY => drop(connector.notify_job(&server::job()).expect("accepted")),
                    APPEND => bare.append(server::job().encode().expect("valid").as_bytes()),
                    _ => return,
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            drop(guest);
            barrier.wait();
        }
    };
    // Has the callers do something for as long as the work takes. Returns how often they did it, and in how many seconds.
    let measured = |what: u8, work: &mut dyn FnMut()| {
        turn.store(what, Ordering::SeqCst);
        let (before, start) = (count.load(Ordering::SeqCst), Instant::now());
        barrier.wait();
        work();
        turn.store(REST, Ordering::SeqCst);
        barrier.wait();
        ((count.load(Ordering::SeqCst) - before) as f64, start.elapsed().as_secs_f64())
    };
    let (mut done, mut seconds) = ([0.0; 3], [0.0; 3]);
    let mut batch = 0.0;
    std::thread::scope(|scope| {
        scope.spawn(|| bare.run());
        (0..callers).for_each(|_| drop(scope.spawn(caller)));
        for slice in 0..=SLICES {
            let slices = [
                measured(NOTIFY, &mut || std::thread::sleep(SLICE)),
                append(&mut raw, &vec![b'x'; callers * element.len()], callers),
                measured(APPEND, &mut || std::thread::sleep(SLICE)),
            ];
            // The first warms up.
            for (at, (count, time)) in slices.into_iter().enumerate().filter(|_| slice > 0) {
                done[at] += count;
                seconds[at] += time;
            }
        }
        // How far the store has come changes once for each change. To look so often costs, so this counts for nothing else.
        let mut ends = BTreeSet::new();
        let (count, _) = measured(NOTIFY, &mut || {
            let start = Instant::now();
            while start.elapsed() < SLICE {
                ends.insert(connector.stats().expect("numbers").saved_before);
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        batch = count / ends.len() as f64;
        turn.store(END, Ordering::SeqCst);
        barrier.wait();
        bare.end();
    });
    connector.destroy().expect("destroyed");
    let [ours, raw, bare] = [0, 1, 2].map(|at| done[at] / seconds[at]);
    Rates { ours, raw, bare, batch }
}

fn new_file(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("a file")
}

/// Appends and syncs for the time of a slice. Returns for how many notifications, and in how many seconds.
fn append(file: &mut File, bytes: &[u8], batch: usize) -> (f64, f64) {
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < SLICE {
        file.write_all(bytes).expect("written");
        file.sync_data().expect("synced");
        count += batch;
    }
    (count as f64, start.elapsed().as_secs_f64())
}

fn emptied() -> f64 {
    let server = Server::start(Work::Notifications);
    let more = [("notification.batchCount", "4096"), ("notification.batchBytes", "1048576")];
    let connector = connector(&server, &more);
    for _ in 0..COUNT {
        connector.notify_job(&server::job()).expect("accepted");
    }
    connector.start().expect("started");
    while server.operations() == 0 {
        std::thread::yield_now();
    }
    let (start, before) = (Instant::now(), server.operations());
    while server.operations() < COUNT {
        std::thread::sleep(Duration::from_micros(200));
    }
    (COUNT - before) as f64 / start.elapsed().as_secs_f64()
}
