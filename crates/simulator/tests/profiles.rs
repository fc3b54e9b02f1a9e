//! Every built-in profile as a simulated device: registers encoded by the simulator, decoded here
//! a third time by hand, held against what is true in the world.

use std::collections::BTreeMap;
use std::sync::Arc;

use hw_profiles::{
    Condition, Kind, Profile, Quantity, RawMatch, Register, RegisterType, WordOrder, builtin,
};
use simulator::codec::{Request, request_pdu};
use simulator::{ChargerHandle, ChargerOptions, DeviceHandle, Ev, MeterOf, World};
use site_model::VehicleState;

/// The side of a device at which a register is read.
fn side(device: &DeviceHandle, profile: &Profile, register: &Register) -> DeviceHandle {
    let station = profile.link.station_unit.filter(|_| register.station);
    let mut faces = device.faces(profile.link.unit).into_iter();
    let found = station.and_then(|unit| faces.find(|(face, _)| *face == unit));
    found.map_or_else(|| device.clone(), |(_, face)| face)
}

/// Reads one register over Modbus, far enough from the last request to keep every rule. Those in
/// SunSpec blocks, whose place only the device knows, are asked past the line.
fn read(
    device: &DeviceHandle,
    now_ms: &mut u64,
    profile: &Profile,
    register: &Register,
) -> Vec<u16> {
    if !register.models.is_empty() {
        return device.register(&register.name).unwrap_or_default();
    }
    *now_ms += 10_000;
    let pdu = request_pdu(&Request::Read {
        table: register.table,
        address: register.address,
        count: register.count(),
    });
    let side = side(device, profile, register);
    let mut answers = side.exchange(*now_ms, &pdu);
    if profile.link.wake_up {
        assert_eq!(answers, [], "{}: the first one only wakes", register.name);
        answers = side.exchange(*now_ms, &pdu);
    }
    assert_eq!(answers.len(), 1, "{}", register.name);
    let answer = &answers[0].pdu;
    assert_eq!(
        answer[0], pdu[0],
        "{} {}: {answer:02x?}",
        profile.id, register.name
    );
    assert_eq!(
        usize::from(answer[1]),
        answer.len() - 2,
        "{}",
        register.name
    );
    if register.table.is_bits() {
        return vec![u16::from(answer[2])];
    }
    answer[2..]
        .chunks(2)
        .map(|w| u16::from_be_bytes([w[0], w[1]]))
        .collect()
}

fn joined(register: &Register, words: &[u16]) -> u64 {
    let mut words = words.to_vec();
    if register.words == WordOrder::LowFirst {
        words.reverse();
    }
    words
        .iter()
        .fold(0, |bits, word| (bits << 16) | u64::from(*word))
}

/// Raw value as conditions see it.
struct Raw {
    /// Digits of texts, bits of integers.
    number: u64,
    /// Text of texts, else empty.
    text: String,
}

fn raw(register: &Register, words: &[u16]) -> Raw {
    let text = |words: Vec<u16>| {
        let bytes = words.iter().flat_map(|word| word.to_be_bytes());
        let bytes = bytes.filter(|b| *b != 0);
        let text: String = bytes.map(char::from).collect();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let number = digits.parse().unwrap_or(0);
        Raw { number, text }
    };
    match register.ty {
        RegisterType::Ascii { .. } | RegisterType::Utf16 { .. } => text(words.to_vec()),
        RegisterType::AsciiSwapped { .. } => {
            text(words.iter().map(|word| word.swap_bytes()).collect())
        }
        RegisterType::Bit
        | RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::F32
        | RegisterType::F64 => Raw {
            number: joined(register, words),
            text: String::new(),
        },
    }
}

/// Value in base units and how far it may be from the truth: one count, or for a float the distance
/// to the next one; `None` for a sentinel.
fn decoded(register: &Register, words: &[u16], exponent: i32) -> Option<(f64, f64)> {
    let bits = joined(register, words);
    if register.sentinels.contains(&bits) {
        return None;
    }
    let masked = bits & register.mask.unwrap_or(u64::MAX);
    let (counts, count) = match register.ty {
        RegisterType::F32 => {
            let bits = u32::try_from(bits).expect("two words were joined");
            let counts = f64::from(f32::from_bits(bits));
            (counts, counts * f64::from(f32::EPSILON))
        }
        RegisterType::F64 => {
            let counts = f64::from_bits(bits);
            (counts, counts * f64::EPSILON)
        }
        RegisterType::I16 | RegisterType::I32 | RegisterType::I64 => {
            let shift = 64 - 16 * u32::from(register.count());
            (
                (masked << shift).cast_signed() as f64 / (1_u64 << shift) as f64,
                1.0,
            )
        }
        RegisterType::Bit
        | RegisterType::U16
        | RegisterType::U32
        | RegisterType::U64
        | RegisterType::Ascii { .. }
        | RegisterType::AsciiSwapped { .. }
        | RegisterType::Utf16 { .. } => (masked as f64, 1.0),
    };
    let scale = register.scale.numerator as f64 / register.scale.denominator as f64;
    let scale = scale * 10_f64.powi(exponent);
    let sign = if register.negate { -1.0 } else { 1.0 };
    Some((sign * counts * scale, count.abs() * scale))
}

