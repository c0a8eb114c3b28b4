//! The outbox's side of a store: what is on its way there, what is read back, and what to do when it fails.

use std::path::PathBuf;
use std::sync::Arc;

use super::record::{Record, Run};
use super::reports::Outcome;
use super::store::Change;
use super::{Accepted, Outbox, collapse, entry};
use crate::error::{Error, with_causes};

/// Where accepting at once ends and waiting for the disk begins.
const MAX_UNSAVED_BYTES: u64 = 4 << 20;

/// What is on its way to the store.
#[derive(Debug)]
pub(super) struct Saving {
    /// A notification is accepted when it is in the store; otherwise at once.
    sync: bool,
    /// For the next change, in order.
    submitted: Vec<Record>,
    submitted_bytes: u64,
    /// The change that is being written.
    changing: Option<Changing>,
    /// Groups that were removed since the last change.
    removed: Vec<Arc<str>>,
    /// What groups that were removed still get, if it is accepted in the end. By its present numbers.
    leaving: Vec<(Arc<str>, Run)>,
    /// The store has settled notifications left to remove.
    is_untidy: bool,
    /// Why the last change failed.
    failure: Option<Failure>,
    /// All before this sequence number are in the store.
    saved: u64,
    /// Nothing is accepted any more.
    closed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Changing {
    count: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Failure {
    path: PathBuf,
    why: String,
}

/// Notifications that a group wants to have read.
#[derive(Debug, Clone)]
pub struct Load {
    /// The server group.
    pub group_id: Arc<str>,
    /// The first.
    pub from: u64,
    /// As for [`super::Store::read`].
    pub max_bytes: usize,
}

/// What there is to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// Nothing.
    Nothing,
    /// How far groups have come: soon enough, if it is lost there are repetitions only.
    Progress,
    /// So many notifications that somebody may be waiting for.
    Notifications(usize),
}

impl Saving {
    pub(super) fn new(sync: bool, end: u64) -> Saving {
        Saving {
            sync,
            submitted: Vec::new(),
            submitted_bytes: 0,
            changing: None,
            removed: Vec::new(),
            leaving: Vec::new(),
            is_untidy: false,
            failure: None,
            saved: end,
            closed: false,
        }
    }

    /// Notifications that are not in the store yet.
    pub(super) fn count(&self) -> u64 {
        self.submitted.len() as u64 + self.changing.map_or(0, |changing| changing.count)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.submitted_bytes + self.changing.map_or(0, |changing| changing.bytes)
    }

    /// More was accepted at once than is good to have in memory only.
    pub(super) fn is_behind(&self) -> bool {
        !self.sync && self.failure.is_none() && !self.closed && self.bytes() > MAX_UNSAVED_BYTES
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match &self.failure {
            _ if self.closed => Err(Error::IllegalState("the connector is being destroyed")),
            None => Ok(()),
            Some(Failure { path, why }) => {
                Err(Error::Store { path: path.clone(), why: format!("nothing is accepted now: {why}"), source: None })
            }
        }
    }

    /// The record's number and offset are those after the last change.
    pub(super) fn submit(&mut self, mut record: Record) -> Accepted {
        let index = self.submitted.len() as u64;
        record.sequence += self.count();
        record.offset += self.bytes();
        self.submitted_bytes += record.element.len() as u64;
        let accepted = if self.sync { Accepted::WithChange(index) } else { Accepted::As(record.sequence) };
        self.submitted.push(record);
        accepted
    }

    pub(super) fn group_removed(&mut self, group_id: &Arc<str>) {
        self.removed.push(group_id.clone());
    }

    pub(super) fn is_sync(&self) -> bool {
        self.sync
    }

    /// The run was for a group that is gone. Returns whether that is still to be settled, when it is accepted.
    pub(super) fn leave(&mut self, group_id: &Arc<str>, run: Run) -> bool {
        if self.sync {
            self.leaving.push((group_id.clone(), run));
        }
        self.sync
    }

    /// What is accepted for groups that are gone, now that all before `end` is.
    fn left(&mut self, end: u64) -> Vec<(Arc<str>, Run)> {
        let all = std::mem::take(&mut self.leaving);
        let later = all.iter().filter(|(_, run)| run.1 >= end).map(|(id, run)| (id.clone(), (run.0.max(end), run.1)));
        self.leaving = later.collect();
        let accepted = all.into_iter().filter(|(_, run)| run.0 < end);
        accepted.map(|(id, run)| (id, (run.0, run.1.min(end - 1)))).collect()
    }

    /// The change between these numbers is not accepted, and who came meanwhile takes its place.
    fn refuse(&mut self, start: u64, end: u64, bytes: u64) {
        for record in &mut self.submitted {
            record.sequence -= end - start;
            record.offset -= bytes;
        }
        // What is refused is for nobody.
        self.left(end);
        for (_, run) in &mut self.leaving {
            *run = (run.0 - (end - start), run.1 - (end - start));
        }
    }
}

impl Outbox {
    /// What there is to write to the store.
    pub fn pending_change(&self) -> Pending {
        let Some(saving) = self.saving.as_ref().filter(|saving| saving.changing.is_none()) else {
            return Pending::Nothing;
        };
        if !saving.submitted.is_empty() {
            return Pending::Notifications(saving.submitted.len());
        }
        let progress = !saving.removed.is_empty() || saving.is_untidy || self.groups.values().any(|g| g.changed);
        // While the store fails, a change that holds nothing finds out whether it still does.
        if progress || saving.failure.is_some() { Pending::Progress } else { Pending::Nothing }
    }

