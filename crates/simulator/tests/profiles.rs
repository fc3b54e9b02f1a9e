//! Every built-in profile as a simulated device: registers encoded by the simulator, decoded here
//! a third time by hand, held against what is true in the world.

use std::collections::BTreeMap;
use std::sync::Arc;

use hw_profiles::{
    Condition, KeepAlive, Kind, Profile, Quantity, RawMatch, Register, RegisterType, Table,
    WordOrder, builtin,
};
use simulator::codec::{Request, request_pdu};
use simulator::{ChargerHandle, ChargerOptions, DeviceHandle, Ev, MeterOf, World};
use site_model::VehicleState;

/// Reads one register over Modbus, far enough from the last request to keep every rule.
fn read(device: &DeviceHandle, now_ms: &mut u64, register: &Register) -> Vec<u16> {
    *now_ms += 10_000;
    let pdu = request_pdu(&Request::Read {
        table: register.table,
        address: register.address,
        count: register.count(),
    });
    let answers = device.exchange(*now_ms, &pdu);
    assert_eq!(answers.len(), 1, "{}", register.name);
    let pdu = &answers[0].pdu;
    let function = match register.table {
        Table::Holding => 3,
        Table::Input => 4,
    };
    assert_eq!(pdu[0], function, "{}: {pdu:02x?}", register.name);
    assert_eq!(usize::from(pdu[1]), pdu.len() - 2, "{}", register.name);
    pdu[2..]
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
    if let RegisterType::Ascii { .. } = register.ty {
        let bytes = words.iter().flat_map(|word| word.to_be_bytes());
        let text: String = bytes.take_while(|b| *b != 0).map(char::from).collect();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let number = digits.parse().unwrap_or(0);
        Raw { number, text }
    } else {
        let number = joined(register, words);
        let text = String::new();
        Raw { number, text }
    }
}

/// Value in base units and how far it may be from the truth: one count, or for a float the distance
/// to the next one; `None` for a sentinel. What these tests read is never negative.
fn decoded(register: &Register, words: &[u16]) -> Option<(f64, f64)> {
    let bits = joined(register, words);
    if register.sentinels.contains(&bits) {
        return None;
    }
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
        RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::Ascii { .. }
        | RegisterType::Utf16 { .. } => (bits as f64, 1.0),
    };
    let scale = register.scale.numerator as f64 / register.scale.denominator as f64;
    Some((counts * scale, count * scale))
}

fn holds(condition: &Condition, raws: &BTreeMap<String, Raw>) -> bool {
    let Raw { number, text } = &raws[&condition.register];
    match &condition.test {
        RawMatch::OneOf(list) => list.contains(number),
        RawMatch::Between(low, high) => (*low..=*high).contains(number),
        RawMatch::BitsSet(mask) => number & mask == *mask,
        RawMatch::BitsClear(mask) => number & mask == 0,
        RawMatch::Text(list) => list.contains(text),
    }
}

/// Raw values of everything that exists, and by quantity the values with their counts.
struct Seen {
    raws: BTreeMap<String, Raw>,
    values: BTreeMap<Quantity, (f64, f64)>,
}

fn see(device: &DeviceHandle, profile: &Profile, now_ms: &mut u64) -> Seen {
    let mut seen = Seen {
        raws: BTreeMap::new(),
        values: BTreeMap::new(),
    };
    let (first, gated): (Vec<&Register>, Vec<&Register>) =
        profile.registers.iter().partition(|r| r.when.is_empty());
    for register in first.into_iter().chain(gated) {
        if register
            .when
            .iter()
            .all(|condition| holds(condition, &seen.raws))
        {
            let words = read(device, now_ms, register);
            seen.raws
                .insert(register.name.clone(), raw(register, &words));
            if let (Some(quantity), Some(value)) = (register.quantity, decoded(register, &words)) {
                seen.values.insert(quantity, value);
            }
        }
    }
    seen
}

fn state(profile: &Profile, seen: &Seen) -> Option<VehicleState> {
    let holds = |c: &Condition| holds(c, &seen.raws);
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

/// Lets time pass as a master that sends the heartbeat where the profile wants one.
fn run(world: &World, charger: &ChargerHandle, profile: &Profile, until_ms: u64) {
    while world.now_ms() < until_ms {
        if let KeepAlive::WriteRegister { write, value, .. } = &profile.keep_alive {
            let heartbeat = Request::WriteSingle {
                address: write.address,
                value: u16::try_from(*value).expect("one register"),
            };
            let pdu = request_pdu(&heartbeat);
            let answers = charger.device().exchange(world.now_ms(), &pdu);
            assert_eq!(answers.len(), 1, "{}", profile.id);
            assert_eq!(answers[0].pdu, pdu, "{}", profile.id);
        }
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
        let seen = see(charger.device(), &profile, &mut now_ms);
        let state = state(&profile, &seen).unwrap();
        assert!(
            matches!(
                state,
                VehicleState::E | VehicleState::F | VehicleState::Fault
            ),
            "{}: {state}",
            profile.id
        );
        assert_eq!(world.violations(), [], "{}", profile.id);
    }
}

#[test]
fn every_charger_shows_its_physics_in_its_own_scales() {
    for profile in profiles(Kind::Charger) {
        let world = World::new(2);
        let charger = charger(&world, &profile);
        charger.plug_in(Ev::three_phase_11_kw());
        run(&world, &charger, &profile, 10_000);
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
        let loads = [Quantity::CurrentL1, Quantity::Power];
        assert!(
            loads.iter().any(|q| seen.values.contains_key(q)),
            "{}",
            profile.id
        );
        let energies = [
            Quantity::EnergyImport,
            Quantity::ApparentEnergy,
            Quantity::EnergySession,
        ];
        assert!(
            energies.iter().any(|q| seen.values.contains_key(q)),
            "{}",
            profile.id
        );
        for (quantity, (value, count)) in &seen.values {
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
            let condition = Condition {
                register: probe.register.clone(),
                test: probe.test.clone(),
            };
            assert!(holds(&condition, &seen.raws), "{} {probe:?}", profile.id);
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
            run(&world, &charger, &before, 14_000);
            assert_eq!(
                meter.energy_mwh() - 7_000_000,
                charger.energy_mwh() - 1_234_567_000
            );
            assert_eq!(meter.power_mw(), charger.power_mw());
            let seen = see(meter.device(), &profile, &mut 0);
            let (energy, count) = seen.values[&Quantity::EnergyImport];
            let truth = meter.energy_mwh() as f64 / 1000.0;
            assert!(
                (energy - truth).abs() < count.max(0.5),
                "{}: {energy} Wh for {truth} Wh",
                profile.id
            );
            let (power, count) = seen.values[&Quantity::Power];
            assert!(
                (power - meter.power_mw() as f64 / 1000.0).abs() < count.max(0.01),
                "{}: {power}",
                profile.id
            );
            assert_eq!(world.violations(), []);
        }
    }
}
