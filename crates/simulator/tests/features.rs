//! What makes devices differ, each in a made-up charger: connectors, set-up, phases, life bits,
//! memory that wears, coils, values that are not there, SunSpec blocks.

use std::sync::Arc;

use hw_profiles::{Profile, Table, WordOrder};
use simulator::codec::{Request, request_pdu};
use simulator::{
    Answer, ChargerHandle, ChargerOptions, Damage, DeviceHandle, Ev, Fault, MeterOf, MeterOptions,
    Rule, World,
};
use site_model::{Milliamps, VehicleState};

/// A charger with a state at input register 0, whose limit in tenths of an ampere is at 100, and
/// with whatever a test adds: first keys before the first table, then tables.
fn charger(head: &str, tables: &str) -> Arc<Profile> {
    let text = format!(
        r#"
vendor = "Acme"
model = "AC22"
kind = "charger"

[source]
document = "made up"

[link]
unit = 1
tcp = {{ port = 502 }}
{head}

[read.state]
table = "input"
address = 0
type = "u16"

[[state]]
is = "A"
when = [{{ register = "state", one_of = [1] }}]

[[state]]
is = "B"
when = [{{ register = "state", one_of = [2] }}]

[[state]]
is = "C"
when = [{{ register = "state", one_of = [3] }}]

[read.applied]
quantity = "current_limit"
table = "holding"
address = 100
type = "u16"
unit = "A"
scale = "0.1"

{tables}
"#
    );
    let limit = r#"
[limit]
write = { address = 100, type = "u16", function = 6 }
unit = "A"
scale = "0.1"
minimum_ma = 6000
maximum_ma = 32000
pause_value = 0
read_back = "applied"
volatile = true
"#;
    // What a test does not say itself.
    let unless = |said: &str, text| if tables.contains(said) { "" } else { text };
    let alive = unless("[keep_alive]", "[keep_alive]\nkind = \"none\"\n");
    let limit = unless("[limit]", limit);
    load(&format!("{text}{limit}{alive}"))
}

fn load(text: &str) -> Arc<Profile> {
    let loaded = Profile::from_toml("acme.toml", text);
    Arc::new(loaded.unwrap_or_else(|faults| panic!("{faults}")))
}

fn add(world: &World, profile: &Arc<Profile>) -> ChargerHandle {
    world.add_charger("acme", Arc::clone(profile), ChargerOptions::default())
}

/// One exchange at the world's time, far enough from the last one.
fn ask(world: &World, device: &DeviceHandle, request: &Request) -> Vec<u8> {
    let answers = device.exchange(world.now_ms(), &request_pdu(request));
    match answers.as_slice() {
        [
            Answer {
                pdu,
                damage: Damage::None,
                delay_ms: 0,
            },
        ] => pdu.clone(),
        other => panic!("{other:?}"),
    }
}

fn read(world: &World, device: &DeviceHandle, table: Table, address: u16, count: u16) -> Vec<u8> {
    let read = Request::Read {
        table,
        address,
        count,
    };
    ask(world, device, &read)
}

/// Writes one register; whether it was taken.
fn write(world: &World, device: &DeviceHandle, address: u16, value: u16) -> bool {
    let answer = ask(world, device, &Request::WriteSingle { address, value });
    answer[0] == 6
}

fn rules(world: &World) -> Vec<Rule> {
    world.violations().iter().map(|v| v.rule).collect()
}

#[test]
fn connectors_at_a_stride_share_the_station_and_nothing_else() {
    let profile = charger(
        "[connectors]\nmaximum = 2\nstride = 1000",
        "[read.count]\ntable = \"input\"\naddress = 5000\ntype = \"u16\"\nstation = true\n\
         [[probe]]\nregister = \"count\"\nbetween = [1, 2]",
    );
    let world = World::new(1);
    let options = ChargerOptions {
        connectors: 2,
        raw: vec![("count".to_owned(), 2)],
        ..ChargerOptions::default()
    };
    let left = world.add_charger("acme", profile, options);
    let right = left.connector(2).expect("built with two");
    assert!(left.connector(3).is_none());
    right.plug_in(Ev::three_phase_11_kw());
    world.step(5_000);
    assert_eq!(
        (left.state(), right.state()),
        (VehicleState::A, VehicleState::C)
    );
    let device = left.device();
    assert_eq!(read(&world, device, Table::Input, 0, 1), [4, 2, 0, 1]);
    assert_eq!(read(&world, device, Table::Input, 1000, 1), [4, 2, 0, 3]);
    assert_eq!(read(&world, device, Table::Input, 5000, 1), [4, 2, 0, 2]);
    assert!(write(&world, device, 1100, 80));
    assert_eq!(
        (left.limit(), right.limit()),
        (Milliamps(32_000), Milliamps(8_000))
    );
    assert_eq!(rules(&world), []);
    assert_eq!(read(&world, device, Table::Input, 6000, 1), [0x84, 2]);
    assert_eq!(rules(&world), [Rule::UnnamedRegister]);
}

