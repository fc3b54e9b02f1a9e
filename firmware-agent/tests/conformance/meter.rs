//! Meters: recognised, and everything they measure read, in every variant.

use std::sync::Arc;

use hw_profiles::Profile;
use simulator::{BaseLoad, MeterOf, World};
use site_model::Milliamps;

use super::charger::recognised;
use super::rig::{Way, simulate, ways, world};
use super::table::{Outcome, Row};
use super::variants::{Variant, of_device, reads};

/// Every phase carries another current.
pub(crate) fn load(world: &World) {
    world.set_base_load(BaseLoad {
        current: [Milliamps(10_123), Milliamps(12_345), Milliamps(15_678)],
        power_factor_permille: 950,
    });
}

pub(crate) fn conform(profile: &Profile, row: &mut Row) {
    let Some(way) = ways(profile).first().copied() else {
        return row.note(
            "read",
            Err("the profile names no way to reach it".to_owned()),
        );
    };
    row.note("identify", simulate(identified(profile, way)));
    for variant in places(profile) {
        row.note("read", simulate(reads(profile, way, &variant)));
    }
    of_device(profile, row);
}

async fn identified(profile: &Profile, way: Way) -> Outcome {
    let world = world();
    load(&world);
    let meter = world.add_meter("it", Arc::new(profile.clone()), MeterOf::Grid, 1_234_567);
    recognised(profile, way, &world, meter.device()).await
}

/// The usual device; of SunSpec meters one for each model at each base.
fn places(profile: &Profile) -> Vec<Variant> {
    let Some(sunspec) = &profile.sunspec else {
        return vec![Variant::default()];
    };
    let models = profile.registers.iter().flat_map(|r| &r.models);
    let mut models: Vec<u16> = models.copied().filter(|model| *model > 200).collect();
    models.sort_unstable();
    models.dedup();
    let mut places = Vec::new();
    for model in models {
        for base in &sunspec.bases {
            places.push(Variant {
                sunspec_model: Some(model),
                sunspec_base: Some(*base),
                ..Variant::default()
            });
        }
    }
    places
}
