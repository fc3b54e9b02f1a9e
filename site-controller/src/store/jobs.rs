//! The station side's work on the file: what waits together is one transaction, so that a busy minute
//! costs one commit and not one for each charge point. A job is told of its success after the commit.

use std::collections::VecDeque;

use rusqlite::Connection;

use super::inbox::{Done, Job};

/// Does the jobs in their order; each is done wholly or not at all.
pub(super) fn run(db: Option<&mut Connection>, jobs: VecDeque<Job>) {
    let Some(db) = db else {
        for job in jobs {
            ((job.0)(None).tell)(Ok(()));
        }
        return;
    };
    let mut waiting = jobs.into_iter().peekable();
    while waiting.peek().is_some() {
        let mut done = Vec::new();
        let committed = together(db, &mut waiting, &mut done);
        if committed.is_err() && !db.is_autocommit() {
            // What cannot be rolled back either is found by the next use of the connection.
            let _broken = db.execute_batch("ROLLBACK");
        }
        let committed = committed.map_err(|error| error.to_string());
        for job in done {
            (job.tell)(committed.clone());
        }
    }
}

/// One transaction. It ends early where SQLite gives it up (the disk is full): none of what was done
/// in it holds then.
fn together(
    db: &mut Connection,
    waiting: &mut impl Iterator<Item = Job>,
    done: &mut Vec<Done>,
) -> rusqlite::Result<()> {
    // Without this nothing can be done: each job finds out for itself.
    let begun = db.execute_batch("BEGIN");
    for job in waiting {
        let kept = db.execute_batch("SAVEPOINT job").is_ok();
        let job = (job.0)(Some(db));
        let end = if job.good {
            "RELEASE job"
        } else {
            "ROLLBACK TO job; RELEASE job"
        };
        done.push(job);
        if !kept || db.is_autocommit() {
            break;
        }
        db.execute_batch(end)?;
    }
    begun.and_then(|()| db.execute_batch("COMMIT"))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    type Told = Arc<Mutex<Vec<(u32, Result<(), String>)>>>;

    #[test]
    fn jobs_that_wait_together_are_one_commit_and_one_that_fails_changes_nothing() {
        let (mut db, told) = (table(), Told::default());
        let changes = db.total_changes();
        let jobs = [(1, true), (2, false), (3, true)];
        let jobs = jobs.map(|(number, good)| job(&told, number, good, "INSERT INTO t VALUES"));
        run(Some(&mut db), jobs.into());
        assert_eq!(rows(&db), [1, 3]);
        assert_eq!(db.total_changes() - changes, 3, "the second was undone");
        assert!(db.is_autocommit());
        assert_eq!(
            *told.lock().unwrap(),
            [(1, Ok(())), (2, Ok(())), (3, Ok(()))]
        );
    }

    #[test]
    fn what_was_done_before_the_transaction_was_given_up_is_told_to_have_failed() {
        let (mut db, told) = (table(), Told::default());
        // As SQLite does by itself when the disk is full.
        let jobs = [
            job(&told, 1, true, "INSERT INTO t VALUES"),
            job(&told, 2, false, "INSERT OR ROLLBACK INTO t VALUES (NULL), "),
            job(&told, 3, true, "INSERT INTO t VALUES"),
        ];
        run(Some(&mut db), jobs.into());
        assert_eq!(rows(&db), [3]);
        let told = told.lock().unwrap();
        let failed: Vec<_> = told
            .iter()
            .map(|(number, told)| (*number, told.is_err()))
            .collect();
        assert_eq!(failed, [(1, true), (2, true), (3, false)]);
    }

    #[test]
    fn without_a_file_each_job_is_told() {
        let told = Told::default();
        let jobs = [job(&told, 1, true, "INSERT INTO t VALUES")];
        run(None, jobs.into());
        assert_eq!(*told.lock().unwrap(), [(1, Ok(()))]);
    }

    fn job(told: &Told, number: u32, good: bool, insert: &'static str) -> Job {
        let told = Arc::clone(told);
        Job(Box::new(move |db| {
            if let Some(db) = db {
                let _refused = db.execute(&format!("{insert} ({number})"), []);
            }
            Done {
                good,
                tell: Box::new(move |committed| told.lock().unwrap().push((number, committed))),
            }
        }))
    }

    fn table() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (number INTEGER NOT NULL)")
            .unwrap();
        db
    }

    fn rows(db: &Connection) -> Vec<u32> {
        let mut rows = db.prepare("SELECT number FROM t ORDER BY number").unwrap();
        let rows = rows.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}
