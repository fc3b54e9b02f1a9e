//! Devices of one profile that differ: firmware, missing values, second connectors, framings.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use firmware_agent::{BusDevice, BusEvent};
use hw_profiles::{
    Condition, ConnectorAddressing, Kind, Profile, Quantity, RawMatch, Register, RegisterType,
    WordOrder,
};
use simulator::{ChargerHandle, ChargerOptions, DeviceHandle, MeterOf, MeterOptions, World};
use site_model::{Milliamps, Value, VehicleState};

use super::charger::{car, configured, options, recognised};
use super::meter;
use super::rig::{Rig, Way, id, simulate, ways, world};
use super::table::{Outcome, Row, Step};
use super::truth::Truth;

/// Most firmware variants that are tried; profiles have up to four.
const VARIANTS_MAX: usize = 12;

/// What differs from the usual device.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variant {
    pub(crate) raw: Vec<(String, u64)>,
    pub(crate) without_optional: bool,
    pub(crate) words: Option<WordOrder>,
    pub(crate) sunspec_model: Option<u16>,
    pub(crate) sunspec_base: Option<u16>,
}

pub(crate) fn of_charger(profile: &Profile, row: &mut Row) {
    of_device(profile, row);
    row.note("second", simulate(second(profile)));
}

/// Variants that chargers and meters have alike.
pub(crate) fn of_device(profile: &Profile, row: &mut Row) {
    let all = ways(profile);
    let Some(way) = all.first().copied() else {
        return;
    };
    let variants = firmware_variants(profile);
    row.note("variant", nothing_if(variants.is_empty()));
    for variant in variants {
        row.note("variant", simulate(reads(profile, way, &variant)));
    }
    let sparse = profile.registers.iter().any(|register| register.optional);
    let without = Variant {
        without_optional: true,
        ..Variant::default()
    };
    row.note(
        "sparse",
        match sparse {
            true => simulate(reads(profile, way, &without)),
            false => Ok(Step::Nothing),
        },
    );
    row.note("framing", nothing_if(all.len() < 2));
    for way in &all[1..] {
        row.note(
            "framing",
            simulate(reads(profile, *way, &Variant::default())),
        );
    }
    if let Some(other) = other_words(profile) {
        let turned = Variant {
            words: Some(other),
            ..Variant::default()
        };
        row.note("variant", simulate(reads(profile, way, &turned)));
        row.note("identify", simulate(proves_words(profile, way, other)));
    }
}

fn nothing_if(nothing: bool) -> Outcome {
    Ok(if nothing { Step::Nothing } else { Step::Passed })
}

/// The order that a device with a word-order probe may have instead.
fn other_words(profile: &Profile) -> Option<WordOrder> {
    let probe = profile.word_probe.as_ref()?;
    Some(match profile.register(&probe.register)?.words {
        WordOrder::HighFirst => WordOrder::LowFirst,
        WordOrder::LowFirst => WordOrder::HighFirst,
    })
}

/// A device of this variant, with something to measure.
fn built(world: &World, profile: &Arc<Profile>, variant: &Variant) -> DeviceHandle {
    let profile = Arc::clone(profile);
    let variant = variant.clone();
    match profile.kind {
        Kind::Charger => {
            let options = ChargerOptions {
                raw: variant.raw,
                without_optional: variant.without_optional,
                words: variant.words,
                ..options()
            };
            let charger = world.add_charger("it", profile, options);
            charger.plug_in(car());
            charger.into()
        }
        Kind::Meter => {
            meter::load(world);
            let options = MeterOptions {
                initial_energy_wh: 1_234_567,
                raw: variant.raw,
                without_optional: variant.without_optional,
                words: variant.words,
                sunspec_model: variant.sunspec_model,
                sunspec_base: variant.sunspec_base,
                ..MeterOptions::default()
            };
            world
                .add_meter_with("it", profile, MeterOf::Grid, options)
                .into()
        }
    }
}

