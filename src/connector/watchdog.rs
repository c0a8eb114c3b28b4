//! Notices an inline request callback that does not return: it runs on the thread of the sessions, which can
//! then notice nothing. The report thread looks, and only while there are inline calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::sync::lock;
use crate::endpoint::Endpoint;

/// What is known of the inline call under way.
pub(super) struct Watchdog {
    limit: Duration,
    made: Instant,
    /// Nanoseconds after `made` at which the latest call began. Apart from the rest, because every call sets it.
    since: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whose calls are under way.
    running: Option<Arc<Endpoint>>,
    /// The report thread comes to look.
    watched: bool,
    /// There was a call since it last looked.
    busy: bool,
    /// When the call that was told last began.
    told_since: Option<u64>,
    /// Calls over the limit since the connector was made.
    told: u64,
}

/// What a look showed.
#[derive(Default)]
pub(super) struct Look {
    /// When to look again; `None`: not before [`Watchdog::begin`] asks for it.
    pub(super) again_in: Option<Duration>,
    /// A call for this endpoint is over the limit; told once.
    pub(super) blocks: Option<Arc<Endpoint>>,
}

impl Watchdog {
    pub(super) fn new(limit: Duration) -> Watchdog {
        Watchdog { limit, made: Instant::now(), since: AtomicU64::new(0), state: Mutex::default() }
    }

    /// Inline calls for this endpoint begin, one after the other. Returns whether the report thread has to be told to look.
    pub(super) fn begin(&self, endpoint: &Arc<Endpoint>) -> bool {
        // Before there is anything to see: a call of long ago must not be taken for one under way.
        self.next();
        let mut state = lock(&self.state);
        state.running = Some(endpoint.clone());
        state.busy = true;
        !std::mem::replace(&mut state.watched, true)
    }

    /// The next of them begins.
    pub(super) fn next(&self) {
        let since = u64::try_from(self.made.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.since.store(since, Ordering::Release);
    }

    /// The last has returned.
    pub(super) fn end(&self) {
        lock(&self.state).running = None;
    }

    /// How many calls were over the limit.
    pub(super) fn told(&self) -> u64 {
        lock(&self.state).told
    }

    pub(super) fn look(&self, now: Instant) -> Look {
        let mut state = lock(&self.state);
        let busy = std::mem::take(&mut state.busy);
        let Some(endpoint) = state.running.clone() else {
            state.watched &= busy;
            return Look { again_in: state.watched.then_some(self.limit), blocks: None };
        };
        let since = self.since.load(Ordering::Acquire);
        let left = self.limit.saturating_sub(now.saturating_duration_since(self.made + Duration::from_nanos(since)));
        if !left.is_zero() {
            return Look { again_in: Some(left), blocks: None };
        }
        let blocks = (state.told_since.replace(since) != Some(since)).then_some(endpoint);
        state.told += u64::from(blocks.is_some());
        Look { again_in: Some(self.limit), blocks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Details, Registry};
    use crate::secret::Secret;

    #[test]
    fn a_call_over_the_limit_is_told_once_and_nobody_looks_when_nothing_happens() {
        let details = Details::new("h", "wss://h/", "g", 1, Secret::new("t".into())).unwrap();
        let endpoint = Registry::default().add(vec![(details, true)]).unwrap().remove(0);
        // Far longer than the test takes, on whatever machine.
        let limit = Duration::from_secs(3600);
        let watchdog = Watchdog::new(limit);
        assert!(watchdog.begin(&endpoint));
        let start = Instant::now();
        assert!(watchdog.look(start).again_in.is_some_and(|again| again <= limit));
        assert!(watchdog.look(start + limit / 2).blocks.is_none(), "not before the limit");
        let late = start + limit;
        assert!(watchdog.look(late).blocks.is_some());
        assert!(watchdog.look(late + limit).blocks.is_none());
        watchdog.next();
        assert!(watchdog.look(late).blocks.is_none(), "this one has only begun");
        assert!(watchdog.look(late + limit).blocks.is_some());
        watchdog.end();
        assert!(!watchdog.begin(&endpoint), "still watched");
        watchdog.end();
        assert!(watchdog.look(late).again_in.is_some(), "there was a call since");
        assert!(watchdog.look(late).again_in.is_none());
        assert!(watchdog.begin(&endpoint));
    }
}
