//! The store on disk.

use std::path::Path;
use std::sync::Arc;

use redb::{ReadableTable, TableDefinition, TableError};

use super::chunk;
use super::record::Record;
use super::store::{Change, Cursor, Saved, Store};
use crate::error::Error;
use crate::store;

/// Chunks of notifications by the sequence number of their first.
const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("notifications");
/// How far each server group has come: offset, next, and the first and last of each open run.
const GROUPS: TableDefinition<&str, Vec<u64>> = TableDefinition::new("groups");
/// `end` and `offset` of [`Saved`]: they outlive the notifications, so no number is ever given twice.
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");

const FORMAT: u64 = 1;

/// Settled chunks that one change removes at the most, so that none takes long.
const REMOVED_AT_ONCE: usize = 4096;

/// A store in a file.
pub struct Disk {
    store: store::Store,
    /// The last change failed, and may be there in part or as a whole all the same.
    is_doubtful: bool,
}

impl Disk {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::StoreInUse`], [`Error::StoreNewer`].
    pub fn open(path: &Path) -> Result<Disk, Error> {
        Ok(Disk { store: store::Store::open(path, "notifications", FORMAT)?, is_doubtful: false })
    }
}

impl Store for Disk {
    fn load(&mut self) -> Result<Saved, Error> {
        let mut saved = Saved::default();
        self.store.read(|transaction| {
            let numbers = match transaction.open_table(NUMBERS) {
                // Nothing was ever written.
                Err(TableError::TableDoesNotExist(_)) => return Ok(()),
                numbers => numbers?,
            };
            saved.end = numbers.get("end")?.map_or(0, |end| end.value());
            saved.offset = numbers.get("offset")?.map_or(0, |offset| offset.value());
            for group in transaction.open_table(GROUPS)?.range::<&str>(..)? {
                let (group_id, cursor) = group?;
                if let Some(cursor) = cursor_from(&cursor.value()) {
                    saved.groups.push((Arc::from(group_id.value()), cursor));
                }
            }
            Ok(())
        })?;
        Ok(saved)
    }

    fn commit(&mut self, change: &Change) -> Result<bool, Error> {
        let was_doubtful = std::mem::replace(&mut self.is_doubtful, true);
        let first = change.records.first().map_or(change.end, |record| record.sequence);
        let is_untidy = self.store.append(|transaction| {
            let mut records = transaction.open_table(RECORDS)?;
            if was_doubtful {
                records.retain_in(first.., |_, _| false)?;
            }
            for (first, chunk) in chunk::encode(&change.records) {
                records.insert(first, &*chunk)?;
            }
            let mut groups = transaction.open_table(GROUPS)?;
            for (group_id, cursor) in &change.cursors {
                match cursor {
                    Some(cursor) => groups.insert(&**group_id, cursor_to(cursor))?,
                    None => groups.remove(&**group_id)?,
                };
            }
            let mut numbers = transaction.open_table(NUMBERS)?;
            numbers.insert("end", change.end)?;
            numbers.insert("offset", change.offset)?;
            for _ in 0..REMOVED_AT_ONCE {
                let settled = records
                    .first()?
                    .is_some_and(|(first, chunk)| first.value() + chunk::count(chunk.value()) <= change.settled_below);
                if !settled {
                    return Ok(false);
                }
                records.pop_first()?;
            }
            Ok(true)
        })?;
        self.is_doubtful = false;
        Ok(is_untidy)
    }

    fn read(&mut self, from: u64, max_bytes: usize) -> Result<Vec<Record>, Error> {
        self.store.read(|transaction| {
            let table = match transaction.open_table(RECORDS) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                table => table?,
            };
            let start = table.range(..=from)?.next_back().transpose()?.map_or(from, |(first, _)| first.value());
            let (mut records, mut bytes) = (Vec::new(), 0);
            for chunk in table.range(start..)? {
                let (first, chunk) = chunk?;
                let decoded = chunk::decode(first.value(), chunk.value()).unwrap_or_default();
                for record in decoded.into_iter().filter(|record| record.sequence >= from) {
                    if bytes >= max_bytes {
                        return Ok(records);
                    }
                    bytes += record.element.len();
                    records.push(record);
                }
            }
            Ok(records)
        })
    }
}

impl Drop for Disk {
    /// What was confirmed once is confirmed twice at an orderly end: damage to it is not taken for a change cut short.
    fn drop(&mut self) {
        if !self.is_doubtful {
            let _ = self.store.write(|_| Ok(()));
        }
    }
}

fn cursor_to(cursor: &Cursor) -> Vec<u64> {
    let mut numbers = vec![cursor.offset, cursor.next];
    numbers.extend(cursor.open.iter().flat_map(|run| [run.0, run.1]));
    numbers
}

fn cursor_from(numbers: &[u64]) -> Option<Cursor> {
    let (&[offset, next], open) = numbers.split_first_chunk()?;
    let open = open.chunks_exact(2).map(|run| (run[0], run[1])).collect();
    Some(Cursor { offset, open, next })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::tests::Scratch;

    /// Where the process ended in order, damage to the newest change is not taken for a change that was cut short.
    #[test]
    fn a_damaged_store_has_all_that_was_accepted_or_is_refused() {
        let scratch = Scratch::new();
        let path = scratch.file("db");
        let mut disk = Disk::open(&path).unwrap();
        const COUNT: u64 = 30;
        for sequence in 1..=COUNT {
            let element = Arc::from("x".repeat(500));
            let record = Record { sequence, offset: 500 * (sequence - 1), accepted: 0, element, job: None };
            let (end, offset) = (sequence + 1, record.end_offset());
            let cursors = vec![(Arc::from("g"), Some(Cursor { offset: 0, open: Vec::new(), next: 1 }))];
            disk.commit(&Change { records: vec![record], end, offset, cursors, settled_below: 0 }).unwrap();
        }
        drop(disk);
        let good = fs::read(&path).unwrap();
        let (mut opened, mut refused) = (0, 0);
        for seed in 0..400 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bytes = good.clone();
            bytes[random.usize(512..good.len())] ^= 1 << random.u8(0..8);
            fs::write(&path, bytes).unwrap();
            let Ok(mut disk) = Disk::open(&path) else {
                refused += 1;
                continue;
            };
            assert_eq!(disk.load().unwrap().end, COUNT + 1, "seed {seed}");
            assert_eq!(disk.read(0, usize::MAX).unwrap().len() as u64, COUNT, "seed {seed}");
            opened += 1;
        }
        assert!(opened > 20 && refused > 5, "{opened} opened, {refused} refused");
    }
}
