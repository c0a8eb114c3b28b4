//! The threads that run the request callback. They may block; nothing else waits for them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::host::{Host, LogLevel};
use super::request::Request;
use super::shared::Shared;
use super::sync::lock;
use crate::panics;

/// Requests that wait for a thread. Bounded by `dispatch.maxOutstanding`.
#[derive(Default)]
pub(super) struct Calls {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Request>,
    closed: bool,
}

impl Calls {
    pub(super) fn push(&self, request: Request) {
        lock(&self.state).waiting.push_back(request);
        self.changed.notify_one();
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
        loop {
            if state.closed {
                return None;
            }
            if let Some(request) = state.waiting.pop_front() {
                return Some(request);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// One thread's work until [`Calls::close`].
pub(super) fn run(shared: &Shared, host: Arc<dyn Host>) {
    while let Some(request) = shared.calls.wait() {
        // An unwinding callback drops the request, which answers it.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| host.on_request(request))) {
            let text = panics::text_of(&*payload);
            shared.log(LogLevel::Error, format_args!("the request callback panicked: {text}"));
        }
    }
}
