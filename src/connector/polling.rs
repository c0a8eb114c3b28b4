//! Where the host polls (`callbacks.poll`): its threads run the callbacks, one thread at a time, when it says so.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

#[cfg(unix)]
use super::bell::Light;
use super::host::Host;
use super::sync::{self, OurThread, after, lock};
use super::{Connector, calls, refuse_on_our_thread, reports};
use crate::error::Error;

const NOT_POLLED: Error =
    Error::IllegalState("the setting callbacks.poll is off: callbacks run on threads of the library");

/// The host's side, of which one thread at a time runs callbacks.
pub(super) struct Turns(Mutex<Side>);

enum Side {
    Free(Arc<dyn Host>),
    /// A thread is running callbacks.
    Taken,
    /// `destroy` is done.
    Gone,
}

impl Turns {
    pub(super) fn new(host: Arc<dyn Host>) -> Turns {
        Turns(Mutex::new(Side::Free(host)))
    }

    /// Takes the host's side, if it is free.
    fn take(&self) -> Option<Arc<dyn Host>> {
        let mut side = lock(&self.0);
        match std::mem::replace(&mut *side, Side::Taken) {
            Side::Free(host) => Some(host),
            other => {
                *side = other;
                None
            }
        }
    }

    fn is_gone(&self) -> bool {
        matches!(*lock(&self.0), Side::Gone)
    }
}

impl Connector {
    /// Runs the callbacks that wait, on this thread, and returns how many; waits for the first until `timeout`.
    /// One thread at a time runs callbacks; another that polls meanwhile waits.
    ///
    /// # Errors
    /// [`Error::IllegalState`] without the setting `callbacks.poll`, in a callback, and when `destroy` begins.
    pub fn poll(&self, timeout: Duration) -> Result<usize, Error> {
        refuse_on_our_thread()?;
        let turns = self.turns.as_ref().ok_or(NOT_POLLED)?;
        let deadline = after(timeout);
        loop {
            let bell = self.open()?.reports.bell();
            let seen = bell.rings();
            let ran = self.turn(turns).unwrap_or(0);
            if ran > 0 || !bell.wait(seen, deadline) {
                return Ok(ran);
            }
        }
    }

    /// The descriptor that is readable while callbacks wait to be polled. It is the connector's, and may only be
    /// waited for.
    ///
    /// # Errors
    /// [`Error::IllegalState`] without the setting `callbacks.poll`.
    #[cfg(unix)]
    pub fn poll_descriptor(&self) -> Result<std::os::fd::RawFd, Error> {
        self.open()?.reports.bell().light().map(Light::descriptor).ok_or(NOT_POLLED)
    }

    /// Runs what waits. `None`: another thread does.
    fn turn(&self, turns: &Turns) -> Option<usize> {
        let host = turns.take()?;
        let ours = OurThread::enter();
        self.shared.reports.bell().silence();
        let ran =
            catch_unwind(AssertUnwindSafe(|| calls::turn(&self.shared, &*host) + reports::turn(&self.shared, &*host)));
        drop(ours);
        // A bug of ours in this turn must not keep the others from theirs.
        *lock(&turns.0) = Side::Free(host);
        if self.shared.reports.is_closed() {
            // For whoever ends the connector and waits for this turn: nothing else rings any more.
            self.shared.reports.bell().ring();
        }
        self.shared.reports.bell().pass_on();
        Some(ran.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// As [`sync::wait_until`]; where the host polls, this thread meanwhile runs callbacks: what it waits for may need
    /// them.
    pub(super) fn wait_until<T>(
        &self,
        mutex: &Mutex<T>,
        changed: &Condvar,
        deadline: Instant,
        mut done: impl FnMut(&mut T) -> bool,
    ) -> bool {
        let Some(turns) = &self.turns else { return sync::wait_until(mutex, changed, deadline, done) };
        let bell = self.shared.reports.bell();
        loop {
            let seen = bell.rings();
            if done(&mut lock(mutex)) {
                return true;
            }
            let ran = self.turn(turns).unwrap_or(0);
            let in_time = if ran > 0 { Instant::now() < deadline } else { bell.wait(seen, deadline) };
            if !in_time {
                return done(&mut lock(mutex));
            }
        }
    }

    /// After everything has ended: runs the last callbacks and lets go of the host. Returns whether that is done by the
    /// deadline; a callback on another thread may keep it from being so.
    pub(super) fn tell_the_rest(&self, deadline: Instant) -> bool {
        let Some(turns) = &self.turns else { return true };
        let reports = &self.shared.reports;
        loop {
            let seen = reports.bell().rings();
            let closed = reports.is_closed();
            let ran = self.turn(turns);
            if closed && ran == Some(0) && turns.take().is_some() {
                *lock(&turns.0) = Side::Gone;
            }
            if turns.is_gone() {
                return true;
            }
            let more = ran.is_some_and(|ran| ran > 0);
            let in_time = if more { Instant::now() < deadline } else { reports.bell().wait(seen, deadline) };
            if !in_time {
                return false;
            }
        }
    }
}
