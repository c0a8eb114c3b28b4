//! Notifications between acceptance and acknowledgement: order, windows, batches, resending, reports.
//!
//! Sans-IO. Every server group has its own queue; a group that is slow or away holds nobody up but itself, until a
//! limit says so to the caller. The promise: each accepted notification gets exactly one [`Report`] per group that
//! existed when it was accepted.
//!
//! In memory a notification is accepted at once. With a [`Store`] it is accepted by the next [`Change`], and groups
//! read ahead from the store what does not fit into their queues; whoever drives the outbox carries both out.

mod batch;
mod chunk;
mod disk;
mod group;
mod limits;
mod record;
mod reports;
mod saving;
mod store;
mod unread;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::error::Error;
use crate::protocol;
use crate::settings::Settings;
use crate::time::Now;
pub use disk::Disk;
pub use group::GroupCounts;
use group::{Group, LetGo};
use limits::Limits;
pub use record::{Record, Run};
use reports::Books;
pub use reports::{Counts, Outcome, Report};
use saving::Saving;
pub use saving::{Load, Pending};
pub use store::{Change, Cursor, Saved, Store};

/// Holds what was accepted while there was no group. No group can have this id.
const NO_GROUP: &str = "";

/// All notifications that are not yet delivered everywhere.
#[derive(Debug)]
pub struct Outbox {
    limits: Limits,
    /// The sequence number that the next accepted notification gets, and its [`Record::offset`].
    end: u64,
    offset: u64,
    groups: BTreeMap<Arc<str>, Group>,
    books: Books,
    /// With a store: what is on its way there.
    saving: Option<Saving>,
}

/// How a notification was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Under this number.
    As(u64),
    /// When the next change is in the store, under that change's first number plus this.
    WithChange(u64),
}

impl Outbox {
    /// An empty outbox in memory. Reports are only kept when somebody collects them.
    pub fn new(settings: &Settings, with_reports: bool) -> Outbox {
        Outbox {
            limits: Limits::new(settings),
            end: 1,
            offset: 0,
            groups: BTreeMap::new(),
            books: Books::new(with_reports),
            saving: None,
        }
    }

    /// An outbox with a store, as it was when this was saved. Its groups wait for their endpoints.
    pub fn restored(settings: &Settings, with_reports: bool, saved: &Saved) -> Outbox {
        let mut outbox = Outbox::new(settings, with_reports);
        outbox.end = saved.end.max(1);
        outbox.offset = saved.offset;
        for (group_id, cursor) in &saved.groups {
            let group = Group::restored(cursor, outbox.end);
            outbox.books.accepted(group.counts.pending);
            outbox.groups.insert(group_id.clone(), group);
        }
        outbox.saving = Some(Saving::new(settings.store_sync, outbox.end));
        outbox
    }

    /// Whether a notification of so many bytes would be accepted now.
    ///
    /// # Errors
    /// [`Error::NoEndpoint`] with no group, [`Error::InvalidNotification`] where it is too large,
    /// [`Error::QueueFull`] at a limit, [`Error::Store`] while the store cannot be written.
    pub fn admits(&self, bytes: usize) -> Result<(), Error> {
        if self.groups.is_empty() && !self.limits.keep_without_endpoint {
            return Err(Error::NoEndpoint);
        }
        if bytes > self.limits.max_element_bytes {
            let why = format!("is {bytes} bytes encoded; notification.maxBytes is {}", self.limits.max_element_bytes);
            return Err(Error::InvalidNotification { field: "notification", why });
        }
        let (low, low_offset) = self.low();
        let (mut count, mut held_bytes) = (self.end - low + self.books.untold(), self.offset - low_offset);
        if let Some(saving) = &self.saving {
            saving.check()?;
            count += saving.count();
            held_bytes += saving.bytes();
        }
        if count >= self.limits.max_count as u64 {
            return Err(Error::QueueFull { limit: "outbox.maxCount" });
        }
        if held_bytes + bytes as u64 > self.limits.max_bytes as u64 {
            return Err(Error::QueueFull { limit: "outbox.maxBytes" });
        }
        Ok(())
    }

