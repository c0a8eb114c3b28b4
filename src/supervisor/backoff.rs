//! Pauses between attempts: exponential, with full jitter, so that a thousand clients that lost the same
//! cloud application do not come back in step.

use std::time::Duration;

/// Draws pauses: uniformly from zero to `base` doubled for each failure, but never beyond `cap`.
#[derive(Debug)]
pub(super) struct Backoff {
    base: Duration,
    cap: Duration,
    random: fastrand::Rng,
}

impl Backoff {
    pub(super) fn new(base: Duration, cap: Duration, seed: u64) -> Backoff {
        Backoff { base, cap, random: fastrand::Rng::with_seed(seed) }
    }

    /// The pause after `failures` failed rounds, counted from 0.
    pub(super) fn pause(&mut self, failures: u32) -> Duration {
        let bound = self.base.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(self.cap);
        bound.mul_f64(self.random.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_are_spread_over_the_whole_range() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second * 60, 7);
        for (failures, bound) in [(0, 1), (1, 2), (3, 8), (6, 60), (31, 60), (32, 60), (u32::MAX, 60)] {
            let pauses: Vec<Duration> = (0..1000).map(|_| backoff.pause(failures)).collect();
            let bound = second * bound;
            assert!(pauses.iter().all(|pause| *pause <= bound), "{failures}");
            for quarter in 0..4 {
                let range = bound * quarter / 4..bound * (quarter + 1) / 4;
                let share = pauses.iter().filter(|pause| range.contains(*pause)).count();
                assert!((150..350).contains(&share), "{failures}: {share} of 1000 in quarter {quarter}");
            }
        }
    }
}
