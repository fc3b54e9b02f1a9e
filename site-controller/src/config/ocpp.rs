//! Central systems: which charge point has one, where it is, and what proves who connects.

use std::path::{Path, PathBuf};

use ocpp::Tenths;
use station::profiles::Electrics;

use super::fault::Place;
use super::file::{ChargePointSection, ConnectorSection};
use super::section::{At, Report, Section};
use crate::ocpp::{Endpoint, Url};
use crate::secret::Secret;
use crate::uplink::Tls;

/// Between phase and neutral (IEC 60038): what turns a central system's watts into amperes.
const NOMINAL_MILLIVOLTS: u32 = 230_000;

/// `[ocpp]`: what holds for every charge point.
#[derive(Debug, Default)]
pub(super) struct OcppSection {
    url: Option<At<Url>>,
    ca_file: Option<PathBuf>,
    external: bool,
    plain: bool,
}

/// `ocpp` of one charge point.
#[derive(Debug)]
pub(super) struct PointOcpp {
    place: Place,
    url: Option<At<Url>>,
    external: Option<At<bool>>,
    password_file: Option<At<PathBuf>>,
}

impl OcppSection {
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self {
            url: section.parsed("url"),
            ca_file: section.text("ca_file").map(|at| PathBuf::from(at.value)),
            external: section.flag("external").is_some_and(|at| at.value),
            plain: section.flag("plain").is_some_and(|at| at.value),
        }
    }
}

impl PointOcpp {
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self {
            place: section.place.clone(),
            url: section.parsed("url"),
            external: section.flag("external"),
            password_file: section
                .text("password_file")
                .map(|at| at.map(PathBuf::from)),
        }
    }
}

pub(super) fn endpoints(
    ocpp: OcppSection,
    charge_points: &[ChargePointSection],
    folder: &Path,
    report: &Report<'_>,
) -> Vec<Endpoint> {
    let urls = charge_points
        .iter()
        .filter_map(|point| point.ocpp.as_ref()?.url.as_ref());
    for url in ocpp.url.iter().chain(urls) {
        if !url.value.encrypted && !url.value.is_loopback() && !ocpp.plain {
            report.fault(
                url.place.clone(),
                "passwords and tags would travel readable",
                "Use wss://, or set ocpp.plain = true",
            );
        }
    }
    let endpoints = charge_points.iter().filter_map(|point| {
        let own = point.ocpp.as_ref();
        let url = own.and_then(|own| own.url.as_ref()).or(ocpp.url.as_ref());
        if let (Some(own), None) = (own, url) {
            report.fault(
                own.place.clone(),
                "there is no central system for it",
                "Set url here, or ocpp.url",
            );
        }
        let own_url = own.and_then(|own| own.url.as_ref()).is_some();
        let own_external = own.and_then(|own| own.external.as_ref());
        if let (Some(flag), false) = (own_external, own_url) {
            report.fault(
                flag.place.clone(),
                "it says of an address that is not given here whose it is",
                "Set url here too, or set ocpp.external",
            );
        }
        let external = if own_url {
            own_external.is_some_and(|flag| flag.value)
        } else {
            ocpp.external
        };
        let url = url?.value.clone();
        let tls = match (&ocpp.ca_file, url.encrypted) {
            (_, false) => Tls::Off,
            (Some(ca_file), true) => Tls::CaFile(folder.join(ca_file)),
            (None, true) => Tls::SystemRoots,
        };
        let password = own.and_then(|own| own.password_file.as_ref());
        let password = password.and_then(|file| password_in(file, folder, report));
        Some(Endpoint {
            charge_point: point.id.value.clone(),
            electrics: electrics(point, report),
            measurands: Vec::new(),
            url,
            tls,
            password,
            external,
        })
    });
    endpoints.collect()
}

/// Of each connector; OCPP numbers them from 1 without a gap (section 3.7 of 1.6).
fn electrics(point: &ChargePointSection, report: &Report<'_>) -> Vec<Electrics> {
    let mut connectors: Vec<&ConnectorSection> = point.connectors.iter().collect();
    connectors.sort_by_key(|connector| connector.id.value);
    for (number, connector) in (1..=u8::MAX).zip(&connectors) {
        if connector.id.value.get() != number {
            report.fault(
                connector.id.place.clone(),
                "a central system knows connectors by numbers from 1 without a gap",
                format!("Use {number}"),
            );
            break;
        }
    }
    let electrics = connectors.into_iter().map(|connector| Electrics {
        voltage_mv: NOMINAL_MILLIVOLTS,
        phases: connector.phases,
        // No device is told how many phases to use while a vehicle charges.
        switches_phases: false,
        max: Tenths(i64::from(connector.max_current_ma.value / 100)),
    });
    electrics.collect()
}

fn password_in(file: &At<PathBuf>, folder: &Path, report: &Report<'_>) -> Option<Secret> {
    let path = folder.join(&file.value);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(Secret::new(text.trim_end())),
        Err(error) => {
            report.fault(
                file.place.clone(),
                format!("{} cannot be read: {error}", path.display()),
                "Write the password there, readable by this user alone",
            );
            None
        }
    }
}
