//! A token bucket: so many calls a second, and as many at once after a quiet second.

use std::time::{Duration, Instant};

/// One session's rate.
#[derive(Debug)]
pub(super) struct Rate {
    /// Zero: no limit.
    per_second: u32,
    /// When the bucket would be full.
    full_at: Instant,
}

impl Rate {
    pub(super) fn new(now: Instant, per_second: usize) -> Rate {
        Rate { per_second: u32::try_from(per_second).unwrap_or(u32::MAX), full_at: now }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let full_at = self.full_at.max(now) + Duration::from_secs(1) / self.per_second;
        if full_at.duration_since(now) > Duration::from_secs(1) {
            return false;
        }
        self.full_at = full_at;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_one_second_and_then_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(start, 10);
        let taken = |rate: &mut Rate, at| (0..100).filter(|_| rate.take(at)).count();
        assert_eq!(taken(&mut rate, start), 10);
        assert_eq!(taken(&mut rate, start + Duration::from_millis(250)), 2);
        assert_eq!(taken(&mut rate, start + Duration::from_secs(60)), 10);
        assert_eq!(taken(&mut Rate::new(start, 0), start), 100);
    }
}
