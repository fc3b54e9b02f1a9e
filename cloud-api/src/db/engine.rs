//! SQLite behind the handle: the threads, the group commit and the translation of errors.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{CachedStatement, Connection, OpenFlags, types::ValueRef};
use tokio::sync::{mpsc, oneshot};

use super::{DbError, Done, Param, Row, Statement};

/// Most transactions that share one commit.
const GROUP_MAX: usize = 64;
/// How long a statement waits for another process that writes the same file (the admin tool).
const BUSY: Duration = Duration::from_secs(10);
/// Prepared statements each connection keeps.
const PREPARED: usize = 128;

type Answer<T> = oneshot::Sender<Result<T, DbError>>;

/// Work for the writer.
#[derive(Debug)]
pub(super) enum Write {
    Transaction {
        statements: Vec<Statement>,
        answer: Answer<Vec<Done>>,
    },
    Close(oneshot::Sender<()>),
}

/// Work for a reader.
#[derive(Debug)]
pub(super) enum Read {
    Query {
        sql: &'static str,
        params: Vec<Param>,
        answer: Answer<Vec<Row>>,
    },
    Close(oneshot::Sender<()>),
}

/// Opens the connection that writes. FULL: what was answered survives a power cut.
pub(super) fn open_writer(path: &Path) -> Result<Connection, DbError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        Ok(connection)
    };
    open().map_err(|error| cannot_open(path, &error.to_string()))
}

fn open_reader(path: &Path) -> Result<Connection, DbError> {
    let open = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        Ok(connection)
    };
    open().map_err(|error| cannot_open(path, &error.to_string()))
}

pub(super) fn cannot_open(path: &Path, reason: &str) -> DbError {
    DbError::Open {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    }
}

/// Starts the writer. It ends when every handle is gone or on [`Write::Close`].
pub(super) fn spawn_writer(
    connection: Connection,
    mut jobs: mpsc::Receiver<Write>,
    path: &Path,
) -> Result<(), DbError> {
    std::thread::Builder::new()
        .name("db-writer".to_owned())
        .spawn(move || {
            let answer = write_until_closed(&connection, &mut jobs);
            end(connection, answer);
        })
        .map(|_handle| ())
        .map_err(|error| cannot_open(path, &error.to_string()))
}

/// Starts the readers; they share one queue.
pub(super) fn spawn_readers(
    path: &Path,
    jobs: mpsc::Receiver<Read>,
    count: usize,
) -> Result<(), DbError> {
    let jobs = Arc::new(Mutex::new(jobs));
    for number in 0..count {
        let connection = open_reader(path)?;
        let jobs = Arc::clone(&jobs);
        std::thread::Builder::new()
            .name(format!("db-reader-{number}"))
            .spawn(move || {
                let answer = read_until_closed(&connection, &jobs);
                end(connection, answer);
            })
            .map_err(|error| cannot_open(path, &error.to_string()))?;
    }
    Ok(())
}

/// The file is closed before whoever waits for that hears of it: it may be about to replace the file.
fn end(connection: Connection, answer: Option<oneshot::Sender<()>>) {
    drop(connection);
    if let Some(answer) = answer {
        let _asker_gone = answer.send(());
    }
}

/// Gives back whom to tell once the file is closed.
fn read_until_closed(
    connection: &Connection,
    jobs: &Mutex<mpsc::Receiver<Read>>,
) -> Option<oneshot::Sender<()>> {
    loop {
        let next = jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        match next {
            Some(query @ Read::Query { .. }) => read(connection, query),
            Some(Read::Close(answer)) => return Some(answer),
            None => return None,
        }
    }
}

/// Does one job of a reader.
pub(super) fn read(connection: &Connection, job: Read) {
    match job {
        Read::Query {
            sql,
            params,
            answer,
        } => {
            let result = run(connection, sql, &params).map(|done| done.rows);
            let _asker_gone = answer.send(result);
        }
        Read::Close(answer) => drop(answer.send(())),
    }
}

/// Does one job of the writer, under a commit of its own.
pub(super) fn write(connection: &Connection, job: Write) {
    match job {
        Write::Transaction { statements, answer } => {
            commit_group(connection, vec![(statements, answer)]);
        }
        Write::Close(answer) => drop(answer.send(())),
    }
}

type Pending = (Vec<Statement>, Answer<Vec<Done>>);

/// Gives back whom to tell once the file is closed.
fn write_until_closed(
    connection: &Connection,
    jobs: &mut mpsc::Receiver<Write>,
) -> Option<oneshot::Sender<()>> {
    let mut closing = None;
    while closing.is_none() {
        let mut group: Vec<Pending> = Vec::new();
        let mut next = jobs.blocking_recv();
        loop {
            match next {
                Some(Write::Transaction { statements, answer }) => group.push((statements, answer)),
                Some(Write::Close(answer)) => {
                    jobs.close();
                    closing = Some(Some(answer));
                }
                None => closing = Some(None),
            }
            if group.len() == GROUP_MAX || closing.is_some() {
                break;
            }
            match jobs.try_recv() {
                Ok(job) => next = Some(job),
                Err(_) => break,
            }
        }
        commit_group(connection, group);
    }
    // What was queued before the queue closed is still owed its commit.
    while let Some(job) = jobs.blocking_recv() {
        write(connection, job);
    }
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::warn!(%error, "Database log could not be folded into the file; the next start does it");
    }
    closing.flatten()
}

