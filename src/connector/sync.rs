//! Locks that a caught panic does not spoil, a latch for threads, and what tells our threads from the host's.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Locks. A panic is caught and ends the session that caused it; the state behind the lock stays in use.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So long that nobody sees its end.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 86_400);

/// When so much time has passed.
pub(super) fn after(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(FOR_EVER)
}

/// Waits until `done` or the deadline. Returns whether it is done.
pub(super) fn wait_until<T>(
    mutex: &Mutex<T>,
    changed: &Condvar,
    deadline: Instant,
    mut done: impl FnMut(&mut T) -> bool,
) -> bool {
    let mut guard = lock(mutex);
    loop {
        if done(&mut guard) {
            return true;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        guard = changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Counts threads that have not finished.
#[derive(Debug, Default)]
pub(super) struct Latch {
    alive: Mutex<usize>,
    changed: Condvar,
}

impl Latch {
    pub(super) fn enter(&self) {
        *lock(&self.alive) += 1;
    }

    pub(super) fn leave(&self) {
        *lock(&self.alive) -= 1;
        self.changed.notify_all();
    }

    /// Whether all have left by the deadline.
    pub(super) fn wait(&self, deadline: Instant) -> bool {
        wait_until(&self.alive, &self.changed, deadline, |alive| *alive == 0)
    }
}

thread_local! {
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, the current thread counts as one of ours: it is, or it is the host's and runs callbacks.
pub(super) struct OurThread(());

impl OurThread {
    pub(super) fn enter() -> OurThread {
        OURS.with(|ours| ours.set(true));
        OurThread(())
    }
}

impl Drop for OurThread {
    fn drop(&mut self) {
        OURS.with(|ours| ours.set(false));
    }
}

/// Whether the current thread is one of ours, where waiting for ourselves would never end.
pub(super) fn on_our_thread() -> bool {
    OURS.with(Cell::get)
}
