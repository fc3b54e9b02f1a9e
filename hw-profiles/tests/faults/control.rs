//! Faults of what is written.

use super::faults_after;

#[test]
fn a_limit_is_within_iec_61851() {
    faults_after(
        &[
            ("minimum_ma = 6000", "minimum_ma = 5999"),
            ("maximum_ma = 32000", "maximum_ma = 80001"),
        ],
        &[
            "acme-ac22.toml:58:14: `limit.minimum_ma` is 5999. Write at least 6000, the least that IEC 61851-1 offers while charging",
            "acme-ac22.toml:59:14: `limit.maximum_ma` is 80001. Write at most 80000, the most that IEC 61851-1 can signal",
            "acme-ac22.toml:59:14: `limit.maximum_ma` is 80001 counts, its register holds 65535. Correct the type, the unit or the scale",
        ],
    );
}

#[test]
fn the_highest_limit_is_not_below_the_lowest() {
    faults_after(
        &[("maximum_ma = 32000", "maximum_ma = 5999")],
        &[
            "acme-ac22.toml:59:14: `limit.maximum_ma` is 5999, less than the minimum. Write at least `limit.minimum_ma`",
        ],
    );
}

#[test]
fn the_highest_limit_fits_its_register() {
    faults_after(
        &[
            (
                r#"type = "u16", function = 6 }
unit = "mA"
minimum_ma"#,
                r#"type = "i16", function = 6 }
unit = "mA"
minimum_ma"#,
            ),
            ("maximum_ma = 32000", "maximum_ma = 32768"),
        ],
        &[
            "acme-ac22.toml:59:14: `limit.maximum_ma` is 32768 counts, its register holds 32767. Correct the type, the unit or the scale",
        ],
    );
}

#[test]
fn a_limit_in_watts_fits_its_register() {
    faults_after(
        &[(
            r#"unit = "mA"
minimum_ma"#,
            r#"unit = "W"
scale = "0.1"
minimum_ma"#,
        )],
        &[
            "acme-ac22.toml:60:14: `limit.maximum_ma` is 220800 counts, its register holds 65535. Correct the type, the unit or the scale",
        ],
    );
}

#[test]
fn a_limit_is_a_current_or_a_power() {
    faults_after(
        &[(
            r#"unit = "mA"
minimum_ma"#,
            r#"unit = "Wh"
minimum_ma"#,
        )],
        &[
            "acme-ac22.toml:57:8: the unit of the limit does not fit. Write `mA` or `A` or `mW` or `W` or `kW`",
        ],
    );
}

#[test]
fn a_pause_value_is_no_limit() {
    faults_after(
        &[("pause_value = 0", "pause_value = 6000")],
        &[
            "acme-ac22.toml:60:15: `limit.pause_value` 6000 is also a limit. Write a value outside 6000 to 32000",
        ],
    );
}

#[test]
fn a_pause_value_fits_its_register() {
    faults_after(
        &[("pause_value = 0", "pause_value = 65536")],
        &[
            "acme-ac22.toml:60:15: `limit.pause_value` 65536 does not fit its register. Write at most 65535",
        ],
    );
}

#[test]
fn there_is_one_way_to_pause() {
    faults_after(
        &[(
            "pause_value = 0",
            r#"pause_value = 0
pause_switch = { write = { address = 310, type = "u16", function = 6 }, pause = 0, resume = 65536 }"#,
        )],
        &[
            "acme-ac22.toml:60:15: both `pause_value` and `pause_switch`. Keep the one that the device honours",
            "acme-ac22.toml:61:93: `resume` 65536 does not fit its register. Write at most 65535",
        ],
    );
}

