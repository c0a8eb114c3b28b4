//! A REST call in the host's hands.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::shared::Shared;
use crate::dispatch::{Answer, CallId};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::protocol::{self, CommandRequest, Response};
use crate::time::Now;

/// A REST call that the cloud application asks for. The first answer counts; a request that is dropped
/// without one is answered with 500. It may outlive the connector: an answer is then [`Error::Expired`].
pub struct Request {
    connector: Weak<Shared>,
    call: CallId,
    deadline: Instant,
    /// Answered, in time or not: nothing is left to do when it is dropped.
    answered: AtomicBool,
    endpoint: Arc<Endpoint>,
    texts: Texts,
}

/// The method, the uri, and each header's name and value, a line each, and behind them the id and the body: made on one
/// thread and dropped on another, they cost less as one piece of memory than as many. Only the last two may have a line's
/// end in them.
struct Texts {
    joined: String,
    /// Where the id begins.
    id: usize,
    /// Where the body begins, if there is one.
    body: Option<usize>,
}

impl Texts {
    fn new(id: &str, request: &CommandRequest<'_>) -> Texts {
        let body = request.body.as_deref();
        let headers = request.headers.iter().flat_map(|(name, value)| [&**name, &**value]);
        let lines = [&*request.method, &*request.uri].into_iter().chain(headers);
        let bytes = lines.clone().map(|line| line.len() + 1).sum::<usize>();
        let mut joined = String::with_capacity(bytes + id.len() + body.map_or(0, str::len));
        for line in lines {
            joined.push_str(line);
            joined.push('\n');
        }
        joined.push_str(id);
        let body_start = body.map(|_| joined.len());
        joined.push_str(body.unwrap_or_default());
        Texts { joined, id: bytes, body: body_start }
    }

    fn id(&self) -> &str {
        self.joined.get(self.id..self.body.unwrap_or(self.joined.len())).unwrap_or_default()
    }

    fn body(&self) -> Option<&str> {
        self.joined.get(self.body?..)
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.joined.get(..self.id).unwrap_or_default().split_terminator('\n')
    }
}

impl Request {
    pub(super) fn new(
        connector: &Arc<Shared>,
        (call, deadline): (CallId, Instant),
        endpoint: &Arc<Endpoint>,
        id: &str,
        request: &CommandRequest<'_>,
    ) -> Request {
        Request {
            connector: Arc::downgrade(connector),
            call,
            deadline,
            answered: AtomicBool::new(false),
            endpoint: endpoint.clone(),
            texts: Texts::new(id, request),
        }
    }

    /// The COMMAND's id.
    pub fn id(&self) -> &str {
        self.texts.id()
    }

    /// The endpoint that asks.
    pub fn host_name(&self) -> &str {
        &self.endpoint.details.host_name
    }

    /// The endpoint's server group.
    pub fn group_id(&self) -> &str {
        &self.endpoint.details.group_id
    }

    /// The HTTP method.
    pub fn method(&self) -> &str {
        self.texts.lines().next().unwrap_or_default()
    }

    /// Path and query.
    pub fn uri(&self) -> &str {
        self.texts.lines().nth(1).unwrap_or_default()
    }

    /// Names and values in the order sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut lines = self.texts.lines().skip(2);
        std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
    }

    /// The first header with this name, compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|header| header.0.eq_ignore_ascii_case(name)).map(|header| header.1)
    }

    /// The body, where there is one.
    pub fn body(&self) -> Option<&str> {
        self.texts.body()
    }

    /// Answers.
    ///
    /// # Errors
    /// [`Error::Expired`] after the deadline, after an earlier answer, or when the connector is gone;
    /// [`Error::InvalidArgument`] for a body over `dispatch.maxResponseBytes`, in which case the peer gets 500.
    pub fn respond(&self, response: &Response) -> Result<(), Error> {
        let connector = self.connector.upgrade().ok_or(Error::Expired)?;
        let max = connector.settings.max_response_bytes;
        if response.body_bytes() > max {
            self.fail(500, "the host's answer is too large")?;
            let why = format!("is {} bytes long; dispatch.maxResponseBytes is {max}", response.body_bytes());
            return Err(Error::InvalidArgument { argument: "response.body", why });
        }
        let now = Now::read();
        let answer = Answer::new(now, self.id(), response, &connector.settings.response_format);
        let session = connector.dispatch(|dispatch| dispatch.respond(now, self.call, answer));
        self.answered.store(true, Ordering::Relaxed);
        if let Some(session) = session.map_err(|_| Error::Expired)? {
            connector.answered(session);
        }
        Ok(())
    }

    /// When the peer gets 504.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Is not handed to the host: it is too late.
    pub(super) fn expire(self, connector: &Shared) {
        self.answered.store(true, Ordering::Relaxed);
        if let Some(session) = connector.dispatch(|dispatch| dispatch.give_up(Now::read(), self.call)) {
            connector.answered(session);
        }
    }

    /// Whether anybody still waits for the answer: none was given, the deadline has not passed, and the session
    /// that asked is there.
    pub fn is_wanted(&self) -> bool {
        self.connector
            .upgrade()
            .is_some_and(|connector| connector.dispatch(|dispatch| dispatch.is_wanted(Now::read(), self.call)))
    }

    /// Gives the request a number, not 0, by which [`Host::on_cancel`](super::Host::on_cancel) speaks of it.
    pub fn set_tag(&self, tag: u64) {
        if let Some(connector) = self.connector.upgrade() {
            connector.dispatch(|dispatch| dispatch.set_tag(self.call, tag));
        }
    }

    /// Answers with an error in the shape of NetBackup's: `{"errorCode": status, "errorMessage": message}`.
    ///
    /// # Errors
    /// As for [`Request::respond`].
    pub fn fail(&self, status_code: u16, message: &str) -> Result<(), Error> {
        self.respond(&protocol::error_response(status_code, message))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if *self.answered.get_mut() {
            return;
        }
        let Some(connector) = self.connector.upgrade() else { return };
        if let Some(session) = connector.dispatch(|dispatch| dispatch.release(Now::read, self.call)) {
            connector.answered(session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_comes_back_whatever_lines_the_id_and_the_body_have() {
        let id = "an\nid\n";
        for body in [None, Some(""), Some("one\ntwo\n")] {
            let headers = vec![("a".into(), "".into()), ("b".into(), "c".into())];
            let request =
                CommandRequest { uri: "/u".into(), method: "GET".into(), headers, body: body.map(Into::into) };
            let texts = Texts::new(id, &request);
            assert_eq!((texts.id(), texts.body()), (id, body));
            assert_eq!(texts.lines().collect::<Vec<_>>(), ["GET", "/u", "a", "", "b", "c"]);
        }
    }
}