#[test]
fn connectors_at_units_and_the_station_answer_each_at_its_own() {
    let profile = charger(
        "station_unit = 200\n[connectors]\nmaximum = 2\nunits = [1, 2]",
        "[read.count]\ntable = \"input\"\naddress = 1\ntype = \"u16\"\nstation = true\n\
         [[probe]]\nregister = \"count\"\nbetween = [1, 2]",
    );
    let world = World::new(2);
    let options = ChargerOptions {
        connectors: 2,
        ..ChargerOptions::default()
    };
    let left = world.add_charger("acme", profile, options);
    let right = left.connector(2).expect("built with two");
    right.plug_in(Ev::three_phase_11_kw());
    let faces = left.device().faces(1);
    let units: Vec<u8> = faces.iter().map(|(unit, _)| *unit).collect();
    assert_eq!(units, [1, 2, 200]);
    let at = |index: usize| &faces[index].1;
    assert_eq!(read(&world, at(0), Table::Input, 0, 1), [4, 2, 0, 1]);
    assert_eq!(read(&world, at(1), Table::Input, 0, 1), [4, 2, 0, 2]);
    assert_eq!(read(&world, at(2), Table::Input, 1, 1), [4, 2, 0, 1]);
    assert!(write(&world, at(1), 100, 70));
    assert_eq!(right.limit(), Milliamps(7_000));
    assert_eq!(rules(&world), []);
    // The station knows no state, and a connector knows nothing of the station.
    assert_eq!(read(&world, at(2), Table::Input, 0, 1), [0x84, 2]);
    assert_eq!(read(&world, at(0), Table::Input, 1, 1), [0x84, 2]);
    assert_eq!(rules(&world), [Rule::UnnamedRegister; 2]);
}

#[test]
fn a_limit_before_the_set_up_is_not_obeyed_and_told() {
    let profile = charger(
        "",
        "[read.mode]\ntable = \"holding\"\naddress = 50\ntype = \"u16\"\n\
         [[setup]]\nwrite = { address = 50, type = \"u16\", function = 6 }\nvalue = 3\n\
         read_back = \"mode\"",
    );
    let world = World::new(3);
    let charger = add(&world, &profile);
    let device = charger.device();
    assert!(!charger.is_set_up());
    assert!(write(&world, device, 100, 80));
    assert_eq!(charger.limit(), Milliamps(32_000));
    assert!(write(&world, device, 50, 3));
    assert!(charger.is_set_up());
    assert_eq!(charger.register("mode"), Some(vec![3]));
    assert_eq!(charger.limit(), Milliamps(8_000));
    assert_eq!(rules(&world), [Rule::SetupMissing]);
    device.set_fault(Fault::Reboot { duration_ms: 100 });
    world.step(200);
    assert!(!charger.is_set_up(), "forgotten with the power");
}

const PHASES: &str = r#"
[read.phases]
table = "input"
address = 9
type = "u16"

[phase_switch]
write = { address = 300, type = "u16", function = 6 }
one = 10
three = 30
read_back = { register = "phases", one = [1], three = [3] }
only_paused = true
settle_ms = 8000
"#;

