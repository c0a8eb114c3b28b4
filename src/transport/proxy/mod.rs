//! Ways out through a proxy: which one, for which hosts, and with which login. How one is spoken with: [`http`] and
//! [`socks`]. The endpoint's name is resolved by the proxy only.

mod http;
mod settings;
mod socks;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use tokio::time::Instant;

use super::failure::ConnectError;
use super::stream::QuietStream;
use super::trace::{Phase, Trace};
use super::{authority, direct};
use crate::secret::Secret;

/// The proxy of one connector.
pub(super) struct Proxy {
    protocol: Protocol,
    host: String,
    port: u16,
    /// For this proxy and nobody else.
    login: Option<Login>,
    /// Knows the hosts that are dialled past the proxy.
    matcher: Matcher,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// CONNECT (RFC 9110, section 9.3.6).
    Http,
    /// RFC 1928.
    Socks5,
}

struct Login {
    user: String,
    password: Secret,
}

/// Why a proxy gave no connection: what it did, in the operator's words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("it asks for a user name and password (proxy.user, proxy.password)")]
    LoginMissing,
    #[error("it refused the user name or password (proxy.user, proxy.password)")]
    LoginRefused,
    #[error("it takes neither a user name and password nor a connection without")]
    LoginUnsupported,
    #[error("it answered HTTP {status}{}", http::meaning(*status))]
    Http { status: u16 },
    #[error("it answered SOCKS reply {reply}: {}", socks::meaning(*reply))]
    Socks { reply: u8 },
    #[error("it closed the connection before it answered")]
    Closed,
    #[error("its answer cannot be read as HTTP")]
    NotHttp(#[source] hyper::Error),
    #[error("its answer is not SOCKS5")]
    NotSocks,
    #[error("it sent bytes of its own into the connection to the endpoint")]
    EarlyBytes,
    #[error("the endpoint's name does not fit into its protocol")]
    Name,
    #[error("the exchange with it failed")]
    Exchange(#[source] hyper::Error),
    #[error("the exchange with it failed")]
    Io(#[source] io::Error),
}

impl Proxy {
    /// Whether this host is dialled past the proxy.
    pub(super) fn is_bypassed(&self, host: &str, port: u16) -> bool {
        let uri = Uri::builder().scheme("https").authority(authority::join(host, port)).path_and_query("/").build();
        uri.is_ok_and(|uri| self.matcher.intercept(&uri).is_none())
    }

    /// A connection to the host, made by the proxy.
    pub(super) async fn dial(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
        trace: &mut Trace,
    ) -> Result<QuietStream, ConnectError> {
        let stream = direct::dial(&self.host, self.port, limit, trace).await?;
        let (proxy, target) = (authority::join(&self.host, self.port), authority::join(host, port));
        let login = self.login.as_ref();
        let work = async {
            let opened = match self.protocol {
                Protocol::Http => http::open(stream, &target, login).await,
                Protocol::Socks5 => socks::open(stream, host, port, login).await,
            };
            let (proxy, target) = (proxy.clone(), target.clone());
            opened.map_err(|source| ConnectError::Proxy { proxy, target, source })
        };
        trace.run(Phase::Proxy, &proxy, Instant::now() + limit, work).await
    }
}
