//! What is kept for requests that come again: their ids, bounded by count and age, and the answers they got,
//! bounded by bytes as well. An id outlives its answer, so that the host is not called again for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Key, Table};
use crate::protocol::Text;
use crate::settings::Settings;

/// The remembered window. The oldest goes first.
#[derive(Debug)]
pub(super) struct Remembered {
    max_count: usize,
    max_bytes: usize,
    max_age: Duration,
    answered: Table<Key, Answered>,
    order: VecDeque<(Instant, Key)>,
    /// So many of the oldest have no answer any more.
    bare: usize,
    bytes: usize,
}

/// A request that was answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) fingerprint: u64,
    /// `None`: there was no room for it.
    pub(super) answer: Option<Text>,
}

impl Remembered {
    pub(super) fn new(settings: &Settings) -> Remembered {
        Remembered {
            max_count: settings.remembered_count,
            max_bytes: settings.remembered_bytes,
            max_age: settings.remembered_time,
            answered: Table::default(),
            order: VecDeque::new(),
            bare: 0,
            bytes: 0,
        }
    }

    pub(super) fn get(&mut self, now: Instant, key: &Key) -> Option<&Answered> {
        self.forget_old(now);
        self.answered.get(key)
    }

    /// Remembers a request, with its answer unless that alone is over the bound.
    pub(super) fn insert(&mut self, now: Instant, key: Key, fingerprint: u64, answer: &Text) {
        self.forget_old(now);
        if self.max_count == 0 {
            return;
        }
        let answer = (answer.len() <= self.max_bytes).then(|| answer.clone());
        self.bytes += answer.as_ref().map_or(0, |answer| answer.len());
        self.order.push_back((now, key.clone()));
        self.answered.insert(key, Answered { fingerprint, answer });
        if self.order.len() > self.max_count {
            self.forget_oldest();
        }
        while self.bytes > self.max_bytes {
            self.drop_oldest_answer();
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) >= self.max_age) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.bare = self.bare.saturating_sub(1);
            let answer = self.answered.remove(&key).and_then(|answered| answered.answer);
            self.bytes -= answer.map_or(0, |answer| answer.len());
        }
    }

    fn drop_oldest_answer(&mut self) {
        let answered = self.order.get(self.bare).and_then(|(_, key)| self.answered.get_mut(key));
        let answer = answered.and_then(|answered| answered.answer.take());
        self.bytes -= answer.map_or(0, |answer| answer.len());
        self.bare += 1;
    }
}
