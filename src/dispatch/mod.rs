//! REST calls in flight: policy, bounds, deadlines, repeated ids, and an answer for every one.
//!
//! Sans-IO. The promise: every well-formed COMMAND is answered, and the host is called at most once per id
//! within the remembered window. A repeat gets the remembered answer, on whichever session of the server group
//! asked last, or hears that there was no room to keep it. Nothing that the policy does not allow reaches the host.

mod answer;
mod answers;
mod audit;
mod chunks;
mod deadlines;
mod name;
mod policy;
mod rate;
mod records;
mod remembered;
mod session;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxBuildHasher;

use crate::protocol::{self, BadCommand, CommandRequest, ResponseFormat};
use crate::settings::Settings;
use crate::time::Now;
pub use answer::{Answer, Encoded};
pub use answers::{Answers, Next};
pub use audit::{AuditRecord, Decision, Step};
use deadlines::Deadlines;
use name::Name;
pub use policy::{BadPolicy, MAX_RULES, Policy};
use rate::Rate;
use records::Arrival;
pub use records::{Logged, Wanted};
use remembered::Remembered;
use session::SessionCalls;

/// Reading stops while this many bytes of answers wait for a peer that does not read.
const MAX_WAITING_ANSWER_BYTES: usize = 1 << 20;
/// Reading stops while this many notices wait for a host that does not take them: no call without its audit.
pub const MAX_WAITING_NOTICES: usize = 1024;

/// A call that the host was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

/// An established session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(u64);

/// What to do with a COMMAND.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Hand it to the host.
    Call {
        /// By which to speak of it.
        call: CallId,
        /// When the peer gets 504.
        deadline: Instant,
    },
    /// Nothing: it is answered, or will be together with its first sending.
    Handled,
}

/// The answer came too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired;

/// What the host wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A record for the audit.
    Audit(AuditRecord),
    /// The request with this tag is not wanted any more.
    Cancelled(u64),
}

/// All calls of a connector.
#[derive(Debug)]
pub struct Dispatch {
    limits: Limits,
    policy: Policy,
    format: ResponseFormat,
    sessions: Table<SessionId, SessionCalls>,
    /// Given to the host and not let go of: what `dispatch.maxOutstanding` counts.
    held: Table<CallId, Held>,
    /// What `dispatch.maxHeldBytes` counts.
    held_bytes: usize,
    /// The unanswered ones by their key's hash.
    running: Table<u64, CallId>,
    hasher: RandomState,
    remembered: Remembered,
    wanted: Wanted,
    notices: VecDeque<Notice>,
    counts: CallCounts,
    closing: bool,
    last: u64,
}

/// Totals since the connector was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallCounts {
    /// Handed to the host.
    pub allowed: u64,
    /// Refused by the policy.
    pub refused: u64,
    /// Unusable.
    pub malformed: u64,
    /// Over a limit, or while shutting down.
    pub limited: u64,
    /// Came again and share the first answer.
    pub repeated: u64,
    /// Came with the id of another request.
    pub conflicting: u64,
    /// Answered with 504 because the host had not.
    pub expired: u64,
    /// Answers of the host that came too late.
    pub late: u64,
    /// Let go of by the host without an answer.
    pub missing: u64,
}

#[derive(Debug)]
struct Limits {
    timeout: Duration,
    max_outstanding: usize,
    max_per_session: usize,
    max_held_bytes: usize,
    max_waiting_bytes: usize,
    rate: usize,
    max_body_bytes: usize,
    max_json_depth: usize,
    forbidden_headers: Vec<String>,
}

/// Hashes quickly: what the keys give it are numbers of our own, which no peer can choose to collide.
type Table<K, V> = HashMap<K, V, FxBuildHasher>;

