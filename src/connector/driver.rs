//! One attempt: dial, then move messages between the socket and the rooms until the session ends.
//!
//! The hot path is [`Driver::poll`]: read everything that is there, answer it all, flush once.

mod inbox;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::cause::Cause;
use super::host::{EventKind, LogLevel};
use super::runner::Runner;
use super::shared::{GATHERING, Link, Shared, Why};
use super::sync::lock;
use crate::dispatch::{Answers, Next};
use crate::endpoint::{Endpoint, EndpointTls};
use crate::error::{Error, with_causes};
use crate::panics;
use crate::protocol::Undecodable;
use crate::session::{End, Session, Transmit};
use crate::supervisor::{Aftermath, AttemptId};
use crate::time::Now;
use crate::transport::{Broken, ConnectError, Incoming, Trace, Trust, WebSocket, blocking};
use inbox::Inbox;

/// Messages read before they are answered and the others on this thread get their turn: an application that keeps more
/// waiting goes on with the first answers while the rest is read.
const READ_BUDGET: usize = 32;
/// Messages read before it is asked again whether there is room for more answers.
const READ_STEP: usize = 16;
/// How long a closing session may take: the last answers, the close frame, and the peer's. Of a short `shutdown.timeout`
/// at most half.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// An attempt's bookkeeping. However its task ends, the supervisor and the host are told when this is dropped.
pub(super) struct Attempt {
    shared: Arc<Shared>,
    runner: Runner,
    id: AttemptId,
    endpoint: Arc<Endpoint>,
    link: Arc<Link>,
    outcome: Outcome,
}

enum Outcome {
    /// Nothing yet: if it stays so, the task panicked.
    None,
    NotConnected(Option<ConnectError>),
    Ended {
        end: End,
        was_established: bool,
    },
}

impl Attempt {
    pub(super) fn new(
        shared: &Arc<Shared>,
        runner: &Runner,
        id: AttemptId,
        endpoint: Arc<Endpoint>,
        link: Arc<Link>,
    ) -> Attempt {
        let (shared, runner) = (shared.clone(), runner.clone());
        Attempt { shared, runner, id, endpoint, link, outcome: Outcome::None }
    }
}

/// What the host is told of an outcome, and what comes after it.
struct Told {
    kind: EventKind,
    cause: Cause,
    code: u16,
    reason: String,
    how: Aftermath,
}

impl Outcome {
    fn told(&self) -> Told {
        let mut told = match self {
            Outcome::None => Outcome::ended(&End::Panic, true),
            Outcome::NotConnected(None) => Outcome::ended(&End::Stopped, false),
            Outcome::NotConnected(Some(error)) => {
                let status = error.http_status();
                let how = status.map(|status| Aftermath::of_upgrade(status, error.retry_after()));
                Told {
                    kind: EventKind::ConnectFailed,
                    cause: Cause::of_failure(error),
                    code: status.unwrap_or(0),
                    reason: with_causes(error),
                    how: how.unwrap_or(Aftermath::Retry),
                }
            }
            Outcome::Ended { end, was_established } => Outcome::ended(end, *was_established),
        };
        if told.how == Aftermath::Refused {
            told.kind = EventKind::Rejected;
        }
        told
    }

    fn ended(end: &End, was_established: bool) -> Told {
        let (code, how) = match end {
            End::Rejected => (0, Aftermath::Refused),
            End::PeerClosed { code, .. } => (*code, Aftermath::of_close(*code, was_established)),
            _ => (0, Aftermath::Retry),
        };
        let kind = if was_established { EventKind::Disconnected } else { EventKind::ConnectFailed };
        Told { kind, cause: Cause::of_end(end), code, reason: end.to_string(), how }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(text) = panics::last()
        {
            self.shared.log_panic(&text);
        }
        let Told { kind, cause, code, reason, how } = self.outcome.told();
        let retry_in = {
            let mut control = lock(&self.shared.control);
            control.attempts.remove(&self.id);
            control.supervisor.ended(Now::read().instant, self.id, how)
        };
        self.shared.event(kind, &self.endpoint, Why { cause, code, reason: &reason }, retry_in);
        self.shared.attempt_has_ended();
        self.shared.control_changed.notify_one();
    }
}

