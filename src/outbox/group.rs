//! One server group's place in the outbox: what is in flight, what comes next, and what still lies in the store.

use std::collections::{HashSet, VecDeque};
use std::time::Instant;

use super::batch::Batch;
use super::limits::{BatchLimits, Retention};
use super::record::{Record, Run, count, runs};
use super::store::{Change, Cursor};
use super::unread::Unread;

/// Queue, window and numbers of one server group.
#[derive(Debug)]
pub(super) struct Group {
    /// It has a session.
    pub(super) connected: bool,
    /// Messages without an acknowledgement, the oldest first.
    in_flight: VecDeque<Batch>,
    /// Not yet in a message. Everything that is accepted, or with a store as much as is read ahead.
    queue: VecDeque<Record>,
    queue_bytes: usize,
    /// Nothing without a store.
    unread: Unread,
    /// States of jobs before this number are from the time when the group was away.
    away_until: u64,
    /// It lets go of what is too old or too large, which has to be read for that.
    lets_go: bool,
    /// How far it has come is not in the store yet.
    pub(super) changed: bool,
    pub(super) counts: GroupCounts,
}

/// One server group's numbers. Totals are since the connector was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupCounts {
    /// Notifications that wait, for sending or for their acknowledgement.
    pub pending: u64,
    /// Their encoded bytes, and those of notifications between them that are settled already.
    pub bytes: u64,
    /// When the oldest that waits was accepted, in seconds since 1970.
    pub oldest: Option<i64>,
    /// Of those that wait: in messages that were sent.
    pub in_flight: u64,
    /// Notifications acknowledged.
    pub delivered: u64,
    /// Notifications given up, with a report.
    pub abandoned: u64,
    /// Messages sent for the first time.
    pub messages: u64,
    /// Messages sent again.
    pub resent: u64,
}

/// What a group that is away has to let go.
pub(super) struct LetGo {
    pub(super) runs: Vec<Run>,
    pub(super) setting: &'static str,
}

impl Group {
    /// Nothing waits before `next`.
    pub(super) fn new(next: u64, offset: u64) -> Group {
        Group::restored(&Cursor { offset, open: Vec::new(), next }, next)
    }

    /// As it was when it was saved.
    pub(super) fn restored(cursor: &Cursor, end: u64) -> Group {
        let unread = Unread::new(cursor.open.iter().copied(), cursor.next, cursor.offset);
        let counts = GroupCounts { pending: unread.count(end), ..GroupCounts::default() };
        Group {
            connected: false,
            in_flight: VecDeque::new(),
            queue: VecDeque::new(),
            queue_bytes: 0,
            unread,
            away_until: 0,
            lets_go: false,
            changed: false,
            counts,
        }
    }

    /// What is accepted from this number on is for this group.
    pub(super) fn starts(&self) -> u64 {
        self.unread.tail
    }

    /// The change is not accepted: what comes next takes its place, from `end` on. That matters to a group which was
    /// added after it was submitted.
    pub(super) fn refused(&mut self, change: &Change, end: u64, offset: u64) {
        if self.unread.tail > end {
            self.unread.tail = self.unread.tail.saturating_sub(change.end - end).max(end);
            self.unread.offset = self.unread.offset.saturating_sub(change.offset - offset).max(offset);
        }
    }

    /// Something new was accepted. It is queued as long as there is room for it and nothing is skipped by it.
    pub(super) fn accepted(&mut self, record: &Record, room: usize) {
        if record.sequence < self.unread.tail {
            return;
        }
        self.counts.pending += 1;
        if self.queue_bytes < room && self.unread.take(record) {
            self.queue_bytes += record.element.len();
            self.queue.push_back(record.clone());
        }
    }

    /// How many bytes it should have in its queue: one record, for its age, while it is away and keeps what it has.
    pub(super) fn room(&self, limits: &BatchLimits) -> usize {
        if self.connected || self.lets_go { limits.read_ahead() } else { usize::from(self.queue.is_empty()) }
    }

    /// The first notification to be read from the store, when it is time.
    pub(super) fn wants(&self, end: u64, limits: &BatchLimits) -> Option<u64> {
        let is_low = self.queue_bytes < self.room(limits).div_ceil(2);
        (is_low && self.unread.count(end) > 0).then(|| self.unread.first())
    }

