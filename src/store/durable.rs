//! A file whose disk may fail to sync. The operating system then takes for written what is not: it is in memory still,
//! and would be gone after a loss of power, with another sync between them that succeeded. So it is written again.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// The locked file, and what the disk has not confirmed of it.
#[derive(Debug)]
pub(super) struct Durable {
    file: Box<dyn StorageBackend>,
    /// Lengths of what was written since the last sync that succeeded, by offset.
    unsure: Mutex<BTreeMap<u64, usize>>,
}

impl Durable {
    pub(super) fn new(file: impl StorageBackend) -> Durable {
        Durable { file: Box::new(file), unsure: Mutex::default() }
    }

    fn unsure(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.unsure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes again what the disk has not confirmed, for the next sync. To be called before anything is trusted that is
    /// read after a failure.
    pub(super) fn write_again(&self) -> io::Result<()> {
        let len = self.file.len()?;
        for (offset, count) in &*self.unsure() {
            let left = usize::try_from(len.saturating_sub(*offset)).map_or(*count, |left| left.min(*count));
            let mut bytes = vec![0; left];
            self.file.read(*offset, &mut bytes)?;
            self.file.write(*offset, &bytes)?;
        }
        Ok(())
    }
}

impl StorageBackend for Durable {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut unsure = self.unsure();
        self.file.sync_data()?;
        unsure.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)?;
        let mut unsure = self.unsure();
        let count = unsure.entry(offset).or_default();
        *count = data.len().max(*count);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}
