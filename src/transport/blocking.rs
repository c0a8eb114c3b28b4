//! Calls that block, on threads that the runtime has for them. There are only so many.

use tokio::task::{AbortHandle, JoinError, spawn_blocking};

/// Makes the call on a thread of its own, and to its end once it has begun. Where nobody waits for it any more before it
/// has a thread, it is not made: calls that hang take all threads, and the others must not pile up behind them.
pub(crate) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    let task = spawn_blocking(call);
    let _waited_for = WaitedFor(task.abort_handle());
    task.await
}

struct WaitedFor(AbortHandle);

impl Drop for WaitedFor {
    fn drop(&mut self) {
        self.0.abort();
    }
}
