//! What of a group's notifications lies in the store and not in memory.

use std::collections::VecDeque;

use super::record::{Record, Run, count, runs};

/// Runs of sequence numbers, and everything from `tail` on.
#[derive(Debug)]
pub(super) struct Unread {
    runs: VecDeque<Run>,
    pub(super) tail: u64,
    /// [`Record::offset`] of the first, or a little less.
    pub(super) offset: u64,
}

impl Unread {
    pub(super) fn new(open: impl IntoIterator<Item = Run>, tail: u64, offset: u64) -> Unread {
        Unread { runs: open.into_iter().collect(), tail, offset }
    }

    /// The first; where there is none, the one that will be accepted next.
    pub(super) fn first(&self) -> u64 {
        self.runs.front().map_or(self.tail, |run| run.0)
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = Run> {
        self.runs.iter().copied()
    }

    /// How many there are before `end`.
    pub(super) fn count(&self, end: u64) -> u64 {
        self.runs().map(count).sum::<u64>() + end.saturating_sub(self.tail)
    }

    /// Takes out all before this sequence number.
    pub(super) fn skip_to(&mut self, sequence: u64) -> Vec<Run> {
        let mut skipped = Vec::new();
        while let Some(run) = self.runs.front_mut().filter(|run| run.0 < sequence) {
            skipped.push((run.0, run.1.min(sequence - 1)));
            if run.1 < sequence {
                self.runs.pop_front();
            } else {
                run.0 = sequence;
            }
        }
        if self.tail < sequence && self.runs.is_empty() {
            skipped.push((self.tail, sequence - 1));
            self.tail = sequence;
        }
        skipped
    }

    /// Takes out so many.
    pub(super) fn skip(&mut self, mut number: u64) -> Vec<Run> {
        for run in &self.runs {
            if count(*run) > number {
                return self.skip_to(run.0 + number);
            }
            number -= count(*run);
        }
        self.skip_to(self.tail + number)
    }

    /// Takes out this one, if it is the first.
    pub(super) fn take(&mut self, record: &Record) -> bool {
        let taken = record.sequence == self.first();
        if taken {
            self.skip_to(record.sequence + 1);
            self.offset = record.end_offset();
        }
        taken
    }

    /// Records go back, in front of all others.
    pub(super) fn give_back<'r>(&mut self, records: impl Iterator<Item = &'r Record> + Clone) {
        let Some(first) = records.clone().next() else { return };
        self.offset = first.offset;
        for run in runs(records.map(|record| record.sequence)).into_iter().rev() {
            if self.runs.is_empty() && run.1 + 1 == self.tail {
                self.tail = run.0;
            } else {
                self.runs.push_front(run);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn record(sequence: u64) -> Record {
        Record { sequence, offset: 10 * sequence, accepted: 0, element: Arc::from("0123456789"), job: None }
    }

    #[test]
    fn what_is_taken_and_given_back_is_the_same_again() {
        let mut unread = Unread::new([(3, 5), (8, 8)], 10, 30);
        assert_eq!((unread.first(), unread.count(12)), (3, 6));
        assert!(!unread.take(&record(4)));
        let taken: Vec<Record> = [3, 4, 5, 8, 10].map(record).into();
        assert!(taken.iter().all(|record| unread.take(record)));
        assert_eq!((unread.first(), unread.count(12), unread.offset), (11, 1, 110));
        unread.give_back(taken.iter());
        assert_eq!((unread.runs().collect::<Vec<Run>>(), unread.tail, unread.offset), (vec![(3, 5), (8, 8)], 10, 30));
    }

    #[test]
    fn what_is_skipped_is_told() {
        let mut unread = Unread::new([(3, 5), (8, 8)], 10, 30);
        assert_eq!(unread.skip_to(4), [(3, 3)]);
        assert_eq!(unread.skip_to(12), [(4, 5), (8, 8), (10, 11)]);
        assert_eq!((unread.first(), unread.count(20)), (12, 8));
        for (number, expected) in
            [(0, vec![]), (2, vec![(3, 4)]), (4, vec![(3, 5), (8, 8)]), (5, vec![(3, 5), (8, 8), (10, 10)])]
        {
            assert_eq!(Unread::new([(3, 5), (8, 8)], 10, 30).skip(number), expected);
        }
    }
}
