//! Faults of shape: syntax, keys, types and words.

use super::faults_after;

#[test]
fn the_file_itself_has_no_fault() {
    faults_after(&[], &[]);
}

#[test]
fn syntax_is_told_with_its_place() {
    faults_after(
        &[("unit = 1\n", "unit = \n")],
        &[
            "acme-ac22.toml:9:8: TOML syntax: string values must be quoted, expected literal string. Correct the file",
        ],
    );
}

#[test]
fn a_key_given_twice_is_a_fault() {
    faults_after(
        &[(
            r#"poll = "once""#,
            r#"poll = "once"
poll = "fast""#,
        )],
        &["acme-ac22.toml:35:1: `poll` is given twice. Correct the file"],
    );
}

#[test]
fn an_unknown_key_gets_the_nearest_known_one() {
    faults_after(
        &[("address = 5\n", "adress = 5\n")],
        &[
            "acme-ac22.toml:14:1: `read.state` has no `address`. Add the key `address`",
            "acme-ac22.toml:16:1: unknown key `adress` in `read.state`. Did you mean `address`?",
        ],
    );
}

#[test]
fn an_unknown_table_gets_the_list() {
    faults_after(
        &[("[source]", "[colour]\nx = 1\n\n[source]")],
        &[
            "acme-ac22.toml:5:2: unknown key `colour` in the file. Known are `vendor`, `model`, `kind`, `same_map`, `words`, `source`, `link`, `connectors`, `sunspec`, `word_probe`, `setup`, `read`, `state`, `limit`, `failsafe`, `keep_alive`, `phase_switch`, `probe`",
        ],
    );
}

#[test]
fn a_missing_key_is_told_at_its_table() {
    faults_after(
        &[(
            r#"document = "Acme Modbus guide, revision 3.1"
"#,
            "",
        )],
        &["acme-ac22.toml:5:1: `source` has no `document`. Add the key `document`"],
    );
}