/// The driver reads everything that this variant has, and nothing else.
pub(crate) async fn reads(profile: &Profile, way: Way, variant: &Variant) -> Outcome {
    let world = world();
    let shared = Arc::new(profile.clone());
    let handle = built(&world, &shared, variant);
    let device = BusDevice {
        words: variant.words,
        failsafe: None,
        ..configured(&shared)
    };
    // The car is charging before the driver begins: nothing changes while it looks.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let wired = handle.faces(profile.link.unit);
    let mut rig = Rig::start(&world, way, wired, vec![device]);
    let truth = Truth::new(id("it"), &handle, profile);
    let looked = truth.look(&mut rig, true).await;
    let refused = rig.refusals();
    let more = rig.pass(Duration::from_secs(15), |_| Ok(())).await;
    let asked_again = if rig.refusals() > refused {
        Err(rig.told("asks again for what the device has refused"))
    } else {
        Ok(())
    };
    let outcome = looked.and(more).and(asked_again).and_then(|()| rig.clean());
    outcome.map_err(|fault| format!("{way:?} {variant:?}: {fault}"))?;
    Ok(Step::Passed)
}

/// The word order of a device that has the other one is found out.
async fn proves_words(profile: &Profile, way: Way, other: WordOrder) -> Outcome {
    let world = world();
    let variant = Variant {
        words: Some(other),
        ..Variant::default()
    };
    let handle = built(&world, &Arc::new(profile.clone()), &variant);
    let outcome = recognised(profile, way, &world, &handle).await;
    outcome.map_err(|fault| format!("with {other:?}: {fault}"))
}

/// Raw values of fixed registers for which different things exist.
fn firmware_variants(profile: &Profile) -> Vec<Variant> {
    let registers = profile.registers.iter().flat_map(|r| &r.when);
    let failsafe = profile.failsafe.iter().flat_map(|f| &f.when);
    let conditions: Vec<&Condition> = registers.chain(failsafe).collect();
    let names: BTreeSet<&str> = conditions.iter().map(|c| c.register.as_str()).collect();
    let mut variants = Vec::new();
    for name in names {
        let Some(register) = profile.register(name).filter(|r| is_fixed(profile, r)) else {
            continue;
        };
        let of_name: Vec<&Condition> = conditions
            .iter()
            .copied()
            .filter(|c| c.register == name)
            .collect();
        let mut seen = BTreeSet::new();
        // A device that its own probes do not know is another model.
        let known = |raw: &u64| {
            let mut probes = profile.probes.iter().filter(|p| p.register == name);
            probes.all(|probe| probe.holds_for(*raw))
        };
        for raw in raws(register, &of_name).into_iter().filter(known) {
            // Of values that all conditions judge alike one is enough.
            let judged: Vec<bool> = of_name.iter().map(|c| c.holds_for(raw)).collect();
            if seen.insert(judged) {
                variants.push(Variant {
                    raw: vec![(name.to_owned(), raw)],
                    ..Variant::default()
                });
            }
        }
    }
    variants.truncate(VARIANTS_MAX);
    variants
}

/// Whether a register is part of what the device is, not of what it does.
fn is_fixed(profile: &Profile, register: &Register) -> bool {
    let identity = [Quantity::Firmware, Quantity::Serial, Quantity::Model];
    let measured = register.quantity.is_some_and(|q| !identity.contains(&q));
    let mut telling = profile.state_rules.iter().flat_map(|rule| &rule.when);
    !measured && !telling.any(|condition| condition.register == register.name)
}

fn raws(register: &Register, conditions: &[&Condition]) -> Vec<u64> {
    let mut raws = Vec::new();
    for condition in conditions {
        match &condition.test {
            RawMatch::OneOf(list) => raws.extend(list.iter().flat_map(|raw| [*raw, raw + 1])),
            RawMatch::Between(low, high) => {
                raws.extend([*low, *high, low.saturating_sub(1), high.saturating_add(1)]);
            }
            RawMatch::BitsSet(mask) | RawMatch::BitsClear(mask) => raws.extend([*mask, 0]),
            RawMatch::Text(_) | RawMatch::ValueBetween(..) => {}
        }
    }
    let bits = match register.ty {
        RegisterType::Bit => 1,
        RegisterType::Ascii { .. }
        | RegisterType::AsciiSwapped { .. }
        | RegisterType::Utf16 { .. } => 64,
        RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::F32
        | RegisterType::F64 => 16 * u32::from(register.count()),
    };
    let most = u64::MAX >> (64 - bits);
    raws.retain(|raw| *raw <= most);
    raws.sort_unstable();
    raws.dedup();
    raws
}

