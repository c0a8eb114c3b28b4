//! Host and port, as they stand in a URL.

use http::uri::Authority;

/// Takes `host:port` apart; an IPv6 address loses its brackets. Without a default the port must be there.
pub(crate) fn host_and_port(text: &str, default_port: Option<u16>) -> Option<(String, u16)> {
    let authority: Authority = text.parse().ok().filter(|authority: &Authority| authority.as_str() == text)?;
    let host = authority.host();
    let port = match text.strip_prefix(host)? {
        "" => default_port?,
        rest => {
            let digits = rest.strip_prefix(':').filter(|port| port.bytes().all(|b| b.is_ascii_digit()))?;
            digits.parse().ok().filter(|port| *port > 0)?
        }
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (!bare.is_empty()).then(|| (bare.to_owned(), port))
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
