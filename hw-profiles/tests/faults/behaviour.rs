//! Faults of what a device does: meanings of set-points, failsafe, keep-alive, phases, set-up.

use super::faults_after;

const PAUSE: &str = "pause_value = 0";
const KEEP_ALIVE: &str = "kind = \"rewrite_limit\"\ninterval_ms = 20000";
const PROBE: &str = "[[probe]]";

#[test]
fn a_meaning_is_neither_a_limit_nor_the_pause_nor_told_twice() {
    let meanings = |list: &str| format!("pause_value = 0\nmeanings = [{list}]");
    let faults =
        |list: &str, expected: &[&str]| faults_after(&[(PAUSE, &meanings(list))], expected);
    faults("{ value = 0xFFFF, means = \"no_limit\" }", &[]);
    faults(
        "{ value = 16000, means = \"no_limit\" }",
        &[
            "acme-ac22.toml:61:23: `limit.meanings` with 16000 is also a limit. Write a value outside 6000 to 32000",
        ],
    );
    faults(
        "{ value = 0, means = \"ends_session\" }",
        &[
            "acme-ac22.toml:61:23: `limit.pause_value` 0 has another meaning besides. Keep the one that the device follows",
        ],
    );
    faults(
        "{ value = 1, means = \"refused\" }, { value = 1, means = \"no_limit\" }",
        &[
            "acme-ac22.toml:61:57: `limit.meanings` tells 1 twice. Keep the one that the device follows",
        ],
    );
    faults(
        "{ value = 0x10000, means = \"refuse\" }",
        &["acme-ac22.toml:61:40: `limit.meanings[1].means` is \"refuse\". Did you mean `refused`?"],
    );
    faults(
        "{ value = 0x10000, means = \"refused\" }",
        &[
            "acme-ac22.toml:61:23: `limit.meanings` with 65536 does not fit its register. Write at most 65535",
        ],
    );
}

#[test]
fn a_pause_switch_has_two_positions() {
    let switch = "pause_switch = { write = { address = 400, type = \"u16\", function = 6 }, pause = 1, resume = 1 }";
    faults_after(
        &[(PAUSE, switch)],
        &["acme-ac22.toml:60:93: 1 pauses and resumes. Correct `pause` or `resume`"],
    );
}

#[test]
fn a_failsafe_may_depend_on_a_register_that_nothing_else_needs() {
    let layout = "[read.layout]\ntable = \"input\"\naddress = 50\ntype = \"u16\"\n\n[read.state]";
    let when =
        "timeout_default_ms = 60000\nwhen = [{ register = \"layout\", between = [259, 999] }]";
    faults_after(
        &[
            ("[read.state]", layout),
            ("timeout_default_ms = 60000", when),
        ],
        &[],
    );
}

#[test]
fn a_limit_in_watts_counts_from_one_phase_to_three() {
    faults_after(
        &[
            ("unit = \"mA\"\nminimum_ma", "unit = \"W\"\nminimum_ma"),
            (PAUSE, "pause_value = 1380"),
        ],
        &[
            "acme-ac22.toml:60:15: `limit.pause_value` 1380 is also a limit. Write a value outside 1380 to 22080",
        ],
    );
}

#[test]
fn the_lowest_limit_can_be_set() {
    let amps = |scale: &str| format!("unit = \"A\"\nscale = \"{scale}\"\nminimum_ma");
    let mut expected = vec![
        "acme-ac22.toml:59:14: `limit.minimum_ma` 6000 is no whole number of counts. Correct the scale, or write 8000, the next that can be set",
    ];
    faults_after(&[("unit = \"mA\"\nminimum_ma", &amps("4"))], &expected);
    // IEC 61851-1: 0.1 % of duty is 60 mA.
    expected.clear();
    faults_after(&[("unit = \"mA\"\nminimum_ma", &amps("0.06"))], &expected);
}

#[test]
fn a_read_back_in_watts_is_for_a_limit_in_watts() {
    let applied = "quantity = \"current_limit\"\ntable = \"holding\"\naddress = 261\ntype = \"u16\"\nunit = \"mA\"";
    let in_watts = "quantity = \"power_limit\"\ntable = \"holding\"\naddress = 261\ntype = \"u16\"\nunit = \"W\"";
    faults_after(
        &[(applied, in_watts)],
        &[
            "acme-ac22.toml:61:13: `limit.read_back` names `applied`, which is no limit. Give that register `quantity = \"current_limit\"`",
        ],
    );
    faults_after(
        &[
            (applied, in_watts),
            ("unit = \"mA\"\nminimum_ma", "unit = \"W\"\nminimum_ma"),
        ],
        &[],
    );
    faults_after(
        &[
            ("read_back = \"applied\"", "read_back = \"state\""),
            ("unit = \"mA\"\nminimum_ma", "unit = \"W\"\nminimum_ma"),
        ],
        &[
            "acme-ac22.toml:61:13: `limit.read_back` names `state`, which is no limit. Give that register `quantity = \"current_limit\"` or `\"power_limit\"`",
        ],
    );
}

