//! What a session's messages lead to.

use super::Attempt;
use crate::connector::host::{EventKind, LogLevel};
use crate::connector::request::Request;
use crate::connector::shared::Why;
use crate::connector::sync::lock;
use crate::dispatch::{SessionId, Verdict};
use crate::endpoint::Details;
use crate::protocol::Undecodable;
use crate::session::{End, Received, Session};
use crate::time::Now;

/// One session, as far as its messages change it.
pub(super) struct Inbox<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) session: Session,
    /// Set when the session is established.
    pub(super) open: Option<SessionId>,
    /// Read in this turn and not yet handed to the host.
    pub(super) requests: Vec<Request>,
}

impl Inbox<'_> {
    /// Takes a message, or one that is not UTF-8.
    pub(super) fn receive(&mut self, now: Now, text: Result<&str, ()>) -> Result<(), End> {
        let shared = &self.attempt.shared;
        let Details { host_name, group_id, .. } = &self.attempt.endpoint.details;
        let received = match text {
            Ok(text) => self.session.receive(text)?,
            Err(()) => self.session.undecodable(Undecodable::NotUtf8)?,
        };
        match received {
            Received::Established => {
                let open = shared.dispatch(|dispatch| dispatch.open(now, host_name, group_id));
                self.open = Some(open);
                shared.group_connected(group_id);
                lock(&shared.control).supervisor.established(now.instant, self.attempt.id);
                shared.add_link(open, &self.attempt.link);
                shared.hear(&self.attempt.link, now.instant);
                shared.event(EventKind::Established, &self.attempt.endpoint, Why::default(), None);
            }
            Received::Command { id, request } => {
                let Some(open) = self.open else { return Ok(()) };
                // A statement of its own: the lock must be free again before the request is queued.
                let verdict = shared.dispatch(|dispatch| dispatch.request(now, open, &id, &request));
                if let (Verdict::Call { call, deadline }, Ok(request)) = (verdict, &request) {
                    self.requests.push(Request::new(shared, (call, deadline), &self.attempt.endpoint, &id, request));
                }
            }
            Received::Acknowledged(id) => {
                if !shared.acknowledged(group_id, &id) {
                    shared.log(LogLevel::Debug, format_args!("acknowledgement of an id that is not in flight"));
                }
            }
            Received::Ignored(why) => {
                shared.log(LogLevel::Warn, format_args!("message ignored: {why} [endpoint {host_name}]"));
            }
        }
        Ok(())
    }
}
