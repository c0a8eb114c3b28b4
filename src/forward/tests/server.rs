//! A server that reads requests and sends whatever bytes a test wants.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// What the server knows when it decides on a reply.
pub(super) struct Request {
    /// Head and body.
    pub(super) text: String,
    /// Counted from 0 over all connections.
    pub(super) number: usize,
    /// Requests that wait for their replies at this moment, with this one.
    pub(super) at_once: usize,
}

impl Request {
    pub(super) fn path(&self) -> &str {
        self.text.split(' ').nth(1).expect("a request line")
    }
}

/// The bytes of a reply and what comes after them.
pub(super) struct Reply {
    bytes: Vec<u8>,
    delay: Duration,
    /// Between the bytes and what comes after them.
    pause: Duration,
    then: Then,
}

#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// Reads the next request.
    Go,
    Close,
    Reset,
    /// Waits for the peer to close.
    Hang,
}

impl Reply {
    fn new(bytes: impl AsRef<[u8]>, then: Then) -> Reply {
        Reply { bytes: bytes.as_ref().to_vec(), delay: Duration::ZERO, pause: Duration::ZERO, then }
    }

    pub(super) fn ok(bytes: impl AsRef<[u8]>) -> Reply {
        Reply::new(bytes, Then::Go)
    }

    pub(super) fn then_close(bytes: impl AsRef<[u8]>) -> Reply {
        Reply::new(bytes, Then::Close)
    }

    pub(super) fn then_reset(bytes: impl AsRef<[u8]>) -> Reply {
        Reply::new(bytes, Then::Reset)
    }

    pub(super) fn hang(bytes: impl AsRef<[u8]>) -> Reply {
        Reply::new(bytes, Then::Hang)
    }

    pub(super) fn after(mut self, delay: Duration) -> Reply {
        self.delay = delay;
        self
    }

    /// What comes after the bytes comes 10 ms after them.
    pub(super) fn a_little_later(mut self) -> Reply {
        self.pause = Duration::from_millis(10);
        self
    }
}

type Script = dyn Fn(&Request) -> Reply + Send + Sync;

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    waiting: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

/// Has a thread of its own, so that it goes on while the test's runtime stands still. Ends when this is dropped.
pub(super) struct Server {
    address: std::net::SocketAddr,
    seen: Arc<Seen>,
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// The script gives the reply to each request. The body of a request for `/unread` is not read.
    pub(super) fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a nonblocking listener");
        let address = listener.local_addr().expect("an address");
        let seen: Arc<Seen> = Arc::default();
        let (_stop, stopped) = oneshot::channel();
        let (counts, script) = (seen.clone(), Arc::new(script));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(listener, counts, script) => {}
                    _ = stopped => {}
                }
            });
        });
        Server { address, seen, _stop }
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many were made.
    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Waits until the library has closed every connection.
    pub(super) async fn all_closed(&self) {
        let closed = async {
            while self.seen.open.load(Ordering::SeqCst) > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), closed).await.expect("connections are left open");
    }
}

async fn accept(listener: std::net::TcpListener, seen: Arc<Seen>, script: Arc<Script>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        seen.open.fetch_add(1, Ordering::SeqCst);
        let (seen, script) = (seen.clone(), script.clone());
        tokio::spawn(async move {
            serve(stream, &seen, &*script).await;
            seen.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen, script: &Script) {
    while let Some(text) = read_request(&mut stream).await {
        let at_once = seen.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        let number = {
            let mut requests = seen.requests.lock().unwrap();
            requests.push(text.clone());
            requests.len() - 1
        };
        let reply = script(&Request { text, number, at_once });
        sleep(reply.delay).await;
        seen.waiting.fetch_sub(1, Ordering::SeqCst);
        let _ = stream.write_all(&reply.bytes).await;
        sleep(reply.pause).await;
        match reply.then {
            Then::Go => {}
            Then::Close => return,
            Then::Reset => {
                SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("linger");
                return;
            }
            Then::Hang => {
                // Waits without reading anything more.
                while stream.ready(Interest::READABLE).await.is_ok_and(|ready| !ready.is_read_closed()) {
                    sleep(Duration::from_millis(5)).await;
                }
                return;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
            if body.len() >= length || head.contains(" /unread ") {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
