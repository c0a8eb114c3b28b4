//! One message on the way: a run of notifications under one id, the same whenever it is sent again.

use std::time::Instant;

use super::limits::BatchLimits;
use super::record::Record;
use crate::protocol;

/// A message without an acknowledgement. It has one notification at least.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) records: Vec<Record>,
    /// When it was last sent on this connection; `None`: not yet.
    sent: Option<Instant>,
    /// How often it was sent, on whichever connection.
    times: usize,
    /// How often it was sent and a connection that held was silent about it.
    ignored: usize,
    /// The peer has acknowledged another message since this one was sent.
    passed_over: bool,
    trial: Trial,
}

/// A message that was ignored too often is only given up when it is ignored once more by a peer that meanwhile
/// acknowledges others: a peer that acknowledges nothing at all is out of order, and the message is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    None,
    /// The peer has acknowledged another message since this one was ignored too often.
    Due,
    /// It was sent again since.
    Running,
}

impl Batch {
    /// To be filled. Its id takes random numbers, and a system may have none: so it is made before a record leaves its place.
    pub(super) fn new() -> Batch {
        Batch {
            id: protocol::new_id(),
            records: Vec::new(),
            sent: None,
            times: 0,
            ignored: 0,
            passed_over: false,
            trial: Trial::None,
        }
    }

    /// A new connection: it is to be sent again at once.
    pub(super) fn resend(&mut self) {
        self.sent = None;
        if self.trial == Trial::Running {
            self.trial = Trial::Due;
        }
    }

    fn is_late(&self, now: Instant, limits: &BatchLimits) -> bool {
        self.sent.is_some_and(|sent| now >= sent + limits.acknowledge_timeout)
    }

    pub(super) fn is_due(&self, now: Instant, limits: &BatchLimits) -> bool {
        self.sent.is_none() || self.is_late(now, limits)
    }

    pub(super) fn timeout(&self, limits: &BatchLimits) -> Option<Instant> {
        self.sent.map(|sent| sent + limits.acknowledge_timeout)
    }

    /// It is being sent. Returns whether it was sent before.
    pub(super) fn send(&mut self, now: Instant) -> bool {
        self.ignored += usize::from(self.sent.is_some());
        if self.trial == Trial::Due {
            self.trial = Trial::Running;
        }
        self.sent = Some(now);
        self.times += 1;
        self.times > 1
    }

    pub(super) fn is_suspect(&self, limits: &BatchLimits) -> bool {
        self.ignored >= limits.max_attempts
    }

    /// The peer has acknowledged another message.
    pub(super) fn another_was_acknowledged(&mut self, limits: &BatchLimits) {
        self.passed_over |= self.times > 0;
        if self.is_suspect(limits) && self.trial == Trial::None {
            self.trial = Trial::Due;
        }
    }

    /// Whether all there is to know speaks against it, but for what the peer says of others now.
    pub(super) fn was_passed_over(&self, limits: &BatchLimits) -> bool {
        self.is_suspect(limits) && self.passed_over
    }

    /// There will be no others to acknowledge while this one is there.
    pub(super) fn put_to_trial(&mut self) {
        if self.trial == Trial::None {
            self.trial = Trial::Due;
        }
    }

    pub(super) fn is_condemned(&self, now: Instant, limits: &BatchLimits) -> bool {
        self.trial == Trial::Running && self.is_late(now, limits)
    }

    /// Two messages of one half each, as suspect as this one. Nothing where there is one notification.
    pub(super) fn split(&mut self) -> Option<[Batch; 2]> {
        if self.records.len() < 2 {
            return None;
        }
        let [mut first, mut second] = [Batch::new(), Batch::new()];
        for half in [&mut first, &mut second] {
            half.ignored = self.ignored;
            half.passed_over = self.passed_over;
        }
        second.records = self.records.split_off(self.records.len() / 2);
        first.records = std::mem::take(&mut self.records);
        Some([first, second])
    }
}
