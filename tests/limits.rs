//! Much at once: thousands of calls against small limits, and an answer so large that the line is busy for long.
//! Alone in its process, for it measures the memory that the process has.

#[path = "../examples/cloud_app/certs.rs"]
mod certs;
#[path = "support/recorder.rs"]
mod recorder;
mod support;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use certs::Certificates;
use futures_util::{SinkExt, StreamExt};
use nbwss::{Connector, EventKind, Host, Request, Settings, Wants};
use recorder::{Backup, ok, respond};
use support::{Cloud, Scratch};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// All tests look at the process, so one at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("statm");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number of pages") * 4096
}

/// Processor time of the thread of the sessions, in seconds.
fn io_thread_seconds() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("threads").filter_map(|task| Some(task.ok()?.path()));
    let io = tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == "nbwss-io"));
    let ticks = io.filter_map(|task| {
        let stat = fs::read_to_string(task.join("stat")).ok()?;
        // User and system time are the 12th and 13th field after the name, in ticks of 10 ms.
        let after_name = stat.rsplit(')').next()?.split_whitespace();
        Some(after_name.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>())
    });
    ticks.sum::<f64>() / 100.0
}

/// How often threads of ours went to sleep.
fn rests() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("threads").filter_map(|task| Some(task.ok()?.path()));
    let ours = tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.starts_with("nbwss-")));
    let switches = ours.filter_map(|task| {
        let status = fs::read_to_string(task.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:").map(str::to_owned));
        line?.trim().parse::<u64>().ok()
    });
    switches.sum()
}

/// Endpoints that wait or were refused wake nobody before their time.
#[test]
fn who_waits_costs_nothing() {
    let _alone = ALONE.lock();
    let scratch = Scratch::new("idle");
    let cloud = Cloud::start(&scratch, &["--reject-token"]);
    let settings = [("connect.backoffBase", "3600000"), ("connectionInfo.period", "86400")];
    let backup = Backup::beside(&cloud, &settings, ok);
    for group in 0..100 {
        let details = serde_json::json!({
            "hostName": format!("h{group}"), "groupId": format!("g{group}"), "url": "wss://127.0.0.1:1/", "priority": 1,
            "token": "t",
        });
        backup.connector.add_endpoints_json(details.to_string()).expect("added");
    }
    backup.connector.start().expect("it starts");
    backup.host.event(EventKind::Rejected, 1);
    backup.host.event(EventKind::ConnectFailed, 100);
    // Each waits for a time drawn from an hour: whose time is near goes.
    for info in backup.connector.endpoints().expect("a list") {
        if info.next_attempt_in.is_none_or(|next| next < Duration::from_secs(60)) {
            backup.connector.remove_endpoint(&info.details.host_name).expect("it is there");
        }
    }
    // What the removals and the last attempts led to comes to rest.
    std::thread::sleep(Duration::from_secs(1));
    let before = rests();
    std::thread::sleep(Duration::from_secs(2));
    let after = rests();
    assert!(after <= before + 1, "woken {} times", after - before);
}

/// A cloud application of few words: one session, and what it does there is the test's.
struct Peer {
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl Peer {
    /// Its authority goes into `ca.pem`, before others.
    fn new(runtime: &Runtime, scratch: &Scratch, other_authorities: &[u8]) -> Peer {
        let certificates = Certificates::generate(&[]).expect("certificates");
        fs::write(scratch.join("ca.pem"), [certificates.ca_pem.as_bytes(), other_authorities].concat()).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = rustls::ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates.chain, certificates.key)
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        Peer { listener, tls: TlsAcceptor::from(Arc::new(config)) }
    }

    fn endpoint(&self) -> String {
        let port = self.listener.local_addr().unwrap().port();
        format!(r#"{{"token":"token","priority":1,"groupId":"g","hostName":"h","url":"wss://localhost:{port}/nbwss"}}"#)
    }

    async fn session(&self) -> WebSocketStream<TlsStream<TcpStream>> {
        let stream = self.tls.accept(self.listener.accept().await.unwrap().0).await.unwrap();
        let limits = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(limits)).await.unwrap();
        let connect: serde_json::Value =
            serde_json::from_str(socket.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
        let valid = format!(
            r#"{{"version":"1.0","id":{},"type":"CONNECT","subType":"RESPONSE","payload":{{"valid":true}}}}"#,
            connect["id"]
        );
        socket.send(Message::text(valid)).await.unwrap();
        socket
    }
}

/// A host that keeps nothing of what it is told.
struct Forgetful;

impl Host for Forgetful {
    fn on_request(&self, request: Request) {
        ok(request);
    }