fn holds(condition: &Condition, seen: &Seen) -> bool {
    let Raw { number, text } = &seen.raws[&condition.register];
    let masked = number & condition.mask.unwrap_or(u64::MAX);
    match &condition.test {
        RawMatch::OneOf(list) => list.contains(&masked),
        RawMatch::Between(low, high) => (*low..=*high).contains(&masked),
        RawMatch::BitsSet(mask) => masked & mask == *mask,
        RawMatch::BitsClear(mask) => masked & mask == 0,
        RawMatch::Text(list) => list.contains(text),
        RawMatch::ValueBetween(low, high) => {
            let value = seen.values.get(&condition.register);
            value.is_some_and(|(value, _)| (*low as f64..=*high as f64).contains(value))
        }
    }
}

/// Raw values of everything that exists, and the values with their counts.
#[derive(Default)]
struct Seen {
    raws: BTreeMap<String, Raw>,
    values: BTreeMap<String, (f64, f64)>,
    quantities: BTreeMap<Quantity, (f64, f64)>,
}

fn see(device: &DeviceHandle, profile: &Profile, now_ms: &mut u64) -> Seen {
    let mut seen = Seen::default();
    let (first, gated): (Vec<&Register>, Vec<&Register>) =
        profile.registers.iter().partition(|r| r.when.is_empty());
    let is_scale = |r: &&Register| {
        let name = Some(&r.name);
        profile
            .registers
            .iter()
            .any(|r| r.scale_register.as_ref() == name)
    };
    let (scales, others): (Vec<&Register>, Vec<&Register>) = first.into_iter().partition(is_scale);
    for register in scales.into_iter().chain(others).chain(gated) {
        if !register
            .when
            .iter()
            .all(|condition| holds(condition, &seen))
        {
            continue;
        }
        let words = read(device, now_ms, profile, register);
        if words.is_empty() {
            continue;
        }
        let raw = raw(register, &words);
        let scale = register
            .scale_register
            .as_ref()
            .map(|name| &seen.raws[name]);
        let exponent = scale.map_or(0, |raw| {
            let word = u16::try_from(raw.number).expect("a scale register is one word");
            i32::from(word.cast_signed())
        });
        seen.raws.insert(register.name.clone(), raw);
        if let Some(value) = decoded(register, &words, exponent) {
            seen.values.insert(register.name.clone(), value);
            if let Some(quantity) = register.quantity {
                seen.quantities.insert(quantity, value);
            }
        }
    }
    seen
}

fn state(profile: &Profile, seen: &Seen) -> Option<VehicleState> {
    let holds = |c: &Condition| holds(c, seen);
    let rule = profile
        .state_rules
        .iter()
        .find(|rule| rule.when.iter().all(holds));
    rule.map(|rule| rule.state)
}

fn profiles(kind: Kind) -> Vec<Arc<Profile>> {
    let of_kind = builtin().iter().filter(|profile| profile.kind == kind);
    of_kind.cloned().map(Arc::new).collect()
}

fn charger(world: &World, profile: &Arc<Profile>) -> ChargerHandle {
    let options = ChargerOptions {
        initial_energy_wh: 1_234_567,
        fallback_current: site_model::Milliamps(6_000),
        ..ChargerOptions::default()
    };
    world.add_charger(&profile.id, Arc::clone(profile), options)
}

/// Lets time pass as with a master that keeps the charger alive.
fn run(world: &World, charger: &ChargerHandle, until_ms: u64) {
    while world.now_ms() < until_ms {
        charger.feed();
        world.step(until_ms.min(world.now_ms() + 1_000));
    }
}

