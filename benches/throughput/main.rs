//! Messages per second over loopback TLS, as ratios to a bare tokio-tungstenite client that does the same work
//! the usual way: a `serde_json::Value` per message and a flush after each. Both run in this process, one after
//! the other, against the same server, so the ratio holds when the machine's speed drifts.

mod bare;
#[path = "../../examples/cloud_app/certs.rs"]
mod certs;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nbwss::{Connector, Delivery, Error, Host, Request, Settings};
use server::{Server, Work};

/// Each measurement takes this long after as long a warm-up of a tenth.
const DURATION: Duration = Duration::from_secs(2);
/// Pairs per workload; the median ratio is printed.
const PAIRS: usize = 3;

fn main() {
    println!("{:<34} {:>12} {:>12} {:>7}", "workload", "libnbwss /s", "bare /s", "ratio");
    for outstanding in [1, 16, 64] {
        compare(&format!("request and answer, {outstanding} outstanding"), Work::Commands { outstanding });
    }
    compare("notification and acknowledgement", Work::Notifications);
}

/// Runs a workload, unless words on the command line choose others.
fn compare(name: &str, work: Work) {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-')).peekable();
    if words.peek().is_some() && !words.any(|word| name.contains(&word)) {
        return;
    }
    let mut pairs: Vec<(f64, f64)> = (0..PAIRS).map(|_| (ours(work), theirs(work))).collect();
    pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (ours, theirs) = pairs[PAIRS / 2];
    println!("{name:<34} {ours:>12.0} {theirs:>12.0} {:>7.1}", ours / theirs);
}

struct BenchHost {
    delivered: AtomicU64,
}

impl Host for BenchHost {
    fn on_request(&self, request: Request) {
        let body = br#"{"data":[{"type":"vmserver","id":"vcenter1.example.com","attributes":{"port":0}}]}"#;
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let response = nbwss::protocol::Response::new(200, headers, Some(body.to_vec())).expect("valid");
        // Those that are in flight at the end are too late.
        let _ = request.respond(&response);
    }

    fn on_delivery(&self, _: &Delivery) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Operations per second of the library, with its request callback on its threads.
fn ours(work: Work) -> f64 {
    let server = Server::start(work);
    let mut settings = Settings::default();
    settings.set("tls.caFile", server.ca_file().to_str().expect("a path")).expect("valid");
    let host = Arc::new(BenchHost { delivered: AtomicU64::new(0) });
    let connector = Connector::new(settings, host.clone()).expect("a connector");
    connector.add_endpoints_json(&server.endpoint_json()).expect("an endpoint");
    connector.start().expect("started");
    let job = server::job();
    let rate = server.measure(DURATION, || match work {
        Work::Commands { .. } => std::thread::sleep(Duration::from_millis(1)),
        Work::Notifications => match connector.notify_job(&job) {
            Ok(_) => {}
            Err(Error::QueueFull { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        },
    });
    connector.destroy().expect("destroyed");
    rate
}

fn theirs(work: Work) -> f64 {
    let server = Server::start(work);
    let client = bare::start(&server, work);
    let rate = server.measure(DURATION, || std::thread::sleep(Duration::from_millis(1)));
    drop(client);
    rate
}

/// Counts operations between two looks at a counter.
fn rate(counter: &AtomicU64, duration: Duration, mut meanwhile: impl FnMut()) -> f64 {
    let mut run = |duration: Duration| {
        let (start, before) = (Instant::now(), counter.load(Ordering::Relaxed));
        while start.elapsed() < duration {
            // Looking at the clock each time would cost as much as the work.
            for _ in 0..16 {
                meanwhile();
            }
        }
        (counter.load(Ordering::Relaxed) - before) as f64 / start.elapsed().as_secs_f64()
    };
    run(duration / 10);
    run(duration)
}
