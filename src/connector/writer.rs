//! The thread that has the store: it writes what is accepted, many at a time, and reads what groups send next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::cause::Cause;
use super::host::{Event, EventKind, LogLevel, one_line};
use super::shared::Shared;
use super::sync::lock;
use crate::error::{Error, with_causes};
use crate::outbox::{Change, Load, Outbox, Pending, Store};
use crate::panics;

/// How far groups have come is written this long after the last change: a crash has as much repeated.
const PROGRESS_DELAY: Duration = Duration::from_millis(100);
/// Callers that were just served may come again: the next change waits for them this long at the most, and not
/// longer than a quarter of the time that the last change took.
const GATHERING: Duration = Duration::from_millis(2);
/// Pauses between attempts while the store fails.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// What others have to do with the thread.
pub(super) struct Writer {
    /// There is something to do. Waits with the outbox's lock.
    work: Condvar,
    /// It is told of a notification when there are so many.
    gathers: AtomicUsize,
    /// It sleeps until it is told.
    idle: AtomicBool,
    /// Whoever waits for the next change. Taken while the outbox is locked.
    next: Mutex<Arc<Ticket>>,
    /// The last sessions have ended.
    closing: AtomicBool,
    /// The thread has.
    ended: AtomicBool,
}

/// What became of the notifications of one change: the first number, once it is decided.
#[derive(Default)]
pub(super) struct Ticket(OnceLock<Result<u64, Error>>);

impl Ticket {
    /// Waits for the first number of the change.
    pub(super) fn wait(&self) -> Result<u64, Error> {
        self.0.wait().as_ref().copied().map_err(refusal)
    }

    /// The first word counts.
    fn decide(&self, result: Result<u64, Error>) {
        let _ = self.0.set(result);
    }
}

/// The thread's side of a ticket. However the thread comes to its end, nobody is left waiting.
struct Promise(Arc<Ticket>);

impl Promise {
    fn keep(self, result: Result<u64, Error>) {
        self.0.decide(result);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.decide(Err(closed()));
    }
}

fn closed() -> Error {
    Error::IllegalState("the connector is being destroyed")
}

/// The error for one caller of many.
fn refusal(error: &Error) -> Error {
    match error {
        Error::Store { path, .. } => {
            let why = format!("the notification is not accepted: {}", with_causes(error));
            Error::Store { path: path.clone(), why, source: None }
        }
        Error::Panic(text) => Error::Panic(text.clone()),
        _ => closed(),
    }
}

