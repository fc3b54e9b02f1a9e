//! What the sections mean together: devices exist, fit their line, serve one purpose each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use hw_profiles::{Kind, Profile};
use site_core::{ChargePointConfig, SiteConfig};
use site_model::{DeviceId, Milliamps};

use super::Plan;
use super::broker::broker;
use super::connector::amps;
use super::device;
use super::fault::Place;
use super::file::{
    BusSection, ChargePointSection, GatewaySection, LinkSection, MeterSection, MqttSection,
};
use super::keys;
use super::measurands::measurands;
use super::ocpp::{OcppSection, endpoints};
use super::profiles::Profiles;
use super::section::{At, Report, Section, names};
use firmware_agent::{BusConfig, BusDevice, BusLink};

/// Everything that is configured, in the order of the file; `None` where a section is unusable.
pub(super) fn plan(top: &Section<'_>, folder: &Path) -> Option<Plan> {
    let gateway_section = top.need("gateway", top.table("gateway", &names(keys::GATEWAY)));
    let gateway = gateway_section.as_ref().and_then(GatewaySection::read);
    let mqtt_section = top.need("mqtt", top.table("mqtt", &names(keys::MQTT)));
    let mqtt = mqtt_section.as_ref().and_then(MqttSection::read);
    let ocpp_section = top.table("ocpp", &names(keys::OCPP));
    let ocpp = ocpp_section.as_ref().map(OcppSection::read);
    let buses: Vec<BusSection> = read_all(top, "bus", keys::BUS, BusSection::read);
    let charge_points: Vec<ChargePointSection> = read_all(
        top,
        "charge_point",
        keys::CHARGE_POINT,
        ChargePointSection::read,
    );
    let meters: Vec<MeterSection> = read_all(top, "meter", keys::METER, MeterSection::read);
    if charge_points.is_empty() {
        top.need::<()>("charge_point", None);
    }

    let mut site = Wiring::new(top);
    let mut profiles = Profiles::load(gateway.as_ref(), folder, top.report);
    site.take_devices(&buses, &mut profiles);
    let mut stations = endpoints(ocpp.unwrap_or_default(), &charge_points, folder, top.report);
    let mut charge_points = site.charge_points(&charge_points);
    for point in &mut charge_points {
        let endpoint = stations
            .iter_mut()
            .find(|station| station.charge_point == point.id);
        if let Some(endpoint) = endpoint {
            endpoint.measurands = measurands(site.profiles_of(point));
            point.central_system = Some(endpoint.central_system());
        }
    }
    site.take_meters(&meters);
    site.tell_idle_devices();
    let broker = mqtt.and_then(|mqtt| broker(mqtt, gateway.as_ref(), folder, top.report));

    let config = SiteConfig { charge_points };
    let buses = site.buses(buses, &config);
    let gateway = gateway?;
    Some(Plan {
        gateway: gateway.id.value,
        data_dir: folder.join(gateway.data_dir),
        socket: folder.join(gateway.socket),
        broker: broker?,
        stations,
        buses,
        meters: meters.into_iter().map(|meter| meter.device.value).collect(),
        site: config,
    })
}

fn read_all<'a, T>(
    top: &Section<'a>,
    key: &str,
    known: &[keys::Key],
    read: fn(&Section<'a>) -> Option<T>,
) -> Vec<T> {
    top.tables(key, &names(known))
        .iter()
        .filter_map(read)
        .collect()
}

/// A device and what it was given to do.
#[derive(Debug)]
struct Device {
    place: Place,
    /// Absent where the profile is unknown: that is told once, and nothing else about the device.
    profile: Option<Arc<Profile>>,
    /// The current that it is to fall back to, mA.
    fallback: Option<At<u32>>,
    used_by: Option<String>,
}

/// Devices by name, and who uses them.
#[derive(Debug)]
pub(super) struct Wiring<'a> {
    pub(super) report: &'a Report<'a>,
    devices: BTreeMap<DeviceId, Device>,
    /// Every name that the file gives to a device, whatever faults hide the rest of it.
    written: BTreeSet<String>,
}