#[test]
fn a_wrong_type_names_the_right_one() {
    faults_after(
        &[("volatile = true", r#"volatile = "yes""#)],
        &["acme-ac22.toml:62:12: `limit.volatile` is of type string. Write `true` or `false`"],
    );
}

#[test]
fn a_table_must_be_a_table() {
    faults_after(
        &[(
            r#"rtu = { baud = 9600, parity = "none", stop_bits = 1 }"#,
            "rtu = 9600",
        )],
        &["acme-ac22.toml:10:7: `link.rtu` is of type integer. Write a table"],
    );
}

#[test]
fn a_list_must_be_a_list() {
    faults_after(
        &[("one_of = [1]", "one_of = 1")],
        &["acme-ac22.toml:45:40: `state[1].when[1].one_of` is of type integer. Write an array"],
    );
}

#[test]
fn a_number_beyond_its_range_is_told() {
    faults_after(
        &[("address = 5\n", "address = 65536\n")],
        &["acme-ac22.toml:16:11: `read.state.address` is 65536. Write an integer from 0 to 65535"],
    );
}

#[test]
fn a_negative_number_is_told() {
    faults_after(
        &[("pause_value = 0", "pause_value = -1")],
        &[
            "acme-ac22.toml:60:15: `limit.pause_value` is -1. Write an integer from 0 to 18446744073709551615",
        ],
    );
}

#[test]
fn an_unknown_word_gets_the_nearest_known_one() {
    faults_after(
        &[(r#"table = "holding""#, r#"table = "holdings""#)],
        &[r#"acme-ac22.toml:38:9: `read.applied.table` is "holdings". Did you mean `holding`?"#],
    );
}

#[test]
fn an_unknown_quantity_gets_the_nearest_known_one() {
    faults_after(
        &[(
            r#"quantity = "current_limit""#,
            r#"quantity = "curent_limit""#,
        )],
        &[
            r#"acme-ac22.toml:37:12: `read.applied.quantity` is "curent_limit". Did you mean `current_limit`?"#,
        ],
    );
}

#[test]
fn a_binary_float_is_no_scale() {
    faults_after(
        &[(r#"scale = "0.1""#, "scale = 0.1")],
        &[
            r#"acme-ac22.toml:25:9: `read.current_l1.scale` is the float 0.1. Write a positive decimal as a string, for instance "0.1" (exact, which a binary float is not), or a positive integer; at most nine digits before the point and six after it"#,
        ],
    );
}

#[test]
fn zero_is_no_scale() {
    faults_after(
        &[(r#"scale = "0.1""#, r#"scale = "0""#)],
        &[
            r#"acme-ac22.toml:25:9: `read.current_l1.scale` is "0". Write a positive decimal as a string, for instance "0.1" (exact, which a binary float is not), or a positive integer; at most nine digits before the point and six after it"#,
        ],
    );
}

#[test]
fn a_function_code_is_5_6_or_16() {
    faults_after(
        &[(
            r#"write = { address = 300, type = "u16", function = 6 }"#,
            r#"write = { address = 300, type = "u16", function = 15 }"#,
        )],
        &[
            "acme-ac22.toml:56:51: `limit.write.function` is 15. Write 5 (a coil), 6 (one register) or 16 (several)",
        ],
    );
}

#[test]
fn several_faults_come_together_in_the_order_of_lines() {
    faults_after(
        &[
            (
                r#"unit = "A"
"#,
                r#"unit = "V"
"#,
            ),
            (
                r#"model = "AC22""#,
                r#"model = "AC22"
colour = "red""#,
            ),
            ("address = 20\n", ""),
            ("maximum_ma = 32000", "maximum_ma = 5000"),
        ],
        &[
            "acme-ac22.toml:3:1: unknown key `colour` in the file. Known are `vendor`, `model`, `kind`, `same_map`, `words`, `source`, `link`, `connectors`, `sunspec`, `word_probe`, `setup`, `read`, `state`, `limit`, `failsafe`, `keep_alive`, `phase_switch`, `probe`",
            "acme-ac22.toml:25:8: the unit of `current_l1` does not fit its quantity. Write `mA` or `A`",
            "acme-ac22.toml:29:1: `read.firmware` has no `address`. Add the key `address`",
            "acme-ac22.toml:59:14: `limit.maximum_ma` is 5000, less than the minimum. Write at least `limit.minimum_ma`",
        ],
    );
}

/// What a slip of the editor leaves behind is told, never a panic, and always with a place.
#[test]
fn any_line_may_be_lost_doubled_or_cut() {
    let lines: Vec<&str> = super::GOOD.lines().collect();
    for index in 0..lines.len() {
        let (before, after) = (&lines[..index], &lines[index + 1..]);
        let cut = lines[index].len() / 2;
        for slip in [
            String::new(),
            format!("{0}\n{0}", lines[index]),
            lines[index][..cut].to_owned(),
            lines[index].replace(['0', '1', '2', '3', '6'], "99999999999999999999"),
            lines[index].replace('"', ""),
        ] {
            let text = [before, &[slip.as_str()], after].concat().join("\n");
            if let Err(faults) = hw_profiles::Profile::from_toml("acme-ac22.toml", &text) {
                assert!(!faults.0.is_empty(), "{text}");
                assert!(faults.0.iter().all(|fault| fault.line > 0), "{faults}");
            }
        }
    }
}

/// The last value that is still right, next to each first one that is wrong.
#[test]
fn bounds_belong_to_what_is_allowed() {
    for change in [
        ("vendor = \"Acme\"", "vendor = \"Acme of twenty chars\""),
        ("unit = 1\n", "unit = 247\n"),
        (
            "max_registers_per_read = 10",
            "max_registers_per_read = 125",
        ),
        ("max_registers_per_read = 10", "max_registers_per_read = 4"),
        ("write_interval_ms = 2000", "max_hole_registers = 9"),
        ("write_interval_ms = 2000", "answer_timeout_ms = 1"),
        ("address = 6\n", "address = 65534\n"),
        ("address = 6\n", "address = 3\n"),
        ("sentinels = [0xFFFF_FFFF]", "sentinels = [0, 1]"),
        ("one_of = [1]", "one_of = [65535]"),
        ("between = [3, 4]", "between = [3, 3]"),
        ("maximum_ma = 32000", "maximum_ma = 6000"),
        ("maximum_ma = 32000", "maximum_ma = 65535"),
        ("pause_value = 0", "pause_value = 5999"),
        ("pause_value = 0", "pause_value = 32001"),
        ("pause_value = 0\n", ""),
        ("interval_ms = 20000", "interval_ms = 2000"),
        ("interval_ms = 20000", "interval_ms = 59999"),
        ("write = { address = 302", "write = { address = 65535"),
        (
            "write = { address = 300, type = \"u16\", function = 6 }",
            "write = { address = 65534, type = \"u32\", function = 16 }",
        ),
        ("unit = \"mA\"\nminimum_ma", "unit = \"W\"\nminimum_ma"),
        (
            "maximum_ma = 32000\npause_value = 0",
            "maximum_ma = 65535\npause_value = 0",
        ),
        (
            "[[probe]]\nregister = \"firmware\"\ntext = [\"1.00\", \"1.01\"]\n",
            "",
        ),
        (
            "when = [{ register = \"state\", between = [3, 4] }]",
            "when = []",
        ),
    ] {
        faults_after(&[change], &[]);
    }
    let wide = "type = \"u32\", function = 16 }\nunit = \"mA\"\nminimum_ma";
    let narrow = "type = \"u16\", function = 6 }\nunit = \"mA\"\nminimum_ma";
    let highest = ("maximum_ma = 32000", "maximum_ma = 80000");
    faults_after(
        &[("address = 300", "address = 310"), (narrow, wide), highest],
        &[],
    );
}