    /// Takes what was read from there. Returns what should have been there and was not.
    pub(super) fn loaded(&mut self, from: u64, end: u64, records: Vec<Record>) -> Vec<Run> {
        if from != self.unread.first() || self.unread.count(end) == 0 {
            return Vec::new();
        }
        let mut missing = Vec::new();
        if records.is_empty() {
            missing = self.unread.skip_to(end);
        }
        for record in records {
            missing.extend(self.unread.skip_to(record.sequence));
            if self.unread.take(&record) {
                self.queue_bytes += record.element.len();
                self.queue.push_back(record);
            }
        }
        missing
    }

    /// A session is established: what is in flight is sent again, in order.
    pub(super) fn opened(&mut self, end: u64) {
        self.connected = true;
        self.lets_go = false;
        self.away_until = end;
        self.in_flight.iter_mut().for_each(Batch::resend);
    }

    /// The session is gone. With a store, what was read ahead can lie there until the next.
    pub(super) fn closed(&mut self, with_store: bool) {
        self.connected = false;
        if with_store && self.queue.len() > 1 {
            self.unread.give_back(self.queue.range(1..));
            self.queue.truncate(1);
            self.queue_bytes = self.queue.iter().map(|record| record.element.len()).sum();
        }
    }

    fn pop(&mut self) -> Option<Record> {
        let record = self.queue.pop_front()?;
        self.queue_bytes -= record.element.len();
        Some(record)
    }

    /// The next message to send: one that is due again, or a new one where the window allows it. A message on
    /// a new connection is due at once, so the peer first sees all of them in the order accepted.
    pub(super) fn next_batch(&mut self, now: Instant, limits: &BatchLimits) -> Option<&Batch> {
        let at = match self.in_flight.iter().position(|batch| batch.is_due(now, limits)) {
            Some(at) => at,
            None if self.has_room(limits) && !self.queue.is_empty() => {
                let mut batch = Batch::new();
                let mut bytes = 0;
                while let Some(next) = self.queue.front() {
                    bytes += next.element.len();
                    let is_full = bytes > limits.bytes || batch.records.len() >= limits.count;
                    if is_full && !batch.records.is_empty() {
                        break;
                    }
                    batch.records.extend(self.pop());
                }
                self.in_flight.push_back(batch);
                self.in_flight.len() - 1
            }
            None => return None,
        };
        let batch = self.in_flight.get_mut(at)?;
        let again = batch.send(now);
        self.counts.messages += u64::from(!again);
        self.counts.resent += u64::from(again);
        Some(batch)
    }

    fn has_room(&self, limits: &BatchLimits) -> bool {
        let waiting = self.in_flight.len();
        if waiting < limits.window {
            return true;
        }
        let suspects = self.in_flight.iter().filter(|batch| batch.is_suspect(limits)).count();
        waiting - suspects.min(limits.excused()) < limits.window
    }

    pub(super) fn next_timeout(&self, limits: &BatchLimits) -> Option<Instant> {
        self.in_flight.iter().filter_map(|batch| batch.timeout(limits)).min()
    }

    /// The message with this id is acknowledged and out.
    pub(super) fn acknowledged(&mut self, id: &str, limits: &BatchLimits) -> Option<Batch> {
        let at = self.in_flight.iter().position(|batch| batch.id == id)?;
        let batch = self.in_flight.remove(at)?;
        self.in_flight.iter_mut().for_each(|other| other.another_was_acknowledged(limits));
        Some(batch)
    }

    /// Nothing is left to be sent, up to `end`, but messages that were passed over: no other will be acknowledged that
    /// could speak against them.
    pub(super) fn is_stuck(&self, end: u64, limits: &BatchLimits) -> bool {
        let all_sent = self.queue.is_empty() && self.unread.count(end) == 0;
        !self.in_flight.is_empty() && all_sent && self.in_flight.iter().all(|batch| batch.was_passed_over(limits))
    }

    pub(super) fn put_to_trial(&mut self) {
        self.in_flight.iter_mut().for_each(Batch::put_to_trial);
    }

    /// Splits messages that are never acknowledged until the notification is found that is to blame.
    pub(super) fn condemned(&mut self, now: Instant, limits: &BatchLimits) -> Option<Record> {
        loop {
            let at = self.in_flight.iter().position(|batch| batch.is_condemned(now, limits))?;
            match self.in_flight.get_mut(at)?.split() {
                None => return self.in_flight.remove(at)?.records.pop(),
                Some([first, second]) => {
                    self.in_flight[at] = first;
                    self.in_flight.insert(at + 1, second);
                }
            }
        }
    }

    fn oldest(&self) -> Option<&Record> {
        self.in_flight.front().and_then(|batch| batch.records.first()).or_else(|| self.queue.front())
    }