#[test]
fn phases_are_switched_while_paused_and_charging_waits_for_the_relay() {
    let world = World::new(4);
    let charger = add(&world, &charger("", PHASES));
    let device = charger.device();
    charger.plug_in(Ev::three_phase_11_kw());
    world.step(6_000);
    assert_eq!(charger.register("phases"), Some(vec![3]));
    let switch = Request::WriteSingle {
        address: 300,
        value: 10,
    };
    assert_eq!(ask(&world, device, &switch), [0x86, 4], "while charging");
    assert_eq!(rules(&world), [Rule::PhaseSwitch]);
    assert!(write(&world, device, 100, 0));
    assert_eq!(
        ask(&world, device, &switch),
        [0x86, 4],
        "the car still draws"
    );
    assert_eq!(rules(&world).len(), 1, "which is not the master's fault");
    world.step(12_000);
    assert!(write(&world, device, 300, 10));
    assert_eq!(charger.phases(), 3);
    assert!(write(&world, device, 100, 100));
    assert_eq!(
        charger.limit(),
        Milliamps(0),
        "not before the relay is through"
    );
    assert_eq!(rules(&world), [Rule::PhaseSwitch; 2]);
    world.step(18_000);
    assert_eq!(
        (charger.phases(), charger.register("phases")),
        (1, Some(vec![1]))
    );
    assert_eq!(charger.limit(), Milliamps(10_000));
    world.step(25_000);
    let nothing = Milliamps(0);
    assert_eq!(charger.currents(), [Milliamps(10_000), nothing, nothing]);
    assert!(!write(&world, device, 300, 7), "neither one nor three");
}

#[test]
fn a_life_bit_is_cleared_and_feeds_the_watchdog() {
    let profile = charger(
        "",
        "[read.alive]\ntable = \"holding\"\naddress = 40\ntype = \"u16\"\n\
         [keep_alive]\nkind = \"life_bit\"\ninterval_ms = 2000\nvalue = 1\ncleared = 0\n\
         write = { address = 40, type = \"u16\", function = 6 }\nread_back = \"alive\"",
    );
    let world = World::new(5);
    let charger = add(&world, &profile);
    world.step(2_500);
    assert!(write(&world, charger.device(), 40, 1));
    assert_eq!(charger.register("alive"), Some(vec![1]));
    world.step(3_000);
    assert_eq!(charger.register("alive"), Some(vec![0]));
    world.step(5_500);
    assert!(!charger.fallen_back());
    world.step(5_600);
    assert!(charger.fallen_back());
    assert_eq!(charger.limit(), Milliamps(0), "no fallback is told");
    assert_eq!(rules(&world), []);
}

const FAILSAFE: &str = r#"
[read.fallback]
table = "holding"
address = 61
type = "u16"

[failsafe]
timeout_default_ms = 0
factory_current_ma = 32000
enable = { write = { address = 60, type = "u16", function = 6 }, value = 1 }
persist = { write = { address = 63, type = "u16", function = 6 }, value = 1 }

[failsafe.current]
write = { address = 61, type = "u16", function = 6 }
unit = "A"
read_back = "fallback"

[failsafe.timeout]
write = { address = 62, type = "u16", function = 6 }
unit = "s"

[keep_alive]
kind = "rewrite_timeout"
interval_ms = 4000
"#;

#[test]
fn a_failsafe_acts_once_enabled_and_survives_a_reboot_once_stored() {
    let world = World::new(6);
    let charger = add(&world, &charger("", FAILSAFE));
    let device = charger.device();
    assert_eq!(charger.fallback(), Milliamps(32_000));
    assert!(write(&world, device, 61, 8));
    assert!(write(&world, device, 62, 10));
    world.step(20_000);
    assert!(!charger.fallen_back(), "not enabled");
    assert!(write(&world, device, 60, 1));
    world.step(20_100);
    assert_eq!(charger.limit(), Milliamps(8_000));
    assert!(write(&world, device, 63, 1));
    assert_eq!((device.flash_writes(), rules(&world)), (1, vec![]));
    assert!(write(&world, device, 63, 1));
    assert_eq!(rules(&world), [Rule::FlashWear], "nothing had changed");
    assert!(write(&world, device, 61, 6));
    device.set_fault(Fault::Reboot { duration_ms: 100 });
    world.step(20_300);
    assert_eq!(charger.fallback(), Milliamps(8_000), "what was stored");
    assert_eq!(charger.falls_back_after_ms(), Some(10_000));
}

#[test]
fn needless_writes_to_flash_are_told() {
    let profile = charger(
        "",
        "[limit]\nwrite = { address = 100, type = \"u16\", function = 6 }\nunit = \"A\"\n\
         scale = \"0.1\"\nminimum_ma = 6000\nmaximum_ma = 32000\npause_value = 0\n\
         read_back = \"applied\"\nvolatile = false\nmeanings = [{ value = 999, means = \"no_limit\" }]",
    );
    let world = World::new(7);
    let charger = add(&world, &profile);
    let device = charger.device();
    assert!(write(&world, device, 100, 80));
    assert_eq!(rules(&world), []);
    assert!(write(&world, device, 100, 80));
    assert_eq!(
        (device.flash_writes(), rules(&world)),
        (2, vec![Rule::FlashWear])
    );
    assert!(!write(&world, device, 100, 999));
    assert_eq!(rules(&world)[1..], [Rule::SetpointMeaning]);
    assert_eq!(charger.limit(), Milliamps(8_000));
}

