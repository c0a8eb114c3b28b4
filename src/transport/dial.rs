//! How connections come about: directly, through a proxy, or by the host.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::failure::ConnectError;
use super::inspect::{Inspection, inspect};
use super::proxy::Proxy;
use super::stream::QuietStream;
use super::tls::{Trust, server_name};
use super::trace::{Phase, Trace};
use super::websocket::WebSocket;
use super::{authority, direct};
use crate::endpoint::Url;
use crate::error::Error;
use crate::settings::Settings;

/// A host that makes connections itself. This replaces name resolution, TCP and proxy.
pub(crate) trait HostDial: Send + Sync {
    /// A connected stream socket, TCP or Unix, or why there is none. May block, and should not for longer than
    /// `timeout`: a socket that comes later is closed. To be called on any thread.
    fn dial(&self, host: &str, port: u16, timeout: Duration) -> Result<socket2::Socket, String>;
}

/// Makes the connections of one connector.
pub(crate) struct Dialer {
    way: Way,
    /// Deadline of each phase.
    limit: Duration,
    max_message_bytes: usize,
}

enum Way {
    Direct,
    Proxy(Proxy),
    Host(Arc<dyn HostDial>),
}

impl Dialer {
    /// The way out that the settings ask for, or the host's own.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] names the setting `proxy.*`.
    pub(crate) fn new(settings: &Settings, host: Option<Arc<dyn HostDial>>) -> Result<Dialer, Error> {
        let way = match (host, Proxy::new(settings)?) {
            (Some(host), _) => Way::Host(host),
            (None, Some(proxy)) => Way::Proxy(proxy),
            (None, None) => Way::Direct,
        };
        Ok(Dialer { way, ..Dialer::direct(settings) })
    }

    /// Past every proxy: for servers of the host's own.
    pub(crate) fn direct(settings: &Settings) -> Dialer {
        Dialer { way: Way::Direct, limit: settings.connect_timeout, max_message_bytes: settings.max_message_bytes }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.limit
    }

    /// A connection to the host, by whatever way.
    pub(crate) async fn tcp(&self, host: &str, port: u16, trace: &mut Trace) -> Result<QuietStream, ConnectError> {
        match &self.way {
            Way::Proxy(proxy) if !proxy.is_bypassed(host, port) => proxy.dial(host, port, self.limit, trace).await,
            Way::Direct | Way::Proxy(_) => direct::dial(host, port, self.limit, trace).await,
            Way::Host(dial) => {
                let peer = authority::join(host, port);
                let work = by_host(dial.clone(), host, port, self.limit);
                trace.run(Phase::HostDial, &peer, self.deadline(), work).await
            }
        }
    }

    /// A connection to a server on this machine.
    #[cfg(unix)]
    pub(crate) async fn unix(&self, path: &std::path::Path) -> Result<QuietStream, ConnectError> {
        let connected = tokio::time::timeout(self.limit, tokio::net::UnixStream::connect(path)).await;
        connected
            .unwrap_or_else(|_| Err(super::failure::no_answer()))
            .map(QuietStream::from)
            .map_err(|source| ConnectError::Unix { path: path.to_owned(), source })
    }

    /// A TLS connection to a verified server.
    pub(crate) async fn tls(
        &self,
        host: &str,
        port: u16,
        trust: &Trust,
        trace: &mut Trace,
    ) -> Result<TlsStream<QuietStream>, ConnectError> {
        let server_name = server_name(host).ok_or_else(|| ConnectError::ServerName { host: host.to_owned() })?;
        let stream = self.tcp(host, port, trace).await?;
        let failed = |source| ConnectError::Tls { host: host.to_owned(), source };
        let work = async { trust.connector().connect(server_name, stream).await.map_err(failed) };
        trace.run(Phase::Tls, host, self.deadline(), work).await
    }

    /// What an endpoint shows of itself, trusted or not.
    pub(crate) async fn inspect(
        &self,
        url: &Url,
        trust: &Trust,
        trace: &mut Trace,
    ) -> Result<Inspection, ConnectError> {
        let stream = self.tcp(url.host(), url.port(), trace).await?;
        let work = inspect(stream, url.host(), trust);
        trace.run(Phase::Tls, url.host(), self.deadline(), work).await
    }

    /// An endpoint's WebSocket.
    pub(crate) async fn websocket(
        &self,
        url: &Url,
        trust: &Trust,
        trace: &mut Trace,
    ) -> Result<WebSocket, ConnectError> {
        let stream = self.tls(url.host(), url.port(), trust, trace).await?;
        let peer = authority::join(url.host(), url.port());
        let work = WebSocket::upgrade(url, stream, self.max_message_bytes);
        trace.run(Phase::Upgrade, &peer, self.deadline(), work).await
    }
}

/// The call runs to its end even when nobody waits for it any more; what it brings is then closed.
async fn by_host(dial: Arc<dyn HostDial>, host: &str, port: u16, limit: Duration) -> Result<QuietStream, ConnectError> {
    let failed = |why: String| ConnectError::HostDial { target: authority::join(host, port), why };
    let name = host.to_owned();
    let dialled = spawn_blocking(move || dial.dial(&name, port, limit)).await;
    let socket = dialled.unwrap_or_else(|_| Err("it did not come to its end".to_owned())).map_err(failed)?;
    QuietStream::try_from(socket).map_err(|error| failed(format!("the socket cannot be used: {error}")))
}
