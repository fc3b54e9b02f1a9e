//! The security log of a charge point.

use site_model::{BootId, ChargePointId};
use tempfile::TempDir;

use super::super::security_events::{self, NewEvent};
use super::{at, open};

#[tokio::test]
async fn the_security_log_is_bounded_and_what_is_still_to_be_told_goes_last() {
    let dir = TempDir::new().unwrap();
    let opened = open(dir.path());
    let charge_point = ChargePointId::new("CP-1").unwrap();
    let now = at(0);
    let event = move |number: u32| NewEvent {
        at: now,
        kind: "StartupOfTheDevice",
        info: number.to_string(),
        tell: number.is_multiple_of(2),
    };
    let id = charge_point.clone();
    let (all, next) = opened
        .store
        .work(move |db| {
            for number in 0..502 {
                security_events::record(db, &id, &event(number))?;
            }
            let first = security_events::to_tell(db, &id, &now)?;
            security_events::told(db, first.map_or(0, |first| first.id))?;
            let next = security_events::to_tell(db, &id, &now)?;
            Ok::<_, rusqlite::Error>((security_events::all(db, &id, &now)?, next))
        })
        .await
        .unwrap();
    let infos: Vec<&str> = all.iter().map(|event| event.info.as_str()).collect();
    assert_eq!((infos.len(), &infos[..3]), (500, &["0", "2", "4"][..]));
    assert_eq!(next.map(|event| event.info).as_deref(), Some("2"));
    opened.store.close().await;
}

#[tokio::test]
async fn an_event_from_before_the_right_time_was_known_gets_it_within_its_boot() {
    let dir = TempDir::new().unwrap();
    let opened = open(dir.path());
    let charge_point = ChargePointId::new("CP-1").unwrap();
    let (mut then, mut now) = (at(0), at(5_000_000));
    then.wall_known = false;
    now.monotonic.0 += 1_000;
    let mut later = now;
    later.boot = BootId(2);
    let event = NewEvent {
        at: then,
        kind: "StartupOfTheDevice",
        info: String::new(),
        tell: true,
    };
    let times = opened.store.work(move |db| {
        security_events::record(db, &charge_point, &event)?;
        let seen = [then, now, later].map(|now| security_events::to_tell(db, &charge_point, &now));
        let seen: Result<Vec<_>, _> = seen.into_iter().collect();
        Ok::<_, rusqlite::Error>(seen?.into_iter().flatten().map(|event| event.at).collect())
    });
    let times: Vec<_> = times.await.unwrap();
    assert_eq!(times, [at(0).wall, at(4_999_000).wall, at(0).wall]);
    opened.store.close().await;
}