#[test]
fn coils_pause_and_bits_are_read() {
    let profile = charger(
        "",
        "[read.enabled]\ntable = \"coil\"\naddress = 400\ntype = \"bit\"\n\
         [read.ready]\ntable = \"discrete\"\naddress = 7\ntype = \"bit\"\n\
         [[probe]]\nregister = \"ready\"\none_of = [1]\n\
         [limit]\nwrite = { address = 100, type = \"u16\", function = 6 }\nunit = \"A\"\n\
         scale = \"0.1\"\nminimum_ma = 6000\nmaximum_ma = 32000\nread_back = \"applied\"\n\
         paused_when = [{ register = \"enabled\", one_of = [0] }]\nvolatile = true\n\
         [limit.pause_switch]\npause = 0\nresume = 1\n\
         write = { address = 400, type = \"bit\", function = 5 }",
    );
    let world = World::new(8);
    let charger = add(&world, &profile);
    let device = charger.device();
    assert_eq!(read(&world, device, Table::Coil, 400, 1), [1, 1, 1]);
    assert_eq!(read(&world, device, Table::Discrete, 7, 1), [2, 1, 1]);
    let coil = |on| Request::WriteCoil { address: 400, on };
    assert_eq!(ask(&world, device, &coil(false)), [5, 1, 0x90, 0, 0]);
    assert_eq!(charger.limit(), Milliamps(0));
    assert_eq!(read(&world, device, Table::Coil, 400, 1), [1, 1, 0]);
    assert_eq!(ask(&world, device, &coil(true)), [5, 1, 0x90, 0xFF, 0]);
    assert_eq!(charger.limit(), Milliamps(32_000));
    assert_eq!(rules(&world), []);
    assert!(!write(&world, device, 400, 1), "a coil is no register");
    assert_eq!(rules(&world), [Rule::UnknownWrite]);
}

#[test]
fn a_repeated_value_must_be_the_same_for_every_phase() {
    let profile = charger(
        "",
        "[limit]\nunit = \"A\"\nscale = \"0.1\"\nminimum_ma = 6000\nmaximum_ma = 32000\n\
         write = { address = 100, type = \"u16\", function = 16, repeat = 3 }\n\
         pause_value = 0\nread_back = \"applied\"\nvolatile = true",
    );
    let world = World::new(9);
    let charger = add(&world, &profile);
    let write = |values: &[u16]| {
        let request = Request::WriteMultiple {
            address: 100,
            values: values.to_vec(),
        };
        ask(&world, charger.device(), &request)
    };
    assert_eq!(write(&[80, 80, 80]), [16, 0, 100, 0, 3]);
    assert_eq!(charger.limit(), Milliamps(8_000));
    assert_eq!(rules(&world), []);
    assert_eq!(write(&[80, 80, 90]), [0x90, 1]);
    assert_eq!(write(&[90]), [0x90, 1]);
    assert_eq!(rules(&world), [Rule::WriteAccess; 2]);
    assert_eq!(charger.limit(), Milliamps(8_000));
}

#[test]
fn an_optional_value_may_be_missing_and_one_that_is_alone_is_read_alone() {
    let profile = charger(
        "",
        "[read.power]\nquantity = \"power\"\ntable = \"input\"\naddress = 1\ntype = \"u16\"\n\
         unit = \"W\"\noptional = true\n\
         [read.serial]\nquantity = \"serial\"\ntable = \"input\"\naddress = 2\ntype = \"u16\"\nalone = true",
    );
    let world = World::new(10);
    let options = ChargerOptions {
        without_optional: true,
        ..ChargerOptions::default()
    };
    let sparse = world.add_charger("sparse", Arc::clone(&profile), options);
    let whole = add(&world, &profile);
    for (address, count) in [(1, 1), (0, 2)] {
        let answer = read(&world, sparse.device(), Table::Input, address, count);
        assert_eq!(answer, [0x84, 2]);
        let answer = read(&world, whole.device(), Table::Input, address, count);
        assert_eq!(answer[0], 4);
    }
    assert_eq!((sparse.register("power"), rules(&world)), (None, vec![]));
    assert_eq!(read(&world, whole.device(), Table::Input, 2, 1)[0], 4);
    assert_eq!(read(&world, whole.device(), Table::Input, 1, 2), [0x84, 2]);
    assert_eq!(rules(&world), [Rule::BlockRead]);
}

