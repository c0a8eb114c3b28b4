//! What is kept for requests that come again: their keys, bounded by count and age, and the answers they got,
//! bounded by bytes as well. A key outlives its answer, so that the host is not called again for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::answer::Encoded;
use super::chunks::{Chunks, Place};
use super::{Key, Table};
use crate::protocol::Text;
use crate::settings::Settings;

/// The remembered window. The oldest goes first.
#[derive(Debug)]
pub(super) struct Remembered {
    max_count: usize,
    max_bytes: usize,
    max_age: Duration,
    /// By the key's hash, counted from the first that there ever was. A hash is in it once: while it is, another COMMAND
    /// with it is not answered by the host.
    numbers: Table<u64, u64>,
    order: VecDeque<Answered>,
    /// How many there were before the ones that are here.
    forgotten: u64,
    /// So many of the oldest have no answer any more.
    bare: usize,
    /// Of all answers, copied or shared.
    bytes: usize,
    copies: Chunks,
}

/// A request that was answered.
#[derive(Debug)]
struct Answered {
    at: Instant,
    key: Key,
    answer: Kept,
}

/// What there is of an answer.
#[derive(Debug, Default)]
enum Kept {
    /// There was no room for it.
    #[default]
    Nothing,
    Copy(Place),
    Shared(Box<Text>),
}

/// A request that came before with the same hash.
pub(super) struct Before {
    pub(super) is_same: bool,
    /// `None`: there was no room for it.
    pub(super) answer: Option<Encoded>,
}

impl Remembered {
    pub(super) fn new(settings: &Settings) -> Remembered {
        Remembered {
            max_count: settings.remembered_count,
            max_bytes: settings.remembered_bytes,
            max_age: settings.remembered_time,
            numbers: Table::default(),
            order: VecDeque::new(),
            forgotten: 0,
            bare: 0,
            bytes: 0,
            copies: Chunks::default(),
        }
    }

    pub(super) fn get(&mut self, now: Instant, key: Key) -> Option<Before> {
        self.forget_old(now);
        let place = self.numbers.get(&key.hash)?.checked_sub(self.forgotten)?;
        let before = self.order.get(usize::try_from(place).ok()?)?;
        let answer = match &before.answer {
            Kept::Nothing => None,
            Kept::Copy(place) => self.copies.get(*place).map(|text| Encoded::Short(text.to_owned())),
            Kept::Shared(answer) => Some(Encoded::Long(Text::clone(answer))),
        };
        Some(Before { is_same: before.key == key, answer })
    }

    /// Remembers a request, with its answer unless that alone is over the bound.
    pub(super) fn insert(&mut self, now: Instant, key: Key, answer: &Encoded) {
        self.forget_old(now);
        if self.max_count == 0 {
            return;
        }
        let answer = if answer.len() > self.max_bytes {
            Kept::Nothing
        } else {
            self.bytes += answer.len();
            match answer {
                Encoded::Short(text) => Kept::Copy(self.copies.push(text)),
                Encoded::Long(text) => Kept::Shared(Box::new(text.clone())),
            }
        };
        self.numbers.insert(key.hash, self.forgotten + self.order.len() as u64);
        self.order.push_back(Answered { at: now, key, answer });
        if self.order.len() > self.max_count {
            self.forget_oldest();
        }
        while self.bytes > self.max_bytes {
            self.drop_oldest_answer();
        }
    }

    /// Forgets what has become too old.
    pub(super) fn forget_old(&mut self, now: Instant) {
        while self.order.front().is_some_and(|oldest| now.duration_since(oldest.at) >= self.max_age) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            self.forgotten += 1;
            self.bare = self.bare.saturating_sub(1);
            self.numbers.remove(&oldest.key.hash);
            self.let_go(&oldest.answer);
        }
    }

    fn drop_oldest_answer(&mut self) {
        let answer = self.order.get_mut(self.bare).map(|answered| std::mem::take(&mut answered.answer));
        self.bare += 1;
        self.let_go(&answer.unwrap_or_default());
    }

    /// The oldest that there still is.
    fn let_go(&mut self, answer: &Kept) {
        match answer {
            Kept::Nothing => {}
            Kept::Copy(place) => {
                self.bytes -= place.len();
                self.copies.forget_oldest();
            }
            Kept::Shared(answer) => self.bytes -= answer.len(),
        }
    }

    /// How much memory copies of answers take.
    #[cfg(test)]
    pub(super) fn copied_bytes(&self) -> usize {
        self.copies.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_every_size_come_back_as_they_were_and_their_memory_is_bounded() {
        let max_bytes = 1 << 20;
        let settings = Settings { remembered_bytes: max_bytes, ..Settings::default() };
        let mut remembered = Remembered::new(&settings);
        let now = Instant::now();
        let key = |n: u64| Key { hash: n, fingerprint: n };
        let answer = |n: u64| Encoded::from(format!("{n} ").repeat(1 + n as usize * 7 % 1500));
        let last = 3000;
        for n in 0..=last {
            remembered.insert(now, key(n), &answer(n));
            assert!(remembered.copied_bytes() <= max_bytes / 7 * 8 + (96 << 10));
        }
        let (mut bytes, mut bare) = (0, 0);
        for n in (0..=last).rev().take(settings.remembered_count) {
            bytes += answer(n).len();
            let before = remembered.get(now, key(n)).unwrap();
            assert!(before.is_same);
            assert_eq!(before.answer, (bytes <= max_bytes).then(|| answer(n)));
            bare += usize::from(before.answer.is_none());
            assert!(!remembered.get(now, Key { fingerprint: n + 1, ..key(n) }).unwrap().is_same);
        }
        assert!(0 < bare && bare < settings.remembered_count && bytes > max_bytes);
        assert!(remembered.get(now, key(last - settings.remembered_count as u64)).is_none());
        remembered.forget_old(now + settings.remembered_time);
        assert_eq!((remembered.copied_bytes(), remembered.bytes, remembered.numbers.len()), (0, 0, 0));
    }
}
