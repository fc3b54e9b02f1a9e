//! Quotas against a real database: two programs on one row, what is given back, and the bounds in memory.

use super::*;
use crate::clock::Clock;
use crate::keys::{Keys, NewKey};
use crate::organisation::{NewOrganisation, Organisations, Plan, Tier};
use crate::secret::ServerSecrets;

struct World {
    _dir: tempfile::TempDir,
    db: Db,
    key: ApiKeyId,
    now: Timestamp,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
    let now: Timestamp = "2026-05-01T09:14:05Z".parse().unwrap();
    let clock = Clock::standing_at(now);
    let organisation = NewOrganisation {
        name: "One".to_owned(),
        plan: Plan::new(Tier::Free, None).unwrap(),
        time_zone: "UTC".to_owned(),
        sandbox: false,
    };
    let organisations = Organisations::new(db.clone(), clock.clone());
    let new = NewKey {
        organisation: organisations.create(organisation).await.unwrap(),
        name: "one".to_owned(),
        scopes: vec![],
        expires_in_days: None,
        created_by: "admin".to_owned(),
        idempotency: None,
    };
    let secrets = ServerSecrets::load_or_create(dir.path()).unwrap();
    let created = Keys::new(db.clone(), secrets, clock).create(new).await;
    World {
        _dir: dir,
        db,
        key: created.unwrap().id,
        now,
    }
}

async fn stored_row(world: &World) -> (i64, i64) {
    let rows = world.db.query(READ_HOUR, vec![world.key.as_str().into()]);
    let rows = rows.await.unwrap();
    (
        rows[0].int("hour").unwrap(),
        rows[0].int("reserved").unwrap(),
    )
}

const HOUR: i64 = 493_785;

#[tokio::test]
async fn a_block_is_on_disk_before_its_first_request_passes_and_its_rest_comes_back() {
    let world = world().await;
    let quotas = Quotas::new(world.db.clone());
    for _ in 0..11 {
        quotas
            .take(&world.key, &Counted::default(), 1_000, world.now)
            .await
            .unwrap();
    }
    assert_eq!(stored_row(&world).await, (HOUR, 20));
    quotas.close().await.unwrap();
    assert_eq!(stored_row(&world).await, (HOUR, 11));
    let late = quotas
        .take(&world.key, &Counted::default(), 1_000, world.now)
        .await;
    assert_eq!(late, Err(DbError::Closed));
    assert_eq!(stored_row(&world).await, (HOUR, 11));
}

#[tokio::test]
async fn two_programs_on_one_database_let_the_limit_pass_together() {
    let world = world().await;
    let programs = [Quotas::new(world.db.clone()), Quotas::new(world.db.clone())];
    let mut passed = 0;
    let mut refused = 0;
    for turn in 0..80 {
        match programs[turn % 2]
            .take(&world.key, &Counted::default(), 50, world.now)
            .await
            .unwrap()
        {
            Verdict::Passed(_) => passed += 1,
            Verdict::Exhausted(_) => refused += 1,
        }
    }
    assert_eq!((passed, refused), (50, 30));
}

#[tokio::test]
async fn a_row_written_under_a_clock_far_ahead_does_not_lock_the_key_out() {
    let world = world().await;
    let quotas = Quotas::new(world.db.clone());
    let ahead = world.now + jiff::SignedDuration::from_hours(1_000);
    quotas
        .take(&world.key, &Counted::default(), 1, ahead)
        .await
        .unwrap();
    let counted = Counted::default();
    let now = quotas.take(&world.key, &counted, 1, world.now);
    let now = now.await.unwrap();
    assert!(matches!(now, Verdict::Passed(_)), "{now:?}");
    assert_eq!(stored_row(&world).await, (HOUR, 1));
}

#[tokio::test]
async fn counters_that_rest_are_forgotten_at_the_bound() {
    let world = world().await;
    let quotas = Quotas::new(world.db.clone());
    quotas
        .take(&world.key, &Counted::default(), 1_000, world.now)
        .await
        .unwrap();
    for _ in 0..COUNTERS_MAX {
        quotas.counter(&ApiKeyId::mint(world.now), HOUR);
    }
    let counted = quotas.shared.keys.read().unwrap().len();
    assert_eq!(counted, 2, "the one in use and the newest");

    let later = world.now + jiff::SignedDuration::from_hours(1);
    for _ in 0..COUNTERS_MAX {
        let installer = InstallerId::mint(world.now);
        let _ = quotas.take_installer(&installer, world.now);
    }
    let _ = quotas.take_installer(&InstallerId::mint(later), later);
    assert_eq!(quotas.shared.installers.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_installer_has_a_limit_of_its_own_that_begins_anew_each_hour() {
    let world = world().await;
    let quotas = Quotas::new(world.db.clone());
    let installer = InstallerId::mint(world.now);
    for left in (0..INSTALLER_HOURLY_LIMIT).rev() {
        let Verdict::Passed(allowance) = quotas.take_installer(&installer, world.now) else {
            panic!("{left} should be left");
        };
        assert_eq!(allowance.remaining, left);
    }
    let beyond = quotas.take_installer(&installer, world.now);
    assert_eq!(
        beyond,
        Verdict::Exhausted(Allowance::none(INSTALLER_HOURLY_LIMIT, HOUR))
    );
    let later = world.now + jiff::SignedDuration::from_hours(1);
    let anew = quotas.take_installer(&installer, later);
    assert!(matches!(anew, Verdict::Passed(_)));
}
