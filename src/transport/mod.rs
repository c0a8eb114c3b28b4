//! Moving bytes to an endpoint and back: name resolution, TCP, proxies, TLS, WebSocket upgrade.
//!
//! What the messages mean is not known here, and what lies below is not known outside: [`WebSocket`] is all
//! that sessions see, so that the WebSocket implementation can be changed without anyone noticing. Requests to
//! the host's own server ([`crate::forward`]) start from the same sockets and the same TLS.

mod authority;
mod dial;
mod direct;
mod failure;
#[allow(dead_code)] // until endpoint details are added by URL
mod fetch;
mod proxy;
mod stream;
mod tls;
mod trace;
mod websocket;

pub(crate) use authority::host_and_port;
pub(crate) use dial::Dialer;
pub(crate) use failure::ConnectError;
pub(crate) use stream::QuietStream;
pub(crate) use tls::{Trust, server_name};
pub(crate) use trace::Trace;
pub(crate) use websocket::{Broken, Incoming, WebSocket};
