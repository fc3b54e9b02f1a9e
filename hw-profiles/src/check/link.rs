//! Checks how the device is spoken to.

use super::flag;
use crate::fault::Report;
use crate::profile::{Link, SerialLine, TcpDefaults};
use crate::raw::{RawLink, RawSerialLine, RawTcp};
use crate::read::{At, Record};

/// Most registers that one Modbus read can ask for (Modbus Application Protocol V1.1b3, 6.3).
const MODBUS_MAX_READ: u16 = 125;
/// How long an answer may take to begin where the profile does not say.
const DEFAULT_ANSWER_TIMEOUT_MS: u64 = 1_000;
/// IANA's port for Modbus.
const MODBUS_PORT: u16 = 502;

pub(super) fn check(raw: &RawLink, report: &mut Report<'_>) -> Link {
    if raw.rtu.is_none() && raw.ascii.is_none() && raw.tcp.is_none() {
        let remedy =
            "Add `rtu = { baud, parity, stop_bits }`, `ascii` likewise, or `tcp = { port }`";
        report.fault(
            raw.at(),
            "`link` has none of `rtu`, `ascii` and `tcp`",
            remedy,
        );
    }
    let serial = raw.rtu.is_some() || raw.ascii.is_some();
    if serial && !(1..=247).contains(&raw.unit.value) {
        let problem = format!("`link.unit` is {} on a serial line", raw.unit.value);
        report.fault(
            raw.unit.at,
            problem,
            "Write 1 to 247; 0 is broadcast, the rest is reserved",
        );
    }
    check_station_unit(raw, serial, report);
    let max_registers_per_read = max_read(raw, report);
    let block_reads = raw.block_reads.is_none_or(|allowed| allowed.value);
    Link {
        rtu: raw
            .rtu
            .as_ref()
            .map(|line| serial_line(line, "rtu", report)),
        ascii: raw
            .ascii
            .as_ref()
            .map(|line| serial_line(line, "ascii", report)),
        tcp: raw.tcp.as_ref().map(|tcp| tcp_defaults(tcp, report)),
        unit: raw.unit.value,
        station_unit: raw.station_unit.map(|unit| unit.value),
        wake_up: flag(raw.wake_up),
        gap_ms: millis(raw.gap_ms, 0),
        answer_timeout_ms: answer_timeout(raw, report),
        read_interval_ms: millis(raw.read_interval_ms, 0),
        write_interval_ms: millis(raw.write_interval_ms, 0),
        max_registers_per_read,
        max_hole_registers: max_hole(raw, max_registers_per_read, block_reads, report),
        block_reads,
    }
}

fn check_station_unit(raw: &RawLink, serial: bool, report: &mut Report<'_>) {
    let Some(At { value, at }) = raw.station_unit else {
        return;
    };
    if value == raw.unit.value {
        let problem = format!("`link.station_unit` is {value}, as `link.unit`");
        report.fault(at, problem, "Remove it: it is for another unit identifier");
    } else if serial && !(1..=247).contains(&value) {
        let problem = format!("`link.station_unit` is {value} on a serial line");
        report.fault(
            at,
            problem,
            "Write 1 to 247; 0 is broadcast, the rest is reserved",
        );
    }
}

/// TCP port of the device; that of Modbus where it is not on TCP.
pub(super) fn tcp_port(raw: &RawLink) -> u16 {
    let port = raw.tcp.as_ref().and_then(|tcp| tcp.port);
    port.map_or(MODBUS_PORT, |port| port.value)
}

fn millis(value: Option<At<u32>>, default: u64) -> u64 {
    value.map_or(default, |value| u64::from(value.value))
}

fn answer_timeout(raw: &RawLink, report: &mut Report<'_>) -> u64 {
    if let Some(At { value: 0, at }) = raw.answer_timeout_ms {
        report.fault(at, "`link.answer_timeout_ms` is 0", "Write at least 1");
    }
    millis(raw.answer_timeout_ms, DEFAULT_ANSWER_TIMEOUT_MS)
}

fn max_read(raw: &RawLink, report: &mut Report<'_>) -> u16 {
    let Some(At { value, at }) = raw.max_registers_per_read else {
        return MODBUS_MAX_READ;
    };
    if !(1..=MODBUS_MAX_READ).contains(&value) {
        let problem = format!("`link.max_registers_per_read` is {value}");
        report.fault(at, problem, "Write 1 to 125, the most that Modbus allows");
    }
    value
}

fn max_hole(raw: &RawLink, max_read: u16, block_reads: bool, report: &mut Report<'_>) -> u16 {
    let Some(At { value, at }) = raw.max_hole_registers else {
        return 0;
    };
    if value > 0 && !block_reads {
        let problem = format!("`link.max_hole_registers` is {value} without block reads");
        report.fault(at, problem, "Remove it, or write `block_reads = true`");
    } else if value >= max_read {
        let problem =
            format!("`link.max_hole_registers` is {value}, a read has at most {max_read}");
        report.fault(at, problem, "Write less than `max_registers_per_read`");
    }
    value
}

fn serial_line(raw: &RawSerialLine, key: &str, report: &mut Report<'_>) -> SerialLine {
    if !(300..=1_000_000).contains(&raw.baud.value) {
        let problem = format!("`link.{key}.baud` is {}", raw.baud.value);
        report.fault(raw.baud.at, problem, "Write 300 to 1000000");
    }
    if !(1..=2).contains(&raw.stop_bits.value) {
        let problem = format!("`link.{key}.stop_bits` is {}", raw.stop_bits.value);
        report.fault(raw.stop_bits.at, problem, "Write 1 or 2");
    }
    SerialLine {
        baud: raw.baud.value,
        parity: raw.parity.value,
        stop_bits: raw.stop_bits.value,
    }
}

fn tcp_defaults(raw: &RawTcp, report: &mut Report<'_>) -> TcpDefaults {
    if let Some(At { value: 0, at }) = raw.port {
        report.fault(at, "`link.tcp.port` is 0", "Write 1 to 65535");
    }
    if let Some(At { value: 0, at }) = raw.max_connections {
        let remedy = "Write how many connections it accepts, or remove the key";
        report.fault(at, "`link.tcp.max_connections` is 0", remedy);
    }
    TcpDefaults {
        port: raw.port.map_or(MODBUS_PORT, |port| port.value),
        max_connections: raw.max_connections.map(|most| most.value),
    }
}
