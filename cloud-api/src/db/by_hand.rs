//! The database without threads: whoever holds the [`Hand`] does its work. For simulated worlds, where
//! one hand decides what happens when.

use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::engine::{self, Read, Write};
use super::{Db, DbError, QUEUE, migrations};

/// Does what a [`Db`] is asked for, on one connection. Dropping it closes the file.
#[derive(Debug)]
pub struct Hand {
    connection: Connection,
    writes: mpsc::Receiver<Write>,
    reads: mpsc::Receiver<Read>,
}

impl Db {
    /// As [`Db::open`], but nothing happens until the hand works.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub fn open_by_hand(path: &Path) -> Result<(Self, Hand), DbError> {
        let mut connection = engine::open_writer(path)?;
        migrations::apply(&mut connection, path)?;
        let (writer, writes) = mpsc::channel(QUEUE);
        let (readers, reads) = mpsc::channel(QUEUE);
        let hand = Hand {
            connection,
            writes,
            reads,
        };
        Ok((Self { writer, readers }, hand))
    }
}

impl Hand {
    /// Brings work on the database to its end; `None` if it waits for anything else.
    pub fn drive<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
                return Some(done);
            }
            if !self.turn() {
                return None;
            }
        }
    }

    /// Does one job, if one waits.
    fn turn(&mut self) -> bool {
        if let Ok(write) = self.writes.try_recv() {
            engine::write(&self.connection, write);
            return true;
        }
        if let Ok(read) = self.reads.try_recv() {
            engine::read(&self.connection, read);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_done_until_the_hand_works_and_then_all_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.sqlite");
        let (db, mut hand) = Db::open_by_hand(&path).unwrap();
        let writing = async {
            db.write("CREATE TABLE t (k BIGINT NOT NULL)", vec![])
                .await?;
            db.write("INSERT INTO t (k) VALUES ($1)", vec![7_i64.into()])
                .await?;
            db.query("SELECT k FROM t", vec![]).await
        };
        let rows = hand.drive(writing).unwrap().unwrap();
        assert_eq!(rows[0].int("k"), Ok(7));
        assert_eq!(hand.drive(std::future::pending::<()>()), None);

        drop(hand);
        let (again, mut hand) = Db::open_by_hand(&path).unwrap();
        let rows = hand.drive(again.query("SELECT k FROM t", vec![]));
        assert_eq!(rows.unwrap().unwrap().len(), 1);
        let gone = hand.drive(db.query("SELECT k FROM t", vec![]));
        assert_eq!(gone, Some(Err(DbError::Closed)));
    }
}