/// The task of one attempt.
pub(super) async fn run(mut attempt: Attempt) {
    let (shared, endpoint) = (attempt.shared.clone(), attempt.endpoint.clone());
    shared.event(EventKind::Connecting, &endpoint, Why::default(), None);
    let settings = &shared.settings;
    let connected = {
        // On the heap, so that a session does not hold the room that dialling took.
        let mut dial = Box::pin(dial(&shared, &endpoint));
        poll_fn(|cx| {
            attempt.link.waker.register(cx.waker());
            if attempt.link.is_ending() { Poll::Ready(Err(None)) } else { dial.as_mut().poll(cx).map_err(Some) }
        })
        .await
    };
    let socket = match connected {
        Ok(socket) => socket,
        Err(why) => {
            attempt.outcome = Outcome::NotConnected(why);
            return;
        }
    };
    let now = Now::read();
    let session = Session::new(now, settings, endpoint.details.token.clone());
    let mut driver = Driver {
        timer: Box::pin(sleep_until(Instant::from_std(session.next_timeout()))),
        socket,
        inbox: Inbox { attempt: &attempt, session, open: None, requests: Vec::new() },
        answers: Answers::default(),
        look_again: None,
        progressed: false,
        attempt: &attempt,
    };
    let end = poll_fn(|cx| driver.poll(cx)).await;
    driver.close(&end).await;
    let was_established = driver.inbox.session.is_established();
    drop(driver);
    attempt.outcome = Outcome::Ended { end, was_established };
}

async fn dial(shared: &Shared, endpoint: &Endpoint) -> Result<WebSocket, ConnectError> {
    let details = &endpoint.details;
    let trust = trust(shared, &details.tls).await?;
    let mut trace = Trace::default();
    let socket = shared.dialer.websocket(&details.url, &trust, &mut trace).await;
    for step in trace.steps() {
        shared.log(LogLevel::Debug, format_args!("{step} [endpoint {}]", details.host_name));
    }
    socket
}

/// The files that the choice for TLS names are read anew each time, so that a renewed certificate is used from the next
/// attempt on; not on this thread, for a disk that hangs would hang every session.
async fn trust(shared: &Shared, tls: &EndpointTls) -> Result<Trust, Error> {
    if tls.ca_file.is_none() && tls.client.is_none() {
        return shared.trust.for_endpoint(tls);
    }
    let (trust, tls) = (shared.trust.clone(), tls.clone());
    let read = timeout(shared.settings.connect_timeout, blocking(move || trust.for_endpoint(&tls))).await;
    let late = || Error::Tls("the files of its choice for TLS could not be read within connect.timeout".to_owned());
    read.map_err(|_| late())?.map_err(|_| late())?
}

/// A connection and its state machine.
struct Driver<'a> {
    attempt: &'a Attempt,
    socket: WebSocket,
    inbox: Inbox<'a>,
    /// Taken from dispatch and not yet from us.
    answers: Answers,
    /// When to look for answers without being woken for them.
    look_again: Option<std::time::Instant>,
    /// The socket took something since reading was last found to be held: the peer reads, if slowly.
    progressed: bool,
    timer: Pin<Box<Sleep>>,
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        if let Some(open) = self.inbox.open {
            self.attempt.shared.remove_link(open);
            self.attempt.shared.group_disconnected(self.group_id());
            self.attempt.shared.dispatch(|dispatch| dispatch.close(open));
        }
    }
}

