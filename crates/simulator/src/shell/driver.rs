//! Steps the world in real time.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::World;

/// How often the physics move on.
const EVERY: Duration = Duration::from_millis(20);

/// Steps the world in real time (tokio's, which tests can pause) until dropped, from where it
/// stands. The world of a running driver is not stepped by hand.
pub async fn run(world: World) {
    let ahead_ms = world.now_ms().saturating_sub(world.clock_ms());
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        world.step(world.clock_ms() + ahead_ms);
    }
}
