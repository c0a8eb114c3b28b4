//! What the host's threads and ours share, and who wakes whom.
//!
//! One lock is never taken while another is held, but for `outbox` under `control`, either of them and the queue of
//! reports under `store`, and the bell's own, under which no other is taken, under any; and no lock is held during a callback.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use futures_util::task::AtomicWaker;
use rustc_hash::FxBuildHasher;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::bell::Bell;
use super::calls::Calls;
use super::cause::Cause;
use super::host::{Event, EventKind, LogLevel, LogLine, Trouble, Wants, one_line};
use super::reports::{self, Reports};
use super::sync::lock;
use super::watchdog::Watchdog;
use super::writer::Writer;
use crate::dispatch::{Dispatch, Notice, SessionId};
use crate::endpoint::{Endpoint, EndpointId, EndpointStore, Registry};
use crate::outbox::Outbox;
use crate::settings::Settings;
use crate::supervisor::{AttemptId, Supervisor};
use crate::transport::{Dialer, Trust};

/// An answer waits at most this long for those of other requests that were read together with its own.
pub(super) const GATHERING: Duration = Duration::from_millis(1);

/// The state of one connector.
pub(super) struct Shared {
    made: Instant,
    pub(super) settings: Settings,
    pub(super) trust: Trust,
    pub(super) dialer: Dialer,
    /// Of the thread with the sockets: what waits for the network for a host's thread runs there, too.
    pub(super) runtime: Handle,
    /// Where endpoints survive. Whoever changes endpoints holds it throughout, before `control` and never under it: the
    /// sessions do not wait for the disk.
    pub(super) store: Mutex<Option<EndpointStore>>,
    pub(super) control: Mutex<Control>,
    /// Tells the I/O thread that `control` changed, or that too much may wait for a group that is away.
    pub(super) control_changed: Notify,
    /// Tells waiting host threads that an attempt ended.
    pub(super) attempt_ended: Condvar,
    pub(super) outbox: Mutex<Outbox>,
    /// Tells waiting host threads that the outbox may be idle.
    pub(super) outbox_settled: Condvar,
    /// Host threads that wait for space in the outbox, likewise.
    pub(super) space_waiters: AtomicUsize,
    /// With a store.
    pub(super) writer: Option<Writer>,
    dispatch: Mutex<Dispatch>,
    /// The established sessions.
    links: RwLock<HashMap<SessionId, Arc<Link>, FxBuildHasher>>,
    pub(super) reports: Reports,
    pub(super) calls: Calls,
    pub(super) watchdog: Watchdog,
    /// `destroy` has begun.
    closing: AtomicBool,
    /// What the I/O thread ended of, if it did before its time.
    broken: OnceLock<String>,
}

/// Why something happened to a connection.
#[derive(Clone, Copy, Default)]
pub(super) struct Why<'r> {
    pub(super) cause: Cause,
    pub(super) code: u16,
    pub(super) reason: &'r str,
}

/// How endpoints are reached and verified, and where.
pub(super) struct Ways {
    pub(super) trust: Trust,
    pub(super) dialer: Dialer,
    pub(super) runtime: Handle,
}

/// What may survive the process.
pub(super) struct Kept {
    pub(super) endpoints: Option<EndpointStore>,
    pub(super) outbox: Outbox,
    pub(super) writer: Option<Writer>,
}

/// What the administrator's calls change.
pub(super) struct Control {
    pub(super) registry: Registry,
    pub(super) supervisor: Supervisor,
    /// Every attempt and session under way.
    pub(super) attempts: HashMap<AttemptId, Arc<Link>>,
    /// The latest failure of each endpoint.
    pub(super) troubles: HashMap<EndpointId, Trouble>,
    pub(super) running: bool,
}

/// A handle on the task of one attempt: wakes it, or tells it to end.
pub(super) struct Link {
    pub(super) endpoint: EndpointId,
    pub(super) waker: AtomicWaker,
    ending: AtomicBool,
    /// Microseconds after `Shared::made` at which the peer was last heard; 0 before the token is accepted.
    heard: AtomicU64,
    /// The task is reading and calling, and will look for answers when it has done so.
    pub(super) awake: AtomicBool,
    /// The task will look for answers within [`GATHERING`], whoever wakes it or not.
    pub(super) looks_again: AtomicBool,
}

