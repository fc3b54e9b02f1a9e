//! Checks how the connectors of a device are told apart, and where SunSpec blocks begin.

use std::collections::BTreeSet;

use super::{condition, overlap};
use crate::fault::Report;
use crate::profile::{Access, ConnectorAddressing, Connectors, Profile, Register, SunSpec};
use crate::raw::{RawConnectors, RawProfile, RawSunSpec};
use crate::read::{At, Record};

/// Most places where a marker is looked for; each costs a request per device and search.
const BASES_MAX: usize = 8;

pub(super) fn check(
    raw: &RawConnectors,
    profile: &RawProfile,
    report: &mut Report<'_>,
) -> Option<Connectors> {
    if raw.maximum.value < 2 {
        let problem = format!("`connectors.maximum` is {}", raw.maximum.value);
        let remedy = "Write at least 2, or remove `[connectors]`";
        report.fault(raw.maximum.at, problem, remedy);
    }
    let stride = raw
        .stride
        .map(|stride| ConnectorAddressing::Stride(check_stride(stride, report)));
    let units = raw.units.as_ref().map(|units| {
        check_list(
            units,
            "units",
            "`link.unit`",
            profile.link.unit.value,
            raw,
            report,
        );
        check_units(units, profile, report);
        ConnectorAddressing::Units(units.iter().map(|unit| unit.value).collect())
    });
    let ports = raw.ports.as_ref().map(|ports| {
        let first = super::link::tcp_port(&profile.link);
        check_list(ports, "ports", "`link.tcp.port`", first, raw, report);
        check_ports(profile, raw, report);
        ConnectorAddressing::Ports(ports.iter().map(|port| port.value).collect())
    });
    let mut ways: Vec<ConnectorAddressing> = [stride, units, ports].into_iter().flatten().collect();
    if ways.len() != 1 {
        let problem = format!("connectors are told apart in {} ways", ways.len());
        let remedy = "Give exactly one of `stride`, `units`, `ports`";
        report.fault(raw.at(), problem, remedy);
        return None;
    }
    Some(Connectors {
        maximum: raw.maximum.value,
        by: ways.pop()?,
    })
}

fn check_stride(stride: At<u16>, report: &mut Report<'_>) -> u16 {
    if stride.value == 0 {
        let remedy = "Write how many registers lie between connectors";
        report.fault(stride.at, "`connectors.stride` is 0", remedy);
    }
    stride.value
}

/// One different entry per connector, the first of them what `[link]` says.
fn check_list<T: Copy + Ord + std::fmt::Display>(
    list: &[At<T>],
    key: &str,
    first_key: &str,
    first: T,
    raw: &RawConnectors,
    report: &mut Report<'_>,
) {
    if list.len() != usize::from(raw.maximum.value) {
        let (count, maximum) = (list.len(), raw.maximum.value);
        let problem = format!("`connectors.{key}` has {count} entries for {maximum} connectors");
        report.fault(raw.at(), problem, "Write one for each connector");
    }
    let mut seen = BTreeSet::new();
    for entry in list {
        if !seen.insert(entry.value) {
            let problem = format!("`connectors.{key}` names {} twice", entry.value);
            report.fault(
                entry.at,
                problem,
                "Write a different one for each connector",
            );
        }
    }
    if let Some(entry) = list.first()
        && entry.value != first
    {
        let problem = format!(
            "connector 1 has {}, but {first_key} is {first}",
            entry.value
        );
        report.fault(entry.at, problem, "Write the same in both places");
    }
}

fn check_units(units: &[At<u8>], profile: &RawProfile, report: &mut Report<'_>) {
    let serial = profile.link.rtu.is_some() || profile.link.ascii.is_some();
    for unit in units {
        if serial && !(1..=247).contains(&unit.value) {
            let problem = format!("`connectors.units` has {} on a serial line", unit.value);
            let remedy = "Write 1 to 247; 0 is broadcast, the rest is reserved";
            report.fault(unit.at, problem, remedy);
        }
        let station = profile.link.station_unit;
        if station.is_some_and(|station| station.value == unit.value) {
            let problem = format!("unit {} is a connector's and the station's", unit.value);
            report.fault(unit.at, problem, "Correct one of the two");
        }
    }
}

