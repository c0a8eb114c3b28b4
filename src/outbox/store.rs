//! What the outbox asks of a place that survives the process.

use std::sync::Arc;

use super::record::{Record, Run};
use crate::error::Error;

/// Keeps notifications and how far each server group has come. One user at a time.
pub trait Store: Send {
    /// What was saved.
    ///
    /// # Errors
    /// [`Error::Store`] and its kin.
    fn load(&mut self) -> Result<Saved, Error>;

    /// Makes a change as a whole: when this returns `Ok`, it survives the loss of power. Returns whether there are
    /// still settled notifications to be removed, by the next change.
    ///
    /// # Errors
    /// [`Error::Store`]; the store is then as it was, and can be tried again.
    fn commit(&mut self, change: &Change) -> Result<bool, Error>;

    /// Notifications from this sequence number on, in order, with gaps where there are none any more: as many as
    /// fit into the bytes, but one at least if there is one.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn read(&mut self, from: u64, max_bytes: usize) -> Result<Vec<Record>, Error>;
}

/// What a store knew when it was opened.
#[derive(Debug, Clone, Default)]
pub struct Saved {
    /// The sequence number after the last that was ever given; 0 in a new store.
    pub end: u64,
    /// Where it will begin, as in [`Record::offset`].
    pub offset: u64,
    /// The server groups.
    pub groups: Vec<(Arc<str>, Cursor)>,
}

/// How far a server group has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// [`Record::offset`] of the first that is not settled.
    pub offset: u64,
    /// What is not settled before `next`, in order.
    pub open: Vec<Run>,
    /// Nothing is settled from here on.
    pub next: u64,
}

/// What is written at a time.
#[derive(Debug)]
pub struct Change {
    /// New notifications, from [`Saved::end`] on without a gap.
    pub records: Vec<Record>,
    /// The sequence number after them.
    pub end: u64,
    /// Where it will begin.
    pub offset: u64,
    /// Server groups that have come further or are new, and (`None`) those that are gone.
    pub cursors: Vec<(Arc<str>, Option<Cursor>)>,
    /// All before this are settled in every group: their space may be used again.
    pub settled_below: u64,
}