/// Runs every transaction of the group under one commit, each behind its own savepoint, and
/// answers after the commit.
fn commit_group(connection: &Connection, group: Vec<Pending>) {
    if group.is_empty() {
        return;
    }
    let mut answers = Vec::with_capacity(group.len());
    let mut failure = execute(connection, "BEGIN IMMEDIATE").err();
    for (statements, answer) in group {
        let result = match &failure {
            Some(error) => Err(error.clone()),
            None => transaction(connection, &statements),
        };
        // Some engine failures (disk full) end the whole transaction; the rest must not run outside it.
        if failure.is_none() && connection.is_autocommit() {
            failure = Some(match &result {
                Err(error) => error.clone(),
                Ok(_) => DbError::Engine("the transaction ended early".to_owned()),
            });
        }
        answers.push((answer, result));
    }
    if failure.is_none() {
        failure = execute(connection, "COMMIT").err();
    }
    if failure.is_some() && !connection.is_autocommit() {
        let _best_effort = execute(connection, "ROLLBACK");
    }
    for (answer, result) in answers {
        let _asker_gone = answer.send(match &failure {
            Some(error) => Err(result.err().unwrap_or_else(|| error.clone())),
            None => result,
        });
    }
}

fn transaction(connection: &Connection, statements: &[Statement]) -> Result<Vec<Done>, DbError> {
    execute(connection, "SAVEPOINT one")?;
    let result = run_all(connection, statements);
    if result.is_err() && !connection.is_autocommit() {
        execute(connection, "ROLLBACK TO one")?;
    }
    if !connection.is_autocommit() {
        execute(connection, "RELEASE one")?;
    }
    result
}

fn run_all(connection: &Connection, statements: &[Statement]) -> Result<Vec<Done>, DbError> {
    let mut all = Vec::with_capacity(statements.len());
    for (index, statement) in statements.iter().enumerate() {
        let done = run(connection, statement.sql, &statement.params)?;
        if let Some(expected) = statement.expect_rows
            && expected != done.changed
        {
            return Err(DbError::Conflict {
                statement: index,
                expected,
                found: done.changed,
            });
        }
        all.push(done);
    }
    Ok(all)
}

fn execute(connection: &Connection, sql: &'static str) -> Result<(), DbError> {
    run(connection, sql, &[]).map(|_done| ())
}

fn run(connection: &Connection, sql: &str, params: &[Param]) -> Result<Done, DbError> {
    let mut statement = connection.prepare_cached(sql).map_err(translate)?;
    bind(&mut statement, params)?;
    if statement.column_count() == 0 {
        let changed = statement.raw_execute().map_err(translate)?;
        return Ok(Done {
            changed: u64::try_from(changed).unwrap_or(u64::MAX),
            rows: Vec::new(),
        });
    }
    let rows = rows_of(&mut statement)?;
    Ok(Done {
        changed: u64::try_from(rows.len()).unwrap_or(u64::MAX),
        rows,
    })
}

/// Binds by name: `$2` is the second value wherever and however often it stands.
fn bind(statement: &mut CachedStatement<'_>, params: &[Param]) -> Result<(), DbError> {
    if statement.parameter_count() != params.len() {
        return Err(DbError::Engine(format!(
            "the statement has {} parameters, {} were given",
            statement.parameter_count(),
            params.len()
        )));
    }
    for (position, param) in params.iter().enumerate() {
        let name = format!("${}", position + 1);
        let index = statement
            .parameter_index(&name)
            .map_err(translate)?
            .ok_or_else(|| DbError::Engine(format!("the statement has no parameter {name}")))?;
        match param {
            Param::Null => statement.raw_bind_parameter(index, rusqlite::types::Null),
            Param::Int(value) => statement.raw_bind_parameter(index, value),
            Param::Text(value) => statement.raw_bind_parameter(index, value),
            Param::Blob(value) => statement.raw_bind_parameter(index, value),
        }
        .map_err(translate)?;
    }
    Ok(())
}

fn rows_of(statement: &mut CachedStatement<'_>) -> Result<Vec<Row>, DbError> {
    let columns: Arc<[Box<str>]> = statement.column_names().map(Box::from).collect();
    let mut rows = Vec::new();
    let mut cursor = statement.raw_query();
    while let Some(row) = cursor.next().map_err(translate)? {
        let mut values = Vec::with_capacity(columns.len());
        for index in 0..columns.len() {
            values.push(match row.get_ref(index).map_err(translate)? {
                ValueRef::Null => Param::Null,
                ValueRef::Integer(value) => Param::Int(value),
                ValueRef::Text(text) => Param::Text(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(bytes) => Param::Blob(bytes.to_vec()),
                ValueRef::Real(_) => {
                    return Err(DbError::Column {
                        column: columns[index].to_string(),
                        problem: "holds a binary fraction, which the schema does not know",
                    });
                }
            });
        }
        rows.push(Row {
            columns: Arc::clone(&columns),
            values,
        });
    }
    Ok(rows)
}

/// Errors of SQLite in our words; extended codes as in <https://www.sqlite.org/rescode.html>.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn translate(error: rusqlite::Error) -> DbError {
    if let rusqlite::Error::SqliteFailure(code, message) = &error {
        match code.extended_code {
            rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE => {
                let message = message.as_deref().unwrap_or_default();
                let on = message.rsplit_once(": ").map_or(message, |(_, on)| on);
                return DbError::Unique { on: on.to_owned() };
            }
            rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY => return DbError::Reference,
            _ => {}
        }
    }
    DbError::Engine(error.to_string())
}
