//! Databases on disk that survive `kill -9` and loss of power: one file for each, this user's alone, in use by one
//! process at a time. What is kept in them is the business of the rooms that have one.

mod backend;
mod durable;
mod file;
#[cfg(test)]
pub(crate) mod tests;

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError,
    WriteTransaction,
};

use crate::error::Error;
use crate::panics;
use backend::{Opened, Rehearsal, open_on, was_never_finished};
use durable::Durable;

/// What kind of database it is, and the version of its format.
const KIND: TableDefinition<&str, u64> = TableDefinition::new("nbwss");

/// An open database. Every change is on the disk when the call that made it returns.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    kind: &'static str,
    format: u64,
    /// Has the lock.
    file: Arc<Durable>,
    /// Taken out while in use and put back after a success: redb refuses everything once the disk has failed, so after
    /// a failure it is opened anew.
    database: Mutex<Option<Opened>>,
}

impl Store {
    /// Opens the database, or makes it where there is none.
    ///
    /// # Errors
    /// [`Error::StoreInUse`], [`Error::StoreNewer`], and [`Error::Store`] for a file that is not this user's alone, not
    /// of this kind, or damaged. A file that is refused is left as it was.
    pub(crate) fn open(path: &Path, kind: &'static str, format: u64) -> Result<Store, Error> {
        let file = Arc::new(Durable::new(file::open(path)?));
        let store = Store { path: path.to_owned(), kind, format, file, database: Mutex::new(None) };
        let opened = store.load()?;
        *store.database.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
        Ok(store)
    }

    /// Reads in one transaction.
    ///
    /// # Errors
    /// [`Error::Store`] with the disk's word.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>) -> Result<T, Error> {
        self.with_database("cannot be read", |database| work(&database.begin_read()?))
    }

    /// Writes in one transaction: all of it is on the disk when this returns, or nothing of it. Only where the disk
    /// failed while it was confirming the last step, the change may be there after an error.
    ///
    /// # Errors
    /// [`Error::Store`] with the disk's word. The next call tries the disk anew.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>) -> Result<T, Error> {
        self.with_database("cannot be written; what is in it stays, and the next change is tried anew", |database| {
            write(database, work)
        })
    }

    /// As [`Store::write`], but confirmed by the disk once and not twice, which is twice as fast: for data of which more
    /// comes all the time. Damage to the newest change is then taken for a change that was cut short.
    ///
    /// # Errors
    /// As for [`Store::write`].
    pub(crate) fn append<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>) -> Result<T, Error> {
        self.with_database("cannot be written; what is in it stays, and the next change is tried anew", |database| {
            let transaction = database.begin_write()?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
    }

    /// Fills a new database and puts it in the place of this one. No byte of the old file is in the new one, whereas in
    /// a changed database what was replaced or removed stays readable until its space is used again.
    ///
    /// # Errors
    /// [`Error::Store`]; the old database is still in its place then.
    pub(crate) fn rewrite(
        self,
        fill: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<Store, Error> {
        let path = file::successor(&self.path);
        // Left by a process that died here. Only who has the old file's lock comes by.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.refused(format!("{} is in the way; remove it", path.display()), error));
            }
            _ => {}
        }
        let mut new = Store::open(&path, self.kind, self.format)?;
        let filled = new
            .write(fill)
            .and_then(|()| file::replace(&self.path, &path).map_err(|error| self.refused("cannot be replaced", error)));
        if let Err(error) = filled {
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        new.path.clone_from(&self.path);
        Ok(new)
    }

    /// An error about this database.
    pub(crate) fn refused(
        &self,
        why: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        Error::Store { path: self.path.clone(), why: why.into(), source: Some(source.into()) }
    }

    fn with_database<T>(
        &self,
        failure: &str,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        let mut slot = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = slot.take().map_or_else(|| self.load(), Ok)?;
        let done = work(&opened.database).map_err(|error| self.refused(failure, plain(error)))?;
        *slot = Some(opened);
        Ok(done)
    }

    fn load(&self) -> Result<Opened, Error> {
        let unreadable = |error: io::Error| self.refused("cannot be read", error);
        self.file.write_again().map_err(|error| self.refused("cannot be written", error))?;
        if was_never_finished(&*self.file).map_err(unreadable)? {
            self.file.set_len(0).map_err(|error| self.refused("cannot be made", error))?;
        } else {
            let rehearsal = Rehearsal::of(self.file.clone()).map_err(unreadable)?;
            let identity = guarded(|| identity(&open_on(rehearsal)?)).map_err(|error| {
                let disk = error.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some());
                let why = "is damaged or not a database of this library; nothing in it was changed: \
                           move it away to start anew, or put a copy back";
                self.refused(if disk { "cannot be read" } else { why }, error)
            })?;
            self.check(identity)?;
        }
        let prepare = || {
            let opened = Opened::on(self.file.clone())?;
            if identity(&opened.database)?.is_none() {
                write(&opened.database, |transaction| {
                    transaction.open_table(KIND)?.insert(self.kind, self.format)?;
                    Ok(())
                })?;
            }
            Ok(opened)
        };
        guarded(prepare).map_err(|error| self.refused("cannot be opened", error))
    }

    fn check(&self, identity: Option<(String, u64)>) -> Result<(), Error> {
        match identity {
            Some((kind, _)) if kind != self.kind => Err(Error::Store {
                path: self.path.clone(),
                why: format!("holds {kind}, not {}; each needs a file of its own", self.kind),
                source: None,
            }),
            Some((_, format)) if format > self.format => {
                Err(Error::StoreNewer { path: self.path.clone(), format, known: self.format })
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Store {
    /// Closes the database, then gives the lock back by name: a child process may have inherited the file.
    fn drop(&mut self) {
        drop(self.database.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.file.close();
    }
}

/// What the database says of itself; nothing, if it was only just made.
fn identity(database: &Database) -> Result<Option<(String, u64)>, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(KIND) {
        Err(TableError::TableDoesNotExist(_))
            if transaction.list_tables()?.next().is_none() && transaction.list_multimap_tables()?.next().is_none() =>
        {
            return Ok(None);
        }
        table => table?,
    };
    Ok(table.first()?.map(|(kind, format)| (kind.value().to_owned(), format.value())))
}

/// One transaction, on the disk when this returns. In two phases: so the newest state is never given up for the one
/// before it when a page of it is found damaged; the database is refused instead.
fn write<T>(
    database: &Database,
    work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
) -> Result<T, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// redb asserts what a damaged file does not keep to.
fn guarded<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(plain),
        Err(payload) => Err(panics::text_of(&*payload as &(dyn Any + Send)).into()),
    }
}

/// The operating system's own error, where it is one, for whoever looks for its kind.
fn plain(error: redb::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        redb::Error::Io(error) => error.into(),
        error => error.into(),
    }
}
