//! Threads of ours take no signals: a host's handlers run on the host's threads only.

/// Blocks all signals on the current thread until dropped. Threads made meanwhile inherit the mask and keep
/// it, and so do the threads that those make.
pub(super) struct Blocked {
    #[cfg(unix)]
    before: libc::sigset_t,
}

impl Blocked {
    #[cfg(unix)]
    pub(super) fn new() -> Blocked {
        // SAFETY: both sets are valid for writing; sigfillset and pthread_sigmask cannot fail with these arguments.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
            Blocked { before }
        }
    }

    #[cfg(not(unix))]
    pub(super) fn new() -> Blocked {
        Blocked {}
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        #[cfg(unix)]
        // SAFETY: `before` was filled in by pthread_sigmask.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut());
        }
    }
}
