//! How long to wait: each time is drawn anew, so that a thousand clients that lost the same cloud application, or
//! were turned away by it at the same moment, do not come back in step.

use std::time::Duration;

use super::Aftermath;
use crate::settings::Settings;

/// Draws the waiting times.
#[derive(Debug)]
pub(super) struct Backoff {
    base: Duration,
    period: Duration,
    max_retry_after: Duration,
    random: fastrand::Rng,
}

impl Backoff {
    pub(super) fn new(settings: &Settings, seed: u64) -> Backoff {
        Backoff {
            base: settings.backoff_base,
            period: settings.backoff_cap,
            max_retry_after: settings.max_retry_after,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// The pause after `failures` failed rounds, counted from 0: full jitter, up to `connect.backoffBase` doubled
    /// for each failure, but never beyond `connectionInfo.period`.
    pub(super) fn pause(&mut self, failures: u32) -> Duration {
        let bound = self.base.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
        self.part_of(bound.min(self.period))
    }

    /// How long an endpoint is left alone, beside the pauses of its group: never shorter than it asked for, and
    /// stretched so far that those who were told the same spread.
    pub(super) fn wait_after(&mut self, how: Aftermath) -> Option<Duration> {
        match how {
            // Zero says nothing about when to come back, and must not make us come back without a pause.
            Aftermath::Busy { after: Some(after) } if !after.is_zero() => {
                let after = after.min(self.max_retry_after);
                Some(after + self.part_of((after / 10).max(self.base)))
            }
            Aftermath::Refused => Some(self.period + self.part_of(self.period / 4)),
            Aftermath::Busy { .. } | Aftermath::Retry => None,
        }
    }

    /// Uniformly from nothing to all of it.
    pub(super) fn part_of(&mut self, whole: Duration) -> Duration {
        whole.mul_f64(self.random.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A thousand draws lie between the bounds, and a quarter of them in each quarter.
    fn spread(mut draw: impl FnMut() -> Duration, from: Duration, to: Duration) {
        let drawn: Vec<Duration> = (0..1000).map(|_| draw()).collect();
        assert!(drawn.iter().all(|time| (from..=to).contains(time)), "{from:?} to {to:?}");
        for quarter in 0..4 {
            let range = from + (to - from) * quarter / 4..from + (to - from) * (quarter + 1) / 4;
            let share = drawn.iter().filter(|time| range.contains(*time)).count();
            assert!((150..350).contains(&share), "{from:?} to {to:?}: {share} of 1000 in quarter {quarter}");
        }
    }

    #[test]
    fn pauses_double_up_to_the_period_and_are_spread_over_the_whole_range() {
        let mut backoff = Backoff::new(&Settings::default(), 7);
        for (failures, bound) in [(0, 1), (1, 2), (3, 8), (6, 60), (31, 60), (32, 60), (u32::MAX, 60)] {
            spread(|| backoff.pause(failures), Duration::ZERO, SECOND * bound);
        }
    }

    #[test]
    fn what_was_asked_for_is_kept_and_spread_above() {
        let mut backoff = Backoff::new(&Settings::default(), 7);
        let busy = |seconds| Aftermath::Busy { after: Some(Duration::from_secs(seconds)) };
        let mut wait = |how| backoff.wait_after(how).unwrap();
        spread(|| wait(busy(600)), SECOND * 600, SECOND * 660);
        spread(|| wait(busy(2)), SECOND * 2, SECOND * 3);
        spread(|| wait(busy(u64::MAX)), SECOND * 3600, SECOND * 3960);
        spread(|| wait(Aftermath::Refused), SECOND * 60, SECOND * 75);
        for how in [Aftermath::Retry, Aftermath::Busy { after: None }, busy(0)] {
            assert_eq!(backoff.wait_after(how), None);
        }
    }
}
