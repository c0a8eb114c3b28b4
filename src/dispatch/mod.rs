//! REST calls in flight: bounds, deadlines, repeated ids, and an answer for every one.
//!
//! Sans-IO. The promise: every well-formed COMMAND is answered once per time it was sent, and the host is
//! called at most once per id within the remembered window. A repeat gets the remembered answer, on whichever
//! session of the server group asked last.

mod remembered;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::protocol::{self, BadCommand, CommandRequest, Response};
use crate::settings::Settings;
use crate::time::Now;
use remembered::Remembered;

/// Reading stops while this many bytes of answers wait for a peer that does not read.
const MAX_WAITING_ANSWER_BYTES: usize = 1 << 20;

/// A call that the host was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(u64);

/// An established session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(u64);

/// What to do with a COMMAND.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Hand it to the host.
    Call(CallId),
    /// Nothing: it is answered, or will be together with its first sending.
    Handled,
}

/// The answer came too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired;

/// All calls of a connector.
#[derive(Debug)]
pub struct Dispatch {
    timeout: Duration,
    max_outstanding: usize,
    sessions: HashMap<SessionId, SessionCalls>,
    /// Given to the host and not let go of, answered or not: what `dispatch.maxOutstanding` counts.
    held: HashMap<CallId, Option<Call>>,
    /// The unanswered ones by their key.
    running: HashMap<Key, CallId>,
    remembered: Remembered,
    closing: bool,
    last: u64,
}

/// What makes two COMMANDs the same: ids are the application's, and each group is an application of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    group_id: Arc<str>,
    id: Box<str>,
}

/// A call without an answer.
#[derive(Debug)]
struct Call {
    key: Key,
    /// The session that asked last.
    session: SessionId,
    deadline: Instant,
}

#[derive(Debug)]
struct SessionCalls {
    group_id: Arc<str>,
    /// Encoded and not yet handed to the transport.
    answers: VecDeque<String>,
    answer_bytes: usize,
    /// In order, because all calls have the same time; answered ones are skipped when they come up.
    deadlines: VecDeque<(Instant, CallId)>,
}

impl SessionCalls {
    fn push(&mut self, answer: String) {
        self.answer_bytes += answer.len();
        self.answers.push_back(answer);
    }
}

impl Dispatch {
    /// No calls, no sessions.
    pub fn new(settings: &Settings) -> Dispatch {
        Dispatch {
            timeout: settings.dispatch_timeout,
            max_outstanding: settings.dispatch_max_outstanding,
            sessions: HashMap::new(),
            held: HashMap::new(),
            running: HashMap::new(),
            remembered: Remembered::new(settings),
            closing: false,
            last: 0,
        }
    }

    /// A session of the group is established.
    pub fn open(&mut self, group_id: &Arc<str>) -> SessionId {
        self.last += 1;
        let session = SessionId(self.last);
        let calls = SessionCalls {
            group_id: group_id.clone(),
            answers: VecDeque::new(),
            answer_bytes: 0,
            deadlines: VecDeque::new(),
        };
        self.sessions.insert(session, calls);
        session
    }

