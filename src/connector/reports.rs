//! The report thread: events, log lines and delivery reports, one after another, on no other thread's time.

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use super::bell::Bell;
use super::host::{AuditRecord, Delivery, Event, EventKind, Host, LogLevel, LogLine, Wants, one_line};
use super::shared::{Shared, Why};
use super::sync::{after, lock};
use crate::dispatch::{Decision, Logged, MAX_WAITING_NOTICES, Notice, Step, Wanted};
use crate::panics;

/// Events and log lines that wait at the most. A host whose callback does not return loses what comes after
/// (and is told how much); delivery reports wait in the outbox instead and are never lost.
const MAX_WAITING: usize = 4096;
/// Callbacks after which a thread that runs them looks at what else there is to do, its own work if it is the host's.
const LONG_TURN: usize = 1024;

/// What the host is to be told.
pub(super) struct Reports {
    state: Mutex<State>,
    bell: Bell,
    wants: Wants,
    /// No callback may begin any more: `destroy` gave up waiting for one that does not return.
    silenced: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    lost: u64,
    closed: bool,
}

/// What dispatch is to make notices of.
pub(super) fn notices(wants: Wants, log_level: LogLevel) -> Wanted {
    let log = match log_level {
        LogLevel::Debug if wants.log => Logged::Everything,
        LogLevel::Info if wants.log => Logged::TurnedAway,
        _ => Logged::Nothing,
    };
    Wanted { audit: wants.audit, log, cancel: wants.cancel }
}

enum Item {
    Event(Event),
    Log(LogLine),
}

impl Reports {
    pub(super) fn new(wants: Wants, bell: Bell) -> Reports {
        Reports { state: Mutex::default(), bell, wants, silenced: AtomicBool::new(false) }
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    pub(super) fn event(&self, event: Event) {
        if self.wants.events {
            self.push(Item::Event(event));
        }
    }

    pub(super) fn log(&self, line: LogLine) {
        if self.wants.log {
            self.push(Item::Log(line));
        }
    }

    fn push(&self, item: Item) {
        {
            let mut state = lock(&self.state);
            if state.waiting.len() == MAX_WAITING {
                state.lost += 1;
                return;
            }
            state.waiting.push_back(item);
        }
        self.bell.ring();
    }

    /// What waits is still reported, and nothing comes after it.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.bell.ring();
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    pub(super) fn silence(&self) {
        self.silenced.store(true, Ordering::Release);
    }

    fn is_silenced(&self) -> bool {
        self.silenced.load(Ordering::Acquire)
    }
}

/// The report thread's work until [`Reports::close`].
pub(super) fn run(shared: &Shared, host: Arc<dyn Host>) {
    let reports = &shared.reports;
    loop {
        let seen = reports.bell.silence();
        let look = shared.watchdog.look(Instant::now());
        if let Some(endpoint) = look.blocks {
            let why = Why { reason: "over dispatch.inlineLimit", ..Why::default() };
            shared.event(EventKind::CallbackBlocks, &endpoint, why, None);
        }
        let closed = reports.is_closed();
        let ran = turn(shared, &*host);
        match (closed, ran) {
            (true, 0) => break,
            // Nothing rings any more.
            (true, _) => {}
            (false, _) => drop(reports.bell.wait(seen, after(look.again_in.unwrap_or(Duration::MAX)))),
        }
    }
}

/// Runs the callbacks that wait. Returns how many; where there may be more, the bell has been rung.
pub(super) fn turn(shared: &Shared, host: &dyn Host) -> usize {
    let reports = &shared.reports;
    let ran = Cell::new(0);
    let call = |callback: &dyn Fn(&dyn Host)| {
        if reports.is_silenced() {
            return;
        }
        ran.set(ran.get() + 1);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(host))) {
            let text = panics::text_of(&*payload);
            shared.log(LogLevel::Error, format_args!("a callback panicked: {text}"));
        }
    };
    let (items, lost) = {
        let mut state = lock(&reports.state);
        (take(&mut state.waiting), take(&mut state.lost))
    };
    for item in items {
        call(&|host| match &item {
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
            Notice::Audit(record) => {
                if reports.wants.audit {
                    call(&|host| host.on_audit(record));
                }
                let line = log_line(shared, record);
                if let Some(line) = line.filter(|_| reports.wants.log) {
                    call(&|host| host.on_log(&line));
                }
            }
            Notice::Cancelled(tag) => call(&|host| host.on_cancel(*tag)),
        }
    }
    if notices >= MAX_WAITING_NOTICES {
        // No session was reading.
        shared.wake_all();
    }
    while ran.get() < LONG_TURN {
        // A statement of its own: the lock must not be held during the callbacks.
        let report = lock(&shared.outbox).poll_report();
        let Some(report) = report else { return ran.get() };
        for sequence in report.first..=report.last {
            let delivery = Delivery { sequence, group_id: report.group_id.clone(), outcome: report.outcome };
            call(&|host| host.on_delivery(&delivery));
        }
        lock(&shared.outbox).report_told(&report);
        shared.outbox_changed();
    }
    reports.bell.ring();
    ran.get()
}

/// A record as the log has it, where the log's level asks for it. The id and the path are the peer's words, and the
/// peer knows the token.
fn log_line(shared: &Shared, record: &AuditRecord) -> Option<LogLine> {
    let (level, what) = match record.step {
        Step::Arrived { decision: Decision::Allowed, .. } => (LogLevel::Debug, "handed to the host".to_owned()),
        Step::Arrived { decision: Decision::Repeated, .. } => (LogLevel::Debug, "repeated".to_owned()),
        Step::Arrived { decision: Decision::Refused, .. } => (LogLevel::Info, "refused by the policy".to_owned()),
        Step::Arrived { decision: Decision::Malformed, .. } => (LogLevel::Info, "malformed".to_owned()),
        Step::Arrived { decision: Decision::Limited, .. } => (LogLevel::Info, "over a limit".to_owned()),
        Step::Arrived { decision: Decision::Conflict, .. } => (LogLevel::Info, "with another call's id".to_owned()),
        Step::Ended { status_code, duration, .. } => {
            (LogLevel::Debug, format!("answered with {status_code} after {} ms", duration.as_millis()))
        }
    };
    if level > shared.settings.log_level {
        return None;
    }
    let AuditRecord { time, host_name, group_id, id, method, path, .. } = record;
    let text = format!("call {id} {what} [endpoint {host_name}, group {group_id}]: {method} {path}");
    let text = match lock(&shared.control).registry.find(host_name) {
        Ok(endpoint) => endpoint.details.token.redacted(&text),
        Err(_) => text,
    };
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(*time).unwrap_or(0));
    Some(LogLine { level, time, text: one_line(text) })
}
