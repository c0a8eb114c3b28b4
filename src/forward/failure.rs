//! Why a call has no answer of the server's, and what the peer is told instead.

use crate::protocol::ResponseError;
use crate::transport::ConnectError;

/// The texts go to the peer: they say what happened, and quote nothing of the call or of the answer. The causes go
/// to the host's log only: they name addresses that are not the peer's business.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("uri: must be a path, with or without a query, that HTTP allows")]
    Uri,
    #[error("method: must be an HTTP method name other than CONNECT")]
    Method,
    #[error("headers: a name or value that HTTP does not allow")]
    Header,
    #[error("the REST server is busy: no connection became free within dispatch.forward.timeout")]
    Busy,
    #[error("the REST server did not answer within dispatch.forward.timeout")]
    Timeout,
    #[error("the REST server cannot be reached")]
    Connect(#[from] ConnectError),
    #[error("the exchange with the REST server failed")]
    Http(#[source] hyper::Error),
    #[error("the REST server switched protocols without being asked")]
    Switched,
    #[error("the REST server's body is larger than dispatch.maxResponseBytes ({0})")]
    TooLarge(usize),
    #[error("the REST server's answer cannot be passed on")]
    Answer(#[from] ResponseError),
}

impl Failure {
    /// What the peer gets.
    pub(crate) fn status_code(&self) -> u16 {
        match self {
            Failure::Uri | Failure::Method | Failure::Header => 400,
            Failure::Busy | Failure::Timeout => 504,
            Failure::Connect(error) if error.is_timeout() => 504,
            Failure::Connect(_) | Failure::Http(_) | Failure::Switched | Failure::TooLarge(_) | Failure::Answer(_) => {
                502
            }
        }
    }
}