    /// The first that is not settled, and [`Record::offset`] there.
    pub(super) fn low(&self) -> (u64, u64) {
        let unread = (self.unread.first(), self.unread.offset);
        self.oldest().map_or(unread, |record| (record.sequence, record.offset))
    }

    /// Lets go of the oldest while there is too much for a group that is away.
    pub(super) fn let_go(&mut self, epoch_seconds: i64, end_offset: u64, retention: &Retention) -> Option<LetGo> {
        if self.connected {
            return None;
        }
        let Some(oldest) = self.oldest() else {
            // By number it need not be read.
            let runs = self.unread.skip(retention.too_many(self.counts.pending));
            return (!runs.is_empty()).then_some(LetGo { runs, setting: "outbox.retention.maxCount" });
        };
        let (age, bytes) = (epoch_seconds - oldest.accepted, end_offset - oldest.offset);
        let setting = retention.exceeded(age, self.counts.pending, bytes);
        self.lets_go = setting.is_some() && retention.too_many(self.counts.pending) == 0;
        let setting = setting?;
        let record = match self.in_flight.front_mut() {
            None => self.pop()?,
            Some(batch) => {
                // Another content is another message.
                let mut rest = Batch::new();
                rest.records = batch.records.split_off(1);
                let first = batch.records.pop()?;
                if rest.records.is_empty() {
                    self.in_flight.pop_front();
                } else {
                    *batch = rest;
                }
                first
            }
        };
        Some(LetGo { runs: vec![(record.sequence, record.sequence)], setting })
    }

    /// When the oldest is too old, in seconds since 1970.
    pub(super) fn next_expiry(&self, retention: &Retention) -> Option<i64> {
        let oldest = self.oldest().filter(|_| !self.connected && retention.max_age > 0)?;
        Some(oldest.accepted.saturating_add(retention.max_age))
    }

    /// Takes states of jobs out of the queue that were followed by another while the group was away.
    pub(super) fn collapse(&mut self) -> Vec<u64> {
        if self.queue.front().is_none_or(|record| record.sequence >= self.away_until) {
            return Vec::new();
        }
        let mut seen = HashSet::new();
        let is_superseded = |record: &Record| record.job.is_some_and(|job| !seen.insert(job));
        let superseded: Vec<bool> = self.queue.iter().rev().map(is_superseded).collect();
        let mut superseded = superseded.into_iter().rev();
        let mut gone = Vec::new();
        let away_until = self.away_until;
        self.queue.retain(|record| {
            let goes = superseded.next().unwrap_or_default() && record.sequence < away_until;
            if goes {
                gone.push(record.sequence);
            }
            !goes
        });
        self.queue_bytes = self.queue.iter().map(|record| record.element.len()).sum();
        gone
    }

    fn in_flight_sequences(&self) -> impl Iterator<Item = u64> {
        self.in_flight.iter().flat_map(|batch| batch.records.iter().map(|record| record.sequence))
    }

    /// What is not settled and in memory or known by number, in order; all from `next` on comes after it.
    pub(super) fn cursor(&self) -> Cursor {
        let in_memory = self.in_flight_sequences().chain(self.queue.iter().map(|record| record.sequence));
        let mut open = runs(in_memory);
        let mut next = self.unread.tail;
        open.extend(self.unread.runs());
        if let Some((first, _)) = open.pop_if(|last| last.1 + 1 == next) {
            next = first;
        }
        Cursor { offset: self.low().1, open, next }
    }

    /// Everything that is not settled, in order.
    pub(super) fn unsettled(&self, end: u64) -> Vec<Run> {
        let Cursor { mut open, next, .. } = self.cursor();
        open.extend((next < end).then(|| (next, end - 1)));
        open
    }

    /// Its numbers now.
    pub(super) fn counts(&self, end_offset: u64) -> GroupCounts {
        GroupCounts {
            // A group that was just added may begin with what is still on its way to the store.
            bytes: end_offset.saturating_sub(self.low().1),
            oldest: self.oldest().map(|record| record.accepted),
            in_flight: self.in_flight_sequences().count() as u64,
            ..self.counts
        }
    }

    /// So many have ended.
    pub(super) fn settled(&mut self, run: Run, delivered: bool) {
        let settled = count(run);
        self.counts.pending -= settled;
        if delivered {
            self.counts.delivered += settled;
        } else {
            self.counts.abandoned += settled;
        }
        self.changed = true;
    }
}
