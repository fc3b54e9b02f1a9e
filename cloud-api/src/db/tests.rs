//! The promises of [`Db`]: all or none, nobody's failure touches a neighbour, readers never write.

use super::{Db, DbError, Done, Param, Statement};

async fn with_table(dir: &tempfile::TempDir) -> Db {
    let db = Db::open(&dir.path().join("t.sqlite")).unwrap();
    db.write(
        "CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY, v BIGINT NOT NULL)",
        vec![],
    )
    .await
    .unwrap();
    db
}

fn insert(key: &str, value: i64) -> Statement {
    Statement::new(
        "INSERT INTO t (k, v) VALUES ($1, $2)",
        vec![key.into(), value.into()],
    )
}

async fn contents(db: &Db) -> Vec<(String, i64)> {
    db.query("SELECT k, v FROM t ORDER BY k", vec![])
        .await
        .unwrap()
        .iter()
        .map(|row| (row.text("k").unwrap().to_owned(), row.int("v").unwrap()))
        .collect()
}

#[tokio::test]
async fn parameters_are_bound_by_name_and_may_repeat() {
    let dir = tempfile::tempdir().unwrap();
    let db = with_table(&dir).await;
    let rows = db
        .query(
            "SELECT $2 AS b, $1 AS a, $2 AS again, NULL AS n",
            vec!["first".into(), 2_i64.into()],
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].text("a"), Ok("first"));
    assert_eq!(rows[0].int("b"), Ok(2));
    assert_eq!(rows[0].int("again"), Ok(2));
    assert_eq!(rows[0].opt_text("n"), Ok(None));
    assert_eq!(
        rows[0].int("a"),
        Err(DbError::Column {
            column: "a".to_owned(),
            problem: "holds no integer"
        })
    );
}

#[tokio::test]
async fn a_missing_parameter_is_an_error_and_not_null() {
    let dir = tempfile::tempdir().unwrap();
    let db = with_table(&dir).await;
    assert_eq!(
        db.query("SELECT $1 AS a, $2 AS b", vec![1_i64.into()])
            .await,
        Err(DbError::Engine(
            "the statement has 2 parameters, 1 were given".to_owned()
        ))
    );
}

#[tokio::test]
async fn a_failing_statement_undoes_the_ones_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = with_table(&dir).await;
    db.transaction(vec![insert("a", 1)]).await.unwrap();
    assert_eq!(
        db.transaction(vec![insert("b", 2), insert("a", 3)]).await,
        Err(DbError::Unique {
            on: "t.k".to_owned()
        })
    );
    assert_eq!(contents(&db).await, [("a".to_owned(), 1)]);
}

#[tokio::test]
async fn an_unexpected_number_of_rows_undoes_the_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let db = with_table(&dir).await;
    db.transaction(vec![insert("a", 1)]).await.unwrap();
    let compare_and_set =
        Statement::new("UPDATE t SET v = 9 WHERE k = 'a' AND v = 7", vec![]).expecting(1);
    assert_eq!(
        db.transaction(vec![insert("b", 2), compare_and_set]).await,
        Err(DbError::Conflict {
            statement: 1,
            expected: 1,
            found: 0
        })
    );
    assert_eq!(contents(&db).await, [("a".to_owned(), 1)]);
}

#[tokio::test]
async fn returning_counts_as_changed_rows() {
    let dir = tempfile::tempdir().unwrap();
    let db = with_table(&dir).await;
    let upsert = "INSERT INTO t (k, v) VALUES ($1, $2)
         ON CONFLICT (k) DO UPDATE SET v = t.v + excluded.v RETURNING v";
    for expected in [5, 10] {
        let Done { changed, rows } = db
            .write(upsert, vec!["a".into(), 5_i64.into()])
            .await
            .unwrap();
        assert_eq!((changed, rows[0].int("v")), (1, Ok(expected)));
    }
}