/// By what a COMMAND is known that comes again; its id need not be kept for that. Two ids have the same hash once in 2^64
/// times, and nobody can look for such: the later one is then turned away as if its id were the other's, for the
/// fingerprints differ. So no answer goes to another, and the host is not called twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    /// Of what makes two COMMANDs the same, with a secret: ids are the application's, and each group is an application of
    /// its own.
    hash: u64,
    /// Of all that is asked for, and of id and group once more. Quick rather than strong: an application that makes two
    /// requests look alike only deceives itself.
    fingerprint: u64,
}

/// A request in the host's hands.
#[derive(Debug)]
struct Held {
    /// `None`: answered for the host.
    call: Option<Call>,
    /// The host's name for it; 0 before the host has seen it, and again when the host was told not to go on.
    tag: u64,
    bytes: usize,
}

impl Held {
    /// Tells the host, once.
    fn cancel(&mut self) -> Option<Notice> {
        let tag = std::mem::take(&mut self.tag);
        (tag != 0).then_some(Notice::Cancelled(tag))
    }
}

/// A call without an answer.
#[derive(Debug)]
struct Call {
    id: CallId,
    /// The COMMAND's.
    name: Name,
    key: Key,
    /// The session that asked last.
    session: SessionId,
    deadline: Instant,
    /// Kept only for the audit.
    arrived: Option<Box<Arrival>>,
}

impl Dispatch {
    /// No calls, no sessions.
    pub fn new(settings: &Settings, wanted: Wanted) -> Dispatch {
        Dispatch {
            limits: Limits {
                timeout: settings.dispatch_timeout,
                max_outstanding: settings.dispatch_max_outstanding,
                max_per_session: settings.dispatch_max_per_session,
                max_held_bytes: settings.dispatch_max_held_bytes,
                max_waiting_bytes: settings.dispatch_max_waiting_bytes,
                rate: settings.dispatch_rate,
                max_body_bytes: settings.max_body_bytes,
                max_json_depth: settings.max_json_depth,
                forbidden_headers: settings.forbidden_headers.clone(),
            },
            policy: settings.policy.clone(),
            format: settings.response_format.clone(),
            sessions: Table::default(),
            held: Table::default(),
            held_bytes: 0,
            running: Table::default(),
            hasher: RandomState::new(),
            remembered: Remembered::new(settings),
            wanted,
            notices: VecDeque::new(),
            counts: CallCounts::default(),
            closing: false,
            last: 0,
        }
    }

    /// Replaces the policy, for the next command on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// A session of the group is established.
    pub fn open(&mut self, now: Now, host_name: &str, group_id: &Arc<str>) -> SessionId {
        self.last += 1;
        let session = SessionId(self.last);
        let calls = SessionCalls {
            host_name: Arc::from(host_name),
            group_id: group_id.clone(),
            key: self.hasher.hash_one(group_id).rotate_left(32),
            answers: Answers::default(),
            large_answers: VecDeque::new(),
            waiting_bytes: 0,
            taken_bytes: 0,
            deadlines: Deadlines::default(),
            rate: Rate::new(now.instant, self.limits.rate),
        };
        self.sessions.insert(session, calls);
        session
    }

    /// The session is over. Its running calls go on; their answers are remembered for a repeat.
    pub fn close(&mut self, session: SessionId) {
        self.sessions.remove(&session);
        if self.wanted.cancel {
            let asked = |held: &&mut Held| held.call.as_ref().is_some_and(|call| call.session == session);
            self.notices.extend(self.held.values_mut().filter(asked).filter_map(Held::cancel));
        }
    }

    /// Whether the session may read on: not while a peer leaves its answers lying, or the host its notices.
    pub fn may_read(&self, session: SessionId) -> bool {
        !self.waits_for_host()
            && self.sessions.get(&session).is_none_or(|calls| {
                let count = calls.answers.len() + calls.large_answers.len();
                count < self.limits.max_outstanding && calls.waiting_bytes < MAX_WAITING_ANSWER_BYTES
            })
    }

    /// Whether no session may read on because the host does not take its notices.
    pub fn waits_for_host(&self) -> bool {
        self.notices.len() >= MAX_WAITING_NOTICES
    }