    /// Takes an encoded payload element for every group there is.
    ///
    /// # Errors
    /// As [`Outbox::admits`]. Nothing is then taken, and nothing that was taken is dropped.
    pub fn accept(&mut self, epoch_seconds: i64, element: Arc<str>) -> Result<Accepted, Error> {
        self.admits(element.len())?;
        if self.groups.is_empty() {
            self.add_group(&Arc::from(NO_GROUP));
        }
        let job = if self.limits.collapse_jobs { record::job_of(&element) } else { None };
        let record = Record { sequence: self.end, offset: self.offset, accepted: epoch_seconds, element, job };
        if let Some(saving) = &mut self.saving {
            return Ok(saving.submit(record));
        }
        let accepted = Accepted::As(record.sequence);
        self.end += 1;
        self.offset = record.end_offset();
        for group in self.groups.values_mut() {
            group.accepted(&record, usize::MAX);
        }
        self.books.accepted(self.groups.len() as u64);
        Ok(accepted)
    }

    /// The first that is not settled in every group, and its offset.
    fn low(&self) -> (u64, u64) {
        self.groups
            .values()
            .map(Group::low)
            .fold((self.end, self.offset), |(low, offset), group| (low.min(group.0), offset.min(group.1)))
    }

    /// Adds a server group. It gets what is accepted from now on; the first one also what was kept for it.
    pub fn add_group(&mut self, group_id: &Arc<str>) {
        if self.groups.contains_key(group_id) {
            return;
        }
        // What is on its way to the store came before.
        let (count, bytes) = self.saving.as_ref().map_or((0, 0), |saving| (saving.count(), saving.bytes()));
        let (start, offset) = (self.end + count, self.offset + bytes);
        let mut group = self.remove(NO_GROUP).map_or_else(|| Group::new(start, offset), |(_, group)| group);
        group.changed = true;
        self.groups.insert(group_id.clone(), group);
    }

    fn remove(&mut self, group_id: &str) -> Option<(Arc<str>, Group)> {
        let (group_id, group) = self.groups.remove_entry(group_id)?;
        if let Some(saving) = &mut self.saving {
            saving.group_removed(&group_id);
        }
        Some((group_id, group))
    }

    /// Removes a server group; what it had not acknowledged is reported as given up.
    pub fn remove_group(&mut self, group_id: &str) {
        let Some((group_id, mut group)) = self.remove(group_id) else { return };
        for run in group.unsettled(self.end) {
            self.books.settle(&group_id, &mut group, run, Outcome::GroupRemoved);
        }
        if let (Some(run), Some(saving)) = (self.on_the_way(&group), &mut self.saving)
            && !saving.leave(&group_id, run)
        {
            self.books.never_queued(&group_id, run, Outcome::GroupRemoved);
        }
    }

    /// What is on its way to the store for this group, by its present numbers.
    fn on_the_way(&self, group: &Group) -> Option<Run> {
        let (first, end) = (self.end.max(group.starts()), self.end + self.saving.as_ref()?.count());
        (first < end).then(|| (first, end - 1))
    }

    /// The connector is going away. Everything that is left is reported: as given up, or as kept in the store.
    pub fn shut_down(&mut self) {
        for (group_id, mut group) in std::mem::take(&mut self.groups) {
            for run in group.unsettled(self.end) {
                match &self.saving {
                    None => self.books.settle(&group_id, &mut group, run, Outcome::Shutdown),
                    Some(_) => self.books.report(&group_id, run, Outcome::Kept),
                }
            }
            // It was accepted at once and then could not be written. Otherwise the callers are told.
            if let Some(run) = self.on_the_way(&group).filter(|_| !self.saving.as_ref().is_some_and(Saving::is_sync)) {
                self.books.report(&group_id, run, Outcome::Shutdown);
            }
        }
    }

    /// A session of the group is established: what is in flight is sent again, in order.
    pub fn connection_opened(&mut self, group_id: &str) {
        let Some((group_id, group)) = entry(&mut self.groups, group_id) else { return };
        group.opened(self.end);
        collapse(&self.limits, &mut self.books, &group_id, group);
    }

