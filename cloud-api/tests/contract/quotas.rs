//! Quotas: exact with many clients, across a stop, bounded after a kill, and by the clock.

use std::sync::Arc;

use cloud_api::keys::Scope;
use cloud_api::organisation::{Plan, Tier};

use crate::harness::{OURS, THEIRS, World};

const SUMMARY: &str = "/api/v1/cpo/fleet/summary";
const CLIENTS: usize = 50;

/// Sends `requests` requests by 50 clients at once and answers how many passed; the rest must be 429.
async fn burst(world: &Arc<World>, key: &str, requests: usize) -> usize {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (world, key) = (world.clone(), key.to_owned());
            tokio::spawn(async move {
                let mut passed = 0;
                for _ in 0..requests / CLIENTS + usize::from(client < requests % CLIENTS) {
                    match world.get(SUMMARY, &key).await.status {
                        200 => passed += 1,
                        429 => {}
                        other => panic!("{other}"),
                    }
                }
                passed
            })
        })
        .collect();
    let mut passed = 0;
    for client in clients {
        passed += client.await.unwrap();
    }
    passed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_50_clients_at_once_exactly_the_limit_passes() {
    for limit in [1, 99, 1_000] {
        let world = Arc::new(World::with_limit(limit).await);
        let key = world.key(&[Scope::ReadChargePoints]).await;
        let limit = usize::try_from(limit).unwrap();
        assert_eq!(burst(&world, &key, limit + 150).await, limit);
        let other = world.key(&[Scope::ReadChargePoints]).await;
        assert_eq!(
            world.get(SUMMARY, &other).await.status,
            200,
            "each key has its own"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn across_a_graceful_stop_the_count_is_exact() {
    let world = Arc::new(World::with_limit(1_000).await);
    let key = world.key(&[Scope::ReadChargePoints]).await;
    assert_eq!(burst(&world, &key, 333).await, 333);
    let world = Arc::into_inner(world).unwrap().restarted(true).await;
    assert_eq!(
        world
            .get(SUMMARY, &key)
            .await
            .header("x-ratelimit-remaining"),
        "666"
    );
    let world = Arc::new(world);
    assert_eq!(burst(&world, &key, 800).await, 666);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_kill_never_more_pass_and_at_most_one_percent_fewer() {
    for used in [1, 10, 11, 555] {
        let world = Arc::new(World::with_limit(1_000).await);
        let key = world.key(&[Scope::ReadChargePoints]).await;
        assert_eq!(burst(&world, &key, used).await, used);
        let world = Arc::new(Arc::into_inner(world).unwrap().restarted(false).await);
        let rest = burst(&world, &key, 1_000).await;
        let whole = used + rest;
        assert!((990..=1_000).contains(&whole), "{used} + {rest}");
    }
}

#[tokio::test]
async fn the_count_begins_anew_with_the_clock_hour_and_not_when_the_clock_steps_back() {
    let world = World::with_limit(2).await;
    let key = world.key(&[Scope::ReadChargePoints]).await;
    let mut seen = Vec::new();
    let mut ask = async |world: &World| {
        let answer = world.get(SUMMARY, &key).await;
        let left = answer.header("x-ratelimit-remaining").to_owned();
        seen.push((
            answer.status,
            left,
            answer.header("x-ratelimit-reset").to_owned(),
        ));
    };
    for _ in 0..3 {
        ask(&world).await;
    }
    world.advance(2_754);
    ask(&world).await;
    world.advance(1);
    ask(&world).await;
    world.advance(-1);
    ask(&world).await;
    ask(&world).await;
    world.advance(3_601);
    ask(&world).await;
    let row = |status: u16, left: &str, reset: &str| (status, left.to_owned(), reset.to_owned());
    let (first, second, third) = ("1777629600", "1777633200", "1777636800");
    assert_eq!(
        seen,
        [
            row(200, "1", first),
            row(200, "0", first),
            row(429, "0", first),
            row(429, "0", first),
            row(200, "1", second),
            row(200, "0", second),
            row(429, "0", second),
            row(200, "1", third),
        ]
    );
}

#[tokio::test]
async fn refused_requests_of_a_valid_key_count_and_failed_authentications_do_not() {
    let world = World::new().await;
    let key = world.key(&[Scope::ReadChargePoints]).await;
    let left = async |path: &str| {
        let answer = world.get(path, &key).await;
        (
            answer.status,
            answer.header("x-ratelimit-remaining").to_owned(),
        )
    };
    let status = |id: &str| format!("/api/v1/chargepoints/{id}/status");
    assert_eq!(left(&status(OURS)).await, (200, "999".to_owned()));
    assert_eq!(left(&status(THEIRS)).await, (401, "998".to_owned()));
    assert_eq!(left(&status("nobody")).await, (404, "997".to_owned()));
    assert_eq!(left(&format!("{SUMMARY}?x")).await, (400, "996".to_owned()));
    assert_eq!(
        world
            .delete("/api/v1/org/api-keys/key_1", &key)
            .await
            .status,
        403
    );
    assert_eq!(left("/nowhere").await, (404, String::new()));
    let mistyped = format!("{key}0");
    assert_eq!(world.get(SUMMARY, &mistyped).await.status, 401);
    assert_eq!(left(SUMMARY).await, (200, "994".to_owned()));
}

#[tokio::test]
async fn a_new_tier_counts_within_two_seconds() {
    let world = World::with_limit(1).await;
    let key = world.key(&[Scope::ReadChargePoints]).await;
    assert_eq!(world.get(SUMMARY, &key).await.status, 200);
    assert_eq!(world.get(SUMMARY, &key).await.status, 429);
    let free = Plan::new(Tier::Free, None).unwrap();
    world
        .organisations
        .set_plan(&world.ours, free)
        .await
        .unwrap();
    world.advance(2);
    let answer = world.get(SUMMARY, &key).await;
    assert_eq!(
        (answer.status, answer.header("x-ratelimit-limit")),
        (200, "1000")
    );
    assert_eq!(answer.header("x-ratelimit-remaining"), "998");
}