impl Link {
    pub(super) fn new(endpoint: EndpointId) -> Link {
        Link {
            endpoint,
            waker: AtomicWaker::new(),
            ending: AtomicBool::new(false),
            awake: AtomicBool::new(false),
            heard: AtomicU64::new(0),
            looks_again: AtomicBool::new(false),
        }
    }

    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }
}

impl Shared {
    pub(super) fn new(settings: Settings, ways: Ways, kept: Kept, wants: Wants, bell: Bell) -> Shared {
        Shared {
            made: Instant::now(),
            trust: ways.trust,
            dialer: ways.dialer,
            runtime: ways.runtime,
            store: Mutex::new(kept.endpoints),
            control: Mutex::new(Control {
                registry: Registry::default(),
                supervisor: Supervisor::new(&settings, fastrand::u64(..)),
                attempts: HashMap::new(),
                troubles: HashMap::new(),
                running: false,
            }),
            control_changed: Notify::new(),
            attempt_ended: Condvar::new(),
            outbox: Mutex::new(kept.outbox),
            outbox_settled: Condvar::new(),
            space_waiters: AtomicUsize::new(0),
            writer: kept.writer,
            dispatch: Mutex::new(Dispatch::new(&settings, reports::notices(wants, settings.log_level))),
            links: RwLock::default(),
            reports: Reports::new(wants, bell),
            calls: Calls::default(),
            watchdog: Watchdog::new(settings.inline_limit),
            closing: AtomicBool::new(false),
            broken: OnceLock::new(),
            settings,
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Without the I/O thread nothing can be done but `destroy`.
    pub(super) fn breaks(&self, text: String) {
        self.log(LogLevel::Error, format_args!("the I/O thread panicked, no session is left: {text}"));
        // It only ends once.
        let _ = self.broken.set(text);
    }

    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }

    /// Returns whether this call was the first.
    pub(super) fn set_closing(&self) -> bool {
        !self.closing.swap(true, Ordering::AcqRel)
    }

    pub(super) fn add_link(&self, session: SessionId, link: &Arc<Link>) {
        self.links.write().unwrap_or_else(PoisonError::into_inner).insert(session, link.clone());
    }

    pub(super) fn remove_link(&self, session: SessionId) {
        self.links.write().unwrap_or_else(PoisonError::into_inner).remove(&session);
    }

    /// How many are established.
    pub(super) fn sessions(&self) -> usize {
        self.links.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn microseconds(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.made).as_micros()).unwrap_or(u64::MAX)
    }

    /// The session's peer gave a sign of life: it accepted the token, or sent a pong.
    pub(super) fn hear(&self, link: &Link, now: Instant) {
        link.heard.store(self.microseconds(now).max(1), Ordering::Release);
    }

    /// Time since the session's peer was last heard, if there is a session.
    pub(super) fn silence(&self, link: &Link, now: Instant) -> Option<Duration> {
        let heard = link.heard.load(Ordering::Acquire);
        (heard > 0).then(|| Duration::from_micros(self.microseconds(now).saturating_sub(heard)))
    }

    /// There is an answer for the session. While more requests wait for a thread, and the session is about to
    /// look anyway, it is not woken for each single answer: a wake-up, a TLS record and a system call for each
    /// would cost several times as much as the answers.
    pub(super) fn answered(&self, session: SessionId) {
        if let Some(link) = self.links.read().unwrap_or_else(PoisonError::into_inner).get(&session) {
            // Both are asked after the answer was queued: a look that is still to come will find it.
            let looks_soon = || link.looks_again.load(Ordering::Acquire);
            let looks_anyway = link.awake.load(Ordering::Acquire) || (self.calls.are_waiting() && looks_soon());
            if !looks_anyway {
                link.waker.wake();
            }
        }
    }

    /// There is a notification for every session.
    pub(super) fn wake_all(&self) {
        for link in self.links.read().unwrap_or_else(PoisonError::into_inner).values() {
            link.waker.wake();
        }
    }

