//! Classes of reasons for what happens to a connection: what a host decides by, where the words are for people.

use crate::session::End;
use crate::transport::{ConnectError, Phase};

/// The class of a reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cause {
    /// Nothing to tell.
    #[default]
    None,
    /// The host's name could not be resolved.
    Resolve,
    /// No TCP connection.
    Tcp,
    /// The proxy refused or failed.
    Proxy,
    /// The host's dial callback.
    HostDial,
    /// TLS: the certificate or the handshake.
    Tls,
    /// The WebSocket upgrade broke HTTP or RFC 6455.
    Upgrade,
    /// The upgrade was answered with another HTTP status than 101.
    HttpStatus,
    /// No answer to CONNECT in time.
    NoAnswer,
    /// The token was refused.
    Token,
    /// Too many pings without a pong.
    KeepAlive,
    /// The peer closed the session.
    PeerClosed,
    /// The connection was lost without a close frame.
    Lost,
    /// The peer broke the WebSocket or the NBWSS protocol.
    Protocol,
    /// Stopped, deactivated, removed or changed by the host.
    Stopped,
    /// A bug of the library.
    Internal,
    /// The database of notifications.
    Store,
}

impl Cause {
    /// The class of a failed attempt.
    pub(super) fn of_failure(error: &ConnectError) -> Cause {
        if error.http_status().is_some() {
            return Cause::HttpStatus;
        }
        match error.phase() {
            Phase::Resolve => Cause::Resolve,
            Phase::Tcp => Cause::Tcp,
            Phase::Proxy => Cause::Proxy,
            Phase::HostDial => Cause::HostDial,
            Phase::Tls => Cause::Tls,
            Phase::Upgrade => Cause::Upgrade,
            Phase::Connect => Cause::NoAnswer,
        }
    }

    /// The class of a session's end.
    pub(super) fn of_end(end: &End) -> Cause {
        match end {
            End::Rejected => Cause::Token,
            End::NoAnswer => Cause::NoAnswer,
            End::Undecodable(_) | End::TooLarge | End::Violation(_) => Cause::Protocol,
            End::KeepAlive => Cause::KeepAlive,
            End::PeerClosed { .. } => Cause::PeerClosed,
            End::Lost(_) => Cause::Lost,
            End::Stopped => Cause::Stopped,
            End::Panic => Cause::Internal,
        }
    }
}