    /// Takes a COMMAND.
    pub fn request(
        &mut self,
        now: Now,
        session: SessionId,
        id: &str,
        request: &Result<CommandRequest<'_>, BadCommand>,
    ) -> Verdict {
        let text = match self.decide(now, session, id, request) {
            Ok((key, request)) => return self.begin(now, session, id, key, request),
            Err(Handled::Unasked) => return Verdict::Handled,
            Err(Handled::Joined) => {
                self.arrive(now, session, id, request.as_ref().ok(), Decision::Repeated);
                return Verdict::Handled;
            }
            Err(Handled::Remembered(text)) => {
                self.arrive(now, session, id, request.as_ref().ok(), Decision::Repeated);
                if self.has_room(session, &text) { text } else { self.no_room(now, id).text }
            }
            Err(Handled::Turned(decision, status_code, why)) => {
                let mut response = protocol::error_response(status_code, &why);
                if matches!(status_code, 429 | 503) {
                    response = response.with_header("retry-after", "1");
                }
                let answer = Answer::new(now, id, &response, &self.format);
                if let Some(arrival) = self.arrive(now, session, id, request.as_ref().ok(), decision) {
                    self.audit_end(now, id, *arrival, &answer);
                }
                answer.text
            }
        };
        if let Some(calls) = self.sessions.get_mut(&session) {
            calls.push(text);
        }
        Verdict::Handled
    }

