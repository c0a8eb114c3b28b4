//! Kept-alive connections to the one server. How many are in use at a time is the caller's business.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::body::RequestBody;
use super::failure::Failure;
use super::target::Target;
use crate::protocol::MAX_HEADERS;
use crate::transport::Dialer;

/// A connection that has lain unused for longer is not used again. Servers close theirs after 5 s (Node, Apache)
/// or later; a request that crosses with the close would fail, and could not be told from one that was obeyed.
const MAX_IDLE: Duration = Duration::from_secs(4);
/// How long the last request's remains may keep a connection from its next request. There are none, but for a
/// server that answered without reading all of the request.
const SETTLING: Duration = Duration::from_millis(100);
/// Largest head of a response: status line and headers. No more than about twice as much is read of a larger one.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Connections that wait for their next request.
pub(super) struct Pool {
    target: Target,
    dialer: Dialer,
    /// The last one was used last. No more than were ever in use at a time. The rest wait for the server to
    /// close them or for the next call to find them too old: nothing wakes up for them.
    idle: Mutex<Vec<Connection>>,
}

/// One connection. Closed when this is dropped.
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    /// Moves the bytes.
    task: AbortHandle,
    used: Instant,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // On its own it would first finish what it is sending, for as long as that takes.
        self.task.abort();
    }
}

impl Pool {
    pub(super) fn new(target: Target, dialer: Dialer) -> Pool {
        Pool { target, dialer, idle: Mutex::default() }
    }

    pub(super) fn host_header(&self) -> &HeaderValue {
        self.target.host_header()
    }

    /// Sends the request and waits for the head of the answer. A request is tried again, once and on a fresh
    /// connection, only where none of it was written to the old one.
    pub(super) async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<(Connection, Response<Incoming>), Failure> {
        if let Some(mut connection) = self.take().await {
            match connection.sender.try_send_request(request).await {
                Ok(answer) => return Ok((connection, answer)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::Http(error.into_error())),
                },
            }
        }
        let mut connection = self.open().await?;
        match connection.sender.send_request(request).await {
            Ok(answer) => Ok((connection, answer)),
            Err(error) => Err(Failure::Http(error)),
        }
    }

    /// Keeps the connection for another request. The answer must have been read to its end.
    pub(super) fn give_back(&self, mut connection: Connection) {
        if !connection.sender.is_closed() {
            connection.used = Instant::now();
            self.idle().push(connection);
        }
    }

    async fn take(&self) -> Option<Connection> {
        let fresh = |connection: &Connection| !connection.sender.is_closed() && connection.used.elapsed() < MAX_IDLE;
        loop {
            let mut connection = {
                let mut idle = self.idle();
                idle.retain(fresh);
                idle.pop()?
            };
            if let Ok(Ok(())) = timeout(SETTLING, connection.sender.ready()).await {
                return Some(connection);
            }
        }
    }

    async fn open(&self) -> Result<Connection, Failure> {
        let stream = self.target.connect(&self.dialer).await?;
        let (sender, connection) = Builder::new()
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::Http)?;
        // Its error, if any, is the request's, too.
        let task = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Connection { sender, task, used: Instant::now() })
    }

    /// As if so much time had passed.
    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        self.idle().iter_mut().for_each(|connection| connection.used -= by);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
