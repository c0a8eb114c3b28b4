//! One server group's place in the outbox: what is in flight, and where the next message starts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::protocol;
use crate::settings::Settings;

/// How messages are filled and how many may be on the way.
#[derive(Debug)]
pub(super) struct BatchLimits {
    count: u64,
    bytes: usize,
    window: usize,
    acknowledge_timeout: Duration,
}

impl BatchLimits {
    pub(super) fn new(settings: &Settings) -> BatchLimits {
        BatchLimits {
            count: settings.batch_count as u64,
            bytes: settings.batch_bytes,
            window: settings.window,
            acknowledge_timeout: settings.acknowledge_timeout,
        }
    }
}

/// Cursor and window of one server group.
#[derive(Debug)]
pub(super) struct Group {
    /// First sequence number that was never put in a message.
    next: u64,
    /// Messages without an acknowledgement, the oldest first.
    in_flight: VecDeque<Batch>,
}

/// One message: a run of notifications under one id, the same whenever it is sent again.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) first: u64,
    pub(super) last: u64,
    /// When it was last sent on this connection; `None`: not yet.
    sent: Option<Instant>,
}

impl Group {
    pub(super) fn new(next: u64) -> Group {
        Group { next, in_flight: VecDeque::new() }
    }

    pub(super) fn resend_all(&mut self) {
        for batch in &mut self.in_flight {
            batch.sent = None;
        }
    }

    /// The next message to send: one that is due again, or a new one where the window allows it. A message on
    /// a new connection is due at once, so the peer first sees all of them in the order accepted.
    pub(super) fn next_batch<'r>(
        &mut self,
        now: Instant,
        end: u64,
        limits: &BatchLimits,
        element: impl Fn(u64) -> &'r str,
    ) -> Option<&Batch> {
        let due = |batch: &Batch| batch.sent.is_none_or(|sent| now >= sent + limits.acknowledge_timeout);
        let at = match self.in_flight.iter().position(due) {
            Some(at) => at,
            None if self.in_flight.len() < limits.window && self.next < end => {
                let first = self.next;
                let mut bytes = element(first).len();
                let mut last = first;
                while last + 1 < end.min(first.saturating_add(limits.count)) {
                    bytes += element(last + 1).len();
                    if bytes > limits.bytes {
                        break;
                    }
                    last += 1;
                }
                self.next = last + 1;
                self.in_flight.push_back(Batch { id: protocol::new_id(), first, last, sent: None });
                self.in_flight.len() - 1
            }
            None => return None,
        };
        let batch = &mut self.in_flight[at];
        batch.sent = Some(now);
        Some(batch)
    }

    pub(super) fn next_timeout(&self, limits: &BatchLimits) -> Option<Instant> {
        self.in_flight.iter().filter_map(|batch| batch.sent).min().map(|sent| sent + limits.acknowledge_timeout)
    }

    pub(super) fn find(&self, id: &str) -> Option<usize> {
        self.in_flight.iter().position(|batch| batch.id == id)
    }

    pub(super) fn take(&mut self, at: usize) -> Option<Batch> {
        self.in_flight.remove(at)
    }

    /// The runs that are not acknowledged, in order.
    pub(super) fn unsettled(self, end: u64) -> impl Iterator<Item = (u64, u64)> {
        let waiting = (self.next < end).then(|| (self.next, end - 1));
        self.in_flight.into_iter().map(|batch| (batch.first, batch.last)).chain(waiting)
    }
}
