//! Operations per second over loopback TLS, beside clients that do the same work the usual way: one over
//! tokio-tungstenite in this process, one over Boost.Beast in a process of its own. They run one after the other,
//! round after round, against the same server, so the ratios hold when the machine's speed drifts.
//!
//! The processor time is the client's: of its threads, or of its process. For libnbwss it includes the thread that
//! accepts notifications, because the others encode theirs on the thread that sends them.

mod bare;
mod beast;
#[path = "../../examples/cloud_app/certs.rs"]
mod certs;
mod cpu;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nbwss::{Connector, Delivery, Error, Host, Request, Settings, Wants};
use server::{Server, Work};

/// Each measurement takes this long after a warm-up of a tenth.
const DURATION: Duration = Duration::from_millis(1500);
/// Rounds per workload; medians are printed.
const ROUNDS: usize = 3;
/// The first operation takes a connection, and a process.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);
/// While there is nothing to do: rare enough not to be seen in what is measured.
const PAUSE: Duration = Duration::from_millis(5);

fn main() {
    println!("Medians of {ROUNDS} rounds. A ratio is the named client's rate divided by the line's.");
    println!("Latency: from the flush of a command to its answer, as the server sees it. CPU: the client's alone.");
    let beast = beast::build();
    if let Err(why) = &beast {
        println!("Beast is left out: {why}.");
    }
    for outstanding in [1, 16, 64] {
        compare(&format!("request and answer, {outstanding} outstanding"), Work::Commands { outstanding }, &beast);
    }
    compare("notification and acknowledgement", Work::Notifications, &beast);
}

/// Who does the work.
enum Client {
    /// The library, with this setting and otherwise the defaults.
    Library(Option<(&'static str, &'static str)>),
    Bare,
    Beast(PathBuf),
}

/// What came out of one run.
struct Measured {
    /// Operations per second.
    rate: f64,
    /// Median in µs, where one command is outstanding.
    latency: Option<f64>,
    /// Processor seconds per 100,000 operations.
    cpu: Option<f64>,
}

fn clients(work: Work, beast: &Result<PathBuf, String>) -> Vec<(&'static str, Client)> {
    let mut all = vec![("libnbwss", Client::Library(None))];
    let (name, setting) = match work {
        Work::Commands { .. } => ("libnbwss inline", ("dispatch.inline", "true")),
        // As the others send them; the library puts several into a message when they wait.
        Work::Notifications => ("libnbwss unbatched", ("notification.batchCount", "1")),
    };
    all.push((name, Client::Library(Some(setting))));
    all.push(("bare tokio-tungstenite", Client::Bare));
    if let Ok(program) = beast {
        all.push(("Beast, RapidJSON", Client::Beast(program.clone())));
    }
    all
}

/// Runs a workload, unless words on the command line choose others.
fn compare(name: &str, work: Work, beast: &Result<PathBuf, String>) {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-')).peekable();
    if words.peek().is_some() && !words.any(|word| name.contains(&word)) {
        return;
    }
    let clients = clients(work, beast);
    let rounds: Vec<Vec<Measured>> =
        (0..ROUNDS).map(|_| clients.iter().map(|(_, client)| run(client, work)).collect()).collect();
    let median_of = |value: &dyn Fn(&[Measured]) -> Option<f64>| median(rounds.iter().filter_map(|all| value(all)));

    let ours = || (0..clients.len()).filter(|ours| matches!(clients[*ours].1, Client::Library(_)));
    let mut line = format!("\n{name:<34} {:>10}", "/s");
    for ours in ours() {
        let short = clients[ours].0.split(' ').next_back().unwrap_or_default();
        line += &format!(" {:>12}", format!("{short}/it"));
    }
    println!("{line} {:>10} {:>14}", "latency µs", "CPU s/100,000");
    for (it, (client, _)) in clients.iter().enumerate() {
        let mut line = format!("  {client:<32} {:>10}", shown(median_of(&|all| Some(all[it].rate)), 0));
        for ours in ours() {
            line += &format!(" {:>12}", shown(median_of(&|all| Some(all[ours].rate / all[it].rate)), 2));
        }
        let latency = shown(median_of(&|all| all[it].latency), 1);
        println!("{line} {latency:>10} {:>14}", shown(median_of(&|all| all[it].cpu), 2));
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn shown(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

fn run(client: &Client, work: Work) -> Measured {
    let server = Server::start(work);
    match client {
        Client::Library(setting) => library(&server, *setting, work),
        Client::Bare => {
            let _client = bare::start(&server, work);
            measure(&server, "self", &[bare::THREAD], || std::thread::sleep(PAUSE))
        }
        Client::Beast(program) => {
            let client = beast::Client::start(Path::new(program), &server, work);
            measure(&server, &client.id().to_string(), &[""], || std::thread::sleep(PAUSE))
        }
    }
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

    fn wants(&self) -> Wants {
        Wants { deliveries: true, ..Wants::default() }
    }

    fn on_delivery(&self, _: &Delivery) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }
}

fn library(server: &Server, setting: Option<(&str, &str)>, work: Work) -> Measured {
    let mut settings = Settings::default();
    settings.set("dispatch.policy", "allow POST /netbackup/**").expect("valid");
    settings.set("tls.caFile", server.ca_file().to_str().expect("a path")).expect("valid");
    if let Some((key, value)) = setting {
        settings.set(key, value).expect("valid");
    }
    let host = Arc::new(BenchHost { delivered: AtomicU64::new(0) });
    let connector = Connector::new(settings, host).expect("a connector");
    connector.add_endpoints_json(server.endpoint_json()).expect("an endpoint");
    connector.start().expect("started");
    let job = server::job();
    // This thread has the program's name.
    let measured = measure(server, "self", &["nbwss-", env!("CARGO_CRATE_NAME")], || match work {
        Work::Commands { .. } => std::thread::sleep(PAUSE),
        Work::Notifications => match connector.notify_job(&job) {
            Ok(_) => {}
            // The outbox holds enough to go on with meanwhile.
            Err(Error::QueueFull { .. }) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        },
    });
    connector.destroy().expect("destroyed");
    measured
}

/// Measures while this thread does `meanwhile` again and again; `process` and `threads` as for [`cpu::seconds`].
fn measure(server: &Server, process: &str, threads: &[&str], mut meanwhile: impl FnMut()) -> Measured {
    let start = Instant::now();
    while server.operations() == 0 {
        assert!(start.elapsed() < FIRST_TIMEOUT, "the client does nothing");
        meanwhile();
    }
    let mut run = |duration: Duration| {
        let (start, before) = (Instant::now(), server.operations());
        while start.elapsed() < duration {
            // Looking at the clock each time would cost as much as the work.
            for _ in 0..16 {
                meanwhile();
            }
        }
        ((server.operations() - before) as f64, start.elapsed().as_secs_f64())
    };
    run(DURATION / 10);
    server.take_latencies();
    let cpu_before = cpu::seconds(process, threads);
    let (operations, seconds) = run(DURATION);
    let cpu = cpu::seconds(process, threads).zip(cpu_before).map(|(after, before)| after - before);
    Measured {
        rate: operations / seconds,
        latency: median(server.take_latencies().iter().map(|latency| latency.as_secs_f64() * 1e6)),
        cpu: cpu.map(|cpu| cpu / operations * 100_000.0),
    }
}
