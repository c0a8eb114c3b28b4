//! What every export runs in: nothing unwinds into C, and a forked child touches nothing.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use super::status::nbwss_status;
use super::{handle, last_error};
use crate::error::Error;
use crate::panics;

static FORKED: AtomicBool = AtomicBool::new(false);

/// Runs an export's body.
pub(super) fn call(body: impl FnOnce() -> Result<(), Error>) -> nbwss_status {
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(contained(&*payload)));
    match result {
        Ok(()) => nbwss_status::NBWSS_OK,
        Err(error) => {
            last_error::set(&error);
            nbwss_status::from(&error)
        }
    }
}

/// A panic of ours, as the caller and the hosts' logs are told of it.
fn contained(payload: &(dyn Any + Send)) -> Error {
    let text = panics::text_of(payload);
    // Whatever is broken may be so again.
    let _ = catch_unwind(|| handle::for_each_connector(|connector| connector.log_panic(&text)));
    Error::Panic(text)
}

/// Refuses a forked child. Asked before a handle is looked at: there the locks may be held for ever by
/// threads that are not there.
pub(super) fn refuse_forked() -> Result<(), Error> {
    if FORKED.load(Ordering::Relaxed) { Err(Error::Forked) } else { Ok(()) }
}

/// Before the first object is made: from now on a child made by `fork` is refused, because it has the
/// parent's memory but none of its threads. Panics go to the log from here on.
pub(super) fn prepare() {
    panics::install_hook();
    #[cfg(unix)]
    {
        extern "C" fn in_child() {
            FORKED.store(true, Ordering::Relaxed);
        }
        // SAFETY: the handler only stores to an atomic, and the library is never unloaded (-z nodelete).
        // It can only fail for want of memory; a fork is then not noticed, which harms only the child.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
}
