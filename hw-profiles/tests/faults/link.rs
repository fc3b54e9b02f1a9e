//! Faults of names, source and link.

use super::faults_after;

#[test]
fn vendor_and_model_fit_into_ocpp() {
    faults_after(
        &[
            (r#"vendor = "Acme""#, r#"vendor = """#),
            (
                r#"model = "AC22""#,
                r#"model = "AC22 with a very long name""#,
            ),
        ],
        &[
            "acme-ac22.toml:1:10: `vendor` has 0 characters. Write 1 to 20 characters, as OCPP 1.6 has room for",
            "acme-ac22.toml:2:9: `model` has 26 characters. Write 1 to 20 characters, as OCPP 1.6 has room for",
        ],
    );
}

#[test]
fn a_source_is_named() {
    faults_after(
        &[(
            r#"document = "Acme Modbus guide, revision 3.1""#,
            r#"document = " ""#,
        )],
        &[
            "acme-ac22.toml:6:12: `source.document` is empty. Name the manufacturer's document and its revision, or the public source and its date",
        ],
    );
}

#[test]
fn a_device_has_a_link() {
    faults_after(
        &[(
            r#"rtu = { baud = 9600, parity = "none", stop_bits = 1 }
"#,
            "",
        )],
        &[
            "acme-ac22.toml:8:1: `link` has none of `rtu`, `ascii` and `tcp`. Add `rtu = { baud, parity, stop_bits }`, `ascii` likewise, or `tcp = { port }`",
        ],
    );
}

#[test]
fn a_serial_unit_is_1_to_247() {
    faults_after(
        &[("unit = 1\n", "unit = 255\n")],
        &[
            "acme-ac22.toml:9:8: `link.unit` is 255 on a serial line. Write 1 to 247; 0 is broadcast, the rest is reserved",
        ],
    );
}

#[test]
fn line_settings_exist() {
    faults_after(
        &[(
            r#"rtu = { baud = 9600, parity = "none", stop_bits = 1 }"#,
            r#"rtu = { baud = 1, parity = "none", stop_bits = 3 }"#,
        )],
        &[
            "acme-ac22.toml:10:16: `link.rtu.baud` is 1. Write 300 to 1000000",
            "acme-ac22.toml:10:48: `link.rtu.stop_bits` is 3. Write 1 or 2",
        ],
    );
}

#[test]
fn tcp_settings_exist() {
    faults_after(
        &[(
            r#"rtu = { baud = 9600, parity = "none", stop_bits = 1 }"#,
            "tcp = { port = 0, max_connections = 0 }",
        )],
        &[
            "acme-ac22.toml:10:16: `link.tcp.port` is 0. Write 1 to 65535",
            "acme-ac22.toml:10:37: `link.tcp.max_connections` is 0. Write how many connections it accepts, or remove the key",
        ],
    );
}

#[test]
fn a_read_has_1_to_125_registers() {
    faults_after(
        &[(
            "max_registers_per_read = 10",
            "max_registers_per_read = 126",
        )],
        &[
            "acme-ac22.toml:12:26: `link.max_registers_per_read` is 126. Write 1 to 125, the most that Modbus allows",
        ],
    );
}

#[test]
fn an_answer_takes_time() {
    faults_after(
        &[("write_interval_ms = 2000", "answer_timeout_ms = 0")],
        &["acme-ac22.toml:11:21: `link.answer_timeout_ms` is 0. Write at least 1"],
    );
}

#[test]
fn a_hole_is_smaller_than_a_read() {
    faults_after(
        &[("write_interval_ms = 2000", "max_hole_registers = 10")],
        &[
            "acme-ac22.toml:11:22: `link.max_hole_registers` is 10, a read has at most 10. Write less than `max_registers_per_read`",
        ],
    );
}

#[test]
fn holes_need_block_reads() {
    faults_after(
        &[(
            "write_interval_ms = 2000",
            "max_hole_registers = 1\nblock_reads = false",
        )],
        &[
            "acme-ac22.toml:11:22: `link.max_hole_registers` is 1 without block reads. Remove it, or write `block_reads = true`",
        ],
    );
}
