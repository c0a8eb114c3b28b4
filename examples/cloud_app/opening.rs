//! From the accepted socket to the WebSocket: TLS and the upgrade, an HTTP answer in place of the upgrade, and
//! the phases that stall. A stall drains what comes, so that it notices when the connector gives up.

use crate::app::App;
use crate::args::Phase;
use crate::session::{End, Stream, ended};
use rustls::{ServerConfig, ServerConnection};
use std::fmt::Write;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;

/// The only path that is served.
pub const PATH: &str = "/nbwss";
/// An upgrade request with a longer head is not read on.
const LONGEST_HEAD: usize = 16 * 1024;

/// TCP, TLS, upgrade; any of them may be ordered to go wrong.
pub async fn open(
    app: &App,
    tls: &TlsAcceptor,
    connection: u64,
    tcp: TcpStream,
) -> Result<WebSocketStream<Stream>, End> {
    let faults = app.options.misbehaviour_of(connection);
    let _ = tcp.set_nodelay(true);
    match faults.stall {
        Some(Phase::Tcp) => return Err(stalled_at("tcp", tcp).await),
        Some(Phase::Tls) => return Err(stalled_in_tls(tls.config(), tcp).await),
        _ => {}
    }
    let stream = tls.accept(tcp).await;
    let mut stream = stream.map_err(|why| ended("connector", &format!("TLS: {why}")))?;
    if faults.stall == Some(Phase::Upgrade) {
        return Err(stalled_at("upgrade", stream).await);
    }
    if let Some(status) = faults.http_status {
        let end = answer_upgrade(&mut stream, status).await;
        return Err(end);
    }
    upgrade(app, connection, stream).await
}

/// Answers nothing until the connector gives up.
async fn stalled_at(phase: &str, mut stream: impl AsyncRead + Unpin) -> End {
    let mut ignored = [0; 4096];
    while matches!(stream.read(&mut ignored).await, Ok(1..)) {}
    ended("connector", &format!("given up while stalled at {phase}"))
}

/// Sends the first half of the server's first flight and stops there.
async fn stalled_in_tls(config: &Arc<ServerConfig>, mut tcp: TcpStream) -> End {
    match half_a_flight(config, &mut tcp).await {
        Ok(()) => stalled_at("tls", tcp).await,
        Err(why) => ended("connector", &format!("TLS: {why}")),
    }
}

async fn half_a_flight(config: &Arc<ServerConfig>, tcp: &mut TcpStream) -> std::io::Result<()> {
    let invalid = |why: rustls::Error| std::io::Error::other(why);
    let mut connection = ServerConnection::new(config.clone()).map_err(invalid)?;
    let mut received = [0; 4096];
    while !connection.wants_write() {
        let length = tcp.read(&mut received).await?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = &received[..length];
        while !rest.is_empty() {
            connection.read_tls(&mut rest)?;
            connection.process_new_packets().map_err(invalid)?;
        }
    }
    let mut flight = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut flight)?;
    }
    tcp.write_all(&flight[..flight.len() / 2]).await
}

/// Answers the upgrade request with an HTTP status.
async fn answer_upgrade(stream: &mut Stream, status: u16) -> End {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return ended("connector", "no upgrade request came"),
        }
    }
    let reason = StatusCode::from_u16(status).ok();
    let reason = reason.and_then(|status| status.canonical_reason());
    let mut answer = format!("HTTP/1.1 {status} {}\r\n", reason.unwrap_or("Other"));
    if (300..400).contains(&status) {
        let host = host_of(&head).unwrap_or("localhost");
        let _ = write!(answer, "location: https://{host}{PATH}/moved\r\n");
    }
    if matches!(status, 429 | 503) {
        answer += "retry-after: 1\r\n";
    }
    answer += "content-length: 0\r\nconnection: close\r\n\r\n";
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    ended("cloud", &format!("upgrade answered with HTTP {status}"))
}

fn host_of(head: &[u8]) -> Option<&str> {
    let mut lines = std::str::from_utf8(head).ok()?.lines();
    lines.find_map(|line| match line.split_once(':') {
        Some((name, value)) if name.eq_ignore_ascii_case("host") => Some(value.trim()),
        _ => None,
    })
}

/// The WebSocket upgrade, for the one path only.
async fn upgrade(app: &App, connection: u64, stream: Stream) -> Result<WebSocketStream<Stream>, End> {
    match tokio_tungstenite::accept_hdr_async(stream, OnlyPath).await {
        Ok(ws) => Ok(ws),
        Err(Error::Http(_)) => {
            let why = format!("an upgrade request for another path than {PATH}");
            app.protocol_error(connection, &why);
            Err(ended("cloud", "upgrade answered with HTTP 404"))
        }
        Err(why) => Err(ended("connector", &format!("upgrade: {why}"))),
    }
}

struct OnlyPath;

impl Callback for OnlyPath {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        // With a query it is another path: a token has no place in an address.
        if request.uri().path() == PATH && request.uri().query().is_none() {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = StatusCode::NOT_FOUND;
        Err(refusal)
    }
}
