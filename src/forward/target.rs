//! Where calls are forwarded to: `dispatch.forward.url`, taken apart.

use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;

use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::Error;
use crate::settings::shown;
use crate::transport::{self, ConnectError, Dialer, Trace, Trust};

const URL_KEY: &str = "dispatch.forward.url";
const CA_FILE_KEY: &str = "dispatch.forward.caFile";
const EXPECTED: &str = "http://host:port, https://host:port (neither with a path, not even /) or unix:/path/to.sock";

/// A connection, of whichever kind: HTTP is compiled once for all three.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The one server.
pub(super) struct Target {
    /// What the server is told that it is called.
    host_header: HeaderValue,
    way: Way,
}

/// How it is reached.
enum Way {
    Tcp {
        /// Without the brackets of an IPv6 address.
        host: String,
        port: u16,
        /// Set for https.
        trust: Option<Trust>,
    },
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Target {
    pub(super) fn new(url: &str, ca_file: Option<&Path>) -> Result<Target, Error> {
        if let Some(path) = url.strip_prefix("unix:") {
            return unix(url, path);
        }
        let (scheme, authority) = url.split_once("://").ok_or_else(|| invalid(url, EXPECTED))?;
        let default_port = match scheme.to_ascii_lowercase().as_str() {
            "http" => 80,
            "https" => 443,
            _ => return Err(invalid(url, EXPECTED)),
        };
        if authority.contains('@') {
            return Err(invalid(url, "a URL without a user name and a password"));
        }
        let (host, port) =
            transport::host_and_port(authority, Some(default_port)).ok_or_else(|| invalid(url, EXPECTED))?;
        let host_header = HeaderValue::from_str(authority).map_err(|_| invalid(url, EXPECTED))?;
        let trust = (default_port == 443).then(|| Trust::load_for(CA_FILE_KEY, ca_file)).transpose()?;
        if trust.is_some() && transport::server_name(&host).is_none() {
            return Err(invalid(url, "https:// with a DNS name or an address, which the certificate is verified for"));
        }
        Ok(Target { host_header, way: Way::Tcp { host, port, trust } })
    }

    pub(super) fn host_header(&self) -> &HeaderValue {
        &self.host_header
    }

    pub(super) async fn connect(&self, dialer: &Dialer) -> Result<Box<dyn Stream>, ConnectError> {
        let mut trace = Trace::default();
        Ok(match &self.way {
            Way::Tcp { host, port, trust: None } => Box::new(dialer.tcp(host, *port, &mut trace).await?),
            Way::Tcp { host, port, trust: Some(trust) } => Box::new(dialer.tls(host, *port, trust, &mut trace).await?),
            #[cfg(unix)]
            Way::Unix(path) => Box::new(dialer.unix(path).await?),
        })
    }
}

#[cfg(unix)]
fn unix(url: &str, path: &str) -> Result<Target, Error> {
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(invalid(url, EXPECTED));
    }
    // Knows how long a path this system's sockets may have.
    std::os::unix::net::SocketAddr::from_pathname(path)
        .map_err(|_| invalid(url, "unix: and a path that is short enough for a socket (about 100 bytes)"))?;
    Ok(Target { host_header: HeaderValue::from_static("localhost"), way: Way::Unix(PathBuf::from(path)) })
}

#[cfg(not(unix))]
fn unix(url: &str, _: &str) -> Result<Target, Error> {
    Err(invalid(url, "http:// or https://, the only ways on a system without Unix sockets"))
}

/// Names the setting and shows its value, but for what may be a password.
fn invalid(url: &str, expected: &str) -> Error {
    let value = url.rsplit_once('@').map_or_else(|| shown(url), |(_, rest)| shown(&format!("...@{rest}")));
    Error::InvalidValue { key: URL_KEY, value, expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> (String, u16, String) {
        let target = Target::new(url, None).unwrap_or_else(|error| panic!("{error}"));
        let host_header = target.host_header.to_str().unwrap().to_owned();
        match target.way {
            Way::Tcp { host, port, .. } => (host, port, host_header),
            Way::Unix(path) => (path.to_str().unwrap().to_owned(), 0, host_header),
        }
    }

    #[test]
    fn an_origin_is_taken_apart() {
        let cases = [
            ("http://localhost:8080", "localhost", 8080, "localhost:8080"),
            ("http://rest.example.com", "rest.example.com", 80, "rest.example.com"),
            ("HTTP://Host:1", "Host", 1, "Host:1"),
            ("http://[::1]:8080", "::1", 8080, "[::1]:8080"),
            ("http://[::1]", "::1", 80, "[::1]"),
            ("unix:/run/rest.sock", "/run/rest.sock", 0, "localhost"),
        ];
        for (url, host, port, host_header) in cases {
            assert_eq!(parts(url), (host.to_owned(), port, host_header.to_owned()), "{url}");
        }
    }

    #[test]
    fn anything_but_an_origin_is_refused_with_the_settings_name() {
        let long = format!("unix:/{}", "x".repeat(200));
        let cases = [
            "localhost:8080",
            "ftp://host:21",
            "wss://host:1",
            "http://",
            "http:/host",
            "http://:80",
            "http://host:",
            "http://host:0",
            "http://host:+80",
            "http://host:80a",
            "http://host:65536",
            "http://host:80/",
            "http://host:80/base",
            "http://host?x",
            "http://host#x",
            "http://ho st",
            "http://host:1:2",
            "http://::1:80",
            "http://[::1]x:80",
            "https://ho_st~:443",
            "unix:",
            "unix:rest.sock",
            "unix://run/rest.sock",
            long.as_str(),
        ];
        for url in cases {
            let error = Target::new(url, None).err().unwrap_or_else(|| panic!("{url} is taken")).to_string();
            assert!(error.contains("dispatch.forward.url"), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_shown() {
        for url in ["http://user:secret@host:1", "ftp://user:secret@host", "unix:user:secret@host"] {
            let error = Target::new(url, None).err().unwrap().to_string();
            assert!(error.contains("dispatch.forward.url") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_bad_file_of_authorities_is_named_with_its_setting_and_read_for_https_only() {
        let missing = Some(Path::new("/nowhere.pem"));
        let error = Target::new("https://host", missing).err().unwrap().to_string();
        assert!(error.contains("dispatch.forward.caFile") && error.contains("/nowhere.pem"), "{error}");
        assert!(Target::new("http://host", missing).is_ok());
    }
}
