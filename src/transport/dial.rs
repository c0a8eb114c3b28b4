//! How connections come about: directly, through a proxy, or by the host.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::blocking::blocking;
use super::failure::ConnectError;
use super::inspect::{Inspection, inspect};
use super::proxy::Proxy;
use super::stream::QuietStream;
use super::tls::{Trust, server_name};
use super::trace::{Phase, Trace};
use super::websocket::WebSocket;
use super::{authority, direct};
use crate::endpoint::{AllowedHosts, Invalid, Url};
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
    allowed: AllowedHosts,
    /// Deadline of each phase.
    limit: Duration,
    max_message_bytes: usize,
}

enum Way {
    Direct,
    Proxy(Box<Proxy>),
    Host(Arc<dyn HostDial>),
}

impl Dialer {
    /// The way out that the settings ask for, or the host's own.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] names the setting: `proxy.*` or `endpoint.allowedHosts`.
    pub(crate) fn new(settings: &Settings, host: Option<Arc<dyn HostDial>>) -> Result<Dialer, Error> {
        let way = match (host, Proxy::new(settings)?) {
            (Some(host), _) => Way::Host(host),
            (None, Some(proxy)) => Way::Proxy(Box::new(proxy)),
            (None, None) => Way::Direct,
        };
        let allowed = AllowedHosts::parse(&settings.endpoint_allowed_hosts)?;
        Ok(Dialer { way, allowed, ..Dialer::direct(settings) })
    }

    /// Past every proxy, and anywhere: for servers of the host's own.
    pub(crate) fn direct(settings: &Settings) -> Dialer {
        Dialer {
            way: Way::Direct,
            allowed: AllowedHosts::default(),
            limit: settings.connect_timeout,
            max_message_bytes: settings.max_message_bytes,
        }
    }

    /// Whether the host of the URL in the named field may be dialled at all.
    ///
    /// # Errors
    /// [`Invalid`] names the setting `endpoint.allowedHosts`.
    pub(crate) fn check(&self, field: &'static str, host: &str) -> Result<(), Invalid> {
        self.allowed.check(field, host)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.limit
    }

    /// A connection to the host, by whatever way.
    pub(crate) async fn tcp(&self, host: &str, port: u16, trace: &mut Trace) -> Result<QuietStream, ConnectError> {
        self.check("url", host).map_err(ConnectError::NotAllowed)?;
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

/// A call that has begun runs to its end even when nobody waits for it any more; what it brings is then closed.
async fn by_host(dial: Arc<dyn HostDial>, host: &str, port: u16, limit: Duration) -> Result<QuietStream, ConnectError> {
    let failed = |why: String| ConnectError::HostDial { target: authority::join(host, port), why };
    let name = host.to_owned();
    let dialled = blocking(move || dial.dial(&name, port, limit)).await;
    let socket = dialled.unwrap_or_else(|error| Err(error.to_string())).map_err(failed)?;
    QuietStream::try_from(socket).map_err(|error| failed(format!("the socket cannot be used: {error}")))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::sync::Mutex;

    use socket2::Socket;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::error::with_causes;

    /// Hands out one socket, or says no, and notes what it was asked.
    struct Callback {
        socket: Mutex<Option<Result<Socket, String>>>,
        delay: Duration,
        asked: Mutex<Option<(String, u16, Duration)>>,
    }

    impl HostDial for Callback {
        fn dial(&self, host: &str, port: u16, timeout: Duration) -> Result<Socket, String> {
            *self.asked.lock().unwrap() = Some((host.to_owned(), port, timeout));
            std::thread::sleep(self.delay);
            self.socket.lock().unwrap().take().expect("one call")
        }
    }

    async fn dial(
        socket: Result<Socket, String>,
        delay: u64,
    ) -> (Result<QuietStream, ConnectError>, Trace, Arc<Callback>) {
        let delay = Duration::from_millis(delay);
        let callback = Arc::new(Callback { socket: Mutex::new(Some(socket)), delay, asked: Mutex::default() });
        let mut settings = Settings::default();
        settings.set("connect.timeout", "200").unwrap();
        // The host's own way replaces this one.
        settings.set("proxy.url", "http://proxy.invalid:1").unwrap();
        let dialer = Dialer::new(&settings, Some(callback.clone())).unwrap_or_else(|error| panic!("{error}"));
        let mut trace = Trace::default();
        let result = dialer.tcp("cloud.invalid", 443, &mut trace).await;
        (result, trace, callback)
    }

    async fn speaks(socket: Socket, mut peer: impl Read + Write + Send + 'static) {
        let (stream, trace, callback) = dial(Ok(socket), 0).await;
        let mut stream = stream.unwrap_or_else(|error| panic!("{}", with_causes(&error)));
        stream.write_all(b"ping").await.unwrap();
        let answered = std::thread::spawn(move || {
            let mut bytes = [0; 4];
            peer.read_exact(&mut bytes).unwrap();
            assert_eq!(&bytes, b"ping");
            // While this waits, the other side must not block its runtime.
            std::thread::sleep(Duration::from_millis(50));
            peer.write_all(b"pong").unwrap();
        });
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"pong");
        answered.join().unwrap();
        let asked = callback.asked.lock().unwrap().clone().unwrap();
        assert_eq!(asked, ("cloud.invalid".to_owned(), 443, Duration::from_millis(200)));
        let steps: Vec<_> = trace.steps().iter().map(|step| (step.phase, step.peer.as_str())).collect();
        assert_eq!(steps, [(Phase::HostDial, "cloud.invalid:443")]);
    }

    #[tokio::test]
    async fn a_host_may_dial_by_tcp_or_hand_over_a_unix_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        speaks(ours.into(), listener.accept().unwrap().0).await;
        let (ours, theirs) = UnixStream::pair().unwrap();
        speaks(ours.into(), theirs).await;
    }

