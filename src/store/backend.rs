//! What redb reads and writes: the locked file itself, or, to find out whether it can be trusted, a copy of it that is
//! kept in memory as far as it differs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use redb::{Builder, Database, StorageBackend};

use super::durable::Durable;

/// Pages that redb may keep in memory. A guest in somebody's process does not take the gigabyte of redb's default.
const CACHE_BYTES: usize = 1024 * 1024;

const PAGE: usize = 4096;

/// Where redb's header keeps its flags.
const FLAGS: u64 = 9;
/// The flag of a database that was not closed in order.
const NOT_CLOSED: u8 = 2;
/// Where redb's header ends. It starts with a magic number of nine bytes that are not zero.
pub(super) const HEADER_BYTES: usize = 320;

/// The file, shared with the store: redb may be closed and opened again without the lock being let go.
#[derive(Debug)]
struct Shared {
    file: Arc<Durable>,
    frozen: Arc<AtomicBool>,
}

impl Shared {
    fn writable(&self) -> io::Result<&Durable> {
        if self.frozen.load(Ordering::Acquire) { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(&self.file) }
    }
}

impl StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writable()?.write(offset, data)
    }
}

/// A database that ends as if its process had been killed. A redb that is closed in order notes so, and trusts that
/// note the next time; without it every checksum is verified before what it covers is used. So there is one way to
/// open a database, the one that survives everything, and it is used each time.
pub(super) struct Opened {
    pub(super) database: Database,
    frozen: Arc<AtomicBool>,
}

impl Opened {
    pub(super) fn on(file: Arc<Durable>) -> Result<Opened, redb::Error> {
        let frozen = Arc::new(AtomicBool::new(false));
        let database = open_on(Shared { file, frozen: frozen.clone() })?;
        Ok(Opened { database, frozen })
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened")
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.frozen.store(true, Ordering::Release);
    }
}

pub(super) fn open_on(backend: impl StorageBackend) -> Result<Database, redb::Error> {
    Ok(Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend)?)
}

/// The file with all changes kept in memory.
///
/// redb repairs a file in place before it knows whether it can. Each is opened here first, so one that is refused is left
/// as it was. The header's flag has no checksum, so here it is always taken as set.
#[derive(Debug)]
pub(super) struct Rehearsal {
    file: Arc<dyn StorageBackend>,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    len: u64,
    /// How far the file shows through; what is beyond it reads as zeros.
    shown: u64,
    /// Pages that were written, by number.
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

impl Rehearsal {
    pub(super) fn of(file: Arc<dyn StorageBackend>) -> io::Result<Rehearsal> {
        let len = file.len()?;
        let rehearsal = Rehearsal { file, changes: Mutex::new(Changes { len, shown: len, pages: BTreeMap::new() }) };
        let mut flags = [0];
        if len > FLAGS {
            rehearsal.read(FLAGS, &mut flags)?;
            rehearsal.write(FLAGS, &[flags[0] | NOT_CLOSED])?;
        }
        Ok(rehearsal)
    }

    /// The page as it is now.
    fn page(&self, changes: &Changes, number: u64) -> io::Result<Box<[u8; PAGE]>> {
        if let Some(page) = changes.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = Box::new([0; PAGE]);
        let start = number * PAGE as u64;
        let shown = usize::try_from(changes.shown.saturating_sub(start)).map_or(PAGE, |shown| shown.min(PAGE));
        let (part, _) = page.split_at_mut(shown);
        self.file.read(start, part)?;
        Ok(page)
    }

    /// Calls `visit` for each page that the range touches: its number, the first byte touched and how many.
    fn each(offset: u64, len: usize, mut visit: impl FnMut(u64, usize, usize) -> io::Result<()>) -> io::Result<()> {
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let first = (at % PAGE as u64) as usize;
            let count = (PAGE - first).min(len - done);
            visit(at / PAGE as u64, first, count)?;
            done += count;
        }
        Ok(())
    }
}

impl StorageBackend for Rehearsal {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes.lock().unwrap_or_else(PoisonError::into_inner).len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > changes.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = out;
        Rehearsal::each(offset, rest.len(), |number, first, count| {
            let page = self.page(&changes, number)?;
            let (part, after) = std::mem::take(&mut rest).split_at_mut(count);
            part.copy_from_slice(&page[first..first + count]);
            rest = after;
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.len = len;
        changes.shown = changes.shown.min(len);
        // What lies beyond the end must read as zeros if the file grows again.
        changes.pages.split_off(&len.div_ceil(PAGE as u64));
        if !len.is_multiple_of(PAGE as u64)
            && let Some(mut last) = changes.pages.last_entry()
            && *last.key() == len / PAGE as u64
        {
            last.get_mut()[(len % PAGE as u64) as usize..].fill(0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = data;
        Rehearsal::each(offset, data.len(), |number, first, count| {
            let mut page = self.page(&changes, number)?;
            let (part, after) = rest.split_at(count);
            page[first..first + count].copy_from_slice(part);
            changes.pages.insert(number, page);
            rest = after;
            Ok(())
        })?;
        changes.len = changes.len.max(offset + data.len() as u64);
        Ok(())
    }
}

/// Whether the making of the database was cut short: redb writes its magic number last, and nothing but its header
/// before. Nothing was ever kept in such a file.
pub(super) fn was_never_finished(file: &impl StorageBackend) -> io::Result<bool> {
    let len = file.len()?;
    let mut page = [0; PAGE];
    let mut at = 0;
    while at < len {
        let count = usize::try_from(len - at).map_or(PAGE, |left| left.min(PAGE));
        let (part, _) = page.split_at_mut(count);
        file.read(at, part)?;
        let unused = match at {
            0 => part.iter().take(FLAGS as usize).chain(part.iter().skip(HEADER_BYTES)).all(|byte| *byte == 0),
            _ => part.iter().all(|byte| *byte == 0),
        };
        if !unused {
            return Ok(false);
        }
        at += count as u64;
    }
    Ok(true)
}
