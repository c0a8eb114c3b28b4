//! Calls that block, on threads that the runtime has for them. There are only so many.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::task::spawn_blocking;

/// Makes the call on a thread of its own, and to its end once it has begun. Where nobody waits for it any more before it
/// has a thread, it is not made: calls that hang take all threads, and the others must not pile up behind them.
///
/// # Errors
/// Where a thread cannot be made and there is none, and for a call that panics.
pub(crate) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let waiting = Arc::new(());
    let waited_for = Arc::downgrade(&waiting);
    let call_in_time = move || waited_for.upgrade().map(|_| call());
    // Without a thread the runtime panics, and keeps the call for the next that it can make.
    let task = catch_unwind(AssertUnwindSafe(|| spawn_blocking(call_in_time)));
    let task = task.map_err(|_| io::Error::new(io::ErrorKind::WouldBlock, "a thread cannot be made"))?;
    task.await?.ok_or_else(|| io::ErrorKind::Interrupted.into())
}
