//! Answers kept for requests that come again: bounded by count, bytes and age.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::Key;
use crate::settings::Settings;

/// The remembered window. The oldest answer goes first.
#[derive(Debug)]
pub(super) struct Remembered {
    max_count: usize,
    max_bytes: usize,
    max_age: Duration,
    /// With the fingerprint of the request.
    answers: HashMap<Key, (u64, String)>,
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
}

impl Remembered {
    pub(super) fn new(settings: &Settings) -> Remembered {
        Remembered {
            max_count: settings.remembered_count,
            max_bytes: settings.remembered_bytes,
            max_age: settings.remembered_time,
            answers: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
        }
    }

    /// The answer, and the fingerprint of the request that it was for.
    pub(super) fn get(&mut self, now: Instant, key: &Key) -> Option<(u64, &str)> {
        self.forget_old(now);
        self.answers.get(key).map(|(fingerprint, answer)| (*fingerprint, answer.as_str()))
    }

    /// Remembers an answer, copying it, unless it alone is over the bounds.
    pub(super) fn insert(&mut self, now: Instant, key: Key, fingerprint: u64, answer: &str) {
        self.forget_old(now);
        if self.max_count == 0 || size(&key, answer) > self.max_bytes {
            return;
        }
        self.bytes += size(&key, answer);
        self.order.push_back((now, key.clone()));
        self.answers.insert(key, (fingerprint, answer.to_owned()));
        while self.order.len() > self.max_count || self.bytes > self.max_bytes {
            self.forget_oldest();
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) >= self.max_age) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front()
            && let Some((_, answer)) = self.answers.remove(&key)
        {
            self.bytes -= size(&key, &answer);
        }
    }
}

fn size(key: &Key, answer: &str) -> usize {
    key.id.len() + answer.len()
}