    /// The last sessions have ended. What is left is stored and reported, and then the threads end.
    pub(super) fn sessions_ended(&self) {
        if self.writer.as_ref().is_none_or(|writer| writer.close(&self.outbox)) {
            self.finish();
        }
    }

    /// An attempt or a session is over: for those who wait for the last one.
    pub(super) fn attempt_has_ended(&self) {
        self.tell(&self.attempt_ended);
    }

    /// Wakes the host's threads that wait for this. Where the host polls, they wait for the bell.
    pub(super) fn tell(&self, changed: &Condvar) {
        changed.notify_all();
        if self.settings.callbacks_poll {
            self.reports.bell().ring();
        }
    }

    /// Nothing more is stored: what is left is reported, and then the threads end.
    pub(super) fn finish(&self) {
        lock(&self.outbox).shut_down();
        self.reports.close();
        self.calls.close();
    }

    pub(super) fn log(&self, level: LogLevel, text: fmt::Arguments<'_>) {
        if level <= self.settings.log_level {
            self.reports.log(LogLine { level, time: SystemTime::now(), text: one_line(text) });
        }
    }

    /// A bug of ours, contained.
    pub(super) fn log_panic(&self, text: &str) {
        self.log(LogLevel::Error, format_args!("the library panicked: {text}"));
    }

    /// Does something with dispatch, and has the host told what came of it.
    pub(super) fn dispatch<T>(&self, work: impl FnOnce(&mut Dispatch) -> T) -> T {
        let (result, notices) = {
            let mut dispatch = lock(&self.dispatch);
            let result = work(&mut dispatch);
            (result, dispatch.has_notices())
        };
        if notices {
            self.reports.bell().ring();
        }
        result
    }

    pub(super) fn poll_notice(&self) -> Option<Notice> {
        lock(&self.dispatch).poll_notice()
    }

    /// Tells the host of a change, as an event and as a log line.
    pub(super) fn event(&self, kind: EventKind, endpoint: &Endpoint, why: Why<'_>, retry_in: Option<Duration>) {
        let Why { cause, code, reason } = why;
        let details = &endpoint.details;
        // A reason may be the peer's words, and the peer knows the token.
        let reason = &details.token.redacted(reason);
        let (level, what) = match kind {
            EventKind::Connecting => (LogLevel::Debug, "connecting"),
            EventKind::Established => (LogLevel::Info, "session established"),
            EventKind::Rejected => (LogLevel::Error, "refused"),
            EventKind::ConnectFailed if cause == Cause::Stopped => (LogLevel::Info, "attempt called off"),
            EventKind::ConnectFailed => (LogLevel::Warn, "cannot connect"),
            EventKind::Disconnected => (LogLevel::Info, "session ended"),
            EventKind::CallbackBlocks => (LogLevel::Error, "the inline request callback blocks"),
            EventKind::Activated => (LogLevel::Info, "activated"),
            EventKind::Deactivated => (LogLevel::Info, "deactivated"),
            EventKind::StoreFailed => (LogLevel::Error, "the outbox's store fails"),
            EventKind::StoreRecovered => (LogLevel::Info, "the outbox's store works again"),
        };
        let retry = retry_in.map(|pause| format!("; next attempt in {} ms", pause.as_millis())).unwrap_or_default();
        let colon = if reason.is_empty() { "" } else { ": " };
        let (host_name, group_id) = (&details.host_name, &details.group_id);
        self.log(level, format_args!("{what}{colon}{reason} [endpoint {host_name}, group {group_id}]{retry}"));
        let reason = one_line(reason);
        let failed = matches!(kind, EventKind::Rejected | EventKind::ConnectFailed | EventKind::Disconnected);
        if failed && cause != Cause::Stopped {
            let trouble = Trouble { time: SystemTime::now(), cause, reason: reason.clone() };
            let mut control = lock(&self.control);
            // It may have been removed meanwhile.
            if control.registry.get(endpoint.id).is_some() {
                control.troubles.insert(endpoint.id, trouble);
            }
        }
        let (host_name, group_id) = (host_name.clone(), group_id.clone());
        self.reports.event(Event { kind, host_name, group_id, cause, code, reason, retry_in });
    }
}
