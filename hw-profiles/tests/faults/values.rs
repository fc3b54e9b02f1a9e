//! Faults of bits, masks, signs, powers of ten, word orders and tests on values.

use super::faults_after;

const FIRMWARE: &str =
    "table = \"input\"\naddress = 20\ntype = \"ascii\"\nregisters = 4\npoll = \"once\"";

#[test]
fn bits_are_in_tables_of_bits_and_nothing_else_is() {
    faults_after(
        &[
            (
                "[read.state]\ntable = \"input\"\naddress = 5\ntype = \"u16\"",
                "[read.state]\ntable = \"coil\"\naddress = 5\ntype = \"u16\"",
            ),
            (
                "quantity = \"current_limit\"\ntable = \"holding\"\naddress = 261\ntype = \"u16\"",
                "quantity = \"current_limit\"\ntable = \"holding\"\naddress = 261\ntype = \"bit\"",
            ),
        ],
        &[
            "acme-ac22.toml:17:8: `state` is no bit, but its table holds bits. Write `type = \"bit\"`, or `table = \"holding\"` or `\"input\"`",
            "acme-ac22.toml:40:8: `applied` cannot be read as current_limit. Use a text or integer for firmware, serial and model, u16 or u32 for error_code, and a number for what is measured",
            "acme-ac22.toml:40:8: `applied` is a bit in a table of registers. Write `table = \"coil\"` or `\"discrete\"`, or another type",
        ],
    );
}

#[test]
fn a_coil_is_written_as_a_bit() {
    faults_after(
        &[(
            "write = { address = 300, type = \"u16\", function = 6 }",
            "write = { address = 300, type = \"u16\", function = 5 }",
        )],
        &[
            "acme-ac22.toml:56:51: the limit is a coil, but its type is no bit. Write `type = \"bit\"` with `function = 5`, or correct both",
        ],
    );
    faults_after(
        &[(
            "pause_value = 0",
            "pause_switch = { write = { address = 9, type = \"bit\", function = 6 }, pause = 2, resume = 1 }",
        )],
        &[
            "acme-ac22.toml:60:66: the pause switch is a bit, but function 5 does not write it. Write `type = \"bit\"` with `function = 5`, or correct both",
            "acme-ac22.toml:60:79: `pause` 2 does not fit its register. Write at most 1",
        ],
    );
}

#[test]
fn a_value_is_repeated_by_function_16_and_fits_one_write() {
    let write = "write = { address = 300, type = \"u16\", function = 6 }";
    faults_after(
        &[(
            write,
            "write = { address = 400, type = \"u16\", function = 6, repeat = 3 }",
        )],
        &[
            "acme-ac22.toml:56:63: the limit is repeated, which takes function 16. Write `function = 16`, or remove `repeat`",
        ],
    );
    faults_after(
        &[(
            write,
            "write = { address = 300, type = \"u16\", function = 16, repeat = 0 }",
        )],
        &[
            "acme-ac22.toml:56:64: the limit is repeated 0 times. Write how many times, or remove `repeat`",
        ],
    );
    faults_after(
        &[(
            write,
            "write = { address = 400, type = \"u32\", function = 16, repeat = 62 }",
        )],
        &[
            "acme-ac22.toml:56:64: the limit takes 124 registers in one write. Modbus writes at most 123 with function 16",
        ],
    );
    faults_after(
        &[(
            write,
            "write = { address = 299, type = \"u16\", function = 16, repeat = 3 }",
        )],
        &[
            "acme-ac22.toml:68:21: the failsafe current overlaps the limit at address 301. Correct an address or a type",
        ],
    );
}

#[test]
fn masks_and_signs_belong_to_measured_numbers() {
    faults_after(
        &[
            (
                "[read.state]\ntable",
                "[read.state]\nmask = 1\nnegate = true\ntable",
            ),
            ("scale = \"0.1\"", "scale = \"0.1\"\nmask = 0"),
        ],
        &[
            "acme-ac22.toml:15:8: `mask` for `state`, which is no counted value. Remove it; conditions have a `mask` of their own",
            "acme-ac22.toml:16:10: `negate` for `state`, which measures nothing. Remove `negate`, or add a `quantity`",
            "acme-ac22.toml:28:8: `mask` of `current_l1` is 0x0. Write 0x1 to 0xFFFFFFFF",
        ],
    );
}

#[test]
fn words_are_for_numbers_of_several_words() {
    faults_after(
        &[
            (
                "[read.state]\ntable",
                "[read.state]\nwords = \"low_first\"\ntable",
            ),
            (
                "quantity = \"firmware\"",
                "quantity = \"firmware\"\nwords = \"low_first\"",
            ),
        ],
        &[
            "acme-ac22.toml:15:9: `words` for `state`, which has one word. Remove `words`, or correct the type",
            "acme-ac22.toml:31:9: `words` for `firmware`, which has one word. Remove `words`, or correct the type",
        ],
    );
}

#[test]
fn a_power_of_ten_is_an_i16_that_measures_nothing() {
    let scaled = "scale = \"0.1\"\nscale_register = ";
    let with = |name: &str| format!("{scaled}\"{name}\"");
    faults_after(
        &[("scale = \"0.1\"", &with("stat"))],
        &["acme-ac22.toml:26:18: `stat` names no register. Did you mean `state`?"],
    );
    faults_after(
        &[("scale = \"0.1\"", &with("state"))],
        &[
            "acme-ac22.toml:26:18: `state` is no power of ten. Name a register with `type = \"i16\"` and without a quantity",
        ],
    );
    faults_after(
        &[(
            "[read.state]\ntable",
            "[read.state]\nscale_register = \"applied\"\ntable",
        )],
        &[
            "acme-ac22.toml:15:18: `scale_register` for `state`, which measures nothing. Remove it, or add a `quantity`",
        ],
    );
}

