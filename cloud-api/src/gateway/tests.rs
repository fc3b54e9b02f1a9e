//! Credentials, and files that the real Mosquitto accepts where it is installed.

use super::*;
use crate::{
    organisation::{NewOrganisation, Organisations, Plan, Tier},
    site::{NewSite, Sites},
};

struct Fixture {
    dir: tempfile::TempDir,
    organisation: OrganisationId,
    site: SiteId,
    gateways: Gateways,
}

async fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("cloud.sqlite")).unwrap();
    let clock = Clock::standing_at("2026-11-22T10:00:00Z".parse().unwrap());
    let organisation = Organisations::new(db.clone(), clock.clone())
        .create(NewOrganisation {
            name: "Acme".to_owned(),
            plan: Plan::new(Tier::Free, None).unwrap(),
            time_zone: "UTC".to_owned(),
            sandbox: false,
        })
        .await
        .unwrap();
    let site = Sites::new(db.clone(), clock.clone())
        .create(NewSite {
            organisation: organisation.clone(),
            name: "Depot".to_owned(),
            address: None,
            max_power_w: 44_000,
        })
        .await
        .unwrap();
    let secrets = ServerSecrets::load_or_create(dir.path()).unwrap();
    let gateways = Gateways::new(db, secrets, clock);
    Fixture {
        dir,
        organisation,
        site,
        gateways,
    }
}

#[tokio::test]
async fn a_gateway_is_known_by_its_password_until_it_is_revoked() {
    let f = fixture().await;
    let CreatedGateway { id, password } = f.gateways.create(&f.site, "Cabinet").await.unwrap();
    assert_eq!(password.expose().len(), 32);
    let knows = async |password: &str| f.gateways.knows(&id, password).await.unwrap();
    assert!(knows(password.expose()).await);
    assert!(!knows("").await);
    assert!(!knows(&password.expose()[1..]).await);
    let other = f.gateways.create(&f.site, "Other").await.unwrap();
    assert!(!knows(other.password.expose()).await);

    f.gateways.revoke(&id).await.unwrap();
    assert!(!knows(password.expose()).await);
    let revoked = f.gateways.revoked().await.unwrap();
    assert_eq!(revoked, std::slice::from_ref(&id));
    assert_eq!(
        f.gateways.revoke(&id).await,
        Err(GatewayError::Unknown(id.clone()))
    );
    let created_at: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let entry = |id: GatewayId, name: &str, revoked_at| Gateway {
        id,
        name: name.to_owned(),
        site: f.site.clone(),
        organisation: f.organisation.clone(),
        created_at,
        revoked_at,
        charge_points: vec![],
        refused: vec![],
    };
    let mut listed = f.gateways.list().await.unwrap();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(
        listed,
        [
            entry(id, "Cabinet", Some(created_at)),
            entry(other.id, "Other", None)
        ]
    );
}

#[tokio::test]
async fn a_gateway_needs_a_name_and_a_site() {
    let f = fixture().await;
    let nowhere = SiteId::parse("site_0").unwrap();
    let unnamed = f.gateways.create(&f.site, "").await.unwrap_err();
    assert_eq!(unnamed, GatewayError::Name);
    let unplaced = f.gateways.create(&nowhere, "Cabinet").await.unwrap_err();
    assert_eq!(unplaced, GatewayError::UnknownSite(nowhere));
}

#[tokio::test]
async fn the_database_holds_no_password() {
    let f = fixture().await;
    let created = f.gateways.create(&f.site, "Cabinet").await.unwrap();
    f.gateways.db.close().await;
    let bytes = std::fs::read(f.dir.path().join("cloud.sqlite")).unwrap();
    let password = created.password.expose().as_bytes();
    assert!(!bytes.windows(password.len()).any(|part| part == password));
}

#[tokio::test]
async fn the_access_list_holds_each_gateway_to_its_own_topics() {
    let f = fixture().await;
    let created = f.gateways.create(&f.site, "Cabinet").await.unwrap();
    let gone = f.gateways.create(&f.site, "Gone").await.unwrap();
    f.gateways.revoke(&gone.id).await.unwrap();
    let out = f.dir.path().join("mosquitto");
    let files = f.gateways.write_mosquitto_files(&out).await.unwrap();
    assert_eq!(files.gateways, 1);
    let topics = site_wire::topics::Topics::of(&created.id);
    let id = &created.id;
    assert_eq!(
        std::fs::read_to_string(&files.access).unwrap(),
        format!(
            "user ingest
topic read dynamo/v1/+/+/facts
topic read dynamo/v1/+/+/state
topic read dynamo/v1/+/+/cp/+/snapshot
topic write dynamo/v1/+/+/ack

user {id}
topic write {}
topic write {}
topic write {}
topic read {}
",
            topics.facts(),
            topics.state(),
            topics.publish_filters()[2],
            topics.acknowledgement(),
        )
    );
    let passwords = std::fs::read_to_string(&files.passwords).unwrap();
    let users: Vec<&str> = passwords
        .lines()
        .map(|line| line.split_once(':').unwrap().0)
        .collect();
    assert_eq!(users, ["ingest", id.as_str()]);
    assert!(!passwords.contains(created.password.expose().as_str()));

    let first = std::fs::read_to_string(&files.ingest_password).unwrap();
    f.gateways.write_mosquitto_files(&out).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(&files.ingest_password).unwrap(),
        first
    );
}

#[test]
fn the_hash_is_pbkdf2_of_sha_512() {
    // python3: base64.b64encode(hashlib.pbkdf2_hmac('sha512', b'secret', bytes(range(12)), 101, 64))
    let salt: Vec<u8> = (0..12).collect();
    assert_eq!(
        mosquitto::hash_with(&Secret::new("secret".to_owned()), &salt),
        "$7$101$AAECAwQFBgcICQoL$Xr99N9ym9ys8TWxis5ajETJq6EVYzmc6nb8t3pUYnPBbCAbICS4xejTltonXWCtJNBvA+By+TXUqU6qCblO00w=="
    );
}
