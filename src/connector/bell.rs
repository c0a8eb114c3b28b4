//! Tells whoever runs callbacks that some wait: the report thread, or the host's threads where the host polls, and
//! then also by a descriptor that becomes readable.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Instant;

use super::sync::{lock, wait_until};

/// Rung when there is something to do; each turn of running callbacks silences it first.
#[derive(Default)]
pub(super) struct Bell {
    /// Since the last turn began.
    rung: AtomicBool,
    rings: Mutex<u64>,
    changed: Condvar,
    /// Where the host polls.
    light: Option<Light>,
}

impl Bell {
    /// One that is also seen by a descriptor.
    pub(super) fn with_light() -> std::io::Result<Bell> {
        Ok(Bell { light: Some(Light::new()?), ..Bell::default() })
    }

    #[cfg(unix)]
    pub(super) fn light(&self) -> Option<&Light> {
        self.light.as_ref()
    }

    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    fn wake(&self) {
        *lock(&self.rings) += 1;
        self.changed.notify_all();
        if let Some(light) = &self.light {
            light.on();
        }
    }

    /// A turn begins, and finds all that was rung for until now, if it looks only after this. Returns what to wait after.
    pub(super) fn silence(&self) -> u64 {
        // The light first: it must not go out for a ring that comes in between.
        if let Some(light) = &self.light {
            light.off();
        }
        // Under the lock, so that whoever rings from here on counts after what is returned.
        let mut rings = lock(&self.rings);
        if self.rung.swap(false, Ordering::AcqRel) {
            // Rings since the first were not counted, and others may wait for what they were for.
            *rings += 1;
            self.changed.notify_all();
        }
        *rings
    }

    /// A turn is over. What came meanwhile may be another thread's to do.
    pub(super) fn pass_on(&self) {
        if self.rung.load(Ordering::Acquire) {
            self.wake();
        }
    }

    /// What to wait after: to be asked before looking whether there is anything to do.
    pub(super) fn rings(&self) -> u64 {
        *lock(&self.rings)
    }

    /// Waits for a ring after `seen`. Returns whether there was one by the deadline.
    pub(super) fn wait(&self, seen: u64, deadline: Instant) -> bool {
        wait_until(&self.rings, &self.changed, deadline, |rings| *rings != seen)
    }
}

/// A descriptor that is readable while it is on: one end of a pair of sockets, in which there is a byte then.
pub(super) struct Light {
    #[cfg(unix)]
    pair: (std::os::unix::net::UnixStream, std::os::unix::net::UnixStream),
}

#[cfg(unix)]
impl Light {
    fn new() -> std::io::Result<Light> {
        let pair = std::os::unix::net::UnixStream::pair()?;
        pair.0.set_nonblocking(true)?;
        pair.1.set_nonblocking(true)?;
        Ok(Light { pair })
    }

    fn on(&self) {
        use std::io::Write;
        // A pair that takes no more has bytes enough to be readable.
        let _ = (&self.pair.0).write(&[0]);
    }

    fn off(&self) {
        use std::io::Read;
        let mut bytes = [0; 64];
        while (&self.pair.1).read(&mut bytes).is_ok_and(|count| count == bytes.len()) {}
    }

    /// The descriptor, for as long as this lives.
    pub(super) fn descriptor(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsRawFd;
        self.pair.1.as_raw_fd()
    }
}

/// Elsewhere hosts poll without a descriptor.
#[cfg(not(unix))]
impl Light {
    fn new() -> std::io::Result<Light> {
        Ok(Light {})
    }

    fn on(&self) {}

    fn off(&self) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::thread;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_ring_between_a_look_and_the_wait_is_not_missed() {
        let bell = Bell::default();
        let seen = bell.silence();
        bell.ring();
        assert!(bell.wait(seen, Instant::now() + LONG));
        assert!(!bell.wait(bell.rings(), Instant::now()), "nothing new");
    }

    #[test]
    fn a_ring_that_another_thread_silences_is_not_missed() {
        let bell = Bell::default();
        bell.ring();
        let seen = bell.rings();
        bell.ring();
        bell.silence();
        assert!(bell.wait(seen, Instant::now() + LONG));
    }

    #[test]
    fn no_ring_is_lost_however_they_cross_with_the_turns() {
        const ROUNDS: u64 = 20_000;
        let (bell, asked, seen) = (Bell::default(), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        let mine = asked.fetch_add(1, Ordering::SeqCst) + 1;
                        bell.ring();
                        while seen.load(Ordering::SeqCst) < mine {
                            thread::yield_now();
                        }
                    }
                });
            }
            while seen.load(Ordering::SeqCst) < 2 * ROUNDS {
                let rings = bell.silence();
                let all = asked.load(Ordering::SeqCst);
                seen.store(all, Ordering::SeqCst);
                let rang = all == 2 * ROUNDS || bell.wait(rings, Instant::now() + LONG);
                if !rang {
                    // Lets the others end, so that the test does.
                    seen.store(u64::MAX, Ordering::SeqCst);
                    panic!("asked {}, seen {all}", asked.load(Ordering::SeqCst));
                }
            }
        });
    }

    #[test]
    fn what_comes_during_a_turn_is_another_threads_too() {
        let bell = Arc::new(Bell::default());
        bell.ring();
        bell.silence();
        bell.ring();
        let seen = bell.rings();
        let other = bell.clone();
        let waiting = thread::spawn(move || other.wait(seen, Instant::now() + LONG));
        bell.pass_on();
        assert!(waiting.join().unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn the_light_is_on_from_a_ring_to_the_next_turn() {
        use std::io::Read;
        let bell = Bell::with_light().unwrap();
        let is_on = || {
            let mut byte = [0];
            (&bell.light().unwrap().pair.1).read(&mut byte).is_ok()
        };
        assert!(!is_on());
        bell.ring();
        bell.ring();
        assert!(is_on());
        bell.silence();
        assert!(!is_on());
        bell.ring();
        bell.silence();
        assert!(!is_on(), "silenced");
    }
}