    /// Everything that there is to write. [`Outbox::end_change`] follows.
    pub fn begin_change(&mut self) -> Option<Change> {
        let (low, _) = self.low();
        let saving = self.saving.as_mut().filter(|saving| saving.changing.is_none())?;
        let records = std::mem::take(&mut saving.submitted);
        let bytes = std::mem::take(&mut saving.submitted_bytes);
        let end = self.end + records.len() as u64;
        let offset = self.offset + bytes;
        saving.changing = Some(Changing { count: records.len() as u64, bytes });
        let mut cursors: Vec<_> = std::mem::take(&mut saving.removed).into_iter().map(|id| (id, None)).collect();
        for (group_id, group) in &mut self.groups {
            if std::mem::take(&mut group.changed) {
                cursors.push((group_id.clone(), Some(group.cursor())));
            }
        }
        Some(Change { records, end, offset, cursors, settled_below: low })
    }

    /// The change is in the store, which has more to tidy up or not; or it is not in the store.
    pub fn end_change(&mut self, change: Change, result: &Result<bool, Error>) {
        let Some(saving) = &mut self.saving else { return };
        saving.changing = None;
        match result {
            Ok(is_untidy) => {
                saving.is_untidy = *is_untidy;
                saving.failure = None;
                saving.saved = change.end;
                let left = saving.left(change.end);
                let first = self.end;
                (self.end, self.offset) = (change.end, change.offset);
                let mut accepted = 0;
                for group in self.groups.values_mut() {
                    let (room, before) = (group.room(&self.limits.batch), group.counts.pending);
                    change.records.iter().for_each(|record| group.accepted(record, room));
                    accepted += group.counts.pending - before;
                }
                debug_assert!(change.records.first().is_none_or(|record| record.sequence == first));
                self.books.accepted(accepted);
                for (group_id, run) in left {
                    self.books.never_queued(&group_id, run, Outcome::GroupRemoved);
                }
            }
            Err(error) => {
                let path = if let Error::Store { path, .. } = error { path.clone() } else { PathBuf::new() };
                saving.failure = Some(Failure { path, why: with_causes(error) });
                if saving.sync {
                    // Their callers are told.
                    saving.refuse(self.end, change.end, change.offset - self.offset);
                    for group in self.groups.values_mut() {
                        group.refused(&change, self.end, self.offset);
                    }
                } else {
                    let meanwhile = std::mem::replace(&mut saving.submitted, change.records);
                    saving.submitted.extend(meanwhile);
                    saving.submitted_bytes += change.offset - self.offset;
                }
                for (group_id, cursor) in change.cursors {
                    match (cursor, self.groups.get_mut(&group_id)) {
                        (Some(_), Some(group)) => group.changed = true,
                        (Some(_), None) => {}
                        (None, _) => saving.removed.push(group_id),
                    }
                }
            }
        }
    }

    /// The next notifications to read from the store, for [`Outbox::loaded`].
    pub fn poll_load(&self) -> Option<Load> {
        self.saving.as_ref()?;
        self.groups.iter().find_map(|(group_id, group)| {
            let from = group.wants(self.end, &self.limits.batch)?;
            Some(Load { group_id: group_id.clone(), from, max_bytes: group.room(&self.limits.batch) })
        })
    }

    /// Takes what was read. What should have been there and was not is reported.
    pub fn loaded(&mut self, load: &Load, mut records: Vec<Record>) {
        let Some((group_id, group)) = entry(&mut self.groups, &load.group_id) else { return };
        if self.limits.collapse_jobs {
            records.iter_mut().for_each(|record| record.job = super::record::job_of(&record.element));
        }
        for run in group.loaded(load.from, self.end, records) {
            self.books.settle(&group_id, group, run, Outcome::Damaged);
        }
        collapse(&self.limits, &mut self.books, &group_id, group);
    }

    /// Whether the store is so far behind that callers should wait for it.
    pub fn is_behind(&self) -> bool {
        self.saving.as_ref().is_some_and(Saving::is_behind)
    }

    /// Whether there is something to read for the group.
    pub fn wants_load(&self, group_id: &str) -> bool {
        let group = self.groups.get(group_id);
        self.saving.is_some() && group.is_some_and(|group| group.wants(self.end, &self.limits.batch).is_some())
    }

    /// Nothing is written any more, so nothing is accepted.
    pub fn close_store(&mut self) {
        if let Some(saving) = &mut self.saving {
            saving.closed = true;
        }
    }

    /// All notifications before this number are in the store. 0 without a store.
    pub fn saved(&self) -> u64 {
        self.saving.as_ref().map_or(0, |saving| saving.saved)
    }
}