#[test]
fn a_failsafe_says_something() {
    let current = "[failsafe.current]\nwrite = { address = 301, type = \"u16\", function = 6 }\nunit = \"mA\"\n";
    let timeout = "[failsafe.timeout]\nwrite = { address = 302, type = \"u16\", function = 6 }\nunit = \"s\"\n";
    let default = "timeout_default_ms = 60000\n";
    faults_after(&[(current, ""), (timeout, "")], &[]);
    faults_after(
        &[(current, ""), (timeout, ""), (default, "")],
        &[
            "acme-ac22.toml:64:1: `failsafe` says nothing. Add `current`, `timeout` or `timeout_default_ms`, or remove the table",
        ],
    );
    faults_after(
        &[
            (current, ""),
            (timeout, ""),
            (
                default,
                "timeout_default_ms = 60000\nfactory_current_ma = 80001\npersist = { write = { address = 9, type = \"u16\", function = 6 }, value = 0x10000 }\n",
            ),
        ],
        &[
            "acme-ac22.toml:66:22: `failsafe.factory_current_ma` is 80001. Write at most 80000, the most that IEC 61851-1 can signal",
            "acme-ac22.toml:67:11: `failsafe.persist` has nothing to store. Add `current`, `timeout` or `enable`, or remove `persist`",
            "acme-ac22.toml:67:74: `failsafe.persist` 65536 does not fit its register. Write at most 65535",
        ],
    );
    faults_after(
        &[("unit = \"s\"\n", "unit = \"s\"\npause_value = 0\n")],
        &[
            "acme-ac22.toml:74:15: `failsafe.timeout` has a `pause_value`. Remove it: only a current has one",
        ],
    );
}

#[test]
fn what_is_written_again_and_again_is_there_and_does_not_wear_out() {
    faults_after(
        &[("volatile = true", "volatile = false")],
        &[
            "acme-ac22.toml:62:12: a limit in flash is kept alive by writing it. Write `volatile = true` if it is, or another kind of keep-alive",
        ],
    );
    faults_after(
        &[
            ("kind = \"rewrite_limit\"", "kind = \"rewrite_timeout\""),
            (
                "[failsafe.timeout]\nwrite = { address = 302, type = \"u16\", function = 6 }\nunit = \"s\"\n",
                "",
            ),
        ],
        &[
            "acme-ac22.toml:73:8: no failsafe timeout to write again. Add `[failsafe.timeout]`, or correct the kind",
        ],
    );
}

#[test]
fn a_life_bit_is_seen_to_be_cleared() {
    let life_bit = |rest: &str| {
        format!(
            "kind = \"life_bit\"\ninterval_ms = 2000\nwrite = {{ address = 400, type = \"u16\", function = 6 }}\n{rest}"
        )
    };
    let faults = |rest: &str, expected: &[&str]| {
        faults_after(&[(KEEP_ALIVE, &life_bit(rest))], expected);
    };
    faults("value = 1\nread_back = \"state\"", &[]);
    faults(
        "value = 1",
        &[
            "acme-ac22.toml:76:8: a life bit that cannot be read. Add `read_back`: the register that shows it",
        ],
    );
    faults(
        "read_back = \"state\"",
        &["acme-ac22.toml:76:8: `keep_alive` does not say what to write. Add `write` and `value`"],
    );
    faults(
        "value = 1\ncleared = 1\nread_back = \"state\"",
        &[
            "acme-ac22.toml:80:11: a life bit that is 1 when set and when cleared. Correct `value` or `cleared`",
        ],
    );
    faults(
        "value = 1\ncleared = 0x10000\nread_back = \"state\"",
        &[
            "acme-ac22.toml:81:13: `state` cannot show 65536. Correct its type, `value` or `cleared`",
        ],
    );
    faults(
        "value = 1\nread_back = \"firmware\"",
        &[
            "acme-ac22.toml:34:8: the life bit needs `firmware`, which is read once. Write `poll = \"fast\"` or `\"slow\"`",
        ],
    );
    faults_after(
        &[(
            KEEP_ALIVE,
            "kind = \"any_request\"\ninterval_ms = 2000\ncleared = 0\nread_back = \"state\"",
        )],
        &[
            "acme-ac22.toml:78:11: `keep_alive.cleared` does not belong to this kind. Remove `cleared`, or correct the kind",
            "acme-ac22.toml:79:13: `keep_alive.read_back` does not belong to this kind. Remove `read_back`, or correct the kind",
        ],
    );
}

