//! The database: one SQL subset, one writer thread with group commit, two reader threads.
//! Callers see [`Db`], [`Param`], [`Row`] and [`DbError`], never SQLite: PostgreSQL can take its place.
//! Rules for the SQL: parameters `$1` … `$n`, BIGINT for integers, times (milliseconds) and flags,
//! TEXT, BLOB, `ON CONFLICT … RETURNING`; nothing that only one engine knows.

mod by_hand;
mod engine;
mod migrations;
mod value;

use std::path::Path;

use tokio::sync::{mpsc, oneshot};

pub use by_hand::Hand;
pub use value::{Param, Row};

/// Jobs that wait for a thread; beyond it callers wait their turn.
const QUEUE: usize = 256;
/// Threads that read.
const READERS: usize = 2;

/// Why the database did not do it. Values never appear in the texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// The file could not be opened or prepared.
    #[error("cannot open the database {path}: {reason}")]
    Open {
        /// The file.
        path: String,
        /// What the engine said.
        reason: String,
    },
    /// A newer program has written this file.
    #[error(
        "the database {path} has schema {found}, this program knows up to {known}: install the newer cloud-api again, or restore the backup made before it ran"
    )]
    NewerSchema {
        /// The file.
        path: String,
        /// Schema of the file.
        found: i64,
        /// Newest schema known.
        known: i64,
    },
    /// A row with this key is there already; `on` names table and columns.
    #[error("already exists: {on}")]
    Unique {
        /// `table.column, table.column`.
        on: String,
    },
    /// A row that this one refers to is missing.
    #[error("the row refers to one that does not exist")]
    Reference,
    /// A statement of the transaction changed another number of rows than expected; nothing was changed.
    #[error(
        "statement {statement} changed {found} rows instead of {expected}; nothing was changed"
    )]
    Conflict {
        /// Its place in the transaction, from 0.
        statement: usize,
        /// Expected rows.
        expected: u64,
        /// Rows it changed.
        found: u64,
    },
    /// A column is missing or holds another type.
    #[error("column `{column}` {problem}")]
    Column {
        /// Its name.
        column: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The engine failed: disk full, file damaged, statement wrong.
    #[error("the database failed: {0}")]
    Engine(String),
    /// The database was closed.
    #[error("the database is closed")]
    Closed,
}

/// One statement of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The SQL.
    pub sql: &'static str,
    /// Values of `$1` …
    pub params: Vec<Param>,
    /// Rows it must change (or return); another number rolls the transaction back.
    pub expect_rows: Option<u64>,
}

impl Statement {
    /// A statement that may change any number of rows.
    #[must_use]
    pub fn new(sql: &'static str, params: Vec<Param>) -> Self {
        Self {
            sql,
            params,
            expect_rows: None,
        }
    }

    /// The same statement, which must change exactly `rows` rows.
    #[must_use]
    pub fn expecting(mut self, rows: u64) -> Self {
        self.expect_rows = Some(rows);
        self
    }
}

/// What a statement did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// Rows it changed; rows it returned if it returns any.
    pub changed: u64,
    /// Rows of `RETURNING` or a query.
    pub rows: Vec<Row>,
}

/// Handle to the database; clones share it.
#[derive(Debug, Clone)]
pub struct Db {
    writer: mpsc::Sender<engine::Write>,
    readers: mpsc::Sender<engine::Read>,
}

impl Db {
    /// Opens the file (made if missing), brings its schema up to date and starts the threads.
    /// Blocks; call it before serving.
    ///
    /// # Errors
    /// [`DbError::Open`], [`DbError::NewerSchema`].
    pub fn open(path: &Path) -> Result<Self, DbError> {
        let mut connection = engine::open_writer(path)?;
        migrations::apply(&mut connection, path)?;
        let (writer, writes) = mpsc::channel(QUEUE);
        engine::spawn_writer(connection, writes, path)?;
        let (readers, reads) = mpsc::channel(QUEUE);
        engine::spawn_readers(path, reads, READERS)?;
        Ok(Self { writer, readers })
    }

    /// Runs a query on a reader; it sees everything committed before it was called.
    ///
    /// # Errors
    /// [`DbError::Engine`], also for a statement that would write; [`DbError::Closed`].
    pub async fn query(&self, sql: &'static str, params: Vec<Param>) -> Result<Vec<Row>, DbError> {
        let (answer, answered) = oneshot::channel();
        let job = engine::Read::Query {
            sql,
            params,
            answer,
        };
        self.readers.send(job).await.map_err(|_| DbError::Closed)?;
        answered.await.map_err(|_| DbError::Closed)?
    }

    /// Runs one writing statement as its own transaction; on return it is on disk.
    ///
    /// # Errors
    /// As [`Db::transaction`].
    pub async fn write(&self, sql: &'static str, params: Vec<Param>) -> Result<Done, DbError> {
        let mut done = self.transaction(vec![Statement::new(sql, params)]).await?;
        Ok(done.pop().unwrap_or_default())
    }

    /// Runs the statements as one transaction: all or none. On return it is on disk.
    /// Transactions that wait at the same moment share one commit; none sees another's failure.
    ///
    /// # Errors
    /// [`DbError::Unique`], [`DbError::Reference`], [`DbError::Conflict`], [`DbError::Engine`], [`DbError::Closed`];
    /// after each of them nothing was changed.
    pub async fn transaction(&self, statements: Vec<Statement>) -> Result<Vec<Done>, DbError> {
        let (answer, answered) = oneshot::channel();
        let job = engine::Write::Transaction { statements, answer };
        self.writer.send(job).await.map_err(|_| DbError::Closed)?;
        answered.await.map_err(|_| DbError::Closed)?
    }

    /// Finishes what waits, folds the log into the file and ends the threads; everything later
    /// answers [`DbError::Closed`].
    pub async fn close(&self) {
        for _ in 0..READERS {
            let (answer, answered) = oneshot::channel();
            if self.readers.send(engine::Read::Close(answer)).await.is_ok() {
                let _ended = answered.await;
            }
        }
        let (answer, answered) = oneshot::channel();
        if self.writer.send(engine::Write::Close(answer)).await.is_ok() {
            let _ended = answered.await;
        }
    }
}

#[cfg(test)]
mod tests;
