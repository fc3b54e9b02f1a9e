//! Keys against a real database: the bound per organisation, and what a revocation must not leave behind.

use super::*;
use crate::organisation::{NewOrganisation, Organisations, Plan, Tier};

struct World {
    _dir: tempfile::TempDir,
    db: Db,
    keys: Keys,
    organisation: OrganisationId,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
    let clock = Clock::standing_at("2026-05-01T09:14:05Z".parse().unwrap());
    let organisation = NewOrganisation {
        name: "One".to_owned(),
        plan: Plan::new(Tier::Free, None).unwrap(),
        time_zone: "UTC".to_owned(),
        sandbox: false,
    };
    let organisations = Organisations::new(db.clone(), clock.clone());
    let secrets = ServerSecrets::load_or_create(dir.path()).unwrap();
    World {
        organisation: organisations.create(organisation).await.unwrap(),
        keys: Keys::new(db.clone(), secrets, clock),
        _dir: dir,
        db,
    }
}

impl World {
    fn now(&self) -> Timestamp {
        self.keys.shared.clock.now()
    }

    async fn create(&self, name: &str) -> Result<CreatedKey, CreateError> {
        let new = NewKey {
            organisation: self.organisation.clone(),
            name: name.to_owned(),
            scopes: vec![Scope::ReadBilling],
            expires_in_days: None,
            created_by: "admin".to_owned(),
            idempotency: None,
        };
        self.keys.create(new).await
    }
}

#[tokio::test]
async fn an_organisation_has_at_most_a_thousand_keys() {
    let world = world().await;
    let rows = (0..999_u32).map(|number| {
        crate::db::Statement::new(
            "INSERT INTO api_keys (id, organisation_id, name, hash, scopes, created_by, created_at_ms)
             VALUES ($1, $2, $1, $3, '[]', 'admin', 0)",
            vec![
                format!("key_{number}").into(),
                world.organisation.as_str().into(),
                number.to_be_bytes().to_vec().into(),
            ],
        )
    });
    world.db.transaction(rows.collect()).await.unwrap();
    let last = world.create("last").await.unwrap();
    let error = world.create("beyond").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the organisation has 1000 keys, the most there may be; revoke one first"
    );
    assert!(
        world
            .keys
            .revoke(&world.organisation, &last.id)
            .await
            .unwrap()
    );
    assert!(world.create("beyond").await.is_ok());
}

#[tokio::test]
async fn a_key_of_no_organisation_is_refused() {
    let world = World {
        organisation: OrganisationId::parse("org_nobody").unwrap(),
        ..world().await
    };
    let error = world.create("x").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no organisation org_nobody");
}

#[tokio::test]
async fn a_row_read_before_a_revocation_is_not_remembered_after_it() {
    let world = world().await;
    let created = world.create("raced").await.unwrap();
    let hash = world.keys.hash(created.key.expose());
    let cache = &world.keys.shared.cache;
    let generation = cache.generation();
    let read = store::find(&world.db, &hash, 0).await.unwrap().unwrap();
    world
        .keys
        .revoke(&world.organisation, &created.id)
        .await
        .unwrap();
    assert!(cache.remember(Arc::new(read), generation).is_none());
    assert!(
        world
            .keys
            .authenticate(created.key.expose(), world.now())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_remembered_key_costs_no_database_and_its_use_is_written_by_a_flush() {
    let world = world().await;
    let created = world.create("used").await.unwrap();
    let key = created.key.expose();
    assert!(
        world
            .keys
            .authenticate(key, world.now())
            .await
            .unwrap()
            .is_some()
    );
    let used = async || {
        let rows = world
            .db
            .query("SELECT last_used_at_ms FROM api_keys", vec![]);
        rows.await.unwrap()[0].opt_int("last_used_at_ms").unwrap()
    };
    assert_eq!(used().await, None);
    world.keys.flush().await.unwrap();
    assert_eq!(used().await, Some(1_777_626_845_000));
    world.db.close().await;
    assert!(
        world
            .keys
            .authenticate(key, world.now())
            .await
            .unwrap()
            .is_some()
    );
    let listed = world.keys.list(&world.organisation).await;
    assert_eq!(listed, Err(DbError::Closed));
}