impl Writer {
    pub(super) fn new() -> Writer {
        Writer {
            work: Condvar::new(),
            gathers: AtomicUsize::new(1),
            idle: AtomicBool::new(false),
            next: Mutex::default(),
            closing: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// A notification was submitted as the one with this index; gives the lock back.
    pub(super) fn ticket(&self, outbox: MutexGuard<'_, Outbox>, index: u64) -> Arc<Ticket> {
        let ticket = lock(&self.next).clone();
        let enough = index + 1 >= self.gathers.load(Ordering::Relaxed) as u64;
        drop(outbox);
        if enough {
            self.work.notify_one();
        }
        ticket
    }

    /// There is something that should not wait.
    pub(super) fn poke(&self) {
        self.work.notify_one();
    }

    /// There is something that may wait as long as it has planned to.
    pub(super) fn poke_if_idle(&self) {
        if self.idle.load(Ordering::Relaxed) {
            self.work.notify_one();
        }
    }

    /// Nothing more is sent: what there is to write is written, and the thread ends. Returns whether it had ended before.
    pub(super) fn close(&self, outbox: &Mutex<Outbox>) -> bool {
        self.closing.store(true, Ordering::SeqCst);
        drop(lock(outbox));
        self.work.notify_one();
        self.ended.load(Ordering::SeqCst)
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

enum Work {
    Write(Change, Promise),
    Read(Load),
    End,
}

/// When the thread does what.
struct Plan {
    /// Groups' progress is written then.
    progress: Instant,
    /// The next change waits until then for so many notifications.
    gather: (Instant, usize),
    /// After a failure.
    retry: Option<Retry>,
    pause: Duration,
    /// A group's turn comes after each change.
    reads: bool,
}

/// Nothing is tried before, but for writing where only reading has failed: who waits for a write is to hear how it goes.
#[derive(Clone, Copy)]
struct Retry {
    at: Instant,
    reading_failed: bool,
    writing_failed: bool,
}

impl Retry {
    /// One of the two works. Returns whether both do.
    fn is_over(&mut self, reading: bool) -> bool {
        *(if reading { &mut self.reading_failed } else { &mut self.writing_failed }) = false;
        !self.reading_failed && !self.writing_failed
    }
}

/// The thread's work until [`Writer::close`].
pub(super) fn run(shared: &Shared, mut store: Box<dyn Store>) {
    let Some(writer) = &shared.writer else { return };
    let _end = End(shared, writer);
    let now = Instant::now();
    let mut plan = Plan { progress: now, gather: (now, 1), retry: None, pause: FIRST_RETRY, reads: true };
    loop {
        let (reading, done) = match next(shared, writer, &mut plan) {
            Work::End => break,
            Work::Write(change, promise) => (false, write(shared, &mut plan, &mut *store, change, promise)),
            Work::Read(load) => (true, read(shared, &mut *store, &load)),
        };
        let now = Instant::now();
        match done {
            Ok(()) if plan.retry.take_if(|retry| retry.is_over(reading)).is_some() => {
                plan.pause = FIRST_RETRY;
                tell(shared, EventKind::StoreRecovered, "notifications are stored again", None);
            }
            Ok(()) => {}
            Err(_) if writer.is_closing() => break,
            Err(why) => {
                if plan.retry.is_none() {
                    tell(shared, EventKind::StoreFailed, &why, Some(plan.pause));
                }
                plan.retry = Some(Retry {
                    at: now + plan.pause,
                    reading_failed: reading || plan.retry.is_some_and(|retry| retry.reading_failed),
                    writing_failed: !reading || plan.retry.is_some_and(|retry| retry.writing_failed),
                });
                plan.pause = (2 * plan.pause).min(LONGEST_RETRY);
            }
        }
    }
}

/// The thread's end, whether it comes by [`Writer::close`] or by a bug of ours.
struct End<'a>(&'a Shared, &'a Writer);

impl Drop for End<'_> {
    fn drop(&mut self) {
        lock(&self.0.outbox).close_store();
        lock(&self.1.next).decide(Err(closed()));
        self.0.outbox_changed();
        self.1.ended.store(true, Ordering::SeqCst);
        if self.1.closing.load(Ordering::SeqCst) {
            self.0.finish();
        }
    }
}

fn next(shared: &Shared, writer: &Writer, plan: &mut Plan) -> Work {
    let mut outbox = lock(&shared.outbox);
    loop {
        let now = Instant::now();
        let held = plan.retry.filter(|retry| retry.at > now && !writer.is_closing());
        let held_write = held.filter(|retry| retry.writing_failed);
        let pending = outbox.pending_change();
        let due = match pending {
            Pending::Nothing => None,
            Pending::Notifications(count) if count >= plan.gather.1 => Some(now),
            Pending::Notifications(_) => Some(plan.gather.0),
            Pending::Progress => Some(plan.progress),
        };
        let due =
            due.map(|due| if writer.is_closing() { now } else { held_write.map_or(due, |held| due.max(held.at)) });
        let wants_write = due.is_some_and(|due| due <= now);
        if held.is_none()
            && !writer.is_closing()
            && (plan.reads || !wants_write)
            && let Some(load) = outbox.poll_load()
        {
            plan.reads = false;
            return Work::Read(load);
        }
        plan.reads = true;
        if wants_write && let Some(change) = outbox.begin_change() {
            return Work::Write(change, Promise(std::mem::take(&mut *lock(&writer.next))));
        }
        if writer.is_closing() {
            return Work::End;
        }
        // Reading waits for the retry, too.
        let until = [due, held.map(|held| held.at)].into_iter().flatten().min();
        // The first is always told: it may be alone.
        let gathers = if matches!(pending, Pending::Notifications(_)) { plan.gather.1 } else { 1 };
        writer.gathers.store(gathers, Ordering::Relaxed);
        writer.idle.store(until.is_none(), Ordering::Relaxed);
        outbox = match until {
            Some(until) => {
                let left = until.saturating_duration_since(now);
                writer.work.wait_timeout(outbox, left).unwrap_or_else(PoisonError::into_inner).0
            }
            None => writer.work.wait(outbox).unwrap_or_else(PoisonError::into_inner),
        };
        writer.idle.store(false, Ordering::Relaxed);
    }
}

fn write(
    shared: &Shared,
    plan: &mut Plan,
    store: &mut dyn Store,
    change: Change,
    promise: Promise,
) -> Result<(), String> {
    let first = change.records.first().map(|record| record.sequence);
    let (count, started) = (change.records.len(), Instant::now());
    let result = guarded(|| store.commit(&change));
    let now = Instant::now();
    let (submitted, gave_up) = {
        let mut outbox = lock(&shared.outbox);
        let before = outbox.counts().abandoned;
        outbox.end_change(change, &result);
        let submitted = match outbox.pending_change() {
            Pending::Notifications(submitted) => submitted,
            _ => 0,
        };
        shared.tell_of(&outbox);
        (submitted, outbox.counts().abandoned != before)
    };
    if gave_up {
        shared.reports.bell().ring();
    }
    plan.progress = now + PROGRESS_DELAY;
    plan.gather = (now + ((now - started) / 4).min(GATHERING), if count > 1 { count + submitted } else { 1 });
    match result {
        Ok(is_untidy) => {
            if is_untidy {
                plan.progress = now;
            }
            if let Some(first) = first {
                shared.wake_all();
                shared.may_let_go();
                // Last: from now on the callers are all at work, and want what we have used here.
                promise.keep(Ok(first));
            }
            Ok(())
        }
        Err(error) => {
            let why = with_causes(&error);
            promise.keep(Err(error));
            Err(why)
        }
    }
}

fn read(shared: &Shared, store: &mut dyn Store, load: &Load) -> Result<(), String> {
    let records = guarded(|| store.read(load.from, load.max_bytes)).map_err(|error| with_causes(&error))?;
    lock(&shared.outbox).loaded(load, records);
    // What should have been there and was not is reported.
    shared.reports.bell().ring();
    shared.wake_all();
    shared.may_let_go();
    Ok(())
}

/// A database that breaks its own rules is a failure like another.
fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(Error::Panic(panics::text_of(&*payload))))
}

/// Tells the host how the store is, as an event and as a log line.
fn tell(shared: &Shared, kind: EventKind, reason: &str, retry_in: Option<Duration>) {
    let (level, what) = match kind {
        EventKind::StoreFailed => (LogLevel::Error, "the outbox's store fails: "),
        _ => (LogLevel::Warn, ""),
    };
    shared.log(level, format_args!("{what}{reason}"));
    let (host_name, group_id) = (String::new(), Arc::from(""));
    shared.reports.event(Event {
        kind,
        host_name,
        group_id,
        cause: Cause::Store,
        code: 0,
        reason: one_line(reason),
        retry_in,
    });
}
