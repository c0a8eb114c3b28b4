//! REST calls without a callback: each goes as an HTTP/1.1 request to the one server that
//! `dispatch.forward.url` names, and what comes back is the response.
//!
//! There is always a response: 504 where time runs out, 502 where the server is not there, breaks HTTP or
//! answers more than is allowed, 400 for a call that HTTP cannot carry. No redirect is followed and no cookie
//! is kept. Which calls may be made at all is decided elsewhere.

mod body;
mod failure;
mod headers;
mod pool;
mod target;
#[cfg(test)]
mod tests;

use std::time::Duration;

use http::Request;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::protocol::Response;
use crate::settings::Settings;
use crate::transport::Dialer;
use body::RequestBody;
pub(crate) use failure::Failure;
use pool::Pool;
use target::Target;

/// Makes REST calls to the host's own server. To be used on the runtime of the connector.
pub(crate) struct Forwarder {
    pool: Pool,
    /// One for each connection that may be in use.
    permits: Semaphore,
    timeout: Duration,
    max_response_bytes: usize,
}

impl Forwarder {
    /// What the settings ask for; none without `dispatch.forward.url`. Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for the URL; [`Error::File`] or [`Error::Tls`] for `dispatch.forward.caFile`.
    pub(crate) fn new(settings: &Settings) -> Result<Option<Forwarder>, Error> {
        if settings.forward_url.is_empty() {
            return Ok(None);
        }
        let target = Target::new(&settings.forward_url, settings.forward_ca_file.as_deref())?;
        Ok(Some(Forwarder {
            pool: Pool::new(target, Dialer::direct(settings)),
            permits: Semaphore::new(settings.forward_max_connections),
            timeout: settings.forward_timeout,
            max_response_bytes: settings.max_response_bytes,
        }))
    }

    /// Makes the call. `uri` is path and query, as in a COMMAND. Dropping the future gives the call up.
    ///
    /// # Errors
    /// [`Failure`] where there is no answer to pass on.
    pub(crate) async fn forward(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Response, Failure> {
        let deadline = Instant::now() + self.timeout;
        let Ok(_permit) = timeout_at(deadline, self.permits.acquire()).await else { return Err(Failure::Busy) };
        // Not before: it holds a copy of the body, and many calls may be waiting.
        let request = headers::request(self.pool.host_header(), method, uri, headers, body)?;
        timeout_at(deadline, self.exchange(request)).await.unwrap_or(Err(Failure::Timeout))
    }

    /// Dropped half-way, it closes the connection: what is still under way on it can be of no use.
    async fn exchange(&self, request: Request<RequestBody>) -> Result<Response, Failure> {
        let (connection, answer) = self.pool.send(request).await?;
        let (head, incoming) = answer.into_parts();
        if head.status.is_informational() {
            return Err(Failure::Switched);
        }
        let body = body::read(incoming, self.max_response_bytes).await?;
        self.pool.give_back(connection);
        Ok(Response::new(head.status.as_u16().into(), headers::response(&head.headers), body)?)
    }
}
