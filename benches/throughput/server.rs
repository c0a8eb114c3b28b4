//! The other end: a cloud application that costs little beside the client, so that the client is what is measured. One
//! thread, one connection at a time, and no more of the WebSocket (RFC 6455) than the clients use: frames of text, whole.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nbwss::protocol::notification::Job;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio_tungstenite::tungstenite;

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
    port: u16,
    dir: PathBuf,
    seen: Arc<Seen>,
}

/// What the server sees of the client's work, and of the end.
#[derive(Default)]
struct Seen {
    operations: AtomicU64,
    /// From the sending of a command to its answer; filled when one is outstanding.
    latencies: Mutex<Vec<Duration>>,
    stopped: AtomicBool,
}

impl Server {
    pub fn start(work: Work) -> Server {
        let certificates = certs::Certificates::generate(&[]).expect("certificates");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("throughput");
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("ca.pem"), &certificates.ca_pem).expect("the CA file");
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_no_client_auth()
            .with_single_cert(certificates.chain, certificates.key)
            .expect("a certificate");
        let config = Arc::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Seen::default());
        let seen_there = seen.clone();
        // By another name than the client's threads.
        let thread = thread::Builder::new().name("server".to_owned()).spawn(move || {
            loop {
                let (stream, _) = listener.accept().expect("a connection");
                if seen_there.stopped.load(Ordering::Acquire) {
                    return;
                }
                // Connections end by an error: a client that is killed says no goodbye.
                let _ = serve(stream, config.clone(), work, &seen_there);
            }
        });
        Server { thread: Some(thread.expect("a thread")), port, dir, seen }
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
        self.seen.stopped.store(true, Ordering::Release);
        // The client has gone, and the thread waits for the next.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("a connection");
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server's thread");
        }
    }
}

/// Reads everything that is there, answers it, and sends all answers at once.
fn serve(tcp: TcpStream, config: Arc<ServerConfig>, work: Work, seen: &Seen) -> Result<(), Error> {
    tcp.set_nodelay(true)?;
    let mut tls = ServerConnection::new(config).map_err(Error::other)?;
    tls.set_buffer_limit(None);
    let socket = tungstenite::accept(StreamOwned::new(tls, tcp)).map_err(|_| Error::other("no upgrade"))?;
    let StreamOwned { conn: mut tls, sock: mut tcp } = socket.into_inner();
    let mut commands = Commands::new();
    let (mut received, mut sent) = (Vec::new(), Vec::new());
    let mut is_connected = false;
    let mut sent_at = Instant::now();
    loop {
        if tls.read_tls(&mut tcp)? == 0 {
            return Ok(());
        }
        tls.process_new_packets().map_err(Error::other)?;
        match tls.reader().read_to_end(&mut received) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        let mut done = 0;
        while let Some((head, mask, content)) = first_frame(&received[done..]) {
            let content = done + content.start..done + content.end;
            done = content.end;
            let content = &mut received[content];
            if head == CLOSE {
                return Ok(());
            }
            assert_eq!(head, TEXT, "whole texts only");
            if !is_connected {
                let answer = envelope(id_of(unmasked(mask, content)), "CONNECT", "RESPONSE", r#"{"valid":true}"#);
                push_frame(&mut sent, &answer);
                is_connected = true;
                if let Work::Commands { outstanding } = work {
                    (0..outstanding).for_each(|_| push_frame(&mut sent, commands.next()));
                }
                continue;
            }
            match work {
                Work::Commands { outstanding } => {
                    if outstanding == 1 {
                        seen.latencies.lock().expect("no panic").push(sent_at.elapsed());
                    }
                    // A refusal would be quick; the first answer tells.
                    if seen.operations.fetch_add(1, Ordering::Relaxed) == 0 {
                        let text = unmasked(mask, content);
                        assert!(text.contains(r#""statusCode":200"#), "{text}");
                    }
                    push_frame(&mut sent, commands.next());
                }
                Work::Notifications => {
                    let text = unmasked(mask, content);
                    let objects = text.matches("\"object\"").count();
                    seen.operations.fetch_add(objects as u64, Ordering::Relaxed);
                    push_frame(&mut sent, &envelope(id_of(text), "NOTIFICATION", "RESPONSE", "[]"));
                }
            }
        }
        received.drain(..done);
        tls.writer().write_all(&sent)?;
        sent.clear();
        sent_at = Instant::now();
        while tls.wants_write() {
            tls.write_tls(&mut tcp)?;
        }
    }
}

/// First byte of a frame: a text, whole.
const TEXT: u8 = 0x81;
/// First byte of a frame: a goodbye.
const CLOSE: u8 = 0x88;

/// The first byte of the first frame, its mask, and where its content is; `None` where not all of it is there.
fn first_frame(bytes: &[u8]) -> Option<(u8, [u8; 4], Range<usize>)> {
    let (length, head_bytes) = match bytes.get(1)? & 0x7f {
        126 => (usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?, 10),
        length => (usize::from(length), 2),
    };
    let mask = *bytes.get(head_bytes..)?.first_chunk()?;
    let start = head_bytes + mask.len();
    (start + length <= bytes.len()).then(|| (bytes[0], mask, start..start + length))
}

fn unmasked(mask: [u8; 4], content: &mut [u8]) -> &str {
    content.iter_mut().zip(mask.into_iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    std::str::from_utf8(content).expect("text")
}

/// Appends a text in a frame.
fn push_frame(sent: &mut Vec<u8>, text: &str) {
    sent.push(TEXT);
    match text.len() {
        length @ ..=125 => sent.push(length as u8),
        length => {
            sent.push(126);
            sent.extend(u16::try_from(length).expect("a short text").to_be_bytes());
        }
    }
    sent.extend(text.as_bytes());
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

    fn next(&mut self) -> &str {
        self.number += 1;
        let number = format!("{:0digits$}", self.number, digits = Commands::ID_DIGITS);
        self.text.replace_range(self.at.clone(), &number);
        &self.text
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
