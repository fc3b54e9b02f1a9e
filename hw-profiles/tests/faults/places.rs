//! Faults of connectors, stations and SunSpec models.

use super::faults_after;

/// A second connector, told apart by `how`.
fn with_connectors(how: &str, expected: &[&str]) {
    let added = format!("[connectors]\n{how}\n\n[read.state]");
    faults_after(&[("[read.state]", &added)], expected);
}

#[test]
fn connectors_are_told_apart_in_one_way() {
    with_connectors("maximum = 2\nstride = 1000", &[]);
    with_connectors(
        "maximum = 2",
        &[
            "acme-ac22.toml:14:1: connectors are told apart in 0 ways. Give exactly one of `stride`, `units`, `ports`",
        ],
    );
    with_connectors(
        "maximum = 2\nstride = 1000\nunits = [1, 2]",
        &[
            "acme-ac22.toml:14:1: connectors are told apart in 2 ways. Give exactly one of `stride`, `units`, `ports`",
        ],
    );
    with_connectors(
        "maximum = 1\nstride = 0",
        &[
            "acme-ac22.toml:15:11: `connectors.maximum` is 1. Write at least 2, or remove `[connectors]`",
            "acme-ac22.toml:16:10: `connectors.stride` is 0. Write how many registers lie between connectors",
        ],
    );
}

#[test]
fn every_connector_has_a_unit_of_its_own_and_the_first_that_of_the_link() {
    with_connectors(
        "maximum = 3\nunits = [2, 2]",
        &[
            "acme-ac22.toml:14:1: `connectors.units` has 2 entries for 3 connectors. Write one for each connector",
            "acme-ac22.toml:16:10: connector 1 has 2, but `link.unit` is 1. Write the same in both places",
            "acme-ac22.toml:16:13: `connectors.units` names 2 twice. Write a different one for each connector",
        ],
    );
    with_connectors(
        "maximum = 2\nunits = [1, 248]",
        &[
            "acme-ac22.toml:16:13: `connectors.units` has 248 on a serial line. Write 1 to 247; 0 is broadcast, the rest is reserved",
        ],
    );
    faults_after(
        &[
            ("unit = 1\n", "unit = 1\nstation_unit = 2\n"),
            ("address = 20\n", "address = 20\nstation = true\n"),
            (
                "[read.state]",
                "[connectors]\nmaximum = 2\nunits = [1, 2]\n[read.state]",
            ),
        ],
        &[
            "acme-ac22.toml:17:13: unit 2 is a connector's and the station's. Correct one of the two",
        ],
    );
}

#[test]
fn ports_belong_to_a_device_on_tcp_alone() {
    with_connectors(
        "maximum = 2\nports = [502, 503]",
        &[
            "acme-ac22.toml:14:1: TCP ports of a device that is not on TCP alone. Tell connectors apart by `stride` or `units`, or give `link.tcp` alone",
        ],
    );
    let rtu = r#"rtu = { baud = 9600, parity = "none", stop_bits = 1 }"#;
    faults_after(
        &[
            (rtu, "tcp = { port = 1502 }"),
            (
                "[read.state]",
                "[connectors]\nmaximum = 2\nports = [502, 503]\n[read.state]",
            ),
        ],
        &[
            "acme-ac22.toml:16:10: connector 1 has 502, but `link.tcp.port` is 1502. Write the same in both places",
        ],
    );
}

