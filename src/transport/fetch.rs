//! Endpoint details from a URL: one HTTPS GET over the same ways out, and verified as endpoints are.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::future::{Either, select};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::Builder;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderValue, LOCATION};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::authority::{self, host_and_port};
use super::dial::Dialer;
use super::failure::ConnectError;
use super::tls::Trust;
use super::trace::Trace;
use crate::endpoint::Invalid;
use crate::error::{Error, with_causes};
use crate::settings::{Settings, shown};

/// A server that leads in circles is left after this many redirects.
const MAX_REDIRECTS: usize = 5;
/// Largest head of an answer: status line and headers.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// How much may come, and how long all of it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchLimits {
    pub(crate) max_bytes: usize,
    pub(crate) timeout: Duration,
}

impl FetchLimits {
    pub(crate) fn new(settings: &Settings) -> FetchLimits {
        FetchLimits { max_bytes: settings.endpoint_url_max_bytes, timeout: settings.endpoint_url_timeout }
    }
}

/// Why nothing was fetched. The URL is shown without its query, which may hold a secret.
#[derive(Debug, thiserror::Error)]
#[error("{url} cannot be fetched")]
pub(crate) struct FetchError {
    url: String,
    #[source]
    why: FetchFailure,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchFailure {
    #[error("must be https://host/path, with or without a port and a query")]
    Url,
    #[error("must not hold a user name or password")]
    UserInfo,
    #[error(transparent)]
    NotAllowed(Invalid),
    #[error("no connection to the server")]
    Connect(#[source] ConnectError),
    #[error("the exchange with the server failed")]
    Http(#[source] hyper::Error),
    #[error("the server answered with HTTP {0}; only 200 is taken")]
    Status(u16),
    #[error("the server redirects to nowhere: its answer has no usable Location")]
    NoLocation,
    #[error("the server redirects to {0}; only redirects to the same scheme, host and port are followed")]
    OtherOrigin(String),
    #[error("the server redirects more than {MAX_REDIRECTS} times")]
    Redirects,
    #[error("the server's answer is larger than endpoint.url.maxBytes ({0})")]
    TooLarge(usize),
    #[error("took longer than endpoint.url.timeout")]
    Timeout,
}

impl From<FetchError> for Error {
    fn from(error: FetchError) -> Error {
        match error.why {
            FetchFailure::NotAllowed(invalid) => invalid.into(),
            _ => Error::Fetch(with_causes(&error)),
        }
    }
}

/// What the URL holds. Only status 200 is content.
pub(crate) async fn fetch(
    dialer: &Dialer,
    trust: &Trust,
    url: &str,
    limits: FetchLimits,
) -> Result<Zeroizing<Vec<u8>>, FetchError> {
    let failed = |why| FetchError { url: without_secrets(url), why };
    let target = Target::parse(url).map_err(failed)?;
    dialer.check("url", &target.host).map_err(|invalid| failed(FetchFailure::NotAllowed(invalid)))?;
    let content = timeout(limits.timeout, follow(dialer, trust, target, limits.max_bytes));
    content.await.unwrap_or(Err(FetchFailure::Timeout)).map_err(failed)
}

/// A URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    host: String,
    port: u16,
    path_and_query: String,
}

impl Target {
    fn parse(url: &str) -> Result<Target, FetchFailure> {
        // A fragment is for whoever reads what was fetched.
        let (url, _) = url.split_once('#').unwrap_or((url, ""));
        let (scheme, rest) = url.split_once("://").ok_or(FetchFailure::Url)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(FetchFailure::UserInfo);
        }
        let (host, port) = host_and_port(authority, Some(443)).ok_or(FetchFailure::Url)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path_and_query = format!("{slash}{path}");
        if !scheme.eq_ignore_ascii_case("https") || path_and_query.parse::<Uri>().is_err() {
            return Err(FetchFailure::Url);
        }
        Ok(Target { host: host.to_ascii_lowercase(), port, path_and_query })
    }

    /// Where a redirect leads from here (RFC 3986, section 5.2); dots in a path are the server's to resolve.
    fn join(&self, location: &str) -> Result<Target, FetchFailure> {
        let here = format!("https://{}", authority::join(&self.host, self.port));
        let path = self.path_and_query.split('?').next().unwrap_or_default();
        let url = match location {
            "" => return Err(FetchFailure::NoLocation),
            absolute if has_scheme(absolute) => absolute.to_owned(),
            network if network.starts_with("//") => format!("https:{network}"),
            rooted if rooted.starts_with('/') => format!("{here}{rooted}"),
            query if query.starts_with(['?', '#']) => format!("{here}{path}{query}"),
            relative => format!("{here}{}/{relative}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
        };
        let target = match Target::parse(&url) {
            Ok(target) => target,
            Err(_) if url.starts_with(&here) => return Err(FetchFailure::NoLocation),
            Err(_) => return Err(FetchFailure::OtherOrigin(origin_of(&url))),
        };
        if (&target.host, target.port) != (&self.host, self.port) {
            return Err(FetchFailure::OtherOrigin(origin_of(&url)));
        }
        Ok(target)
    }
}

fn has_scheme(reference: &str) -> bool {
    let scheme = reference.split_once(':').map_or("", |(scheme, _)| scheme);
    !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Without user, password and query.
fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "the URL".to_owned() };
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    // What looks like host and path may be a password with a slash or a question mark in it.
    if path.contains('@') || (rest.contains('@') && host_and_port(host, Some(443)).is_none()) {
        return "the URL".to_owned();
    }
    shown(&format!("{scheme}://{host}{path}"))
}

fn origin_of(url: &str) -> String {
    let shown = without_secrets(url);
    let path = shown.find("://").and_then(|at| Some(at + 3 + shown.get(at + 3..)?.find('/')?));
    path.and_then(|at| shown.get(..at)).unwrap_or(&shown).to_owned()
}

async fn follow(
    dialer: &Dialer,
    trust: &Trust,
    mut target: Target,
    max_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, FetchFailure> {
    for _ in 0..=MAX_REDIRECTS {
        match get(dialer, trust, &target, max_bytes).await? {
            Answer::Content(content) => return Ok(content),
            Answer::Redirect(location) => target = target.join(&location)?,
        }
    }
    Err(FetchFailure::Redirects)
}

enum Answer {
    Content(Zeroizing<Vec<u8>>),
    Redirect(String),
}

async fn get(dialer: &Dialer, trust: &Trust, target: &Target, max_bytes: usize) -> Result<Answer, FetchFailure> {
    let mut trace = Trace::default();
    let stream = dialer.tls(&target.host, target.port, trust, &mut trace).await.map_err(FetchFailure::Connect)?;
    let mut request = Request::new(String::new());
    *request.uri_mut() = target.path_and_query.parse().map_err(|_| FetchFailure::Url)?;
    let host = HeaderValue::from_str(&authority::join(&target.host, target.port)).map_err(|_| FetchFailure::Url)?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    let (mut sender, connection) = Builder::new()
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(FetchFailure::Http)?;
    let exchange =
        pin!(async { read(sender.send_request(request).await.map_err(FetchFailure::Http)?, max_bytes).await });
    match select(exchange, pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        // All is received, if not all read. An error is the exchange's, too.
        Either::Right((_, exchange)) => exchange.await,
    }
}

async fn read(answer: Response<Incoming>, max_bytes: usize) -> Result<Answer, FetchFailure> {
    match answer.status().as_u16() {
        200 => {}
        301 | 302 | 303 | 307 | 308 => {
            let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            return location.map(|location| Answer::Redirect(location.to_owned())).ok_or(FetchFailure::NoLocation);
        }
        status => return Err(FetchFailure::Status(status)),
    }
    let mut body = answer.into_body();
    // Room for all there may be, so that no copy of the token is left behind by growing.
    let mut content = Zeroizing::new(Vec::with_capacity(max_bytes));
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(FetchFailure::Http)?;
        let Some(data) = frame.data_ref() else { continue };
        if data.len() > max_bytes - content.len() {
            return Err(FetchFailure::TooLarge(max_bytes));
        }
        content.extend_from_slice(data);
    }
    Ok(Answer::Content(content))
}

#[cfg(test)]
mod tests;
