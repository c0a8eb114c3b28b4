//! A simulated store: what was committed survives the process, and nothing else does.

use std::collections::BTreeMap;
use std::sync::Arc;

use nbwss::Error;
use nbwss::outbox::{Change, Cursor, Record, Saved, Store};

#[derive(Default)]
pub struct Disk {
    /// No change can be made.
    pub fails: bool,
    /// Nothing can be read.
    pub fails_to_read: bool,
    records: BTreeMap<u64, Record>,
    groups: BTreeMap<Arc<str>, Cursor>,
    end: u64,
    offset: u64,
}

impl Store for Disk {
    fn load(&mut self) -> Result<Saved, Error> {
        let groups = self.groups.iter().map(|(id, cursor)| (id.clone(), cursor.clone())).collect();
        Ok(Saved { end: self.end, offset: self.offset, groups })
    }

    fn commit(&mut self, change: &Change) -> Result<bool, Error> {
        if self.fails {
            return Err(failure());
        }
        for record in &change.records {
            assert_eq!(record.sequence, self.end.max(1), "a gap, or a number given twice");
            assert_eq!(record.offset, self.offset);
            (self.end, self.offset) = (record.sequence + 1, record.end_offset());
            self.records.insert(record.sequence, record.clone());
        }
        assert_eq!((self.end.max(1), self.offset), (change.end, change.offset));
        for (group_id, cursor) in &change.cursors {
            match cursor {
                Some(cursor) => self.groups.insert(group_id.clone(), cursor.clone()),
                None => self.groups.remove(group_id),
            };
        }
        let kept = self.records.split_off(&change.settled_below);
        let settled = std::mem::replace(&mut self.records, kept);
        for (sequence, _) in settled {
            assert!(!self.groups.values().any(|cursor| is_open(cursor, sequence)), "{sequence} is still needed");
        }
        Ok(false)
    }

    fn read(&mut self, from: u64, max_bytes: usize) -> Result<Vec<Record>, Error> {
        if self.fails_to_read {
            return Err(failure());
        }
        let mut bytes = 0;
        let fits = |record: &&Record| {
            let fits = bytes < max_bytes;
            bytes += record.element.len();
            fits
        };
        Ok(self.records.range(from..).map(|(_, record)| record).take_while(fits).cloned().collect())
    }
}

impl Disk {
    /// Whether the group would go on with this notification after a crash.
    pub fn has_open(&self, group_id: &str, sequence: u64) -> bool {
        self.groups.get(group_id).is_some_and(|cursor| is_open(cursor, sequence))
    }

    /// The sequence number that comes next.
    pub fn end(&self) -> u64 {
        self.end.max(1)
    }
}

fn failure() -> Error {
    Error::Store { path: "disk".into(), why: "it fails".into(), source: None }
}

fn is_open(cursor: &Cursor, sequence: u64) -> bool {
    sequence >= cursor.next || cursor.open.iter().any(|run| (run.0..=run.1).contains(&sequence))
}
