//! Moving bytes to an endpoint and back: name resolution, TCP, proxies, TLS, WebSocket upgrade.
//!
//! What the messages mean is not known here, and what lies below is not known outside: [`WebSocket`] is all
//! that sessions see, so that the WebSocket implementation can be changed without anyone noticing. Requests to
//! the host's own server ([`crate::forward`]) start from the same sockets and the same TLS.

mod authority;
mod blocking;
mod certificate;
mod dial;
mod direct;
mod failure;
mod fetch;
mod inspect;
mod proxy;
mod stream;
mod tls;
mod trace;
mod websocket;

pub(crate) use authority::host_and_port;
pub(crate) use blocking::blocking;
pub use certificate::Certificate;
pub(crate) use certificate::date;
pub(crate) use dial::{Dialer, HostDial};
pub(crate) use failure::ConnectError;
pub(crate) use fetch::{FetchLimits, fetch};
pub(crate) use stream::QuietStream;
pub use tls::TlsFailure;
pub(crate) use tls::{Trust, server_name};
pub(crate) use trace::Trace;
pub use trace::{Phase, Step};
pub(crate) use websocket::{Broken, Incoming, WebSocket};
