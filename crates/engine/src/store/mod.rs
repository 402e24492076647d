//! Definitions: which containers and images there are. One SQLite database, used by several processes at once.
//!
//! What a container *does* is not here but in its `status.json`: a state that changes is written by the one process
//! that owns it, and a shim opens no database while it idles.

mod containers;
mod images;
mod range;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use thiserror::Error;

pub(crate) use containers::{Found, NewContainer, Record};
#[allow(unused_imports, reason = "the commands that change images come with `image import`")]
pub(crate) use images::{ImageRecord, ImageRemoval};
pub(crate) use range::Slot;

/// `PRAGMA user_version` of the tables below. It grows with each change of them.
const SCHEMA: i64 = 1;

const TABLES: &str = "
    CREATE TABLE container (
        id       TEXT PRIMARY KEY,
        name     TEXT NOT NULL UNIQUE,
        slot     INTEGER UNIQUE,
        created  TEXT NOT NULL,
        image_id TEXT NOT NULL,
        zone     TEXT NOT NULL,
        request  TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE image (
        name    TEXT PRIMARY KEY,
        id      TEXT NOT NULL,
        created TEXT NOT NULL,
        size    INTEGER NOT NULL,
        config  TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX image_id ON image (id);
";

/// Why the database could not do something.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It could not be opened.
    #[error("cannot open the database {}", path.display())]
    Open {
        /// Its file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: rusqlite::Error,
    },
    /// It was written by a later version.
    #[error("cannot use the database {}: its schema {found} is newer than this program's {SCHEMA}", path.display())]
    Newer {
        /// Its file.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// A statement failed.
    #[error("cannot {operation} in the database")]
    Statement {
        /// What was to be done.
        operation: &'static str,
        /// The reason.
        #[source]
        source: rusqlite::Error,
    },
    /// A row holds what this program did not write.
    #[error("cannot read {what} from the database: {text:?} is none")]
    Malformed {
        /// What was expected.
        what: &'static str,
        /// What was found.
        text: String,
    },
    /// A container's name is in use.
    #[error("the container name {name:?} is in use by container {}", owner.get(..12).unwrap_or(owner))]
    NameInUse {
        /// The name.
        name: String,
        /// The id of the container that has it.
        owner: String,
    },
    /// All id ranges are in use.
    #[error("cannot set aside ids for a container: all {0} ranges are in use")]
    NoRange(u32),
}

/// The database.
#[derive(Debug)]
pub(crate) struct Store {
    db: Connection,
}

/// Turns SQLite's error into one that says what was to be done.
fn failed(operation: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| StoreError::Statement { operation, source }
}

impl Store {
    /// Opens it, and makes it where it is missing. On the hot path: one pragma is read, nothing is written.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let fail = |source| StoreError::Open { path: path.to_owned(), source };
        // One thread uses it, and symbolic links are not followed: nothing else may stand in its place.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let db = Connection::open_with_flags(path, flags).map_err(fail)?;
        db.busy_timeout(Duration::from_secs(10)).map_err(fail)?;
        // The last process to leave would write everything back and sync it: a price that no start should pay.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(fail)?;
        let mut store = Self { db };
        let found = store.schema().map_err(fail)?;
        if found > SCHEMA {
            return Err(StoreError::Newer { path: path.to_owned(), found });
        }
        // In WAL mode NORMAL never syncs on commit: a power cut may lose the last transactions, not the database.
        store.db.pragma_update(None, "synchronous", "NORMAL").map_err(fail)?;
        if found < SCHEMA {
            store.make_tables().map_err(fail)?;
        }
        Ok(store)
    }

    fn schema(&self) -> rusqlite::Result<i64> {
        self.db.pragma_query_value(None, "user_version", |row| row.get(0))
    }

    fn make_tables(&mut self) -> rusqlite::Result<()> {
        self.db.pragma_update(None, "journal_mode", "WAL")?;
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found < SCHEMA {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", SCHEMA)?;
        }
        transaction.commit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_twice_keeps_what_is_there_and_a_newer_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        Store::open(&path).unwrap();
        let store = Store::open(&path).unwrap();
        assert_eq!(store.schema().unwrap(), SCHEMA);
        store.db.pragma_update(None, "user_version", SCHEMA + 1).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Newer { .. })));
    }

    #[test]
    fn a_link_in_its_place_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Open { .. })));
    }
}
