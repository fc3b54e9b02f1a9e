//! The configuration: the sample, and every kind of fault, told at once.

mod ocpp;

use std::fs;

use firmware_agent::{BusLink, FailsafeSettings, TcpFraming};
use hw_profiles::WordOrder;
use pretty::same;
use site_model::Milliamps;
use tempfile::TempDir;

use super::*;

#[test]
fn the_committed_sample_is_what_the_code_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sample/site-controller.toml");
    let committed = fs::read_to_string(&path).unwrap();
    assert!(
        committed == sample(),
        "docs/sample/site-controller.toml is out of date: cargo run -p site-controller -- sample-config > {}",
        path.display()
    );
}

#[test]
fn the_sample_passes_the_check_and_says_what_will_run() {
    let plan = Plan::parse(&sample(), Path::new("/etc/dynamo")).unwrap();
    same(
        &summary(&plan),
        "Gateway gw_01jd0example, journal in /var/lib/dynamo
Cloud   mqtt.example.com:8883 as gw_01jd0example, TLS, system's roots
Bus garage: /dev/serial/by-id/usb-FTDI_example-if00-port0, 19200 Bd
  unit   1  left: Heidelberg Energy Control, read every 500 ms
  unit   2  left-meter: Eastron SDM630 v2, read every 500 ms
            to be checked, told by one source only:
              read.serial
  unit   3  grid: Eastron SDM630 v2, read every 500 ms
            to be checked, told by one source only:
              read.serial
Charge point CP-LEFT (Heidelberg Energy Control)
  connector 1  Type2 on left: up to 16 A, 3 phase(s), free, recorded as FREE
               energy from meter left-meter, billing grade
Grid meter: grid (observed)
",
    );
    assert!(plan.site.faults().is_empty());
}

#[test]
fn every_fault_is_told_at_once_with_line_key_and_remedy() {
    let text = include_str!("tests/faults.toml");
    let faults = Faults {
        file: "site.toml".to_owned(),
        faults: Plan::parse(text, Path::new("")).unwrap_err(),
    };
    same(
        &faults.to_string(),
        include_str!("tests/faults.txt").trim_end(),
    );
}

#[test]
fn a_device_and_its_profile_fit_the_bus_the_connector_and_the_failsafe() {
    let faults = Plan::parse(include_str!("tests/devices.toml"), Path::new("")).unwrap_err();
    let faults: Vec<Fault> = faults
        .into_iter()
        .filter(|fault| !fault.problem.ends_with("is used by nothing"))
        .collect();
    let faults = Faults {
        file: "site.toml".to_owned(),
        faults,
    };
    same(
        &faults.to_string(),
        include_str!("tests/devices.txt").trim_end(),
    );
}

#[test]
fn connectors_framing_words_and_failsafe_reach_the_bus() {
    let text = sample()
        .replace("stop_bits = 1 }", "stop_bits = 1, framing = \"rtu\" }")
        .replace(
            "id = \"left\"\n",
            "id = \"left\"\nfailsafe = { current_a = 7.5, timeout_s = 60 }\n",
        )
        .replace("[[charge_point]]", WALLBOX_BUS);
    let plan = Plan::parse(&text, Path::new("")).unwrap();
    let bus = &plan.buses[1];
    let link = BusLink::Tcp {
        host: "alfen".to_owned(),
        port: 502,
        framing: TcpFraming::Mbap,
    };
    assert_eq!(bus.link, link);
    let seen: Vec<_> = bus
        .devices
        .iter()
        .map(|d| (d.unit, d.connector, d.words))
        .collect();
    assert_eq!(seen, [(1, 1, None), (2, 2, Some(WordOrder::LowFirst))]);
    let failsafe = FailsafeSettings {
        current: Milliamps(7_500),
        timeout_ms: 60_000,
    };
    assert_eq!(plan.buses[0].devices[0].failsafe, Some(failsafe));
    let summary = summary(&plan);
    let shown: Vec<&str> = summary
        .lines()
        .skip(2)
        .take_while(|line| !line.starts_with("Charge"))
        .collect();
    assert_eq!(
        shown,
        [
            "Bus garage: /dev/serial/by-id/usb-FTDI_example-if00-port0, 19200 Bd",
            "  unit   1  left: Heidelberg Energy Control, read every 500 ms",
            "            falls back to 7.5 A after 60000 ms of silence",
            "  unit   2  left-meter: Eastron SDM630 v2, read every 500 ms",
            "            to be checked, told by one source only:",
            "              read.serial",
            "  unit   3  grid: Eastron SDM630 v2, read every 500 ms",
            "            to be checked, told by one source only:",
            "              read.serial",
            "Bus yard: alfen:502",
            "  unit   1  socket-1: Alfen Eve NG9xx, connector 1, read every 500 ms",
            "            to be checked, told by one source only:",
            "              phase_switch, read.phases",
            "  unit   2  socket-2: Alfen Eve NG9xx, connector 2, read every 500 ms",
            "            low word first",
            "            to be checked, told by one source only:",
            "              phase_switch, read.phases",
        ]
    );
}