    fn wants(&self) -> Wants {
        Wants::default()
    }
}

fn command(id: &str, uri: &str) -> String {
    format!(
        r#"{{"version":"1.0","id":"{id}","type":"COMMAND","subType":"REQUEST","payload":{{"uri":"{uri}","method":"GET"}}}}"#
    )
}

/// Ten thousand calls at once, and room for eight: all are answered, most with 503, and memory stays flat.
#[test]
fn ten_thousand_calls_at_once_are_all_answered_in_little_memory() {
    const CALLS: usize = 10_000;
    let _alone = ALONE.lock();
    let scratch = Scratch::new("flood");
    let runtime = Runtime::new().unwrap();
    let peer = Peer::new(&runtime, &scratch, &[]);
    let mut settings = Settings::default();
    for (key, value) in [
        ("tls.caFile", scratch.join("ca.pem").to_str().unwrap()),
        ("dispatch.policy", "allow * /**"),
        ("dispatch.maxOutstanding", "8"),
        ("dispatch.maxPerSession", "8"),
        ("dispatch.rememberedCount", "8"),
    ] {
        settings.set(key, value).unwrap();
    }
    let connector = Connector::new(settings, Arc::new(Forgetful)).unwrap();
    connector.add_endpoints_json(peer.endpoint()).unwrap();
    connector.start().unwrap();
    let after = runtime.block_on(async {
        let (mut send, mut receive) = peer.session().await.split();
        let mut after = Vec::new();
        // The first flood makes room that is kept; the others have to do with it.
        for round in 0..4 {
            let flood = async {
                for call in 0..CALLS {
                    send.feed(Message::text(command(&format!("{round}-{call}"), "/flood"))).await.unwrap();
                }
                send.flush().await.unwrap();
            };
            let answers = async {
                let mut taken = 0;
                for _ in 0..CALLS {
                    let answer = receive.next().await.unwrap().unwrap();
                    let is_taken = answer.to_text().unwrap().contains("\"statusCode\":200");
                    assert!(is_taken || answer.to_text().unwrap().contains("\"statusCode\":503"), "{answer}");
                    taken += usize::from(is_taken);
                }
                assert!(taken >= 8, "{taken}");
            };
            futures_util::future::join(flood, answers).await;
            after.push(resident());
        }
        after
    });
    let grown = after[3].saturating_sub(after[0]);
    assert!(grown < 2 << 20, "{grown} bytes more for three floods after the first: {after:?}");
    connector.destroy().unwrap();
}

/// A peer that does not read for a while has a large answer half received; a ping that has become due meanwhile
/// comes before the answer's end, and the answer comes whole, without several copies of it in memory. Another session's
/// calls are answered meanwhile, and its pings go out.
#[test]
fn a_ping_passes_an_answer_of_64_mebibytes() {
    const ANSWER_BYTES: usize = 64 << 20;
    let _alone = ALONE.lock();
    let scratch = Scratch::new("large");
    let beside = Scratch::new("large-beside");
    let mut other = Cloud::start(&beside, &["--group", "other"]);
    let runtime = Runtime::new().unwrap();
    let peer = Peer::new(&runtime, &scratch, &fs::read(other.ca_file()).unwrap());
    let is_reading = Arc::new(AtomicBool::new(false));
    let reads = is_reading.clone();
    let endpoint = peer.endpoint();
    let received = runtime.spawn(async move {
        let mut socket = peer.session().await;
        socket.send(Message::text(command("1", "/large"))).await.unwrap();
        // Long enough for a ping and a resending to become due while the answer fills every buffer on the way.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let before = io_thread_seconds();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let busy = io_thread_seconds() - before;
        reads.store(true, Ordering::SeqCst);
        let mut pings = 0;
        loop {
            match socket.next().await.unwrap().unwrap() {
                Message::Ping(_) => pings += 1,
                // Not acknowledged, so it comes again and again.
                Message::Text(text) if text.contains("NOTIFICATION") => {}
                Message::Text(text) => return (pings, text.len(), text.contains("\"statusCode\":200"), busy),
                other => panic!("{other:?}"),
            }
        }
    });
    let settings =
        [("keepAlive.scheduledRate", "1"), ("keepAlive.maxPongMissAllowed", "10"), ("notification.scheduledRate", "1")];
    let answer = |request: Request| match request.uri() {
        "/large" => respond(&request, 200, &[], Some(vec![b'x'; ANSWER_BYTES])),
        _ => ok(request),
    };
    let before = resident();
    let backup = Backup::new(Some(&scratch.join("ca.pem")), &settings, answer);
    backup.connector.add_endpoints_json(&endpoint).unwrap();
    backup.connector.notify_job(&recorder::job(1)).unwrap();
    backup.connector.add_endpoints_file(&other.endpoint_file()).unwrap();
    backup.connector.start().unwrap();
    backup.host.wait_until("the call", |seen| seen.calls.iter().any(|call| call.uri == "/large").then_some(()));
    for _ in 0..10 {
        assert_eq!(other.ask("GET", "/small", "")["statusCode"], 200);
    }
    other.wait_for("ping", 1);
    assert!(!is_reading.load(Ordering::SeqCst), "the other session waited for the answer's end");
    let (pings, bytes, ok, busy) = runtime.block_on(received).unwrap();
    assert!(busy < 0.5, "the I/O thread was busy for {busy} s of 1.5 s in which it could do nothing");
    assert!(ok && bytes > ANSWER_BYTES, "{bytes}");
    assert!(pings > 0, "the ping waited for the end of the answer");
    // The host's body, its encoded form, and what the peer (which is here, too) has of it.
    let grown = resident().saturating_sub(before);
    assert!(grown < 5 * ANSWER_BYTES as u64, "{grown} bytes more than before");
    backup.connector.destroy().unwrap();
}
