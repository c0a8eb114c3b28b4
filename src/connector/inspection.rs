//! Looking at an endpoint from a host's thread: what its certificates are, and how far a connection gets.
//!
//! The walk is the one that sessions take, phase by phase, on the thread with the sockets; the caller waits for it.

use std::fmt;
use std::future::poll_fn;
use std::sync::mpsc::sync_channel;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::timeout;

use super::cause::Cause;
use super::driver::end_of;
use super::host::without_controls;
use super::shared::Shared;
use super::sync::lock;
use super::{Connector, refuse_on_our_thread};
use crate::endpoint::{self, Details, Endpoint, EndpointTls, Url};
use crate::error::{Error, with_causes};
use crate::secret::Secret;
use crate::session::{End, Received, Session, Transmit};
use crate::time::Now;
use crate::transport::{
    self, Certificate, ConnectError, FetchLimits, Incoming, Phase, Step, Trace, Trust, WebSocket, date,
};

/// What was seen on the way to an endpoint. Its `Display` is a text for an operator, without a secret.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Host and port of the endpoint.
    pub peer: String,
    /// The steps taken, in order.
    pub steps: Vec<Step>,
    /// The endpoint's own certificate, then its issuers, as it sent them.
    pub certificates: Vec<Certificate>,
    /// Whether the choice for TLS trusts them, and if not, why; `None` where there was nothing to judge.
    pub trusted: Option<Result<(), String>>,
    /// The certificate, as PEM text, that makes the endpoint trusted when it is accepted as an authority.
    pub ca_to_accept: Option<String>,
    /// `TLS 1.3` or `TLS 1.2`; empty where it did not get so far.
    pub tls_version: &'static str,
    /// Why the last step failed.
    pub failure: Option<(Cause, String)>,
}

impl Connector {
    /// Dials an endpoint, finishes TLS without sending a byte more, and shows its certificates, trusted or not. An
    /// endpoint that cannot be reached is not an error: the steps tell.
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`] for the URL or the choice of TLS; [`Error::File`] or [`Error::Tls`] for its files;
    /// [`Error::IllegalState`] on a thread of ours, or when `destroy` begins.
    pub fn validate(&self, url: &str, tls: EndpointTls) -> Result<Inspection, Error> {
        refuse_on_our_thread()?;
        let (shared, url): (_, Url) = (self.shared.clone(), url.parse()?);
        shared.dialer.check("url", url.host())?;
        tls.check()?;
        let trust = shared.trust.for_endpoint(&tls)?;
        self.on_io_thread(async move { validate(&shared, &url, &trust).await })
    }

    /// The same walk to an endpoint that was added, and then the real one to its end: the WebSocket upgrade and, if
    /// `connect`, the message with the token and its answer.
    ///
    /// # Errors
    /// [`Error::NotFound`]; otherwise as for [`Connector::validate`].
    pub fn diagnose(&self, host_name: &str, connect: bool) -> Result<Inspection, Error> {
        refuse_on_our_thread()?;
        let shared = self.shared.clone();
        let endpoint = lock(&self.open()?.control).registry.find(host_name)?.clone();
        shared.dialer.check("url", endpoint.details.url.host())?;
        let trust = shared.trust.for_endpoint(&endpoint.details.tls)?;
        self.on_io_thread(async move { diagnose(&shared, &endpoint, &trust, connect).await })
    }

    /// Gets endpoint details from an `https://` URL.
    ///
    /// # Errors
    /// [`Error::Fetch`]; [`Error::InvalidEndpoint`] for what comes, and for a host that is not allowed;
    /// [`Error::IllegalState`] as for [`Connector::validate`].
    pub fn fetch_endpoints(&self, url: &str) -> Result<Vec<Details>, Error> {
        refuse_on_our_thread()?;
        let (shared, url) = (self.shared.clone(), url.to_owned());
        let limits = FetchLimits::new(&shared.settings);
        let fetched =
            self.on_io_thread(async move { transport::fetch(&shared.dialer, &shared.trust, &url, limits).await })?;
        endpoint::parse(&fetched?)
    }

    /// Has the thread with the sockets do something, and waits for it. Not to be called there.
    fn on_io_thread<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Error> {
        let (sender, receiver) = sync_channel(1);
        self.open()?.runtime.spawn(async move { drop(sender.send(work.await)) });
        // The work is dropped undone, and the sender with it, where `destroy` ends the thread first.
        receiver.recv().map_err(|_| Error::IllegalState("the connector is being destroyed"))
    }
}

async fn validate(shared: &Shared, url: &Url, trust: &Trust) -> Inspection {
    let mut inspection = Inspection {
        peer: format!("{}:{}", url.host(), url.port()),
        steps: Vec::new(),
        certificates: Vec::new(),
        trusted: None,
        ca_to_accept: None,
        tls_version: "",
        failure: None,
    };
    let mut trace = Trace::default();
    match shared.dialer.inspect(url, trust, &mut trace).await {
        Ok(seen) => {
            inspection.certificates = seen.chain;
            inspection.trusted = Some(seen.trusted.map_err(|refusal| refusal.to_string()));
            inspection.ca_to_accept = seen.ca_to_accept;
            inspection.tls_version = seen.protocol;
        }
        Err(error) => inspection.fail(&error),
    }
    inspection.steps = trace.into_steps();
    inspection.clean(None);
    inspection
}

