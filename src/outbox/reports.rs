//! How notifications ended: counted, and kept until the host is told.

use std::collections::VecDeque;
use std::sync::Arc;

use super::group::Group;
use super::record::{Run, count};

/// What became of a run of notifications in one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The server group; empty for what waited for the first one.
    pub group_id: Arc<str>,
    /// First sequence number of the run.
    pub first: u64,
    /// Last sequence number of the run, included.
    pub last: u64,
    /// The end of each of them.
    pub outcome: Outcome,
}

/// The end of a notification in one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged.
    Delivered,
    /// Given up because the group's last endpoint was removed.
    GroupRemoved,
    /// Not acknowledged when the connector was destroyed. It may have arrived.
    Shutdown,
    /// Not acknowledged when the connector was destroyed, and in the store: the next connector goes on with it.
    Kept,
    /// Sent again and again, and never acknowledged by a peer that acknowledged others.
    NeverAcknowledged,
    /// Let go because the group was away for too long or had too much waiting.
    Expired {
        /// The setting that says what is too much.
        setting: &'static str,
    },
    /// A later state of the same job was waiting when the group came back.
    Superseded,
    /// The store had it and cannot give it back.
    Damaged,
}

/// Totals since the connector was made, counted once per notification and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Acknowledged.
    pub delivered: u64,
    /// Given up, with a report.
    pub abandoned: u64,
    /// Still to be acknowledged.
    pub pending: u64,
}

/// Reports and totals.
#[derive(Debug)]
pub(super) struct Books {
    /// Made but not yet collected; `None` when nobody wants them.
    reports: Option<VecDeque<Report>>,
    /// Notifications in reports that are not yet told to the host: they count against the limit, so that a
    /// host that does not return from its callback cannot make memory grow.
    untold: u64,
    counts: Counts,
}

impl Books {
    pub(super) fn new(with_reports: bool) -> Books {
        Books { reports: with_reports.then(VecDeque::new), untold: 0, counts: Counts::default() }
    }

    pub(super) fn accepted(&mut self, number: u64) {
        self.counts.pending += number;
    }

    pub(super) fn settle(&mut self, group_id: &Arc<str>, group: &mut Group, run: Run, outcome: Outcome) {
        let delivered = outcome == Outcome::Delivered;
        group.settled(run, delivered);
        self.counts.pending -= count(run);
        if delivered {
            self.counts.delivered += count(run);
        } else {
            self.counts.abandoned += count(run);
        }
        self.report(group_id, run, outcome);
    }

    /// Accepted for a group that is gone already.
    pub(super) fn never_queued(&mut self, group_id: &Arc<str>, run: Run, outcome: Outcome) {
        self.counts.abandoned += count(run);
        self.report(group_id, run, outcome);
    }

    pub(super) fn report(&mut self, group_id: &Arc<str>, run: Run, outcome: Outcome) {
        if let Some(reports) = &mut self.reports {
            self.untold += count(run);
            let (first, last) = run;
            match reports.back_mut() {
                // Those that nobody has asked for yet may grow.
                Some(report) if report.last + 1 == first && report.is_of(group_id, outcome) => report.last = last,
                _ => reports.push_back(Report { group_id: group_id.clone(), first, last, outcome }),
            }
        }
    }

    pub(super) fn poll_report(&mut self) -> Option<Report> {
        self.reports.as_mut()?.pop_front()
    }

    pub(super) fn told(&mut self, report: &Report) {
        self.untold -= count((report.first, report.last));
    }

    pub(super) fn untold(&self) -> u64 {
        self.untold
    }

    pub(super) fn is_idle(&self) -> bool {
        self.counts.pending == 0 && self.untold == 0
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }
}

impl Report {
    fn is_of(&self, group_id: &Arc<str>, outcome: Outcome) -> bool {
        self.outcome == outcome && self.group_id == *group_id
    }
}