    #[tokio::test]
    async fn what_the_host_cannot_dial_or_should_not_have_handed_over_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let datagram = UdpSocket::bind("127.0.0.1:0").unwrap();
        datagram.connect(listener.local_addr().unwrap()).unwrap();
        let unconnected = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let cases = [
            (Err("the tunnel is down".to_owned()), "the tunnel is down"),
            (Ok(datagram.into()), "the socket cannot be used: it is not a stream socket"),
            (Ok(listener.into()), "the socket cannot be used: it is not connected"),
            (Ok(unconnected), "the socket cannot be used: it is not connected"),
        ];
        for (socket, why) in cases {
            let (result, trace, _) = dial(socket, 0).await;
            let error = result.expect_err("no connection");
            assert_eq!(error.phase(), Phase::HostDial);
            let expected = format!("the host's dial callback gives no connection to cloud.invalid:443: {why}");
            assert_eq!(error.to_string(), expected);
            assert_eq!(trace.steps()[0].failure, Some(expected));
        }
    }

    /// Where callbacks that hang have taken all threads, those that nobody waits for any more are not called when one is
    /// free again.
    #[test]
    fn a_call_that_had_no_thread_in_time_is_not_made_later() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
        let callback = Arc::new(Callback {
            socket: Mutex::new(Some(Err("late".to_owned()))),
            delay: Duration::from_millis(300),
            asked: Mutex::default(),
        });
        let mut settings = Settings::default();
        settings.set("connect.timeout", "50").unwrap();
        let dialer = Dialer::new(&settings, Some(callback.clone())).unwrap_or_else(|error| panic!("{error}"));
        runtime.block_on(async {
            for host in ["first.invalid", "second.invalid"] {
                let error = dialer.tcp(host, 443, &mut Trace::default()).await.expect_err("no connection");
                assert!(error.is_timeout(), "{error}");
            }
            // Behind both in the queue.
            tokio::task::spawn_blocking(|| {}).await.unwrap();
        });
        assert_eq!(callback.asked.lock().unwrap().as_ref().unwrap().0, "first.invalid");
    }

    #[tokio::test]
    async fn a_host_that_is_not_allowed_is_not_dialled() {
        let mut settings = Settings::default();
        settings.set("endpoint.allowedHosts", "cloud.example.com").unwrap();
        let dialer = Dialer::new(&settings, None).unwrap_or_else(|error| panic!("{error}"));
        let mut trace = Trace::default();
        let error = dialer.tcp("localhost", 1, &mut trace).await.expect_err("no connection");
        assert!(error.to_string().contains("endpoint.allowedHosts") && trace.steps().is_empty(), "{error}");
    }

    #[tokio::test]
    async fn a_socket_that_comes_too_late_is_closed() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (result, _, _) = dial(Ok(ours.into()), 400).await;
        let error = result.expect_err("no connection");
        assert_eq!(error.to_string(), "the host's dial callback took longer than connect.timeout");
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "closed");
        let _ = theirs.shutdown(Shutdown::Both);
    }
}
