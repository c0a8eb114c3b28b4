//! Why no connection came about: one value for each cause.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

use super::proxy::ProxyError;
use super::tls::Refusal;
use super::trace::Phase;
use super::websocket::Broken;
use crate::endpoint::Invalid;
use crate::error::Error;

/// Names what was being done and with whom. None holds a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    NotAllowed(Invalid),
    #[error("name resolution of {host} failed")]
    Resolve { host: String, source: io::Error },
    #[error("{host} has no address")]
    NoAddress { host: String },
    #[error("TCP connection {0}")]
    Tcp(Unreached),
    #[cfg(unix)]
    #[error("connection to the socket {} failed", path.display())]
    Unix { path: std::path::PathBuf, source: io::Error },
    #[error("the proxy {proxy} gives no connection to {target}")]
    Proxy { proxy: String, target: String, source: ProxyError },
    #[error("the host's dial callback gives no connection to {target}: {why}")]
    HostDial { target: String, why: String },
    /// `r#source`: its words are in the text already.
    #[error("TLS with {host} failed: {}", Refusal::of_handshake(source))]
    Tls { host: String, r#source: io::Error },
    #[error(transparent)]
    Trust(#[from] Error),
    #[error("{host} is neither a DNS name nor an address")]
    ServerName { host: String },
    #[error("WebSocket upgrade failed")]
    Upgrade { source: Broken },
    #[error("the endpoint answered the WebSocket upgrade with HTTP {status}{}", redirect_note(*status))]
    HttpStatus { status: u16, retry_after: Option<Duration> },
    #[error("{phase} took longer than connect.timeout")]
    Timeout { phase: Phase },
}

/// Every address that was tried, and why in vain.
#[derive(Debug)]
pub(crate) struct Unreached(pub(super) Vec<(SocketAddr, io::Error)>);

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (address, error)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}to {address} failed: {error}")?;
        }
        Ok(())
    }
}

fn redirect_note(status: u16) -> &'static str {
    if (300..400).contains(&status) { " (redirects are not followed)" } else { "" }
}

/// For an attempt that was still waiting when the phase was over.
pub(super) fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer within connect.timeout")
}

impl ConnectError {
    /// What was being done.
    pub(crate) fn phase(&self) -> Phase {
        match self {
            ConnectError::NotAllowed(_) | ConnectError::Resolve { .. } | ConnectError::NoAddress { .. } => {
                Phase::Resolve
            }
            ConnectError::Tcp(_) => Phase::Tcp,
            #[cfg(unix)]
            ConnectError::Unix { .. } => Phase::Tcp,
            ConnectError::Proxy { .. } => Phase::Proxy,
            ConnectError::HostDial { .. } => Phase::HostDial,
            ConnectError::Tls { .. } | ConnectError::Trust(_) | ConnectError::ServerName { .. } => Phase::Tls,
            // Of our certificate a TLS 1.3 server judges when our side of the handshake is over.
            ConnectError::Upgrade { source: Broken::Lost(error) } if Refusal::within(error).is_some() => Phase::Tls,
            ConnectError::Upgrade { .. } | ConnectError::HttpStatus { .. } => Phase::Upgrade,
            ConnectError::Timeout { phase } => *phase,
        }
    }

    /// Whether it was time that ran out.
    pub(crate) fn is_timeout(&self) -> bool {
        let timed_out = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
        match self {
            ConnectError::Timeout { .. } => true,
            ConnectError::Tcp(Unreached(failures)) => failures.iter().any(|(_, error)| timed_out(error)),
            #[cfg(unix)]
            ConnectError::Unix { source, .. } => timed_out(source),
            _ => false,
        }
    }

    /// The endpoint's answer to the WebSocket upgrade, where it was one of HTTP.
    pub(crate) fn http_status(&self) -> Option<u16> {
        match self {
            ConnectError::HttpStatus { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// For how long the endpoint wants to be left alone. It may be as long as it likes: to be capped.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            ConnectError::HttpStatus { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// `Retry-After` (RFC 9110, section 10.2.3): a number of seconds or a date. What is neither is no wish.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than that fit are the longest time there is.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    // A date that has passed is now.
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_anything_else_is_no_wish() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let seconds = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers, now).map(|time| time.as_secs())
        };
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(seconds(" 120 "), Some(120));
        assert_eq!(seconds("18446744073709551615"), Some(u64::MAX));
        assert_eq!(seconds("99999999999999999999999"), Some(u64::MAX));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(seconds("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60));
        assert_eq!(seconds("Sun Nov  6 08:50:37 1994"), Some(60));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
        for nonsense in ["", "-1", "+5", "1.5", "soon", "Sun, 36 Nov 1994 08:49:37 GMT", "06 Nov 1994"] {
            assert_eq!(seconds(nonsense), None, "{nonsense}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn every_address_is_listed_with_its_own_reason() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = ConnectError::Tcp(Unreached(vec![
            ("[::1]:443".parse().unwrap(), refused),
            ("192.0.2.1:443".parse().unwrap(), no_answer()),
        ]));
        let expected = "TCP connection to [::1]:443 failed: connection refused, \
                        to 192.0.2.1:443 failed: no answer within connect.timeout";
        assert_eq!(error.to_string(), expected);
        assert!(error.is_timeout());
    }
}
