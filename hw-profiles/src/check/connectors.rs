//! Checks how the connectors of a device are told apart, and where SunSpec blocks begin.

use crate::fault::Report;
use crate::profile::{ConnectorAddressing, Connectors, SunSpec};
use crate::raw::{RawConnectors, RawProfile, RawSunSpec};
use crate::read::Record;

pub(super) fn check(
    raw: &RawConnectors,
    _profile: &RawProfile,
    report: &mut Report<'_>,
) -> Option<Connectors> {
    let mut ways: Vec<ConnectorAddressing> = Vec::new();
    ways.extend(
        raw.stride
            .map(|stride| ConnectorAddressing::Stride(stride.value)),
    );
    if let Some(units) = &raw.units {
        let units = units.iter().map(|unit| unit.value).collect();
        ways.push(ConnectorAddressing::Units(units));
    }
    if let Some(ports) = &raw.ports {
        let ports = ports.iter().map(|port| port.value).collect();
        ways.push(ConnectorAddressing::Ports(ports));
    }
    if ways.len() != 1 {
        let problem = format!("`connectors` are told apart in {} ways", ways.len());
        let remedy = "Give exactly one of `stride`, `units`, `ports`";
        report.fault(raw.at(), problem, remedy);
        return None;
    }
    Some(Connectors {
        maximum: raw.maximum.value,
        by: ways.pop()?,
    })
}

pub(super) fn sunspec(raw: &RawSunSpec) -> SunSpec {
    SunSpec {
        bases: raw.bases.iter().map(|base| base.value).collect(),
    }
}
