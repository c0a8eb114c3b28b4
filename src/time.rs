//! Time as a value: the pure rooms are told what time it is and never ask a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Monotonic: all timers run on it, so that a changed wall clock moves none of them.
    pub instant: Instant,
    /// Wall clock in seconds since 1970, for a message's `timeStamp`.
    pub epoch_seconds: i64,
}

impl Now {
    /// Reads the machine's clocks.
    pub fn read() -> Now {
        Now { instant: Instant::now(), epoch_seconds: epoch_seconds() }
    }
}

/// The wall clock, in seconds since 1970.
pub(crate) fn epoch_seconds() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
