//! Moving bytes to an endpoint and back: name resolution, TCP, TLS, WebSocket upgrade.
//!
//! What the messages mean is not known here, and what lies below is not known outside: [`WebSocket`] is all
//! that sessions see, so that the WebSocket implementation can be changed without anyone noticing. Requests to
//! the host's own server ([`crate::forward`]) start from the same sockets and the same TLS.

mod stream;
mod tls;
mod websocket;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::endpoint::Url;
pub(crate) use stream::QuietStream;
pub(crate) use tls::{Trust, server_name};
pub(crate) use websocket::{Broken, Incoming, WebSocket};

/// Why no connection came about. Each names its phase; none holds a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("name resolution of {host} failed")]
    Resolve { host: String, source: std::io::Error },
    #[error("{host} has no address")]
    NoAddress { host: String },
    #[error("TCP connection to {address} failed")]
    Tcp { address: SocketAddr, source: std::io::Error },
    #[cfg(unix)]
    #[error("connection to the socket {} failed", path.display())]
    Unix { path: std::path::PathBuf, source: std::io::Error },
    #[error("TLS with {host} failed")]
    Tls { host: String, source: std::io::Error },
    #[error("{host} is neither a DNS name nor an address")]
    ServerName { host: String },
    #[error("WebSocket upgrade failed")]
    Upgrade { source: Broken },
    #[error("the endpoint answered the WebSocket upgrade with HTTP {status}{}", redirect_note(*status))]
    HttpStatus { status: u16 },
    #[error("{phase} took longer than connect.timeout")]
    Timeout { phase: &'static str },
}

fn redirect_note(status: u16) -> &'static str {
    if (300..400).contains(&status) { " (redirects are not followed)" } else { "" }
}

/// Dials an endpoint up to and including the WebSocket upgrade. `phase_timeout` bounds each phase; several
/// addresses share it.
pub(crate) async fn connect(
    url: &Url,
    trust: &Trust,
    max_message_bytes: usize,
    phase_timeout: Duration,
) -> Result<WebSocket, ConnectError> {
    let stream = dial_tls(url.host(), url.port(), trust, phase_timeout).await?;
    timeout(phase_timeout, WebSocket::upgrade(url, stream, max_message_bytes))
        .await
        .map_err(|_| ConnectError::Timeout { phase: "WebSocket upgrade" })?
}

/// A TLS connection to a verified server.
pub(crate) async fn dial_tls(
    host: &str,
    port: u16,
    trust: &Trust,
    phase_timeout: Duration,
) -> Result<TlsStream<QuietStream>, ConnectError> {
    let server_name = server_name(host).ok_or_else(|| ConnectError::ServerName { host: host.to_owned() })?;
    let stream = dial_tcp(host, port, phase_timeout).await?;
    timeout(phase_timeout, trust.connector().connect(server_name, stream))
        .await
        .map_err(|_| ConnectError::Timeout { phase: "TLS handshake" })?
        .map_err(|source| ConnectError::Tls { host: host.to_owned(), source })
}

/// A TCP connection to the first of the host's addresses that takes one.
pub(crate) async fn dial_tcp(host: &str, port: u16, phase_timeout: Duration) -> Result<QuietStream, ConnectError> {
    let addresses = timeout(phase_timeout, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| ConnectError::Timeout { phase: "name resolution" })?
        .map_err(|source| ConnectError::Resolve { host: host.to_owned(), source })?;
    let addresses: Vec<SocketAddr> = addresses.collect();
    let share = phase_timeout / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut stream = Err(ConnectError::NoAddress { host: host.to_owned() });
    for address in addresses {
        stream = match timeout(share, TcpStream::connect(address)).await {
            Ok(connected) => connected.map_err(|source| ConnectError::Tcp { address, source }),
            Err(_) => Err(ConnectError::Timeout { phase: "TCP connection" }),
        };
        if stream.is_ok() {
            break;
        }
    }
    stream.map(QuietStream::new)
}

/// A connection to a server on this machine.
#[cfg(unix)]
pub(crate) async fn dial_unix(path: &std::path::Path, phase_timeout: Duration) -> Result<QuietStream, ConnectError> {
    timeout(phase_timeout, tokio::net::UnixStream::connect(path))
        .await
        .map_err(|_| ConnectError::Timeout { phase: "connection to the socket" })?
        .map(QuietStream::from)
        .map_err(|source| ConnectError::Unix { path: path.to_owned(), source })
}