#[tokio::test]
async fn fifty_writers_at_once_each_get_their_own_answer() {
    let dir = tempfile::tempdir().unwrap();
    let db = with_table(&dir).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0_i64..50 {
        let db = db.clone();
        tasks.spawn(async move {
            // Every second one wants key `same`: one of them wins, the others fail alone.
            let key = if number % 2 == 0 {
                "same".to_owned()
            } else {
                format!("k{number:02}")
            };
            db.transaction(vec![insert(&key, number), insert(&format!("{key}+"), 0)])
                .await
        });
    }
    let (mut won, mut lost) = (0, 0);
    while let Some(result) = tasks.join_next().await {
        match result.unwrap() {
            Ok(done) => {
                assert_eq!(done.iter().map(|d| d.changed).collect::<Vec<_>>(), [1, 1]);
                won += 1;
            }
            Err(error) => {
                assert_eq!(
                    error,
                    DbError::Unique {
                        on: "t.k".to_owned()
                    }
                );
                lost += 1;
            }
        }
    }
    assert_eq!((won, lost), (26, 24));
    assert_eq!(contents(&db).await.len(), 52);
}

#[tokio::test]
async fn readers_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let db = with_table(&dir).await;
    let error = db
        .query("INSERT INTO t (k, v) VALUES ('x', 1)", vec![])
        .await
        .unwrap_err();
    assert!(matches!(error, DbError::Engine(_)), "{error}");
    assert!(contents(&db).await.is_empty());
}

#[tokio::test]
async fn what_was_queued_before_close_is_committed_and_what_comes_later_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let db = with_table(&dir).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let db = db.clone();
        tasks.spawn(async move {
            db.transaction(vec![insert(&format!("{number:02}"), number)])
                .await
        });
    }
    tokio::task::yield_now().await;
    db.close().await;
    let mut committed = 0;
    while let Some(result) = tasks.join_next().await {
        match result.unwrap() {
            Ok(_) => committed += 1,
            Err(error) => assert_eq!(error, DbError::Closed),
        }
    }
    assert_eq!(
        db.query("SELECT 1 AS a", vec![]).await,
        Err(DbError::Closed)
    );
    assert_eq!(
        db.write("DELETE FROM t", vec![]).await,
        Err(DbError::Closed)
    );
    let again = Db::open(&dir.path().join("t.sqlite")).unwrap();
    assert_eq!(contents(&again).await.len(), committed);
}

#[tokio::test]
async fn two_processes_share_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let server = with_table(&dir).await;
    let admin = Db::open(&dir.path().join("t.sqlite")).unwrap();
    admin.transaction(vec![insert("a", 1)]).await.unwrap();
    assert_eq!(contents(&server).await, [("a".to_owned(), 1)]);
    server.transaction(vec![insert("b", 2)]).await.unwrap();
    assert_eq!(contents(&admin).await.len(), 2);
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.sqlite");
    let db = Db::open(&path).unwrap();
    db.write("PRAGMA user_version = 99", vec![]).await.unwrap();
    db.close().await;
    let error = Db::open(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the database {} has schema 99, this program knows up to {}: install the newer cloud-api again, or restore the backup made before it ran",
            path.display(),
            super::migrations::STEPS.len()
        )
    );
}

#[test]
fn a_file_that_is_no_database_is_refused_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.sqlite");
    std::fs::write(
        &path,
        "this is certainly not a database, it is a text".repeat(50),
    )
    .unwrap();
    assert_eq!(
        Db::open(&path).unwrap_err(),
        DbError::Open {
            path: path.display().to_string(),
            reason: "file is not a database".to_owned()
        }
    );
}

#[tokio::test]
async fn foreign_keys_hold() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("t.sqlite")).unwrap();
    let orphan = db
        .write(
            "INSERT INTO sites (id, organisation_id, name, max_power_w, created_at_ms)
             VALUES ('site_1', 'org_none', 'x', 1, 0)",
            vec![],
        )
        .await;
    assert_eq!(orphan, Err(DbError::Reference));
}

#[test]
fn parameters_never_print_their_values() {
    let text = format!(
        "{:?}",
        vec![Param::from("secret"), Param::from(7_i64), Param::Null]
    );
    assert_eq!(text, "[Text(…), Int(…), Null]");
}