#[test]
fn the_first_of_two_requests_only_wakes() {
    let world = World::new(11);
    let charger = add(&world, &charger("wake_up = true", ""));
    let state = request_pdu(&Request::Read {
        table: Table::Input,
        address: 0,
        count: 1,
    });
    let device = charger.device();
    for _ in 0..2 {
        assert_eq!(device.exchange(0, &state), []);
        assert_eq!(device.exchange(0, &state)[0].pdu, [4, 2, 0, 1]);
    }
    assert_eq!(device.requests(), 2);
}

const SUNSPEC: &str = r#"
vendor = "Acme"
model = "Meter"
kind = "meter"

[source]
document = "made up"

[link]
unit = 1
tcp = { port = 502 }

[sunspec]
bases = [40000, 50000]

[read.power]
quantity = "power"
table = "holding"
address = 18
type = "i16"
unit = "W"
scale_register = "power_scale"
models = [201, 203]

[read.power_scale]
table = "holding"
address = 22
type = "i16"
models = [201, 203]

[read.power_float]
quantity = "power"
table = "holding"
address = 28
type = "f32"
unit = "W"
models = [213]
"#;

#[test]
fn sunspec_blocks_are_where_the_variant_has_them() {
    let profile = load(SUNSPEC);
    let world = World::new(12);
    let meter = |model, base| {
        let options = MeterOptions {
            sunspec_model: Some(model),
            sunspec_base: Some(base),
            ..MeterOptions::default()
        };
        let profile = Arc::clone(&profile);
        world.add_meter_with("meter", profile, MeterOf::Grid, options)
    };
    let integers = meter(203, 50_000);
    let device = integers.device();
    assert_eq!(
        read(&world, device, Table::Holding, 40_000, 2),
        [0x83, 2],
        "looked for in vain, which is no fault"
    );
    let holding = |address, count| read(&world, device, Table::Holding, address, count);
    assert_eq!(holding(50_000, 2), *b"\x03\x04SunS");
    // Common block, inverter, meter, end: number and length of each.
    let mut address = 50_002;
    for (model, length) in [(1_u16, 66_u16), (103, 50), (203, 105), (0xFFFF, 0)] {
        let head = [model.to_be_bytes(), length.to_be_bytes()].concat();
        assert_eq!(holding(address, 2)[2..], head, "model {model}");
        address += length + 2;
    }
    let block = 50_002 + 68 + 52;
    assert_eq!(holding(block + 22, 1), [3, 2, 0, 1], "tens of watts");
    assert_eq!(holding(block + 18, 1), [3, 2, 0, 0]);
    assert_eq!(
        (integers.register("power_float"), rules(&world)),
        (None, vec![])
    );
    let floats = meter(213, 40_000);
    let answer = read(&world, floats.device(), Table::Holding, 40_122 + 28, 2);
    assert_eq!(answer, [3, 4, 0, 0, 0, 0]);
    assert_eq!(rules(&world), []);
}

#[test]
fn another_word_order_turns_what_follows_the_file() {
    let profile = load(
        &SUNSPEC
            .replace("models = [201, 203]\n", "")
            .replace("models = [213]\n", "words = \"high_first\"\n")
            .replace("[sunspec]\nbases = [40000, 50000]\n", "")
            .replace("type = \"i16\"\nunit", "type = \"u32\"\nunit")
            .replace(
                "quantity = \"power\"\ntable = \"holding\"\naddress = 28",
                "quantity = \"power_l1\"\ntable = \"holding\"\naddress = 28",
            ),
    );
    let world = World::new(13);
    let options = MeterOptions {
        words: Some(WordOrder::LowFirst),
        ..MeterOptions::default()
    };
    let meter = world.add_meter_with("meter", profile, MeterOf::Grid, options);
    world.set_base_load(simulator::BaseLoad {
        current: [Milliamps(10_000); 3],
        power_factor_permille: 1000,
    });
    world.step(1_000);
    let power = meter.power_mw() / 10_000;
    let low = u16::try_from(power).expect("some hundred tens of watts");
    assert_eq!(meter.register("power"), Some(vec![low, 0]));
    let float = meter.register("power_float").expect("it is there");
    assert!(float[0] > 0x4500, "{float:04x?}: the file fixes its order");
}