impl<'a> Wiring<'a> {
    fn new(top: &Section<'a>) -> Self {
        let buses = top.tables("bus", &names(keys::BUS));
        let devices = buses
            .iter()
            .flat_map(|bus| bus.tables("device", &names(keys::DEVICE)));
        Self {
            report: top.report,
            written: devices
                .filter_map(|device| Some(device.text("id")?.value.to_owned()))
                .collect(),
            devices: BTreeMap::new(),
        }
    }

    fn take_devices(&mut self, buses: &[BusSection], profiles: &mut Profiles) {
        for (index, bus) in buses.iter().enumerate() {
            if buses[..index]
                .iter()
                .any(|other| other.name.value == bus.name.value)
            {
                self.twice(&bus.name);
            }
            self.check_line(&buses[..index], bus);
            for (number, device) in bus.devices.iter().enumerate() {
                device::check_unit(&bus.devices[..number], device, self.report);
                let profile = self.profile(&device.profile, profiles);
                if let Some(profile) = &profile {
                    device::check(bus, device, profile, self.report);
                }
                let entry = Device {
                    place: device.id.place.clone(),
                    profile,
                    fallback: device
                        .failsafe
                        .as_ref()
                        .and_then(|failsafe| failsafe.current_ma.clone()),
                    used_by: None,
                };
                if self
                    .devices
                    .insert(device.id.value.clone(), entry)
                    .is_some()
                {
                    self.twice(&device.id);
                }
            }
        }
    }

    /// A line has one master, and most devices take few connections.
    fn check_line(&self, before: &[BusSection], bus: &BusSection) {
        let other = before.iter().find(|other| match (&other.link, &bus.link) {
            (LinkSection::Serial(left, ..), LinkSection::Serial(right, ..)) => left == right,
            (LinkSection::Tcp(left, left_port, _), LinkSection::Tcp(right, right_port, _)) => {
                left == right && left_port.value == right_port.value
            }
            (LinkSection::Serial(..), LinkSection::Tcp(..))
            | (LinkSection::Tcp(..), LinkSection::Serial(..)) => false,
        });
        if let Some(other) = other {
            self.report.fault(
                bus.name.place.clone(),
                format!("bus `{}` is the same line", other.name.value),
                "Put the devices of both on one bus",
            );
        }
    }

    fn profile(&self, id: &At<String>, profiles: &mut Profiles) -> Option<Arc<Profile>> {
        let profile = profiles.find(&id.value);
        if profile.is_none() {
            let (problem, remedy) = profiles.unknown(&id.value);
            self.report.fault(id.place.clone(), problem, remedy);
        }
        profile
    }

    /// The profiles of a charge point's devices.
    fn profiles_of(&self, point: &ChargePointConfig) -> impl Iterator<Item = &Profile> {
        let connectors = point.connectors.iter();
        let devices =
            connectors.flat_map(|connector| [&connector.device, &connector.energy.device]);
        devices.filter_map(|id| self.devices.get(id)?.profile.as_deref())
    }

    /// A charger that hears nothing must not take more than its connector's cable carries.
    pub(super) fn check_fallback(&self, device: &DeviceId, max_current: Milliamps) {
        let fallback = self
            .devices
            .get(device)
            .and_then(|device| device.fallback.as_ref());
        if let Some(fallback) = fallback
            && fallback.value > max_current.0
        {
            self.report.fault(
                fallback.place.clone(),
                format!("its connector is installed for {} A", amps(max_current)),
                format!("Use at most {}", amps(max_current)),
            );
        }
    }

    fn twice<T: std::fmt::Display>(&self, at: &At<T>) {
        self.report.fault(
            at.place.clone(),
            format!("`{}` is given twice", at.value),
            "Choose another name",
        );
    }