impl Driver<'_> {
    fn group_id(&self) -> &Arc<str> {
        &self.attempt.endpoint.details.group_id
    }

    /// Does everything that can be done now. Ready when the session is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        // Before looking at any queue, so that what comes meanwhile wakes us again.
        self.attempt.link.waker.register(cx.waker());
        if self.attempt.link.is_ending() {
            return Poll::Ready(End::Stopped);
        }
        match self.turn(cx) {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        loop {
            let now = Now::read();
            self.inbox.session.timeout(now.instant)?;
            if let Some(open) = self.inbox.open {
                self.attempt.shared.dispatch(|dispatch| dispatch.timeout(now, open));
            }
            self.attempt.link.awake.store(true, Ordering::Release);
            let reading = self.read(cx, now);
            let hurries =
                self.look_again.take_if(|at| *at <= now.instant).is_some() && self.attempt.shared.calls.hurry();
            if hurries || (!self.inbox.requests.is_empty() && self.attempt.runner.answers_later()) {
                self.look_again = Some(now.instant + GATHERING);
            }
            self.attempt.link.looks_again.store(self.look_again.is_some(), Ordering::Release);
            if !self.inbox.requests.is_empty() {
                self.attempt.runner.run(&self.attempt.shared, &self.attempt.endpoint, &mut self.inbox.requests);
            }
            // From here on an answer may come too late for this look.
            self.attempt.link.awake.store(false, Ordering::Release);
            let reading = reading?;
            let writing = self.write(cx, now)?;
            match reading {
                Reading::Drained => {}
                Reading::BudgetSpent => {
                    cx.waker().wake_by_ref();
                    return Ok(());
                }
                Reading::Held if self.may_read() => continue,
                // Answers are lying: the socket wakes us when it takes them. Or notices are: whoever takes them wakes us.
                Reading::Held => {
                    let host_is_slow = self.attempt.shared.dispatch(|dispatch| dispatch.waits_for_host());
                    if host_is_slow || std::mem::take(&mut self.progressed) {
                        self.inbox.session.not_reading();
                    }
                }
            }
            let next = Instant::from_std(self.next_timeout(&writing));
            if self.timer.deadline() != next {
                self.timer.as_mut().reset(next);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
        }
    }

    fn may_read(&self) -> bool {
        self.inbox.open.is_none_or(|open| self.attempt.shared.dispatch(|dispatch| dispatch.may_read(open)))
    }

    fn read(&mut self, cx: &mut Context<'_>, now: Now) -> Result<Reading, End> {
        for read in 0..READ_BUDGET {
            if read % READ_STEP == 0 && !self.may_read() {
                return Ok(Reading::Held);
            }
            match self.socket.poll_receive(cx) {
                Poll::Pending => return Ok(Reading::Drained),
                Poll::Ready(Err(broken)) => return Err(end_of(broken)),
                Poll::Ready(Ok(Incoming::Text(text))) => self.inbox.receive(now, Ok(text))?,
                Poll::Ready(Ok(Incoming::Binary(bytes))) => {
                    self.inbox.receive(now, std::str::from_utf8(bytes).map_err(|_| ()))?
                }
                Poll::Ready(Ok(Incoming::Pong)) => {
                    self.inbox.session.pong();
                    self.attempt.shared.hear(&self.attempt.link, now.instant);
                }
                Poll::Ready(Ok(Incoming::Closed { code, reason })) => return Err(End::PeerClosed { code, reason }),
            }
        }
        Ok(Reading::BudgetSpent)
    }

    /// Hands over all there is, as long as the socket takes it, and flushes once.
    fn write(&mut self, cx: &mut Context<'_>, now: Now) -> Result<Writing, End> {
        loop {
            match self.socket.poll_ready(cx) {
                Poll::Ready(ready) => ready.map_err(end_of)?,
                Poll::Pending => return Ok(Writing::Blocked),
            }
            let sent = match self.inbox.session.poll_transmit(now) {
                Some(Transmit::Connect(message)) => self.socket.send_short_text(message.expose()),
                Some(Transmit::Ping) => self.socket.send_ping(),
                None => {
                    let Some(sent) = self.send_message(now) else { break };
                    self.progressed = true;
                    sent
                }
            };
            sent.map_err(end_of)?;
        }
        match self.socket.poll_flush(cx) {
            Poll::Ready(Err(broken)) => Err(end_of(broken)),
            _ => Ok(Writing::Done),
        }
    }

    /// Sends the next fragment or answer. `None`: there is none.
    fn send_answer(&mut self) -> Option<Result<(), Broken>> {
        if self.socket.has_fragments() {
            return Some(self.socket.send_fragment());
        }
        let open = self.inbox.open?;
        if self.answers.is_empty() {
            self.answers = self.attempt.shared.dispatch(|dispatch| dispatch.take_answers(open));
        }
        Some(match self.answers.pop()? {
            Next::Short(text) => self.socket.send_text(text),
            Next::Long(text) => self.socket.send_text(text),
        })
    }

    /// Answers go before notifications: somebody waits for them.
    fn send_message(&mut self, now: Now) -> Option<Result<(), Broken>> {
        if let Some(sent) = self.send_answer() {
            return Some(sent);
        }
        // Its group's notifications may be another endpoint's by now.
        if self.inbox.open.is_none() || self.attempt.link.is_ending() {
            return None;
        }
        let notification = self.attempt.shared.next_notification(now, self.group_id())?;
        Some(self.socket.send_text(notification))
    }

    fn next_timeout(&self, writing: &Writing) -> std::time::Instant {
        let shared = &self.attempt.shared;
        let session = self.inbox.session.next_timeout();
        let Some(open) = self.inbox.open else { return session };
        let call = shared.dispatch(|dispatch| dispatch.next_timeout(open));
        let resend = match writing {
            Writing::Done => lock(&shared.outbox).next_timeout(self.group_id()),
            // What is due cannot be sent now, so its time must not wake us over and over: the socket will.
            Writing::Blocked => None,
        };
        [call, resend, self.look_again].into_iter().flatten().fold(session, std::cmp::Ord::min)
    }

    /// Sends the last answers and a close frame and waits a little for the peer's.
    async fn close(&mut self, end: &End) {
        let mut code = end.close_code();
        if code.is_none() && !matches!(end, End::PeerClosed { .. }) {
            return;
        }
        let patience = CLOSE_TIMEOUT.min(self.attempt.shared.settings.shutdown_timeout / 2);
        let closing = poll_fn(|cx| {
            while let (Some(closing), Poll::Ready(Ok(()))) = (code, self.socket.poll_ready(cx)) {
                let sent = self.send_answer().unwrap_or_else(|| {
                    code = None;
                    self.socket.send_close(closing)
                });
                if sent.is_err() {
                    return Poll::Ready(());
                }
            }
            let flushed = self.socket.poll_flush(cx);
            loop {
                match self.socket.poll_receive(cx) {
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    // What still comes is not obeyed any more.
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending => break,
                }
            }
            if matches!(flushed, Poll::Ready(Err(_))) { Poll::Ready(()) } else { Poll::Pending }
        });
        // A peer that does not answer the close frame in time is left without it.
        let _ = timeout(patience, closing).await;
    }
}

enum Writing {
    Done,
    Blocked,
}

enum Reading {
    Drained,
    BudgetSpent,
    Held,
}

/// What a broken connection means to its session.
pub(super) fn end_of(broken: Broken) -> End {
    match broken {
        Broken::TooLarge => End::TooLarge,
        Broken::NotUtf8 => End::Undecodable(Undecodable::NotUtf8),
        Broken::Violation(how) => End::Violation(how),
        Broken::Lost(error) => End::Lost(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_in_which_a_peer_breaks_a_connection_has_its_close_code() {
        for (broken, code) in [
            (Broken::TooLarge, Some(1009)),
            (Broken::NotUtf8, Some(1007)),
            (Broken::Violation("a reserved bit is set".to_owned()), Some(1002)),
            (Broken::Lost(std::io::ErrorKind::ConnectionReset.into()), None),
        ] {
            let told = broken.to_string();
            assert_eq!(end_of(broken).close_code(), code, "{told}");
        }
    }
}