async fn diagnose(shared: &Shared, endpoint: &Endpoint, trust: &Trust, connect: bool) -> Inspection {
    let details = &endpoint.details;
    let mut inspection = validate(shared, &details.url, trust).await;
    if inspection.failure.is_some() {
        return inspection;
    }
    let mut trace = Trace::default();
    match shared.dialer.websocket(&details.url, trust, &mut trace).await {
        Ok(mut socket) => {
            if connect {
                let start = Instant::now();
                let proved = prove(shared, &mut socket, details.token.clone()).await;
                let failure = proved.as_ref().err().map(End::to_string);
                trace.record(Phase::Connect, &details.host_name, start.elapsed(), failure);
                inspection.failure = proved.err().map(|end| (Cause::of_end(&end), end.to_string()));
            }
            close(shared, &mut socket).await;
        }
        Err(error) => inspection.fail(&error),
    }
    inspection.steps = trace.into_steps();
    inspection.clean(Some(&details.token));
    inspection
}

/// Sends CONNECT and waits for its answer.
async fn prove(shared: &Shared, socket: &mut WebSocket, token: Secret) -> Result<(), End> {
    let settings = &shared.settings;
    let mut session = Session::new(Now::read(), settings, token);
    let proved = poll_fn(|cx| poll_prove(cx, socket, &mut session));
    timeout(settings.answer_timeout, proved).await.unwrap_or(Err(End::NoAnswer))
}

fn poll_prove(cx: &mut Context<'_>, socket: &mut WebSocket, session: &mut Session) -> Poll<Result<(), End>> {
    if socket.poll_ready(cx).map_err(end_of)?.is_ready()
        && let Some(Transmit::Connect(message)) = session.poll_transmit(Now::read())
    {
        socket.send_short_text(message.expose()).map_err(end_of)?;
    }
    let _ = socket.poll_flush(cx).map_err(end_of)?;
    while let Poll::Ready(incoming) = socket.poll_receive(cx).map_err(end_of)? {
        let received = match incoming {
            Incoming::Text(text) => session.receive(text).map(|received| matches!(received, Received::Established)),
            Incoming::Closed { code, reason } => Err(End::PeerClosed { code, reason }),
            Incoming::Binary(_) | Incoming::Pong => Ok(false),
        };
        match received {
            Ok(true) => return Poll::Ready(Ok(())),
            Ok(false) => {}
            Err(end) => return Poll::Ready(Err(end)),
        }
    }
    Poll::Pending
}

/// Says goodbye; whatever comes of it.
async fn close(shared: &Shared, socket: &mut WebSocket) {
    let closing = poll_fn(|cx| {
        if socket.poll_ready(cx)?.is_ready() {
            socket.send_close(1000)?;
            return socket.poll_flush(cx);
        }
        Poll::Pending
    });
    let _ = timeout(shared.settings.connect_timeout, closing).await;
}

impl Inspection {
    fn fail(&mut self, error: &ConnectError) {
        self.failure = Some((Cause::of_failure(error), with_causes(error)));
    }

    /// What went wrong may be told in the words of the peer, who knows the token, or of the host's dial callback.
    fn clean(&mut self, token: Option<&Secret>) {
        let texts = self.steps.iter_mut().filter_map(|step| step.failure.as_mut());
        for text in texts.chain(self.failure.as_mut().map(|(_, why)| why)) {
            let known = token.map(|token| token.redacted(text));
            *text = without_controls(known.as_ref().unwrap_or(text).chars());
        }
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "endpoint {}", self.peer)?;
        for step in &self.steps {
            writeln!(f, "  {step}")?;
            if let Some(failure) = &step.failure {
                writeln!(f, "    {failure}")?;
            }
        }
        for (index, certificate) in self.certificates.iter().enumerate() {
            writeln!(f, "  certificate {index}: {}", certificate.subject)?;
            writeln!(f, "    issuer   {}", certificate.issuer)?;
            writeln!(f, "    names    {}", certificate.sans.join(", "))?;
            let (from, to) = (date(certificate.not_before), date(certificate.not_after));
            writeln!(f, "    valid    from {from} to {to}")?;
            writeln!(f, "    key      {}, serial {}", certificate.key_type, certificate.serial)?;
            writeln!(f, "    SHA-256  {}", certificate.sha256)?;
            writeln!(f, "    SPKI     {}", certificate.spki_sha256)?;
        }
        match &self.trusted {
            Some(Ok(())) => writeln!(f, "  trusted, {}", self.tls_version),
            Some(Err(why)) => writeln!(f, "  not trusted, {}: {why}", self.tls_version),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_peer_s_words_hold_no_token_and_make_no_line_of_their_own() {
        let words = "closed: \u{1b}[2Ja-long-token\n  trusted, TLS 1.3".to_owned();
        let mut trace = Trace::default();
        trace.record(Phase::Connect, "h", Duration::ZERO, Some(words.clone()));
        let mut inspection = Inspection {
            peer: "h:443".to_owned(),
            steps: trace.into_steps(),
            certificates: Vec::new(),
            trusted: None,
            ca_to_accept: None,
            tls_version: "",
            failure: Some((Cause::PeerClosed, words)),
        };
        inspection.clean(Some(&Secret::new("a-long-token".into())));
        let text = format!("{inspection}{}", inspection.failure.as_ref().map_or("", |(_, why)| why));
        assert!(!text.contains("a-long-token") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("  trusted")).count(), 0, "{text}");
    }
}
