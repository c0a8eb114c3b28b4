//! The other end: a cloud application that is as fast as it can be, so that the client is what is measured.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_util::{FutureExt, SinkExt, StreamExt};
use nbwss::protocol::notification::Job;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::certs;

/// What is measured.
#[derive(Clone, Copy)]
pub enum Work {
    /// The server keeps this many COMMANDs waiting for an answer.
    Commands { outstanding: usize },
    /// The client sends NOTIFICATIONs of one job, in messages of one or many; the server acknowledges.
    Notifications,
}

/// A running server, on a thread of its own; ends when it is dropped.
pub struct Server {
    thread: Option<JoinHandle<()>>,
    stop: Option<oneshot::Sender<()>>,
    port: u16,
    dir: PathBuf,
    seen: Arc<Seen>,
}

/// What the server sees of the client's work.
#[derive(Default)]
struct Seen {
    operations: AtomicU64,
    /// From the flush of a command to its answer; filled when one is outstanding.
    latencies: Mutex<Vec<Duration>>,
}

impl Server {
    pub fn start(work: Work) -> Server {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let certificates = certs::Certificates::generate(&[]).expect("certificates");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("throughput");
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("ca.pem"), &certificates.ca_pem).expect("the CA file");
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = rustls::ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_no_client_auth()
            .with_single_cert(certificates.chain, certificates.key)
            .expect("a certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Seen::default());
        let for_task = seen.clone();
        let (stop, stopped) = oneshot::channel();
        let accepting = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), for_task.clone());
                tokio::spawn(async move {
                    stream.set_nodelay(true).expect("a socket");
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let config = WebSocketConfig::default().write_buffer_size(16 << 10).read_buffer_size(16 << 10);
                    let socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await;
                    let _ = serve(socket.expect("an upgrade"), work, &seen).await;
                });
            }
        };
        // By another name than the client's threads.
        let thread = thread::Builder::new().name("server".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accepting => {}
                    _ = stopped => {}
                }
            });
        });
        let thread = thread.expect("a thread");
        Server { thread: Some(thread), stop: Some(stop), port, dir, seen }
    }

    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn endpoint_json(&self) -> String {
        format!(
            r#"{{"token":"t","priority":1,"groupId":"g","hostName":"h","url":"wss://localhost:{}/nbwss"}}"#,
            self.port
        )
    }

    /// How many operations there have been.
    pub fn operations(&self) -> u64 {
        self.seen.operations.load(Ordering::Relaxed)
    }

    /// The latencies since the last look; none unless one command is outstanding.
    pub fn take_latencies(&self) -> Vec<Duration> {
        std::mem::take(&mut self.seen.latencies.lock().expect("no panic"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server's thread");
        }
    }
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Reads everything that is there, answers it, flushes once: as fast as this WebSocket implementation goes.
async fn serve(mut socket: Socket, work: Work, seen: &Seen) -> Result<(), Error> {
    let Some(connect) = socket.next().await else { return Ok(()) };
    let answer = envelope(id_of(connect?.to_text()?), "CONNECT", "RESPONSE", r#"{"valid":true}"#);
    socket.send(Message::text(answer)).await?;
    let mut commands = Commands::new();
    let mut flushed = Instant::now();
    if let Work::Commands { outstanding } = work {
        for _ in 0..outstanding {
            socket.feed(commands.next()).await?;
        }
        socket.flush().await?;
    }
    while let Some(first) = socket.next().await {
        let mut message = first?;
        if let Work::Commands { outstanding: 1 } = work {
            seen.latencies.lock().expect("no panic").push(flushed.elapsed());
        }
        loop {
            if let Message::Text(text) = &message {
                let reply = match work {
                    Work::Commands { .. } => {
                        // A refusal would be quick; the first answer tells.
                        let is_first = seen.operations.load(Ordering::Relaxed) == 0;
                        assert!(!is_first || text.contains(r#""statusCode":200"#), "{text}");
                        seen.operations.fetch_add(1, Ordering::Relaxed);
                        commands.next()
                    }
                    Work::Notifications => {
                        let objects = text.matches("\"object\"").count();
                        seen.operations.fetch_add(objects as u64, Ordering::Relaxed);
                        Message::text(envelope(id_of(text), "NOTIFICATION", "RESPONSE", "[]"))
                    }
                };
                socket.feed(reply).await?;
            }
            match socket.next().now_or_never() {
                Some(Some(next)) => message = next?,
                _ => break,
            }
        }
        flushed = Instant::now();
        socket.flush().await?;
    }
    Ok(())
}

fn id_of(text: &str) -> &str {
    text.split_once("\"id\":\"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |(id, _)| id)
}

/// COMMANDs of some 500 bytes, as the published examples have them, that differ in their id: one is made, and the others
/// are copies with another number in it, so that the server costs little beside the client.
struct Commands {
    number: u64,
    text: String,
    /// Where the number stands in the text.
    at: Range<usize>,
}

impl Commands {
    const ID_START: &str = "99B9BD8C-9E3E-406A-A7EE-";
    const ID_DIGITS: usize = 12;

    fn new() -> Commands {
        let payload = concat!(
            r#"{"uri":"/netbackup/config/servers/vmservers","method":"POST","headers":{"Content-Type":"#,
            r#""application/vnd.netbackup+json;version=1.0","Authorization":"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9"},"#,
            r#""parameters":"{\"serverName\": \"vcenterServer1\", \"vmType\": \"VMWARE_VIRTUAL_CENTER_SERVER\", "#,
            r#"\"userId\": \"administrator\", \"port\": 0 }"}"#
        );
        let id = format!("{}{:0digits$}", Commands::ID_START, 0, digits = Commands::ID_DIGITS);
        let text = envelope(&id, "COMMAND", "REQUEST", payload);
        let start = text.find(&id).expect("the id") + Commands::ID_START.len();
        Commands { number: 0, text, at: start..start + Commands::ID_DIGITS }
    }

    fn next(&mut self) -> Message {
        self.number += 1;
        let number = format!("{:0digits$}", self.number, digits = Commands::ID_DIGITS);
        self.text.replace_range(self.at.clone(), &number);
        Message::text(self.text.as_str())
    }
}

fn envelope(id: &str, kind: &str, sub_kind: &str, payload: &str) -> String {
    format!(
        r#"{{"version":"1.0","id":"{id}","type":"{kind}","subType":"{sub_kind}","timeStamp":1444856264,"payload":{payload}}}"#
    )
}

/// The job that is notified over and over.
pub fn job() -> Job<'static> {
    Job {
        schedule_type: "ST_FULL",
        client_name: "client.example.com",
        status: 0,
        start_time: 1_459_829_674,
        state: "ACTIVE",
        policy_name: "vmware2",
        parent_job_id: 144,
        job_id: 144,
        policy_type: "VMWARE",
        job_type: "BACKUP",
    }
}