#[test]
fn every_charger_shows_each_state_by_its_own_rules() {
    for profile in profiles(Kind::Charger) {
        let world = World::new(1);
        let charger = charger(&world, &profile);
        let mut now_ms = 0;
        let mut shown = |expected: VehicleState| {
            assert_eq!(charger.state(), expected, "{}", profile.id);
            let seen = see(charger.device(), &profile, &mut now_ms);
            assert_eq!(state(&profile, &seen), Some(expected), "{}", profile.id);
        };
        shown(VehicleState::A);
        charger.plug_in(Ev::three_phase_11_kw());
        shown(VehicleState::B);
        world.step(3_000);
        shown(VehicleState::C);
        charger.set_forced_state(Some(VehicleState::E));
        assert_eq!(charger.currents(), [site_model::Milliamps(0); 3]);
        let faulty = [VehicleState::E, VehicleState::F, VehicleState::Fault];
        let rules = profile.state_rules.iter();
        if rules.map(|rule| rule.state).any(|s| faulty.contains(&s)) {
            let seen = see(charger.device(), &profile, &mut now_ms);
            let state = state(&profile, &seen).unwrap();
            assert!(faulty.contains(&state), "{}: {state}", profile.id);
        }
        assert_eq!(world.violations(), [], "{}", profile.id);
    }
}

#[test]
fn every_charger_shows_its_physics_in_its_own_scales() {
    for profile in profiles(Kind::Charger) {
        let world = World::new(2);
        let charger = charger(&world, &profile);
        charger.plug_in(Ev::three_phase_11_kw());
        run(&world, &charger, 10_000);
        assert_eq!(
            charger.currents(),
            [site_model::Milliamps(16_000); 3],
            "{}",
            profile.id
        );
        let truth = BTreeMap::from([
            (Quantity::CurrentL1, 16_000.0),
            (Quantity::CurrentL2, 16_000.0),
            (Quantity::CurrentL3, 16_000.0),
            (Quantity::Power, charger.power_mw() as f64 / 1000.0),
            (Quantity::ApparentPower, charger.power_mw() as f64 / 950.0),
            (Quantity::EnergyImport, charger.energy_mwh() as f64 / 1000.0),
            (
                Quantity::ApparentEnergy,
                charger.apparent_energy_mvah() as f64 / 1000.0,
            ),
            (
                Quantity::EnergySession,
                charger.energy_mwh() as f64 / 1000.0 - 1_234_567.0,
            ),
        ]);
        let seen = see(charger.device(), &profile, &mut 0);
        for (quantity, (value, count)) in &seen.quantities {
            if let Some(truth) = truth.get(quantity) {
                // Integers round down, floats to the nearest.
                let below = truth - value;
                let above = if *count < 1.0 { *count } else { 0.0 };
                assert!(
                    below > -0.01 - above && below < count.max(0.01) + 0.01,
                    "{} {quantity:?}: {value} for {truth}",
                    profile.id
                );
            }
        }
        assert_eq!(world.violations(), [], "{}", profile.id);
    }
}

#[test]
fn every_charger_passes_its_own_probes() {
    for profile in profiles(Kind::Charger) {
        let world = World::new(3);
        let charger = charger(&world, &profile);
        let seen = see(charger.device(), &profile, &mut 0);
        for probe in &profile.probes {
            assert!(holds(probe, &seen), "{} {probe:?}", profile.id);
        }
    }
}

#[test]
fn every_meter_shows_the_same_energy_as_the_charger_before_it() {
    for profile in profiles(Kind::Meter) {
        for before in profiles(Kind::Charger) {
            let world = World::new(4);
            let charger = charger(&world, &before);
            let of = MeterOf::Charger(charger.clone());
            let meter = world.add_meter("meter", Arc::clone(&profile), of, 7_000);
            charger.plug_in(Ev::single_phase_7_kw());
            run(&world, &charger, 14_000);
            assert_eq!(
                meter.energy_mwh() - 7_000_000,
                charger.energy_mwh() - 1_234_567_000
            );
            assert_eq!(meter.power_mw(), charger.power_mw());
            let seen = see(meter.device(), &profile, &mut 0);
            let truth = [
                (
                    Quantity::EnergyImport,
                    meter.energy_mwh() as f64 / 1000.0,
                    0.5,
                ),
                (Quantity::Power, meter.power_mw() as f64 / 1000.0, 0.01),
            ];
            for (quantity, truth, least) in truth {
                if let Some((value, count)) = seen.quantities.get(&quantity) {
                    assert!(
                        (value - truth).abs() < count.max(least),
                        "{} {quantity:?}: {value} for {truth}",
                        profile.id
                    );
                }
            }
            assert_eq!(world.violations(), []);
        }
    }
}
