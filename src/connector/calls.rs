//! The threads that run the request callback. They may block; nothing else waits for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::host::Host;
use super::request::Request;
use super::runner;
use super::shared::Shared;
use super::sync::lock;

/// Requests that wait for a thread. Bounded by `dispatch.maxOutstanding`.
#[derive(Default)]
pub(super) struct Calls {
    state: Mutex<State>,
    changed: Condvar,
    /// How many wait, for those who only want an idea.
    length: AtomicUsize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Request>,
    closed: bool,
}

impl Calls {
    /// Queues all of them and wakes one thread; that one wakes the next if it leaves any. So a burst of quick
    /// calls costs one wake-up, and slow ones soon have every thread.
    pub(super) fn push_all(&self, requests: &mut Vec<Request>) {
        {
            let mut state = lock(&self.state);
            state.waiting.extend(requests.drain(..));
            self.length.store(state.waiting.len(), Ordering::Relaxed);
        }
        self.changed.notify_one();
    }

    /// Whether requests wait for a thread: a moment ago, not for certain.
    pub(super) fn are_waiting(&self) -> bool {
        self.length.load(Ordering::Relaxed) > 0
    }

    /// The threads end. Requests that still wait have been answered by then and are not handed out.
    pub(super) fn close(&self) {
        let waiting = {
            let mut state = lock(&self.state);
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        self.changed.notify_all();
        // Dropping a request takes the dispatch lock, so it is done without ours.
        drop(waiting);
    }

    fn wait(&self) -> Option<Request> {
        let mut state = lock(&self.state);
        let mut slept = false;
        loop {
            if state.closed {
                return None;
            }
            if let Some(request) = state.waiting.pop_front() {
                self.length.store(state.waiting.len(), Ordering::Relaxed);
                if slept && !state.waiting.is_empty() {
                    self.changed.notify_one();
                }
                return Some(request);
            }
            slept = true;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// One thread's work until [`Calls::close`].
pub(super) fn run(shared: &Shared, host: Arc<dyn Host>) {
    while let Some(request) = shared.calls.wait() {
        runner::call(shared, &*host, request);
    }
}
