//! Deadlines of one session's running calls: each a moment after the one before, but for calls that were another
//! session's before.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use super::CallId;

type Deadline = (Instant, CallId);

/// The deadlines. Memory is bounded by the calls that are running, in whatever order they end.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// In order, for they mostly come and often go in it. The first is not over, and at least half of all are not.
    queue: VecDeque<Queued>,
    /// How many in the queue are over.
    over: usize,
    /// Those that did not come in order.
    others: BTreeSet<Deadline>,
}

#[derive(Debug)]
struct Queued {
    deadline: Deadline,
    is_over: bool,
}

impl Deadlines {
    pub(super) fn insert(&mut self, deadline: Deadline) {
        if self.queue.back().is_none_or(|last| last.deadline < deadline) {
            self.queue.push_back(Queued { deadline, is_over: false });
        } else {
            self.others.insert(deadline);
        }
    }

    pub(super) fn remove(&mut self, deadline: Deadline) {
        let place = match self.queue.front() {
            Some(first) if first.deadline == deadline => Ok(0),
            _ => self.queue.binary_search_by(|queued| queued.deadline.cmp(&deadline)),
        };
        let queued = place.ok().and_then(|place| self.queue.get_mut(place)).filter(|queued| !queued.is_over);
        let Some(queued) = queued else {
            self.others.remove(&deadline);
            return;
        };
        queued.is_over = true;
        self.over += 1;
        while self.queue.front().is_some_and(|first| first.is_over) {
            self.queue.pop_front();
            self.over -= 1;
        }
        if self.over > self.queue.len() / 2 {
            self.queue.retain(|queued| !queued.is_over);
            self.over = 0;
        }
    }

    pub(super) fn first(&self) -> Option<Deadline> {
        let queued = self.queue.front().map(|first| first.deadline);
        queued.into_iter().chain(self.others.first().copied()).min()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len() - self.over + self.others.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_is_known_whatever_order_they_come_and_go_in_and_what_is_over_takes_no_room() {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(7);
        let (mut deadlines, mut expected) = (Deadlines::default(), BTreeSet::new());
        for n in 0..20_000 {
            let back = if random.u8(..) < 50 { random.u64(..n + 1) } else { 0 };
            let deadline = (start + Duration::from_millis(n - back), CallId(n - back));
            if expected.insert(deadline) {
                deadlines.insert(deadline);
            }
            // Now and then many go, so that none are left.
            for _ in 0..if n % 1000 == 999 { 1000 } else { random.usize(..3) } {
                let index = random.usize(..expected.len().max(1));
                let Some(gone) = expected.iter().nth(index).copied() else { break };
                expected.remove(&gone);
                deadlines.remove(gone);
            }
            assert_eq!((deadlines.first(), deadlines.len()), (expected.first().copied(), expected.len()));
            assert!(deadlines.queue.len() <= 2 * expected.len());
        }
    }

    #[test]
    fn one_that_stays_does_not_keep_the_others() {
        let at = |n| (Instant::now(), CallId(n));
        let mut deadlines = Deadlines::default();
        deadlines.insert(at(0));
        for n in 1..1000 {
            let deadline = at(n);
            deadlines.insert(deadline);
            deadlines.remove(deadline);
            assert!(deadlines.queue.len() <= 2);
        }
        assert_eq!(deadlines.len(), 1);
    }
}
