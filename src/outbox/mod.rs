//! Notifications between acceptance and acknowledgement: order, windows, batches, resending, reports.
//!
//! Sans-IO and in memory. Every accepted notification is kept once, with a cursor per server group; a group
//! that is slow or away holds nobody up but itself, until a limit says so to the caller. The promise: each
//! accepted notification gets exactly one [`Report`] per group that existed when it was accepted.

mod group;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::error::Error;
use crate::protocol;
use crate::settings::Settings;
use crate::time::Now;
use group::Group;

/// All notifications that are not yet delivered everywhere.
#[derive(Debug)]
pub struct Outbox {
    limits: Limits,
    /// The oldest first; `first` is the sequence number of the front.
    records: VecDeque<Record>,
    first: u64,
    bytes: usize,
    groups: BTreeMap<Arc<str>, Group>,
    /// Made but not yet collected; `None` when nobody wants them.
    reports: Option<VecDeque<Report>>,
    /// Notifications in reports that are not yet told to the host: they count against the limit, so that a
    /// host that does not return from its callback cannot make memory grow.
    untold: u64,
    counts: Counts,
}

#[derive(Debug)]
struct Limits {
    max_count: usize,
    max_bytes: usize,
    max_element_bytes: usize,
    batch: group::BatchLimits,
}

/// One accepted notification.
#[derive(Debug)]
struct Record {
    /// The encoded payload element.
    element: Box<str>,
    /// Groups that have not settled it yet; it goes when there are none.
    groups: usize,
}

/// What became of a run of notifications in one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The server group.
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

impl Outbox {
    /// An empty outbox. Reports are only kept when somebody collects them.
    pub fn new(settings: &Settings, with_reports: bool) -> Outbox {
        Outbox {
            limits: Limits {
                max_count: settings.outbox_max_count,
                max_bytes: settings.outbox_max_bytes,
                max_element_bytes: settings.notification_max_bytes,
                batch: group::BatchLimits::new(settings),
            },
            records: VecDeque::new(),
            first: 1,
            bytes: 0,
            groups: BTreeMap::new(),
            reports: with_reports.then(VecDeque::new),
            untold: 0,
            counts: Counts::default(),
        }
    }

    /// Takes an encoded payload element for every group there is and returns its sequence number, from 1.
    ///
    /// # Errors
    /// [`Error::NoEndpoint`] with no group, [`Error::InvalidNotification`] where it is too large,
    /// [`Error::QueueFull`] at a limit. Nothing is then taken, and nothing that was taken is dropped.
    pub fn accept(&mut self, element: String) -> Result<u64, Error> {
        if self.groups.is_empty() {
            return Err(Error::NoEndpoint);
        }
        if element.len() > self.limits.max_element_bytes {
            let why = format!(
                "is {} bytes encoded; notification.maxBytes is {}",
                element.len(),
                self.limits.max_element_bytes
            );
            return Err(Error::InvalidNotification { field: "notification", why });
        }
        let untold = usize::try_from(self.untold).unwrap_or(usize::MAX);
        if self.records.len().saturating_add(untold) >= self.limits.max_count {
            return Err(Error::QueueFull { limit: "outbox.maxCount" });
        }
        if self.bytes + element.len() > self.limits.max_bytes {
            return Err(Error::QueueFull { limit: "outbox.maxBytes" });
        }
        let sequence = self.end();
        self.bytes += element.len();
        self.records.push_back(Record { element: element.into_boxed_str(), groups: self.groups.len() });
        self.counts.pending += self.groups.len() as u64;
        Ok(sequence)
    }

    /// The sequence number that the next accepted notification gets.
    fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    /// Adds a server group. It gets what is accepted from now on.
    pub fn add_group(&mut self, group_id: &Arc<str>) {
        let end = self.end();
        self.groups.entry(group_id.clone()).or_insert_with(|| Group::new(end));
    }

    /// Removes a server group; what it had not acknowledged is reported as given up.
    pub fn remove_group(&mut self, group_id: &str) {
        self.abandon(group_id, Outcome::GroupRemoved);
    }

    /// Gives up everything, with reports: the connector is going away.
    pub fn shut_down(&mut self) {
        while let Some(group_id) = self.groups.keys().next().cloned() {
            self.abandon(&group_id, Outcome::Shutdown);
        }
    }

    fn abandon(&mut self, group_id: &str, outcome: Outcome) {
        let Some((group_id, group)) = self.groups.remove_entry(group_id) else { return };
        for (first, last) in group.unsettled(self.end()) {
            self.settle(&group_id, first, last, outcome);
        }
    }

    /// A session of the group is established: what is in flight is sent again, in order.
    pub fn connection_opened(&mut self, group_id: &str) {
        if let Some(group) = self.groups.get_mut(group_id) {
            group.resend_all();
        }
    }

    /// The next message for the group's session, or `None` when the window is full or there is nothing to say.
    pub fn poll_transmit(&mut self, now: Now, group_id: &str) -> Option<String> {
        let end = self.end();
        let (records, offset) = (&self.records, self.first);
        let group = self.groups.get_mut(group_id)?;
        let element = |sequence: u64| &*records[(sequence - offset) as usize].element;
        let batch = group.next_batch(now.instant, end, &self.limits.batch, element)?;
        let elements = (batch.first..=batch.last).map(element);
        Some(protocol::notification_request(&batch.id, elements, now.epoch_seconds))
    }

    /// When something of the group's has to be sent again.
    pub fn next_timeout(&self, group_id: &str) -> Option<Instant> {
        self.groups.get(group_id)?.next_timeout(&self.limits.batch)
    }

    /// Takes an acknowledgement from the group's session. Returns whether the id was in flight; others (late,
    /// repeated, made up) change nothing.
    pub fn acknowledge(&mut self, group_id: &str, id: &str) -> bool {
        let Some((group_id, group)) = self.groups.get_key_value(group_id) else { return false };
        let group_id = group_id.clone();
        let Some(at) = group.find(id) else { return false };
        let Some(batch) = self.groups.get_mut(&group_id).and_then(|group| group.take(at)) else { return false };
        self.settle(&group_id, batch.first, batch.last, Outcome::Delivered);
        true
    }

    fn settle(&mut self, group_id: &Arc<str>, first: u64, last: u64, outcome: Outcome) {
        let count = last - first + 1;
        self.counts.pending -= count;
        match outcome {
            Outcome::Delivered => self.counts.delivered += count,
            Outcome::GroupRemoved | Outcome::Shutdown => self.counts.abandoned += count,
        }
        let from = (first - self.first) as usize;
        for record in self.records.range_mut(from..from + count as usize) {
            record.groups -= 1;
        }
        while self.records.front().is_some_and(|record| record.groups == 0) {
            if let Some(record) = self.records.pop_front() {
                self.bytes -= record.element.len();
                self.first += 1;
            }
        }
        if let Some(reports) = &mut self.reports {
            reports.push_back(Report { group_id: group_id.clone(), first, last, outcome });
            self.untold += count;
        }
    }

    /// The next report to make. Its notifications count against the limits until [`Outbox::report_told`].
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.as_mut()?.pop_front()
    }

    /// The host has been told.
    pub fn report_told(&mut self, report: &Report) {
        self.untold -= report.last - report.first + 1;
    }

    /// Whether everything accepted has ended and been told.
    pub fn is_idle(&self) -> bool {
        self.counts.pending == 0 && self.untold == 0
    }

    /// Totals since the connector was made.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests;