#[test]
fn a_fallback_is_no_more_than_the_connector_is_installed_for() {
    let text = sample()
        .replace("max_current_a = 16", "max_current_a = 10")
        .replace(
            "id = \"left\"\n",
            "id = \"left\"\nfailsafe = { current_a = 12, timeout_s = 60 }\n",
        );
    let faults = Plan::parse(&text, Path::new("")).unwrap_err();
    let shown: Vec<String> = faults
        .iter()
        .map(|f| format!("{}: {}. {}", f.place.key, f.problem, f.remedy))
        .collect();
    assert_eq!(
        shown,
        [
            "bus[0].device[0].failsafe.current_a: its connector is installed for 10 A. Use at most 10"
        ]
    );
}

/// Both sockets of a charger with a unit for each.
const WALLBOX_BUS: &str = "[[bus]]
name = \"yard\"
tcp = { host = \"alfen\", port = 502 }
[[bus.device]]
id = \"socket-1\"
profile = \"alfen-eve\"
unit = 1
[[bus.device]]
id = \"socket-2\"
profile = \"alfen-eve\"
unit = 2
connector = 2
words = \"low_first\"
[[charge_point]]
id = \"CP-YARD\"
[[charge_point.connector]]
id = 1
type = \"Type2\"
device = \"socket-1\"
max_current_a = 16
phases = 3
authorization = \"free\"
[[charge_point.connector]]
id = 2
type = \"Type2\"
device = \"socket-2\"
max_current_a = 16
phases = 3
authorization = \"free\"
[[charge_point]]";

#[test]
fn a_charger_that_counts_no_active_energy_needs_a_meter() {
    let text = sample().replace("\nmeter = \"left-meter\"", "").replace(
        "role = \"grid\"",
        "role = \"grid\"\n[[meter]]\ndevice = \"left-meter\"\nrole = \"grid\"",
    );
    let faults = Plan::parse(&text, Path::new("")).unwrap_err();
    let line = text
        .lines()
        .position(|line| line == "device = \"left\"")
        .unwrap()
        + 1;
    assert_eq!(
        faults,
        vec![Fault {
            place: Place {
                line,
                key: "charge_point[0].connector[0].device".into()
            },
            problem: "Heidelberg Energy Control counts no active energy".into(),
            remedy: "Give the connector a meter of its own: meter = \"…\"".into(),
        }]
    );
}

#[test]
fn a_device_serves_one_purpose_and_names_are_unique() {
    let text = sample()
        .replace("device = \"grid\"\n", "device = \"left-meter\"\n")
        .replace("id = \"grid\"", "id = \"left\"");
    let problems: Vec<String> = Plan::parse(&text, Path::new(""))
        .unwrap_err()
        .into_iter()
        .map(|fault| format!("{}: {}", fault.place.key, fault.problem))
        .collect();
    assert_eq!(
        problems,
        [
            "bus[0].device[2].id: `left` is given twice",
            "charge_point[0].connector[0].device: `left` (Eastron SDM630 v2) is a meter",
            "meter[0].device: device `left-meter` serves CP-LEFT connector 1 already",
        ]
    );
}

#[test]
fn a_bus_that_cannot_be_read_does_not_make_its_devices_unknown() {
    for (right, wrong, problem) in [
        ("\"even\"", "\"evn\"", "`evn` is none of the possible words"),
        ("unit = 3", "unit = 300", "300 is out of range"),
    ] {
        let text = sample().replace(right, wrong);
        let faults = Plan::parse(&text, Path::new("")).unwrap_err();
        let problems: Vec<&str> = faults.iter().map(|fault| fault.problem.as_str()).collect();
        assert_eq!(problems, [problem]);
    }
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let faults = Plan::parse("[gateway]\nid = \n", Path::new("")).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].place.line, 2);
    assert_eq!(faults[0].remedy, "Correct the TOML syntax");
}

#[test]
fn paths_are_relative_to_the_file_and_secrets_do_not_print() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("pw"), "hunter2\n").unwrap();
    let text = sample()
        .replace(
            "password = \"from-cloud-api-admin-gateway-create\"",
            "password_file = \"pw\"",
        )
        .replace("\"mqtt.example.com\"", "\"127.0.0.1\"")
        .replace("\"/var/lib/dynamo\"", "\"data\"");
    let file = dir.path().join("site.toml");
    fs::write(&file, text).unwrap();
    let plan = Plan::load(&file).unwrap();
    assert_eq!(plan.data_dir, dir.path().join("data"));
    assert_eq!(plan.broker.password.reveal(), "hunter2");
    assert_eq!(
        (plan.broker.port, &plan.broker.tls),
        (1883, &crate::uplink::Tls::Off)
    );
    assert!(!format!("{plan:?}").contains("hunter2"));
    assert_eq!(
        Plan::socket_of(&file),
        Some(PathBuf::from("/run/dynamo/site-controller.sock"))
    );
}

#[test]
fn a_missing_file_is_one_sentence() {
    let faults = Plan::load(Path::new("/nowhere/site.toml")).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "/nowhere/site.toml: it cannot be read: No such file or directory (os error 2). Name the file with --config; \
         `site-controller sample-config` prints a sample"
    );
}

mod pretty {
    /// Compares whole texts; shows them as they are.
    pub(super) fn same(found: &str, wanted: &str) {
        assert!(
            found == wanted,
            "found:\n{found}\n--- wanted:\n{wanted}\n---"
        );
    }
}
