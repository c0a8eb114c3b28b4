//! The endpoints on disk, so that they survive the process. Tokens are in a table of their own: in the clear in a file
//! that only its owner may read, or sealed where the host gives a key.

mod row;
#[cfg(test)]
mod tests;

use std::path::Path;

use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use zeroize::Zeroizing;

use super::details::Details;
use super::seal::StoreKey;
use crate::error::Error;
use crate::store::Store;
use row::{Row, bound_to};

/// What the database calls itself.
const KIND: &str = "endpoints";
/// Raised with each change that an older library would misread.
const FORMAT: u64 = 1;

/// Everything but the token as JSON, by host name in lower case.
const RECORDS: TableDefinition<&str, &str> = TableDefinition::new("endpoints");
/// Tokens, by the same; sealed where the database is encrypted.
const TOKENS: TableDefinition<&str, &[u8]> = TableDefinition::new("tokens");
/// Nothing at all, sealed: the key that opens it is the one. Only an encrypted database has this table.
const CHECK: TableDefinition<(), &[u8]> = TableDefinition::new("check");

/// The endpoints of a connector on disk.
///
/// What is read or written of a token is wiped from memory afterwards. The pages that redb keeps in memory are beyond
/// our reach: they are freed, not wiped.
#[derive(Debug)]
pub(crate) struct EndpointStore {
    store: Store,
    key: Option<StoreKey>,
}

/// An endpoint as it was stored.
#[derive(Debug)]
pub(crate) struct Stored {
    /// What the administrator gave.
    pub(crate) details: Details,
    /// Whether it is to be connected.
    pub(crate) active: bool,
}

/// All that the database holds.
struct Content {
    check: Option<Vec<u8>>,
    rows: Vec<Row>,
}

impl EndpointStore {
    /// Opens the database, or makes it where there is none, and gives what it holds, by host name. With a key, tokens
    /// are sealed; a database that was not encrypted is written anew for this, so that no token stays readable in it.
    /// (The disk's free space may still have them until it is used again.)
    ///
    /// # Errors
    /// Those of [`Store::open`]; [`Error::StoreKey`] where the key is missing or another; [`Error::Store`] names an
    /// endpoint whose record breaks a rule. Nothing is lost in any case.
    pub(crate) fn open(path: &Path, key: Option<&StoreKey>) -> Result<(EndpointStore, Vec<Stored>), Error> {
        let store = Store::open(path, KIND, FORMAT)?;
        let content = store.read(read)?;
        let sealed = content.as_ref().and_then(|content| content.check.as_ref());
        let refused = |why| Err(Error::StoreKey { path: path.to_owned(), why });
        match (sealed, key) {
            (Some(_), None) => return refused("is encrypted and no key was given"),
            (Some(check), Some(key)) if key.open(check, &bound_to("")).is_err() => {
                return refused("the key is not the one this database was written with");
            }
            _ => {}
        }
        let opening = sealed.and(key);
        let rows = content.iter().flat_map(|content| &content.rows);
        let stored: Vec<Stored> = rows.map(|row| row.decode(&store, opening)).collect::<Result<_, _>>()?;

        let encrypt = sealed.is_none() && key.is_some();
        let is_new = content.is_none();
        let mut this = EndpointStore { store, key: key.cloned() };
        if is_new || encrypt {
            let check = this.key.as_ref().map(|key| key.seal(b"", &bound_to(""))).transpose();
            let check = check.map_err(|error| this.store.refused("cannot be encrypted", error))?;
            let all: Vec<_> = stored.iter().map(|stored| (&stored.details, stored.active)).collect();
            let rows = this.encode(&all)?;
            let fill = |transaction: &WriteTransaction| {
                if let Some(check) = &check {
                    transaction.open_table(CHECK)?.insert((), check.as_slice())?;
                }
                insert(transaction, &rows)
            };
            if is_new {
                this.store.write(fill)?;
            } else {
                this.store = this.store.rewrite(fill)?;
            }
        }
        Ok((this, stored))
    }

    /// Inserts or replaces all of these endpoints, each with whether it is active, or none of them. They are on the
    /// disk when this returns.
    ///
    /// # Errors
    /// [`Error::Store`], for a full disk, say. The next call tries anew.
    pub(crate) fn put(&self, all: &[(&Details, bool)]) -> Result<(), Error> {
        let rows = self.encode(all)?;
        self.store.write(|transaction| insert(transaction, &rows))
    }

    /// Removes an endpoint by host name, compared without case. It is no error if there is none.
    ///
    /// # Errors
    /// As for [`EndpointStore::put`].
    pub(crate) fn remove(&self, host_name: &str) -> Result<(), Error> {
        let host_name = host_name.to_lowercase();
        self.store.write(|transaction| {
            transaction.open_table(RECORDS)?.remove(host_name.as_str())?;
            transaction.open_table(TOKENS)?.remove(host_name.as_str())?;
            Ok(())
        })
    }

    fn encode(&self, all: &[(&Details, bool)]) -> Result<Vec<Row>, Error> {
        all.iter().map(|(details, active)| Row::encode(&self.store, details, *active, self.key.as_ref())).collect()
    }
}

/// Nothing, if the database was only just made.
fn read(transaction: &ReadTransaction) -> Result<Option<Content>, redb::Error> {
    let records = match transaction.open_table(RECORDS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        records => records?,
    };
    let tokens = transaction.open_table(TOKENS)?;
    let mut rows = Vec::new();
    for entry in records.iter()? {
        let (host_name, record) = entry?;
        let token = tokens.get(host_name.value())?.map(|token| token.value().to_vec());
        rows.push(Row {
            host_name: host_name.value().to_owned(),
            record: record.value().to_owned(),
            token: Zeroizing::new(token.unwrap_or_default()),
        });
    }
    let check = match transaction.open_table(CHECK) {
        Err(TableError::TableDoesNotExist(_)) => None,
        check => check?.get(())?.map(|check| check.value().to_vec()),
    };
    Ok(Some(Content { check, rows }))
}

fn insert(transaction: &WriteTransaction, rows: &[Row]) -> Result<(), redb::Error> {
    let mut records = transaction.open_table(RECORDS)?;
    let mut tokens = transaction.open_table(TOKENS)?;
    for row in rows {
        records.insert(row.host_name.as_str(), row.record.as_str())?;
        tokens.insert(row.host_name.as_str(), row.token.as_slice())?;
    }
    Ok(())
}