#[test]
fn a_phase_switch_can_be_seen_and_has_two_values() {
    let switch = |rest: &str| {
        format!(
            "[phase_switch]\nwrite = {{ address = 500, type = \"u16\", function = 6 }}\none = 1\n{rest}\n[[probe]]"
        )
    };
    let faults = |rest: &str, expected: &[&str]| faults_after(&[(PROBE, &switch(rest))], expected);
    faults(
        "three = 3\nread_back = { register = \"state\", one = [1], three = [3] }",
        &[],
    );
    faults(
        "three = 3",
        &[
            "acme-ac22.toml:79:1: a phase switch that nothing confirms. Add `read_back`, or a register of quantity `current_l2`, which shows them",
        ],
    );
    faults(
        "three = 1\nread_back = { register = \"state\", one = [], three = [0x10000] }",
        &[
            "acme-ac22.toml:82:9: `phase_switch` writes 1 for one phase and for three. Correct one of the two",
            "acme-ac22.toml:83:13: `phase_switch.read_back.one` is empty. Write at least one value",
            "acme-ac22.toml:83:54: `state` is never 65536. Write at most 65535",
        ],
    );
    faults(
        "three = 3\nread_back = { register = \"firmware\", one = [1], three = [1, 3] }",
        &[
            "acme-ac22.toml:83:26: `firmware` tells the phases, but is no integer. Name an integer register",
            "acme-ac22.toml:83:58: `firmware` says one phase and three with 1. Keep it in one of the two",
        ],
    );
    let paused = switch(
        "three = 3\nonly_paused = true\nread_back = { register = \"state\", one = [1], three = [3] }",
    );
    faults_after(
        &[(PROBE, &paused), ("pause_value = 0\n", "")],
        &[
            "acme-ac22.toml:82:15: a charger that cannot be paused for its phase switch. Add `limit.pause_value` or `[limit.pause_switch]`, or remove `only_paused`",
        ],
    );
}

#[test]
fn fixed_values_lie_apart_from_what_is_controlled() {
    let setup = |address: u16, rest: &str| {
        format!(
            "[[setup]]\nwrite = {{ address = {address}, type = \"u16\", function = 6 }}\nvalue = 3{rest}\n[[probe]]"
        )
    };
    faults_after(&[(PROBE, &setup(600, ""))], &[]);
    faults_after(
        &[(PROBE, &setup(300, ""))],
        &[
            "acme-ac22.toml:80:21: a set-up overlaps the limit at address 300. Correct an address or a type",
        ],
    );
    faults_after(
        &[
            (PROBE, &setup(600, "\nread_back = \"state\"")),
            (
                "[read.state]\ntable = \"input\"\naddress = 5\ntype = \"u16\"",
                "[read.state]\ntable = \"coil\"\naddress = 5\ntype = \"bit\"",
            ),
            ("one_of = [1]", "one_of = [0]"),
            ("one_of = [2]", "one_of = [1]"),
            ("between = [3, 4]", "one_of = [1]"),
        ],
        &[
            "acme-ac22.toml:82:13: `setup` is read back by `state`, which is never 3. Name another register, or correct its type",
        ],
    );
    let many = setup(600, "").replace("\n[[probe]]", "\n").repeat(17) + "[[probe]]";
    faults_after(
        &[(PROBE, &many)],
        &["acme-ac22.toml:127:1: `setup` has 17 entries. Write at most 16"],
    );
}

#[test]
fn variants_without_optional_registers_have_states_too() {
    faults_after(
        &[("address = 5\n", "address = 5\noptional = true\n")],
        &[
            "acme-ac22.toml:44:1: no state rule gives A without an optional register. Add one for the variants without it, after those that need it",
            "acme-ac22.toml:44:1: no state rule gives B without an optional register. Add one for the variants without it, after those that need it",
            "acme-ac22.toml:44:1: no state rule gives C without an optional register. Add one for the variants without it, after those that need it",
        ],
    );
}
