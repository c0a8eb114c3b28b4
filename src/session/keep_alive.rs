//! Pings and the pongs that are missing.

use std::time::{Duration, Instant};

/// Decides when to ping and when a silent peer is given up (guide: `keepAlive.scheduledRate` and
/// `keepAlive.maxPongMissAllowed`). A peer that falls silent is noticed within `interval * (max_missed + 1)`.
#[derive(Debug)]
pub(super) struct KeepAlive {
    interval: Duration,
    max_missed: usize,
    /// Pings sent since the last pong.
    unanswered: usize,
    next: Instant,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tick {
    Nothing,
    Ping,
    GiveUp,
}

impl KeepAlive {
    pub(super) fn new(now: Instant, interval: Duration, max_missed: usize) -> KeepAlive {
        KeepAlive { interval, max_missed, unanswered: 0, next: now + interval }
    }

    pub(super) fn next_tick(&self) -> Instant {
        self.next
    }

    pub(super) fn tick(&mut self, now: Instant) -> Tick {
        if now < self.next {
            return Tick::Nothing;
        }
        if self.unanswered >= self.max_missed {
            return Tick::GiveUp;
        }
        self.unanswered += 1;
        // Counted from now: after a suspended machine wakes up, one ping goes out and not all that were missed.
        self.next = now + self.interval;
        Tick::Ping
    }

    /// A pong came, or could not be looked for.
    pub(super) fn forgive(&mut self) {
        self.unanswered = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    #[test]
    fn a_silent_peer_is_given_up_after_the_allowed_misses() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(start, INTERVAL, 3);
        let ticks: Vec<Tick> = (1..=4).map(|n| keep_alive.tick(start + INTERVAL * n)).collect();
        assert_eq!(ticks, [Tick::Ping, Tick::Ping, Tick::Ping, Tick::GiveUp]);
    }

    #[test]
    fn a_pong_starts_the_count_again_and_a_long_sleep_costs_one_ping() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(start, INTERVAL, 1);
        assert_eq!(keep_alive.tick(start + INTERVAL), Tick::Ping);
        keep_alive.forgive();
        let late = start + INTERVAL * 100;
        assert_eq!(keep_alive.tick(late), Tick::Ping);
        assert_eq!(keep_alive.tick(late), Tick::Nothing);
        assert_eq!(keep_alive.next_tick(), late + INTERVAL);
    }
}
