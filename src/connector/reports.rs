//! The report thread: events, log lines and delivery reports, one after another, on no other thread's time.

use std::collections::VecDeque;
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::host::{Delivery, Event, EventKind, Host, LogLevel, LogLine};
use super::shared::{Shared, Why};
use super::sync::lock;
use crate::dispatch::{MAX_WAITING_NOTICES, Notice};
use crate::panics;

/// Events and log lines that wait at the most. A host whose callback does not return loses what comes after
/// (and is told how much); delivery reports wait in the outbox instead and are never lost.
const MAX_WAITING: usize = 4096;

/// What waits for the report thread.
#[derive(Default)]
pub(super) struct Reports {
    state: Mutex<State>,
    /// There is something to collect from the outbox or from dispatch.
    poked: AtomicBool,
    changed: Condvar,
    /// No callback may begin any more: `destroy` gave up waiting for one that does not return.
    silenced: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    lost: u64,
    closed: bool,
}

enum Item {
    Event(Event),
    Log(LogLine),
}

impl Reports {
    pub(super) fn event(&self, event: Event) {
        self.push(Item::Event(event));
    }

    pub(super) fn log(&self, line: LogLine) {
        self.push(Item::Log(line));
    }

    fn push(&self, item: Item) {
        let mut state = lock(&self.state);
        if state.waiting.len() < MAX_WAITING {
            state.waiting.push_back(item);
            self.changed.notify_one();
        } else {
            state.lost += 1;
        }
    }

    /// The outbox has delivery reports, or dispatch has notices.
    pub(super) fn poke(&self) {
        if !self.poked.swap(true, Ordering::AcqRel) {
            // Between the thread's last look and its sleep nobody gets this lock, so it cannot miss the call.
            drop(lock(&self.state));
            self.changed.notify_one();
        }
    }

    /// What waits is still reported; then the thread ends.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }

    pub(super) fn silence(&self) {
        self.silenced.store(true, Ordering::Release);
    }

    /// The next things to report, or none after `limit`; `None` when closed and empty.
    fn wait(&self, limit: Option<Duration>) -> Option<(VecDeque<Item>, u64)> {
        let state = lock(&self.state);
        let poked = || self.poked.load(Ordering::Acquire);
        let idle = |state: &mut State| state.waiting.is_empty() && !poked() && !state.closed;
        let mut state = match limit {
            Some(limit) => {
                self.changed.wait_timeout_while(state, limit, idle).unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner),
        };
        if state.closed && state.waiting.is_empty() && !poked() {
            return None;
        }
        self.poked.store(false, Ordering::Release);
        Some((take(&mut state.waiting), take(&mut state.lost)))
    }

    fn is_silenced(&self) -> bool {
        self.silenced.load(Ordering::Acquire)
    }
}

/// The report thread's work until [`Reports::close`].
pub(super) fn run(shared: &Shared, host: Arc<dyn Host>) {
    let guarded = |callback: &dyn Fn(&dyn Host)| {
        if shared.reports.is_silenced() {
            return;
        }
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(&*host))) {
            let text = panics::text_of(&*payload);
            shared.log(LogLevel::Error, format_args!("a callback panicked: {text}"));
        }
    };
    loop {
        let look = shared.watchdog.look(Instant::now());
        if let Some(endpoint) = look.blocks {
            let why = Why { reason: "over dispatch.inlineLimit", ..Why::default() };
            shared.event(EventKind::CallbackBlocks, &endpoint, why, None);
        }
        let pause = [look.again_in, shared.let_go()].into_iter().flatten().min();
        let Some((items, lost)) = shared.reports.wait(pause) else { break };
        for item in items {
            guarded(&|host| match &item {
                Item::Event(event) => host.on_event(event),
                Item::Log(line) => host.on_log(line),
            });
        }
        if lost > 0 {
            shared.log(LogLevel::Warn, format_args!("{lost} events and log lines were lost: a callback is too slow"));
        }
        let mut notices = 0;
        while let Some(notice) = shared.poll_notice() {
            notices += 1;
            match &notice {
                Notice::Audit(record) => guarded(&|host| host.on_audit(record)),
                Notice::Cancelled(tag) => guarded(&|host| host.on_cancel(*tag)),
            }
        }
        if notices >= MAX_WAITING_NOTICES {
            // No session was reading.
            shared.wake_all();
        }
        loop {
            // A statement of its own: the lock must not be held during the callbacks.
            let report = lock(&shared.outbox).poll_report();
            let Some(report) = report else { break };
            for sequence in report.first..=report.last {
                let delivery = Delivery { sequence, group_id: report.group_id.clone(), outcome: report.outcome };
                guarded(&|host| host.on_delivery(&delivery));
            }
            lock(&shared.outbox).report_told(&report);
            shared.outbox_changed();
        }
    }
}
