//! The threads that run the request callback. They may block; nothing else waits for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use super::host::Host;
use super::request::Request;
use super::runner;
use super::shared::Shared;
use super::sync::lock;

/// A callback that returns within this time is quick: waking another thread for the next would cost about as much.
const QUICK: Duration = Duration::from_micros(50);

/// Requests that wait for a thread. Bounded by `dispatch.maxOutstanding`.
#[derive(Default)]
pub(super) struct Calls {
    state: Mutex<State>,
    /// How many wait, for those who only want an idea.
    length: AtomicUsize,
    /// The callback that returned last was.
    quick: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Request>,
    /// Threads with nothing to do. The one that came last is woken first: its memory is still close to it.
    idle: Vec<Thread>,
    /// Was woken last, or took a request last, and has not found the queue empty since.
    at_work: Option<ThreadId>,
    closed: bool,
}

impl Calls {
    /// Queues all of them and wakes one thread, unless one is at it. While callbacks are quick it does them all; else it
    /// wakes the next if it leaves any, so that slow ones soon have every thread.
    pub(super) fn push_all(&self, requests: &mut Vec<Request>) {
        let mut state = lock(&self.state);
        state.waiting.extend(requests.drain(..));
        self.length.store(state.waiting.len(), Ordering::Relaxed);
        if state.at_work.is_none() || !self.quick.load(Ordering::Relaxed) {
            self.wake_one(state);
        }
    }

    /// Wakes another thread if requests have waited so long that the callbacks cannot be quick any more. Returns
    /// whether it did.
    pub(super) fn hurry(&self) -> bool {
        self.are_waiting() && self.wake_one(lock(&self.state))
    }

    fn wake_one(&self, mut state: MutexGuard<'_, State>) -> bool {
        let thread = if state.waiting.is_empty() { None } else { state.idle.pop() };
        if let Some(thread) = &thread {
            state.at_work = Some(thread.id());
        }
        drop(state);
        thread.inspect(Thread::unpark).is_some()
    }

    /// Whether requests wait for a thread: a moment ago, not for certain.
    pub(super) fn are_waiting(&self) -> bool {
        self.length.load(Ordering::Relaxed) > 0
    }

    /// The threads end. Requests that still wait have been answered by then and are not handed out.
    pub(super) fn close(&self) {
        let (waiting, idle) = {
            let mut state = lock(&self.state);
            state.closed = true;
            (std::mem::take(&mut state.waiting), std::mem::take(&mut state.idle))
        };
        idle.iter().for_each(Thread::unpark);
        // Dropping a request takes the dispatch lock, so it is done without ours.
        drop(waiting);
    }

    fn take_all(&self) -> VecDeque<Request> {
        let mut state = lock(&self.state);
        self.length.store(0, Ordering::Relaxed);
        std::mem::take(&mut state.waiting)
    }

    /// The next request for this thread, and whether it had to be waited for. `None`: the threads end.
    fn wait(&self, this: &Thread) -> Option<(Request, bool)> {
        let mut state = lock(&self.state);
        let mut slept = false;
        loop {
            if state.closed {
                return None;
            }
            if let Some(request) = state.waiting.pop_front() {
                self.length.store(state.waiting.len(), Ordering::Relaxed);
                state.at_work = Some(this.id());
                if slept && !self.quick.load(Ordering::Relaxed) {
                    self.wake_one(state);
                }
                return Some((request, slept));
            }
            slept = true;
            if state.at_work == Some(this.id()) {
                state.at_work = None;
            }
            state.idle.push(this.clone());
            drop(state);
            thread::park();
            state = lock(&self.state);
            // It may have woken by itself.
            state.idle.retain(|idle| idle.id() != this.id());
        }
    }
}

/// Where the host polls: runs the request callback for what waits, on this thread. Returns how often.
pub(super) fn turn(shared: &Shared, host: &dyn Host) -> usize {
    let waiting = shared.calls.take_all();
    let count = waiting.len();
    waiting.into_iter().for_each(|request| runner::call_in_time(shared, host, request, Instant::now()));
    count
}

/// One thread's work until [`Calls::close`].
pub(super) fn run(shared: &Shared, host: Arc<dyn Host>) {
    let this = thread::current();
    let mut now = Instant::now();
    while let Some((request, slept)) = shared.calls.wait(&this) {
        let begun = if slept { Instant::now() } else { now };
        runner::call_in_time(shared, &*host, request, begun);
        now = Instant::now();
        shared.calls.quick.store(now.duration_since(begun) < QUICK, Ordering::Relaxed);
    }
}