    /// Gives the device a purpose; `None` if it does not exist, has one already, or is of the wrong kind.
    pub(super) fn assign(
        &mut self,
        id: &At<DeviceId>,
        kind: Kind,
        purpose: &str,
    ) -> Option<Arc<Profile>> {
        if !self.written.contains(id.value.as_str()) {
            let known: Vec<&str> = self.written.iter().map(String::as_str).collect();
            self.report.fault(
                id.place.clone(),
                format!("there is no device `{}`", id.value),
                format!("Known: {}", known.join(", ")),
            );
        }
        let device = self.devices.get_mut(&id.value)?;
        if let Some(user) = device.used_by.replace(purpose.to_owned()) {
            self.report.fault(
                id.place.clone(),
                format!("device `{}` serves {user} already", id.value),
                "A device has one purpose: name another one",
            );
        }
        let profile = device.profile.clone()?;
        if profile.kind != kind {
            let (is, wanted) = match kind {
                Kind::Charger => ("a meter", "a charger"),
                Kind::Meter => ("a charger", "a meter"),
            };
            self.report.fault(
                id.place.clone(),
                format!(
                    "`{}` ({} {}) is {is}",
                    id.value, profile.vendor, profile.model
                ),
                format!("Name {wanted}"),
            );
            return None;
        }
        Some(profile)
    }

    fn take_meters(&mut self, meters: &[MeterSection]) {
        for meter in meters {
            self.assign(&meter.device, Kind::Meter, "the grid connection");
        }
    }

    fn tell_idle_devices(&self) {
        for (id, device) in &self.devices {
            if device.used_by.is_none() && device.profile.is_some() {
                self.report.fault(
                    device.place.clone(),
                    format!("device `{id}` is used by nothing"),
                    "Name it in a connector or a [[meter]], or remove it",
                );
            }
        }
    }

    fn charge_points(&mut self, sections: &[ChargePointSection]) -> Vec<ChargePointConfig> {
        let mut charge_points = Vec::new();
        for (index, section) in sections.iter().enumerate() {
            if sections[..index]
                .iter()
                .any(|other| other.id.value == section.id.value)
            {
                self.twice(&section.id);
            }
            let mut connectors = Vec::new();
            let mut model = None;
            for (number, connector) in section.connectors.iter().enumerate() {
                let before = &section.connectors[..number];
                if before
                    .iter()
                    .any(|other| other.id.value == connector.id.value)
                {
                    self.twice(&connector.id);
                }
                if let Some((config, profile)) = self.connector(section, connector) {
                    connectors.push(config);
                    model.get_or_insert((profile.vendor.clone(), profile.model.clone()));
                }
            }
            connectors.sort_by_key(|connector| connector.id);
            if let Some((vendor, model)) = model {
                charge_points.push(ChargePointConfig {
                    id: section.id.value.clone(),
                    vendor,
                    model,
                    connectors,
                    central_system: None,
                });
            }
        }
        charge_points
    }

    fn buses(&self, sections: Vec<BusSection>, site: &SiteConfig) -> Vec<BusConfig> {
        let connectors = || {
            site.charge_points
                .iter()
                .flat_map(|point| &point.connectors)
        };
        let phases_of = |id: &DeviceId| {
            let driven = connectors().find(|connector| connector.device == *id);
            driven.map_or(3, |connector| connector.phases)
        };
        let mut buses = Vec::new();
        for section in sections {
            let devices = section.devices.into_iter().filter_map(|device| {
                let profile = self.devices.get(&device.id.value)?.profile.clone()?;
                Some(BusDevice {
                    phases: phases_of(&device.id.value),
                    unit: device.unit.value,
                    poll_interval_ms: device.poll_interval_ms,
                    connector: device::number_of(&device),
                    words: device.words.as_ref().map(|at| at.value),
                    failsafe: device
                        .failsafe
                        .as_ref()
                        .and_then(|failsafe| device::settings(failsafe, &profile)),
                    id: device.id.value,
                    profile,
                })
            });
            buses.push(BusConfig {
                name: section.name.value,
                devices: devices.collect(),
                link: match section.link {
                    LinkSection::Serial(path, line, framing) => BusLink::Serial {
                        path,
                        line,
                        framing,
                    },
                    LinkSection::Tcp(host, port, framing) => BusLink::Tcp {
                        host,
                        port: port.value,
                        framing,
                    },
                },
            });
        }
        buses
    }
}