fn check_ports(profile: &RawProfile, raw: &RawConnectors, report: &mut Report<'_>) {
    let serial = profile.link.rtu.is_some() || profile.link.ascii.is_some();
    if profile.link.tcp.is_none() || serial {
        let remedy = "Tell connectors apart by `stride` or `units`, or give `link.tcp` alone";
        report.fault(
            raw.at(),
            "TCP ports of a device that is not on TCP alone",
            remedy,
        );
    }
}

/// A unit identifier of the station is for something.
pub(super) fn check_station(profile: &Profile, raw: &RawProfile, report: &mut Report<'_>) {
    let Some(At { at, .. }) = raw.link.station_unit else {
        return;
    };
    let reads = profile.registers.iter().any(|register| register.station);
    if !reads && !profile.writes().iter().any(|write| write.station) {
        let remedy = "Mark what is station-wide with `station = true`, or remove it";
        report.fault(at, "`link.station_unit` for nothing", remedy);
    }
}

/// No register of a connector may lie where something else does, and all must exist.
pub(super) fn check_places(profile: &Profile, raw: &RawProfile, report: &mut Report<'_>) {
    let Some(RawConnectors { maximum, .. }) = &raw.connectors else {
        return;
    };
    let Some(stride) = raw.connectors.as_ref().and_then(|c| c.stride) else {
        return;
    };
    for number in 2..=maximum.value {
        let Some(moved) = profile.for_connector(number) else {
            let problem = format!("connector {number} lies beyond address 65535");
            report.fault(stride.at, problem, "Correct the stride or the maximum");
            return;
        };
        if let Some(problem) = clash(profile, &moved, number) {
            let remedy = "Correct the stride, or an address, or mark what is station-wide";
            report.fault(stride.at, problem, remedy);
            return;
        }
    }
}

/// Two values of different connectors in the same place.
fn clash(first: &Profile, moved: &Profile, number: u8) -> Option<String> {
    let of_connector = |register: &&Register| !register.station;
    for register in moved.registers.iter().filter(of_connector) {
        let there = first.registers.iter().find(|other| {
            register.table == other.table
                && overlap::meet(
                    (register.address, register.count()),
                    (other.address, other.count()),
                )
                && !condition::disjoint(&register.when, &other.when)
        });
        if let Some(other) = there {
            let whose = if other.station {
                "the station"
            } else {
                "connector 1"
            };
            return Some(format!(
                "`{}` of connector {number} lies on `{}` of {whose}",
                register.name, other.name
            ));
        }
    }
    let writes = first.writes();
    let moved = moved.writes().into_iter().filter(|write| !write.station);
    moved.into_iter().find_map(|write| {
        let there = writes.iter().find(|other| {
            let same_table = (write.access == Access::Coil) == (other.access == Access::Coil);
            let (here, there) = (
                (write.address, write.count()),
                (other.address, other.count()),
            );
            same_table && overlap::meet(here, there)
        })?;
        let whose = if there.station {
            "the station"
        } else {
            "connector 1"
        };
        let address = write.address;
        Some(format!(
            "what is written to {address} for connector {number} is {whose}'s"
        ))
    })
}

pub(super) fn check_sunspec(raw: &RawProfile, report: &mut Report<'_>) {
    let Some(sunspec) = &raw.sunspec else {
        return;
    };
    let count = sunspec.bases.len();
    if count == 0 || count > BASES_MAX {
        let problem = format!("`sunspec.bases` has {count} entries");
        report.fault(
            sunspec.at(),
            problem,
            "Write 1 to 8 addresses, usually [40000, 50000, 0]",
        );
    }
    let mut registers = raw.read.entries();
    if !registers.any(|(_, register)| register.models.is_some()) {
        let remedy = "Give registers `models`, or remove `[sunspec]`";
        report.fault(
            sunspec.at(),
            "`sunspec` without a register in a model",
            remedy,
        );
    }
}

pub(super) fn sunspec(raw: &RawSunSpec) -> SunSpec {
    SunSpec {
        bases: raw.bases.iter().map(|base| base.value).collect(),
    }
}