#[test]
fn alone_is_said_only_where_reads_have_blocks() {
    faults_after(
        &[
            ("max_registers_per_read = 10", "block_reads = false"),
            ("address = 5\n", "address = 5\nalone = true\n"),
        ],
        &[
            "acme-ac22.toml:17:9: `alone` for `state` of a device without block reads. Remove it: every value is read alone",
        ],
    );
}

#[test]
fn a_test_on_a_value_has_two_bounds_in_whole_base_units() {
    let state = "register = \"state\", one_of = [1]";
    let on_current = |test: &str| format!("register = \"current_l1\", {test}");
    let faults = |test: &str, expected: &[&str]| {
        faults_after(&[(state, &on_current(test))], expected);
    };
    faults("value_between = [\"-1\", \"0.5\"]", &[]);
    faults(
        "value_between = [\"1\"]",
        &[
            "acme-ac22.toml:45:9: `value_between` has 1 bounds. Write two: `value_between = [\"45\", \"65\"]`, both included",
        ],
    );
    faults(
        "value_between = [\"2\", \"1\"]",
        &["acme-ac22.toml:45:53: `value_between` runs downwards. Write the lower bound first"],
    );
    faults(
        "value_between = [\"0.0001\", \"1\"]",
        &[
            "acme-ac22.toml:45:53: a bound of `value_between` is finer than the values are. Write whole mA, mV, mHz, W, VA, Wh or VAh, or their multiples",
        ],
    );
    faults(
        "value_between = [0, \"1\"]",
        &[
            "acme-ac22.toml:45:53: `state[1].when[1].value_between[1]` is of type integer. Write a decimal as a string, for instance \"-0.5\" or \"45\"; at most nine digits before the point and six after it",
        ],
    );
    faults(
        "mask = 1, value_between = [\"0\", \"1\"]",
        &[
            "acme-ac22.toml:45:43: a mask on a value. Remove `mask`, or test the raw number with `one_of` or `between`",
        ],
    );
    faults_after(
        &[(
            state,
            "register = \"firmware\", value_between = [\"0\", \"1\"]",
        )],
        &[
            "acme-ac22.toml:45:9: `value_between` on `firmware`, which is a text. Use `text`, or `between` on its digits",
        ],
    );
}

#[test]
fn a_mask_leaves_something_to_test() {
    let state = "register = \"state\", one_of = [1]";
    let faults = |test: &str, expected: &[&str]| faults_after(&[(state, test)], expected);
    faults("register = \"state\", mask = 0x7F, one_of = [1]", &[]);
    faults(
        "register = \"state\", mask = 0, one_of = [1]",
        &[
            "acme-ac22.toml:45:38: a condition on `state` with an empty mask. Write the bits to look at, for instance 0x7F00",
        ],
    );
    faults(
        "register = \"state\", mask = 0x0F, one_of = [16]",
        &[
            "acme-ac22.toml:45:9: a condition on `state` with 16, which the mask never leaves. Correct the mask or the value",
        ],
    );
    faults(
        "register = \"state\", mask = 1, bits_set = 1",
        &[
            "acme-ac22.toml:45:38: `mask` with another test. Remove `mask`, or use it with `one_of` or `between`",
        ],
    );
}

#[test]
fn a_word_probe_can_tell_the_order() {
    let probe = |register: &str, bounds: &str| {
        format!("[word_probe]\nregister = \"{register}\"\nbetween = {bounds}\n[read.state]")
    };
    let faults = |register: &str, bounds: &str, expected: &[&str]| {
        faults_after(&[("[read.state]", &probe(register, bounds))], expected);
    };
    faults("current_l1", "[\"6\", \"32\"]", &[]);
    faults(
        "state",
        "[\"1\", \"9\"]",
        &[
            "acme-ac22.toml:15:12: `word_probe`: `state` has no word order. Name a value of several words",
        ],
    );
    faults(
        "current_l1",
        "[\"0\", \"32\"]",
        &[
            "acme-ac22.toml:14:1: `word_probe` is content with 0. Write bounds above 0: zero is the same in both word orders",
        ],
    );
    faults_after(
        &[
            ("[read.state]", &probe("current_l1", "[\"6\", \"32\"]")),
            ("scale = \"0.1\"", "scale = \"0.1\"\nwords = \"low_first\""),
        ],
        &[
            "acme-ac22.toml:15:12: `word_probe`: `current_l1` has `words` of its own. Name a value that uses the order of the file",
        ],
    );
    faults_after(
        &[
            ("[read.state]", &probe("current_l1", "[\"6\", \"32\"]")),
            ("scale = \"0.1\"", "scale = \"0.1\"\noptional = true"),
        ],
        &[
            "acme-ac22.toml:15:12: `word_probe`: `current_l1` does not always exist. Name one that does",
        ],
    );
    faults_after(
        &[
            ("[read.state]", &probe("firmware", "[\"6\", \"32\"]")),
            (
                FIRMWARE,
                "table = \"input\"\naddress = 20\ntype = \"u32\"\npoll = \"once\"",
            ),
        ],
        &[
            "acme-ac22.toml:15:12: `word_probe`: `firmware` measures nothing. Name one with a range that is known: frequency or voltage",
            "acme-ac22.toml:81:1: a `text` condition on `firmware`, which is a number. Use `one_of`, `between`, `bits_set` or `bits_clear`",
        ],
    );
}