/// Two connectors: what one does leaves the other alone.
async fn second(profile: &Profile) -> Outcome {
    let Some(connectors) = &profile.connectors else {
        return Ok(Step::Nothing);
    };
    let world = world();
    let shared = Arc::new(profile.clone());
    let way = ways(profile)[0];
    let options = ChargerOptions {
        connectors: 2,
        ..options()
    };
    let first = world.add_charger("it", Arc::clone(&shared), options);
    let second = first.connector(2).ok_or("it has no second connector")?;
    let units = match &connectors.by {
        ConnectorAddressing::Units(units) => [units[0], units[1]],
        ConnectorAddressing::Stride(_) | ConnectorAddressing::Ports(_) => [profile.link.unit; 2],
    };
    let bus_device = |connector: u8| BusDevice {
        id: id(if connector == 1 { "left" } else { "right" }),
        connector,
        unit: units[usize::from(connector) - 1],
        ..configured(&shared)
    };
    let ports = matches!(connectors.by, ConnectorAddressing::Ports(_));
    // Ports of their own are buses of their own.
    let (mut rig, mut other) = if ports {
        let of = |charger: &ChargerHandle| charger.device().faces(profile.link.unit);
        let left = Rig::start(&world, way, of(&first), vec![bus_device(1)]);
        let right = Rig::start(&world, way, of(&second), vec![bus_device(2)]);
        (right, Some(left))
    } else {
        let wired = first.device().faces(profile.link.unit);
        let devices = vec![bus_device(1), bus_device(2)];
        (Rig::start(&world, way, wired, devices), None)
    };
    let outcome = apart(profile, &mut rig, other.as_mut(), &first, &second).await;
    outcome.and_then(|()| rig.clean())?;
    Ok(Step::Passed)
}

async fn apart(
    profile: &Profile,
    rig: &mut Rig,
    mut other: Option<&mut Rig>,
    first: &ChargerHandle,
    second: &ChargerHandle,
) -> Result<(), String> {
    let (left, right) = (id("left"), id("right"));
    let is = |state| move |value: &Value| *value == Value::VehicleState(state);
    let told_first = |event: &BusEvent| matches!(event, BusEvent::LimitWritten { device, .. } if *device == left);
    if let Some(control) = &profile.limit {
        let beside = other.as_deref_mut().unwrap_or(rig);
        beside
            .bus()
            .write_limit(&left, control.maximum.min(Milliamps(30_000)));
        beside
            .until("the limit of connector 1 is written", told_first)
            .await?;
    }
    second.plug_in(car());
    rig.until_told(&right, "a car at connector 2", is(VehicleState::C))
        .await?;
    let beside = other.as_deref_mut().unwrap_or(rig);
    beside
        .until_told(&left, "no car at connector 1", is(VehicleState::A))
        .await?;
    let before = first.limit();
    if let Some(control) = &profile.limit {
        let asked = Milliamps(control.minimum.0 * 2).min(control.maximum);
        rig.bus().write_limit(&right, asked);
        let written = |event: &BusEvent| matches!(event, BusEvent::LimitWritten { device, .. } if *device == right);
        rig.until("the limit of connector 2 is written", written)
            .await?;
        let (one, two) = (first.limit(), second.limit());
        if two > asked || two < control.minimum || one != before {
            return Err(rig.told(&format!("asked {asked} of 2: {two}, and 1 has {one}")));
        }
    }
    rig.pass(Duration::from_secs(15), |_| Ok(())).await?;
    let truth = Truth::new(right, second.device(), profile);
    truth.look(rig, false).await?;
    let truth = Truth::new(left.clone(), first.device(), profile);
    truth.look(other.unwrap_or(rig), false).await
}