    /// Lets a COMMAND through, with its key, or says what becomes of it.
    fn decide<'r>(
        &mut self,
        now: Now,
        session: SessionId,
        id: &str,
        request: &'r Result<CommandRequest<'r>, BadCommand>,
    ) -> Result<(Key, &'r CommandRequest<'r>), Handled> {
        let turn = |decision, status, why: &str| Err(Handled::Turned(decision, status, why.to_owned()));
        let Some(calls) = self.sessions.get_mut(&session) else { return Err(Handled::Unasked) };
        if !calls.rate.take(now.instant) {
            return turn(Decision::Limited, 429, "too many requests: dispatch.maxRate");
        }
        let request = match request {
            Ok(request) => request,
            Err(why) => return turn(Decision::Malformed, why.status_code(), &why.to_string()),
        };
        if request.has_header(&self.limits.forbidden_headers) {
            return turn(Decision::Malformed, 400, "headers: one is not for an application to send");
        }
        if !self.policy.allows(&calls.group_id, &request.method, &request.uri) {
            return turn(Decision::Refused, 403, "not allowed by the policy of the backup service");
        }
        let body = request.body.as_deref().unwrap_or_default();
        if body.len() > self.limits.max_body_bytes {
            return turn(Decision::Malformed, 413, "parameters: too large");
        }
        if protocol::nests_deeper(body, self.limits.max_json_depth) {
            return turn(Decision::Malformed, 400, "parameters: nested too deeply");
        }
        let asked = (&*calls.group_id, id, &request.method, &request.uri, &request.body);
        let key = Key { hash: calls.key ^ self.hasher.hash_one(id), fingerprint: FxBuildHasher.hash_one(asked) };
        if let Some(running) = self.running.get(&key.hash) {
            let Some(call) = self.held.get_mut(running).and_then(|held| held.call.as_mut()) else {
                return Err(Handled::Joined);
            };
            if call.key != key {
                return turn(Decision::Conflict, 409, "id: another request with this id is being answered");
            }
            // The first sending's answer, or its deadline, is this one's too.
            let before = std::mem::replace(&mut call.session, session);
            if before != session {
                let deadline = (call.deadline, *running);
                calls.deadlines.insert(deadline);
                if let Some(calls) = self.sessions.get_mut(&before) {
                    calls.deadlines.remove(deadline);
                }
            }
            return Err(Handled::Joined);
        }
        if let Some(before) = self.remembered.get(now.instant, key) {
            if !before.is_same {
                return turn(Decision::Conflict, 409, "id: another request with this id was answered before");
            }
            let text = before.answer.unwrap_or_else(|| {
                let why =
                    "id: this request was answered before, and dispatch.rememberedBytes has no room for the answer";
                Answer::new(now, id, &protocol::error_response(409, why), &self.format).text
            });
            return Err(Handled::Remembered(text));
        }
        if self.closing {
            return turn(Decision::Limited, 503, "shutting down");
        }
        if self.held.len() >= self.limits.max_outstanding || calls.deadlines.len() >= self.limits.max_per_session {
            return turn(Decision::Limited, 503, "too many requests outstanding");
        }
        // The only one is always taken: the settings for one request say how large it may be.
        if !self.held.is_empty() && self.held_bytes + request.bytes() > self.limits.max_held_bytes {
            return turn(Decision::Limited, 503, "too many bytes of requests outstanding");
        }
        Ok((key, request))
    }

    fn begin(&mut self, now: Now, session: SessionId, name: &str, key: Key, request: &CommandRequest<'_>) -> Verdict {
        let arrived = self.arrive(now, session, name, Some(request), Decision::Allowed);
        let deadline = now.instant + self.limits.timeout;
        self.last += 1;
        let id = CallId(self.last);
        if let Some(calls) = self.sessions.get_mut(&session) {
            calls.deadlines.insert((deadline, id));
        }
        let bytes = request.bytes();
        self.held_bytes += bytes;
        self.running.insert(key.hash, id);
        let call = Some(Call { id, name: name.into(), key, session, deadline, arrived });
        self.held.insert(id, Held { call, tag: 0, bytes });
        Verdict::Call { call: id, deadline }
    }

    /// The host's own name for the request, not 0, by which [`Notice::Cancelled`] speaks of it.
    pub fn set_tag(&mut self, call: CallId, tag: u64) {
        let Some(held) = self.held.get_mut(&call) else { return };
        held.tag = tag;
        // It was answered, or its session ended, before there was a name to say so by.
        if held.call.as_ref().is_none_or(|call| !self.sessions.contains_key(&call.session)) {
            self.cancel(call);
        }
    }

    /// How many requests the host holds.
    pub fn outstanding(&self) -> usize {
        self.held.len()
    }

    fn let_go(&mut self, call: CallId) -> Option<Held> {
        let held = self.held.remove(&call)?;
        self.held_bytes -= held.bytes;
        Some(held)
    }

    /// Whether somebody still waits for the answer: no answer yet, time left, and the session that asked is there.
    pub fn is_wanted(&self, now: Now, call: CallId) -> bool {
        self.held
            .get(&call)
            .and_then(|held| held.call.as_ref())
            .is_some_and(|call| now.instant < call.deadline && self.sessions.contains_key(&call.session))
    }

    /// Takes the host's answer, made with the call's id, with which it lets go of the request, and returns the session to wake, if it is
    /// still there.
    ///
    /// # Errors
    /// [`Expired`] after the deadline, or when there was an answer before.
    pub fn respond(&mut self, now: Now, call: CallId, answer: Answer) -> Result<Option<SessionId>, Expired> {
        match self.let_go(call).and_then(|held| held.call) {
            Some(call) if now.instant < call.deadline => Ok(self.answer(now, call, answer)),
            call => {
                self.counts.late += 1;
                if let Some(call) = call {
                    // The timer was late.
                    self.expire(now, call);
                }
                Err(Expired)
            }
        }
    }

    /// The host has let go of the request. Without an answer it gets one here, and the session to wake is returned.
    pub fn release(&mut self, now: impl FnOnce() -> Now, call: CallId) -> Option<SessionId> {
        let call = self.let_go(call)?.call?;
        self.counts.missing += 1;
        self.answer_for_host(now(), call, 500, "the host gave no answer")
    }

    /// The request is not handed to the host: its deadline has passed, or everything ends. Returns the session to wake, if
    /// the timer was late.
    pub fn give_up(&mut self, now: Now, call: CallId) -> Option<SessionId> {
        let call = self.let_go(call)?.call?;
        let session = call.session;
        self.expire(now, call);
        Some(session)
    }

    fn answer_for_host(&mut self, now: Now, call: Call, status_code: u16, why: &str) -> Option<SessionId> {
        let answer = Answer::new(now, call.name.as_str(), &protocol::error_response(status_code, why), &self.format);
        self.answer(now, call, answer)
    }

    fn answer(&mut self, now: Now, call: Call, answer: Answer) -> Option<SessionId> {
        self.running.remove(&call.key.hash);
        self.remembered.insert(now.instant, call.key, &answer.text);
        let answer =
            if self.has_room(call.session, &answer.text) { answer } else { self.no_room(now, call.name.as_str()) };
        if let Some(arrival) = call.arrived {
            self.audit_end(now, call.name.as_str(), *arrival, &answer);
        }
        let calls = self.sessions.get_mut(&call.session)?;
        calls.deadlines.remove((call.deadline, call.id));
        calls.push(answer.text);
        Some(call.session)
    }

    fn has_room(&self, session: SessionId, answer: &str) -> bool {
        self.sessions.get(&session).is_none_or(|calls| calls.has_room(answer, self.limits.max_waiting_bytes))
    }

    /// In place of an answer for which a peer that does not read has no room. Asked again, the id gets that answer, as far
    /// as it is remembered.
    fn no_room(&self, now: Now, id: &str) -> Answer {
        let response = protocol::error_response(503, "too many bytes of answers are waiting to be read");
        Answer::new(now, id, &response.with_header("retry-after", "1"), &self.format)
    }

    fn expire(&mut self, now: Now, call: Call) {
        self.counts.expired += 1;
        self.answer_for_host(now, call, 504, "the host gave no answer in time");
    }

    fn cancel(&mut self, id: CallId) {
        if self.wanted.cancel {
            self.notices.extend(self.held.get_mut(&id).and_then(Held::cancel));
        }
    }

    /// Answers what has waited too long with 504, and lets go of what was remembered long enough.
    pub fn timeout(&mut self, now: Now, session: SessionId) {
        self.remembered.forget_old(now.instant);
        while let Some(id) = self.sessions.get(&session).and_then(|calls| calls.first_due(now.instant)) {
            let Some(call) = self.held.get_mut(&id).and_then(|held| held.call.take()) else { break };
            self.expire(now, call);
            self.cancel(id);
        }
    }

    /// When to call [`Dispatch::timeout`] for the session next.
    pub fn next_timeout(&self, session: SessionId) -> Option<Instant> {
        self.sessions.get(&session)?.deadlines.first().map(|(deadline, _)| deadline)
    }

    /// Answers that wait for the session: all but large ones, and one large one behind them. The next are to be taken
    /// when these have gone out.
    pub fn take_answers(&mut self, session: SessionId) -> Answers {
        self.sessions.get_mut(&session).map(SessionCalls::take).unwrap_or_default()
    }

    /// Totals since the connector was made.
    pub fn counts(&self) -> CallCounts {
        self.counts
    }

    /// Whether there is something to tell the host.
    pub fn has_notices(&self) -> bool {
        !self.notices.is_empty()
    }

    /// The next thing to tell the host.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Takes no more calls and answers the running ones with 503: the connector is going away.
    pub fn shut_down(&mut self, now: Now) {
        self.closing = true;
        let running: Vec<CallId> = self.running.values().copied().collect();
        for id in running {
            if let Some(call) = self.held.get_mut(&id).and_then(|held| held.call.take()) {
                self.answer_for_host(now, call, 503, "shutting down");
            }
            self.cancel(id);
        }
    }
}

/// Why a COMMAND does not go to the host.
enum Handled {
    /// Its session is over.
    Unasked,
    /// The same request is running; this sending shares its answer.
    Joined,
    /// The same request was answered before; this is what it gets now.
    Remembered(Encoded),
    /// Turned away with this status and text.
    Turned(Decision, u16, String),
}

#[cfg(test)]
mod tests;
