//! A profile as one device of it is wired: connector, word order, SunSpec blocks; what is in doubt.

use hw_profiles::{Faults, Profile, WordOrder, load_proven, ocpp_only};

const HEAD: &str = "vendor = \"Acme\"\nmodel = \"X\"\nsource = { document = \"Acme guide 1\" }\n";

const CHARGER: &str = r#"
kind = "charger"
[link]
unit = 1
tcp = {}
station_unit = 200
[connectors]
maximum = 3
stride = 1000
[read.state]
table = "input"
address = 5
type = "u16"
[read.power]
quantity = "power"
table = "input"
address = 10
type = "u32"
unit = "W"
unconfirmed = true
[read.energy]
quantity = "energy_import"
table = "input"
address = 12
type = "u32"
words = "high_first"
unit = "Wh"
[read.serial]
quantity = "serial"
table = "input"
address = 20
type = "u32"
station = true
[[state]]
is = "A"
when = [{ register = "state", one_of = [1] }]
[[state]]
is = "B"
when = [{ register = "state", one_of = [2] }]
[[state]]
is = "C"
when = [{ register = "state", one_of = [3] }]
[limit]
write = { address = 100, type = "u32", function = 16 }
unit = "mA"
minimum_ma = 6000
maximum_ma = 32000
volatile = true
unconfirmed = true
[limit.pause_switch]
write = { address = 102, type = "u16", function = 6 }
pause = 0
resume = 1
[failsafe]
unconfirmed = true
enable = { write = { address = 110, type = "u16", function = 6, station = true }, value = 1, unconfirmed = true }
[failsafe.current]
write = { address = 111, type = "u32", words = "low_first", function = 16 }
unit = "mA"
[keep_alive]
kind = "write_register"
interval_ms = 1000
write = { address = 120, type = "u16", function = 6 }
value = 1
unconfirmed = true
[[setup]]
write = { address = 130, type = "u16", function = 6 }
value = 1
[[setup]]
write = { address = 131, type = "u16", function = 6 }
value = 1
unconfirmed = true
"#;