    /// The session is over. Its running calls go on; their answers are remembered for a repeat.
    pub fn close(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// Whether the session may read on: not while a peer leaves its answers lying.
    pub fn may_read(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_none_or(|calls| {
            calls.answers.len() < self.max_outstanding && calls.answer_bytes < MAX_WAITING_ANSWER_BYTES
        })
    }

    /// Takes a COMMAND.
    pub fn request(
        &mut self,
        now: Now,
        session: SessionId,
        id: &str,
        request: &Result<CommandRequest<'_>, BadCommand>,
    ) -> Verdict {
        let Some(calls) = self.sessions.get_mut(&session) else { return Verdict::Handled };
        let key = Key { group_id: calls.group_id.clone(), id: Box::from(id) };
        if let Err(why) = request {
            calls.push(answer(now, id, 400, &why.to_string()));
            return Verdict::Handled;
        }
        if let Some(&running) = self.running.get(&key) {
            // The first sending's answer, or its deadline, is this one's too.
            if let Some(Some(call)) = self.held.get_mut(&running) {
                call.session = session;
                calls.deadlines.push_back((call.deadline, running));
            }
            return Verdict::Handled;
        }
        if let Some(text) = self.remembered.get(now.instant, &key) {
            calls.push(text.to_owned());
            return Verdict::Handled;
        }
        if self.closing || self.held.len() >= self.max_outstanding {
            let why = if self.closing { "shutting down" } else { "too many requests outstanding" };
            let busy = protocol::error_response(503, why).with_header("retry-after", "1");
            calls.push(protocol::command_response(id, &busy, now.epoch_seconds));
            return Verdict::Handled;
        }
        let deadline = now.instant + self.timeout;
        self.last += 1;
        let call = CallId(self.last);
        calls.deadlines.push_back((deadline, call));
        self.running.insert(key.clone(), call);
        self.held.insert(call, Some(Call { key, session, deadline }));
        Verdict::Call(call)
    }

    /// Takes the host's answer and returns the session to wake, if it is still there.
    ///
    /// # Errors
    /// [`Expired`] after the deadline, or when there was an answer before.
    pub fn respond(&mut self, now: Now, call: CallId, response: &Response) -> Result<Option<SessionId>, Expired> {
        match self.held.get(&call) {
            Some(Some(running)) if now.instant < running.deadline => Ok(self.answer(now, call, response)),
            Some(Some(_)) => {
                self.answer(now, call, &too_late());
                Err(Expired)
            }
            _ => Err(Expired),
        }
    }

    /// The host has let go of the request, answered or not.
    pub fn release(&mut self, call: CallId) {
        if let Some(Some(unanswered)) = self.held.remove(&call) {
            self.running.remove(&unanswered.key);
        }
    }

    fn answer(&mut self, now: Now, call: CallId, response: &Response) -> Option<SessionId> {
        let Call { key, session, .. } = self.held.get_mut(&call)?.take()?;
        self.running.remove(&key);
        let text = protocol::command_response(&key.id, response, now.epoch_seconds);
        self.remembered.insert(now.instant, key, &text);
        let calls = self.sessions.get_mut(&session)?;
        calls.push(text);
        Some(session)
    }

    /// Answers what has waited too long with 504.
    pub fn timeout(&mut self, now: Now, session: SessionId) {
        while let Some(call) = self.sessions.get_mut(&session).and_then(|calls| calls.pop_due(now.instant)) {
            let asked_here = matches!(self.held.get(&call), Some(Some(running)) if running.session == session);
            if asked_here {
                self.answer(now, call, &too_late());
            }
        }
    }

    /// When to call [`Dispatch::timeout`] for the session next.
    pub fn next_timeout(&self, session: SessionId) -> Option<Instant> {
        self.sessions.get(&session)?.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// The next answer for the session.
    pub fn poll_transmit(&mut self, session: SessionId) -> Option<String> {
        let calls = self.sessions.get_mut(&session)?;
        let answer = calls.answers.pop_front()?;
        calls.answer_bytes -= answer.len();
        Some(answer)
    }

    /// Takes no more calls and answers the running ones with 503: the connector is going away.
    pub fn shut_down(&mut self, now: Now) {
        self.closing = true;
        let running: Vec<CallId> = self.running.values().copied().collect();
        for call in running {
            self.answer(now, call, &protocol::error_response(503, "shutting down"));
        }
    }
}

impl SessionCalls {
    fn pop_due(&mut self, now: Instant) -> Option<CallId> {
        let (deadline, call) = *self.deadlines.front()?;
        (deadline <= now).then(|| {
            self.deadlines.pop_front();
            call
        })
    }
}

fn too_late() -> Response {
    protocol::error_response(504, "the host gave no answer in time")
}

fn answer(now: Now, id: &str, status_code: u16, message: &str) -> String {
    protocol::command_response(id, &protocol::error_response(status_code, message), now.epoch_seconds)
}

#[cfg(test)]
mod tests;