    /// The group's session is gone.
    pub fn connection_closed(&mut self, group_id: &str) {
        if let Some(group) = self.groups.get_mut(group_id) {
            group.closed(self.saving.is_some());
        }
    }

    /// The next message for the group's session, or `None` when the window is full or there is nothing to say.
    pub fn poll_transmit(&mut self, now: Now, group_id: &str) -> Option<String> {
        let is_stuck = self.groups.get(group_id)?.is_stuck(self.end, &self.limits.batch);
        let is_full = is_stuck && matches!(self.admits(0), Err(Error::QueueFull { .. }));
        let group = self.groups.get_mut(group_id)?;
        if is_full {
            // No more is accepted before they go.
            group.put_to_trial();
        }
        if let Some(record) = group.condemned(now.instant, &self.limits.batch) {
            let group_id = Arc::from(group_id);
            let run = (record.sequence, record.sequence);
            self.books.settle(&group_id, group, run, Outcome::NeverAcknowledged);
        }
        let batch = group.next_batch(now.instant, &self.limits.batch)?;
        let elements = batch.records.iter().map(|record| &*record.element);
        Some(protocol::notification_request(&batch.id, elements, now.epoch_seconds))
    }

    /// When something of the group's has to be sent again.
    pub fn next_timeout(&self, group_id: &str) -> Option<Instant> {
        self.groups.get(group_id)?.next_timeout(&self.limits.batch)
    }

    /// Takes an acknowledgement from the group's session. Returns whether the id was in flight; others (late,
    /// repeated, made up) change nothing.
    pub fn acknowledge(&mut self, group_id: &str, id: &str) -> bool {
        let Some((group_id, group)) = entry(&mut self.groups, group_id) else { return false };
        let Some(batch) = group.acknowledged(id, &self.limits.batch) else { return false };
        for run in record::runs(batch.records.iter().map(|record| record.sequence)) {
            self.books.settle(&group_id, group, run, Outcome::Delivered);
        }
        true
    }

    /// Lets go, with reports, of what is too much for groups that are away.
    pub fn expire(&mut self, epoch_seconds: i64) {
        for (group_id, group) in &mut self.groups {
            while let Some(LetGo { runs, setting }) = group.let_go(epoch_seconds, self.offset, &self.limits.retention) {
                for run in runs {
                    self.books.settle(group_id, group, run, Outcome::Expired { setting });
                }
            }
        }
    }

    /// When something is to be let go for its age, in seconds since 1970.
    pub fn next_expiry(&self) -> Option<i64> {
        self.groups.values().filter_map(|group| group.next_expiry(&self.limits.retention)).min()
    }

    /// The next report to make. Its notifications count against the limits until [`Outbox::report_told`].
    pub fn poll_report(&mut self) -> Option<Report> {
        self.books.poll_report()
    }

    /// The host has been told.
    pub fn report_told(&mut self, report: &Report) {
        self.books.told(report);
    }

    /// Whether everything accepted has ended and been told.
    pub fn is_idle(&self) -> bool {
        self.books.is_idle() && self.saving.as_ref().is_none_or(|saving| saving.count() == 0)
    }

    /// Totals since the connector was made.
    pub fn counts(&self) -> Counts {
        self.books.counts()
    }

    /// The numbers of one server group.
    pub fn group_counts(&self, group_id: &str) -> Option<GroupCounts> {
        self.groups.get(group_id).map(|group| group.counts(self.offset))
    }

    /// Every server group there is, also one that waits for its endpoint since the store was opened.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<str>> {
        self.groups.keys().filter(|group_id| &***group_id != NO_GROUP)
    }
}

fn entry<'g>(groups: &'g mut BTreeMap<Arc<str>, Group>, group_id: &str) -> Option<(Arc<str>, &'g mut Group)> {
    let group_id = groups.get_key_value(group_id)?.0.clone();
    groups.get_mut(&group_id).map(|group| (group_id, group))
}

fn collapse(limits: &Limits, books: &mut Books, group_id: &Arc<str>, group: &mut Group) {
    if limits.collapse_jobs {
        for run in record::runs(group.collapse().into_iter()) {
            books.settle(group_id, group, run, Outcome::Superseded);
        }
    }
}

#[cfg(test)]
mod tests;