#[test]
fn connectors_do_not_lie_on_each_other() {
    with_connectors(
        "maximum = 2\nstride = 1",
        &[
            "acme-ac22.toml:16:10: `state` of connector 2 lies on `current_l1` of connector 1. Correct the stride, or an address, or mark what is station-wide",
        ],
    );
    with_connectors("maximum = 2\nstride = 40000", &[]);
    with_connectors(
        "maximum = 3\nstride = 40000",
        &[
            "acme-ac22.toml:16:10: connector 3 lies beyond address 65535. Correct the stride or the maximum",
        ],
    );
    faults_after(
        &[
            (
                "[read.state]",
                "[connectors]\nmaximum = 2\nstride = 100\n[read.state]",
            ),
            ("address = 20\n", "address = 105\nstation = true\n"),
        ],
        &[
            "acme-ac22.toml:16:10: `state` of connector 2 lies on `firmware` of the station. Correct the stride, or an address, or mark what is station-wide",
        ],
    );
    faults_after(
        &[
            (
                "[read.state]",
                "[connectors]\nmaximum = 2\nstride = 2\n[read.state]",
            ),
            (
                "[read.current_l1]\nquantity = \"current_l1\"\ntable = \"input\"\naddress = 6",
                "[read.current_l1]\nquantity = \"current_l1\"\ntable = \"input\"\naddress = 16",
            ),
            ("address = 20\n", "address = 30\nstation = true\n"),
            ("address = 302, ", "address = 303, "),
        ],
        &[
            "acme-ac22.toml:16:10: what is written to 303 for connector 2 is connector 1's. Correct the stride, or an address, or mark what is station-wide",
        ],
    );
}

#[test]
fn a_device_with_one_connector_has_nothing_station_wide() {
    faults_after(
        &[
            ("address = 20\n", "address = 20\nstation = true\n"),
            (
                "write = { address = 301, type = \"u16\", function = 6 }",
                "write = { address = 301, type = \"u16\", function = 6, station = true }",
            ),
        ],
        &[
            "acme-ac22.toml:32:11: `firmware` is station-wide in a device with one connector. Remove `station`, or add `[connectors]` or `link.station_unit`",
            "acme-ac22.toml:69:64: the failsafe current is station-wide in a device with one connector. Remove `station`, or add `[connectors]` or `link.station_unit`",
        ],
    );
}

#[test]
fn the_unit_of_the_station_is_another_one_and_for_something() {
    faults_after(
        &[("unit = 1\n", "unit = 1\nstation_unit = 2\n")],
        &[
            "acme-ac22.toml:10:16: `link.station_unit` for nothing. Mark what is station-wide with `station = true`, or remove it",
        ],
    );
    let station = ("address = 20\n", "address = 20\nstation = true\n");
    faults_after(
        &[("unit = 1\n", "unit = 1\nstation_unit = 2\n"), station],
        &[],
    );
    faults_after(
        &[("unit = 1\n", "unit = 1\nstation_unit = 1\n"), station],
        &[
            "acme-ac22.toml:10:16: `link.station_unit` is 1, as `link.unit`. Remove it: it is for another unit identifier",
        ],
    );
    faults_after(
        &[("unit = 1\n", "unit = 1\nstation_unit = 248\n"), station],
        &[
            "acme-ac22.toml:10:16: `link.station_unit` is 248 on a serial line. Write 1 to 247; 0 is broadcast, the rest is reserved",
        ],
    );
}

#[test]
fn only_a_meter_is_found_by_its_models() {
    faults_after(
        &[
            ("[read.state]", "[sunspec]\nbases = []\n[read.state]"),
            ("address = 20\n", "address = 20\nmodels = []\n"),
        ],
        &[
            "acme-ac22.toml:14:1: a charger with `sunspec`. Remove it: only meters are found by their models",
            "acme-ac22.toml:14:1: `sunspec.bases` has 0 entries. Write 1 to 8 addresses, usually [40000, 50000, 0]",
            "acme-ac22.toml:30:1: `firmware` is in no SunSpec model. Name the models, or remove `models`",
        ],
    );
    faults_after(
        &[("address = 20\n", "address = 20\nmodels = [1]\n")],
        &[
            "acme-ac22.toml:28:1: `models` for `firmware` without `[sunspec]`. Add `[sunspec]`, or write the address and remove `models`",
        ],
    );
    faults_after(
        &[("[read.state]", "[sunspec]\nbases = [40000]\n[read.state]")],
        &[
            "acme-ac22.toml:14:1: a charger with `sunspec`. Remove it: only meters are found by their models",
            "acme-ac22.toml:14:1: `sunspec` without a register in a model. Give registers `models`, or remove `[sunspec]`",
        ],
    );
}