#[test]
fn a_read_back_names_a_register() {
    faults_after(
        &[
            (r#"read_back = "applied""#, r#"read_back = "aplied""#),
            (
                r#"unit = "s""#,
                r#"unit = "s"
read_back = "timeout""#,
            ),
        ],
        &[
            "acme-ac22.toml:61:13: `aplied` names no register. Did you mean `applied`?",
            "acme-ac22.toml:74:13: `timeout` names no register. Known are `state`, `current_l1`, `firmware`, `applied`",
        ],
    );
}

#[test]
fn a_read_back_tells_a_limit() {
    faults_after(
        &[(r#"read_back = "applied""#, r#"read_back = "current_l1""#)],
        &[
            r#"acme-ac22.toml:61:13: `limit.read_back` names `current_l1`, which is no limit. Give that register `quantity = "current_limit"`"#,
        ],
    );
}

#[test]
fn a_write_of_two_registers_needs_function_16() {
    faults_after(
        &[(
            r#"write = { address = 300, type = "u16""#,
            r#"write = { address = 298, type = "u32""#,
        )],
        &[
            "acme-ac22.toml:56:51: the limit takes 2 registers, function 6 writes one. Write `function = 16`",
        ],
    );
}

#[test]
fn a_write_is_a_number() {
    faults_after(
        &[(
            r#"write = { address = 300, type = "u16""#,
            r#"write = { address = 300, type = "ascii""#,
        )],
        &["acme-ac22.toml:56:33: the limit is written as text. Use a number type"],
    );
}

#[test]
fn a_write_ends_at_65535() {
    faults_after(
        &[(
            r#"write = { address = 300, type = "u16", function = 6 }"#,
            r#"write = { address = 65535, type = "u32", function = 16 }"#,
        )],
        &[
            "acme-ac22.toml:56:21: the limit runs beyond address 65535. Correct the address or the type",
        ],
    );
}

#[test]
fn writes_do_not_overlap() {
    faults_after(
        &[("write = { address = 302", "write = { address = 301")],
        &[
            "acme-ac22.toml:72:21: the failsafe timeout overlaps the failsafe current at address 301. Correct an address or a type",
        ],
    );
}

#[test]
fn a_failsafe_has_a_current_and_a_time() {
    faults_after(
        &[
            (
                r#"write = { address = 301, type = "u16", function = 6 }
unit = "mA""#,
                r#"write = { address = 301, type = "u16", function = 6 }
unit = "V""#,
            ),
            (r#"unit = "s""#, r#"unit = "A""#),
        ],
        &[
            "acme-ac22.toml:69:8: the unit of the failsafe current does not fit. Write `mA` or `A` or `mW` or `W` or `kW`",
            "acme-ac22.toml:73:8: the unit of the failsafe timeout does not fit. Write `ms` or `s`",
        ],
    );
}

#[test]
fn a_keep_alive_has_an_interval() {
    faults_after(
        &[("interval_ms = 20000\n", "")],
        &[
            "acme-ac22.toml:76:8: `keep_alive` has no interval. Add `interval_ms`: at least how often",
        ],
    );
}

#[test]
fn a_keep_alive_interval_is_not_zero() {
    faults_after(
        &[("interval_ms = 20000", "interval_ms = 0")],
        &["acme-ac22.toml:77:15: `keep_alive.interval_ms` is 0. Write at least 1"],
    );
}

#[test]
fn a_keep_alive_is_not_faster_than_writes() {
    faults_after(
        &[("interval_ms = 20000", "interval_ms = 1999")],
        &[
            "acme-ac22.toml:77:15: the limit is kept alive every 1999 ms, but may be written every 2000 ms. Write at least `link.write_interval_ms`",
        ],
    );
}

#[test]
fn a_keep_alive_is_faster_than_the_failsafe() {
    faults_after(
        &[("interval_ms = 20000", "interval_ms = 60000")],
        &[
            "acme-ac22.toml:77:15: kept alive every 60000 ms, but the device falls back after 60000 ms. Write less than `failsafe.timeout_default_ms`",
        ],
    );
}

#[test]
fn a_keep_alive_write_says_what() {
    faults_after(
        &[(r#"kind = "rewrite_limit""#, r#"kind = "write_register""#)],
        &["acme-ac22.toml:76:8: `keep_alive` does not say what to write. Add `write` and `value`"],
    );
}

#[test]
fn keys_belong_to_the_kind_of_keep_alive() {
    faults_after(
        &[(
            r#"kind = "rewrite_limit"
interval_ms = 20000"#,
            r#"kind = "none"
interval_ms = 1
value = 1
write = { address = 1, type = "u16", function = 6 }"#,
        )],
        &[
            "acme-ac22.toml:77:15: `keep_alive.interval_ms` does not belong to this kind. Remove `interval_ms`, or correct the kind",
            "acme-ac22.toml:78:9: `keep_alive.value` does not belong to this kind. Remove `value`, or correct the kind",
            "acme-ac22.toml:79:9: `keep_alive.write` does not belong to this kind. Remove `write`, or correct the kind",
        ],
    );
}

#[test]
fn a_keep_alive_value_fits_its_register() {
    faults_after(
        &[(
            r#"kind = "rewrite_limit""#,
            r#"kind = "write_register"
value = 65536
write = { address = 400, type = "u16", function = 6 }"#,
        )],
        &[
            "acme-ac22.toml:77:9: `keep_alive.value` 65536 does not fit its register. Write at most 65535",
        ],
    );
}
