//! Time as a value: the pure rooms are told what time it is and never ask a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Monotonic: all timers run on it, so that a changed wall clock moves none of them.
    pub instant: Instant,
    /// Wall clock in seconds since 1970: only ever written into a message's `timeStamp`.
    pub epoch_seconds: i64,
}

impl Now {
    /// Reads the machine's clocks.
    pub fn read() -> Now {
        let epoch_seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        Now { instant: Instant::now(), epoch_seconds }
    }
}
