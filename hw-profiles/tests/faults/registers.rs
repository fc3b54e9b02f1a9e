//! Faults of what can be read.

use super::faults_after;

#[test]
fn names_are_plain() {
    faults_after(
        &[("[read.current_l1]", "[read.Current-L1]")],
        &[
            "acme-ac22.toml:19:7: a register is named `Current-L1`. Write a letter a-z, then any of a-z 0-9 _",
        ],
    );
}

#[test]
fn names_of_results_are_reserved() {
    faults_after(
        &[("[read.current_l1]", "[read.vehicle_state]")],
        &[
            "acme-ac22.toml:19:7: a register is named `vehicle_state`. Choose another name; this one stands for a result in frame files",
        ],
    );
}

#[test]
fn a_text_has_a_length() {
    faults_after(
        &[("registers = 4\n", "")],
        &[
            "acme-ac22.toml:32:8: text `firmware` without a length. Add `registers`: how many it takes",
        ],
    );
}

#[test]
fn a_text_is_not_empty() {
    faults_after(
        &[("registers = 4\n", "registers = 0\n")],
        &["acme-ac22.toml:33:13: text `firmware` of 0 registers. Write 1 to 125"],
    );
}

#[test]
fn a_number_has_no_length() {
    faults_after(
        &[(
            r#"address = 5
type = "u16""#,
            r#"address = 5
type = "u16"
registers = 1"#,
        )],
        &[
            "acme-ac22.toml:18:13: `registers` for `state`, which is no text. Remove it: the type says how many it takes",
        ],
    );
}

#[test]
fn addresses_end_at_65535() {
    faults_after(
        &[("address = 6\n", "address = 65535\n")],
        &[
            "acme-ac22.toml:22:11: `current_l1` takes 2 registers from 65535, beyond 65535. Correct the address or the type",
        ],
    );
}

#[test]
fn a_value_fits_into_one_read() {
    faults_after(
        &[("max_registers_per_read = 10", "max_registers_per_read = 3")],
        &[
            "acme-ac22.toml:32:8: `firmware` takes 4 registers, a read has at most 3. Correct the type or `link.max_registers_per_read`",
        ],
    );
}

#[test]
fn a_text_has_no_sentinels() {
    faults_after(
        &[(
            r#"poll = "once""#,
            r#"poll = "once"
sentinels = [0]"#,
        )],
        &[
            "acme-ac22.toml:35:14: a sentinel for text `firmware`. Remove it: an empty text counts as not available",
        ],
    );
}

#[test]
fn a_sentinel_fits_its_type() {
    faults_after(
        &[("sentinels = [0xFFFF_FFFF]", "sentinels = [0x1_0000_0000]")],
        &[
            "acme-ac22.toml:26:14: sentinel 0x100000000 does not fit the type of `current_l1`. Write at most 0xFFFFFFFF",
        ],
    );
}

#[test]
fn a_measured_value_has_a_unit() {
    faults_after(
        &[(
            r#"unit = "A"
"#,
            "",
        )],
        &["acme-ac22.toml:19:1: `current_l1` has no unit. Add `unit`: `mA` or `A`"],
    );
}

#[test]
fn a_unit_fits_the_quantity() {
    faults_after(
        &[(
            r#"unit = "A"
"#,
            r#"unit = "kWh"
"#,
        )],
        &[
            "acme-ac22.toml:24:8: the unit of `current_l1` does not fit its quantity. Write `mA` or `A`",
        ],
    );
}

#[test]
fn a_raw_input_has_neither_unit_nor_scale() {
    faults_after(
        &[(
            r#"address = 5
type = "u16""#,
            r#"address = 5
type = "u16"
unit = "A"
scale = "0.1""#,
        )],
        &[
            "acme-ac22.toml:18:8: `unit` for `state`, which measures nothing. Remove `unit`, or add a `quantity`",
            "acme-ac22.toml:19:9: `scale` for `state`, which measures nothing. Remove `scale`, or add a `quantity`",
        ],
    );
}

#[test]
fn an_encoding_fits_the_quantity() {
    faults_after(
        &[(r#"quantity = "firmware""#, r#"quantity = "error_code""#)],
        &[
            "acme-ac22.toml:32:8: `firmware` cannot be read as error_code. Use a text or integer for firmware, serial and model, u16 or u32 for error_code, and a number for what is measured",
        ],
    );
}

#[test]
fn registers_do_not_overlap() {
    faults_after(
        &[("address = 6\n", "address = 4\n")],
        &[
            "acme-ac22.toml:19:7: `current_l1` (4 to 5) overlaps `state` (5 to 5). Correct an address or type, or give both a `when` that excludes the other",
        ],
    );
}

#[test]
fn registers_that_exclude_each_other_may_overlap() {
    faults_after(
        &[
            (
                "[read.firmware]",
                r#"[read.old_current_l1]
quantity = "current_l1"
table = "input"
address = 7
type = "u16"
unit = "A"
when = [{ register = "firmware", text = ["0.99"] }]

[read.firmware]"#,
            ),
            (
                "sentinels = [0xFFFF_FFFF]",
                r#"sentinels = [0xFFFF_FFFF]
when = [{ register = "firmware", text = ["1.00", "1.01"] }]"#,
            ),
        ],
        &[],
    );
}

#[test]
fn two_registers_do_not_tell_the_same() {
    faults_after(
        &[(
            "[read.firmware]",
            r#"[read.other_current_l1]
quantity = "current_l1"
table = "input"
address = 8
type = "u16"
unit = "A"

[read.firmware]"#,
        )],
        &[
            "acme-ac22.toml:28:7: `current_l1` and `other_current_l1` both tell current_l1. Keep one, or give both a `when` that excludes the other",
        ],
    );
}

#[test]
fn a_register_is_read_for_a_purpose() {
    faults_after(
        &[
            (
                r#"quantity = "current_limit"
"#,
                "",
            ),
            (
                r#"unit = "mA"

[[state]]"#,
                "\n[[state]]",
            ),
            (
                r#"read_back = "applied"
"#,
                "",
            ),
        ],
        &[
            "acme-ac22.toml:36:7: `applied` is read for nothing. Give it a `quantity`, name it in a condition or read-back, or remove it",
        ],
    );
}
