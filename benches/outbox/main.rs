//! What it costs to accept a notification, in memory and on disk, and how fast a full outbox is emptied. On disk it is
//! set beside a loop that appends as many bytes to a file and syncs it, for as many notifications at a time: more than
//! that no store can do. Both run one after the other, round after round, so the ratios hold when the disk's speed
//! drifts.

#[path = "../../examples/cloud_app/certs.rs"]
mod certs;
#[allow(dead_code)] // the other benchmark uses the rest
#[path = "../throughput/server.rs"]
mod server;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nbwss::{Connector, Host, Request, Settings, Wants};
use server::{Server, Work};

const DURATION: Duration = Duration::from_millis(1500);
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
        println!("  {threads:>3} threads {time:>32.0}");
    }
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("outbox-bench");
    std::fs::create_dir_all(&dir).expect("a directory");
    println!("\naccepting on disk {:>16} {:>24} {:>8}", "/s", "append and fdatasync /s", "ratio");
    for callers in [1, 8, 64, 256] {
        let rounds: Vec<(f64, f64)> =
            (0..ROUNDS).map(|_| (on_disk(&server, &dir, callers), appended(&dir, callers))).collect();
        let ours = median(rounds.iter().map(|(ours, _)| *ours));
        let raw = median(rounds.iter().map(|(_, raw)| *raw));
        let ratio = median(rounds.iter().map(|(ours, raw)| ours / raw));
        println!("  {callers:>3} callers {ours:>22.0} {raw:>24.0} {ratio:>8.2}");
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

fn on_disk(server: &Server, dir: &Path, callers: usize) -> f64 {
    let file = dir.join("outbox.db");
    let _ = std::fs::remove_file(&file);
    let connector = connector(server, &[("outbox.store.path", file.to_str().expect("a path"))]);
    let (accepted, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let seconds = std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    connector.notify_job(&server::job()).expect("accepted");
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(DURATION / 10);
        let (start, before) = (Instant::now(), accepted.load(Ordering::Relaxed));
        std::thread::sleep(DURATION);
        let done = accepted.load(Ordering::Relaxed) - before;
        let rate = done as f64 / start.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        rate
    });
    connector.destroy().expect("destroyed");
    seconds
}

fn appended(dir: &Path, batch: usize) -> f64 {
    let path = dir.join("appended");
    let _ = std::fs::remove_file(&path);
    let mut file = OpenOptions::new().create(true).append(true).open(&path).expect("a file");
    let bytes = vec![b'x'; batch * server::job().encode().expect("valid").len()];
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < DURATION {
        file.write_all(&bytes).expect("written");
        file.sync_data().expect("synced");
        count += batch;
    }
    count as f64 / start.elapsed().as_secs_f64()
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