fn profile(rest: &str) -> Profile {
    let text = format!("{HEAD}{rest}");
    Profile::from_toml("acme-x.toml", &text).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

/// The lines of facts that differ, from the left to the right.
fn changes(left: &Profile, right: &Profile) -> Vec<String> {
    let (left, right) = (left.facts(), right.facts());
    let left: Vec<&str> = left.lines().collect();
    right
        .lines()
        .filter(|line| !left.contains(line))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn a_connector_has_its_registers_and_writes_moved_but_for_the_stations() {
    let all = profile(CHARGER);
    let third = all.for_connector(3).unwrap();
    assert_eq!(
        changes(&all, &third),
        [
            "input 2005 u16 state: raw, fast",
            "input 2010 u32 high_first power: power, a count is 1 W, fast, unconfirmed",
            "input 2012 u32 high_first energy: energy_import, a count is 1 Wh, fast",
            "set up: 1 to holding 2130 u16 by function 6",
            "set up: 1 to holding 2131 u16 by function 6, unconfirmed",
            "limit: holding 2100 u32 high_first by function 16, a count is 1 mA, 6000 mA to 32000 mA, volatile, unconfirmed",
            "limit: pause 0 and resume 1 to holding 2102 u16 by function 6",
            "failsafe current: holding 2111 u32 low_first by function 16, a count is 1 mA",
            "keep alive: 1 to holding 2120 u16 by function 6 every 1000 ms, unconfirmed",
        ]
    );
    assert_eq!(third.connectors, None);
    assert_eq!(all.for_connector(0), None);
    assert_eq!(all.for_connector(4), None);
}

#[test]
fn a_connector_may_have_a_unit_or_a_port_of_its_own() {
    let stride = "[connectors]\nmaximum = 3\nstride = 1000";
    let units = profile(&CHARGER.replace(stride, "[connectors]\nmaximum = 2\nunits = [1, 7]"));
    let second = units.for_connector(2).unwrap();
    assert_eq!((second.link.unit, second.link.station_unit), (7, Some(200)));
    assert_eq!(second.registers, units.registers);
    let ports = profile(&CHARGER.replace(stride, "[connectors]\nmaximum = 2\nports = [502, 503]"));
    let second = ports.for_connector(2).unwrap();
    assert_eq!(second.link.tcp.unwrap().port, 503);
    let single = profile(&CHARGER.replace(stride, ""));
    assert_eq!(single.for_connector(1), Some(single.clone()));
    assert_eq!(single.for_connector(2), None);
}

#[test]
fn another_word_order_leaves_what_the_file_gives_for_itself() {
    let high = profile(CHARGER);
    let low = high.with_words(WordOrder::LowFirst);
    assert_eq!(
        changes(&high, &low),
        [
            "input 10 u32 low_first power: power, a count is 1 W, fast, unconfirmed",
            "input 20 u32 low_first serial: serial, fast, station-wide",
            "limit: holding 100 u32 low_first by function 16, a count is 1 mA, 6000 mA to 32000 mA, volatile, unconfirmed",
        ]
    );
    assert_eq!(low.with_words(WordOrder::HighFirst), high);
}

#[test]
fn everything_that_one_source_told_is_listed() {
    assert_eq!(
        profile(CHARGER).unconfirmed(),
        [
            "limit",
            "failsafe",
            "failsafe.enable",
            "keep_alive",
            "setup[2]",
            "read.power"
        ]
    );
}

const METER: &str = r#"
kind = "meter"
[link]
unit = 1
tcp = {}
[sunspec]
bases = [40000, 0]
[read.serial]
quantity = "serial"
table = "holding"
address = 50
type = "ascii"
registers = 16
models = [1]
[read.power]
quantity = "power"
table = "holding"
address = 18
type = "i16"
unit = "W"
scale_register = "power_sf"
models = [201, 203]
[read.power_sf]
table = "holding"
address = 22
type = "i16"
models = [201, 203]
[read.power_float]
quantity = "power"
table = "holding"
address = 26
type = "f32"
unit = "W"
models = [213]
"#;

#[test]
fn sunspec_registers_are_put_into_the_blocks_that_are_there() {
    let meter = profile(METER);
    let places = |profile: &Profile| -> Vec<(String, u16, bool)> {
        let registers = profile.registers.iter();
        registers
            .map(|r| (r.name.clone(), r.address, r.models.is_empty()))
            .collect()
    };
    let located = meter.located(&[(1, 40002), (203, 40070)]).unwrap();
    let expected = [("serial", 40052), ("power", 40088), ("power_sf", 40092)];
    assert_eq!(
        places(&located),
        expected.map(|(name, address)| (name.to_owned(), address, true))
    );
    assert_eq!(located.sunspec, None);
    let both = meter.located(&[(213, 40200), (203, 40070)]).unwrap();
    let expected = [("power", 40088), ("power_sf", 40092)];
    assert_eq!(
        places(&both),
        expected.map(|(name, address)| (name.to_owned(), address, true)),
        "the first of the file tells the power"
    );
    assert_eq!(meter.located(&[(103, 40070)]), None);
    assert_eq!(
        meter.located(&[(203, 65530)]),
        None,
        "beyond the last address"
    );
}

#[test]
fn a_profile_and_its_frames_are_loaded_together_with_all_their_faults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme-x.toml");
    let text =
        include_str!("files/acme-ac22.toml").replace("pause_value = 0", "pause_value = 6000");
    std::fs::write(&path, text).unwrap();
    let place = folder.path().display().to_string();
    let told = |result: Result<_, Faults>| match result {
        Ok(_) => String::new(),
        Err(faults) => faults.to_string().replace(&place, ""),
    };
    let profile = "/acme-x.toml:60:15: `limit.pause_value` 6000 is also a limit. Write a value outside 6000 to 32000";
    assert_eq!(
        told(load_proven(&path)),
        format!(
            "{profile}\n/acme-x.frames.toml: cannot be read: No such file or directory (os error 2). Write the frames that prove the profile"
        )
    );
    std::fs::write(folder.path().join("acme-x.frames.toml"), "frame = []").unwrap();
    assert_eq!(
        told(load_proven(&path)),
        format!(
            "{profile}\n/acme-x.frames.toml:1:1: a frame file without frames. Add a `[[frame]]`"
        )
    );
}

#[test]
fn what_only_ocpp_reaches_is_no_profile() {
    for device in ocpp_only() {
        let id = format!("{} {}", device.vendor, device.model);
        assert!(device.is_meant_by(&id), "{id}");
        let mut profiles = hw_profiles::builtin().iter();
        let same = profiles.find(|p| p.vendor == device.vendor && device.model.contains(&p.model));
        assert_eq!(same.map(|profile| &profile.id), None, "{id}");
    }
}
