//! Faults of conditions and state rules, and what each kind of device must have.

use super::faults_after;

#[test]
fn a_condition_names_a_register() {
    faults_after(
        &[(
            r#"register = "state", one_of = [1]"#,
            r#"register = "stat", one_of = [1]"#,
        )],
        &["acme-ac22.toml:45:22: `stat` names no register. Did you mean `state`?"],
    );
}

#[test]
fn a_condition_has_exactly_one_test() {
    faults_after(
        &[
            (
                r#"register = "state", one_of = [1]"#,
                r#"register = "state""#,
            ),
            (
                r#"register = "state", one_of = [2]"#,
                r#"register = "state", one_of = [2], bits_set = 2"#,
            ),
        ],
        &[
            "acme-ac22.toml:45:9: a condition with 0 tests. Give exactly one of `one_of`, `between`, `bits_set`, `bits_clear`, `text`, `value_between`; conditions of a list must all hold",
            "acme-ac22.toml:49:9: a condition with 2 tests. Give exactly one of `one_of`, `between`, `bits_set`, `bits_clear`, `text`, `value_between`; conditions of a list must all hold",
        ],
    );
}

#[test]
fn a_condition_has_values() {
    faults_after(
        &[
            (
                r#"register = "state", one_of = [1]"#,
                r#"register = "state", one_of = []"#,
            ),
            (r#"text = ["1.00", "1.01"]"#, "text = []"),
        ],
        &[
            "acme-ac22.toml:45:9: a condition on `state` without values. Write at least one value",
            "acme-ac22.toml:79:1: a condition on `firmware` without values. Write at least one value",
        ],
    );
}

#[test]
fn a_range_has_two_bounds_in_order() {
    faults_after(
        &[
            ("between = [3, 4]", "between = [4, 3]"),
            ("one_of = [2]", "between = [2]"),
        ],
        &[
            "acme-ac22.toml:49:9: `between` has 1 bounds. Write two: `between = [1, 5]`, both included",
            "acme-ac22.toml:53:42: `between` runs from 4 down to 3. Write the lower bound first",
        ],
    );
}

#[test]
fn a_mask_has_bits() {
    faults_after(
        &[(
            r#"register = "state", one_of = [1]"#,
            r#"register = "state", bits_clear = 0"#,
        )],
        &[
            "acme-ac22.toml:45:9: a condition on `state` with an empty mask. Write the bits to look at, for instance 0x0004",
        ],
    );
}

#[test]
fn a_condition_can_come_true() {
    faults_after(
        &[("one_of = [1]", "one_of = [65536]")],
        &[
            "acme-ac22.toml:45:9: a condition on `state` with 65536, which it never is. Write at most 65535",
        ],
    );
}

#[test]
fn text_is_tested_on_texts() {
    faults_after(
        &[(
            r#"register = "firmware"
"#,
            r#"register = "state"
"#,
        )],
        &[
            "acme-ac22.toml:79:1: a `text` condition on `state`, which is a number. Use `one_of`, `between`, `bits_set` or `bits_clear`",
        ],
    );
}

#[test]
fn floats_are_not_tested() {
    faults_after(
        &[(
            r#"address = 5
type = "u16""#,
            r#"address = 12
type = "f32""#,
        )],
        &[
            "acme-ac22.toml:45:9: a condition on the raw number of `state`, which is a float. Use `value_between`",
            "acme-ac22.toml:49:9: a condition on the raw number of `state`, which is a float. Use `value_between`",
            "acme-ac22.toml:53:9: a condition on the raw number of `state`, which is a float. Use `value_between`",
        ],
    );
}

#[test]
fn a_when_does_not_depend_on_another() {
    faults_after(
        &[
            (
                "[read.firmware]\n",
                r#"[read.model_code]
table = "input"
address = 30
type = "u16"
when = [{ register = "firmware", text = ["1.00"] }]

[read.firmware]
"#,
            ),
            (
                "sentinels = [0xFFFF_FFFF]",
                r#"sentinels = [0xFFFF_FFFF]
when = [{ register = "model_code", one_of = [1] }]"#,
            ),
        ],
        &[
            "acme-ac22.toml:27:22: `current_l1` depends on `model_code`, which itself has a `when`. Depend on a register that always exists",
        ],
    );
}

#[test]
fn a_rule_that_always_holds_is_the_last() {
    faults_after(
        &[(
            r#"when = [{ register = "state", one_of = [1] }]"#,
            "when = []",
        )],
        &[
            "acme-ac22.toml:43:1: a state rule that always holds hides those after it. Put it last, or give it conditions",
        ],
    );
}

#[test]
fn states_a_b_and_c_are_needed() {
    faults_after(
        &[
            (r#"is = "B""#, r#"is = "E""#),
            (r#"is = "C""#, r#"is = "D""#),
        ],
        &[
            r#"acme-ac22.toml:43:1: no state rule gives B. Add a `[[state]]` rule with `is = "B"`"#,
            r#"acme-ac22.toml:43:1: no state rule gives C. Add a `[[state]]` rule with `is = "C"`"#,
        ],
    );
}

#[test]
fn state_inputs_are_polled_fast() {
    faults_after(
        &[(
            r#"address = 5
type = "u16""#,
            r#"address = 5
type = "u16"
poll = "slow""#,
        )],
        &[
            r#"acme-ac22.toml:18:8: a state rule needs `state`, which is polled slow. Write `poll = "fast"`, or remove the key"#,
        ],
    );
}

#[test]
fn a_state_is_one_of_iec_61851() {
    faults_after(
        &[(r#"is = "B""#, r#"is = "G""#)],
        &[
            r#"acme-ac22.toml:48:6: `state[2].is` is "G". Known are `A`, `B`, `C`, `D`, `E`, `F`, `fault`"#,
        ],
    );
}

#[test]
fn a_meter_controls_nothing() {
    faults_after(
        &[(r#"kind = "charger""#, r#"kind = "meter""#)],
        &[
            r#"acme-ac22.toml:43:1: a meter with `state`. Remove it, or write `kind = "charger"`"#,
            r#"acme-ac22.toml:55:1: a meter with `limit`. Remove it, or write `kind = "charger"`"#,
            r#"acme-ac22.toml:64:1: a meter with `failsafe`. Remove it, or write `kind = "charger"`"#,
            r#"acme-ac22.toml:75:1: a meter with `keep_alive`. Remove it, or write `kind = "charger"`"#,
        ],
    );
}

#[test]
fn a_charger_is_observed_and_controlled() {
    faults_after(
        &[
            (
                r#"[[state]]
is = "A"
when = [{ register = "state", one_of = [1] }]

[[state]]
is = "B"
when = [{ register = "state", one_of = [2] }]

[[state]]
is = "C"
when = [{ register = "state", between = [3, 4] }]

"#,
                "",
            ),
            (
                r#"[limit]
write = { address = 300, type = "u16", function = 6 }
unit = "mA"
minimum_ma = 6000
maximum_ma = 32000
pause_value = 0
read_back = "applied"
volatile = true

"#,
                "",
            ),
            (
                r#"[keep_alive]
kind = "rewrite_limit"
interval_ms = 20000

"#,
                "",
            ),
        ],
        &[
            "acme-ac22.toml:3:8: a charger without `limit`. Add the table `[limit]`: where the current limit is written",
            r#"acme-ac22.toml:3:8: a charger without `keep_alive`. Add `[keep_alive]`; write `kind = "none"` if the device needs nothing"#,
            "acme-ac22.toml:3:8: a charger without `state`. Add `[[state]]` rules that give the vehicle states A, B and C",
            "acme-ac22.toml:14:7: `state` is read for nothing. Give it a `quantity`, name it in a condition or read-back, or remove it",
        ],
    );
}
