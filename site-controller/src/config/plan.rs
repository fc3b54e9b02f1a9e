//! What the sections mean together: devices exist, fit their line, serve one purpose each.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use hw_profiles::{Kind, LimitControl, LimitUnit, Profile, Quantity};
use site_core::{
    Authorization, ChargePointConfig, ConnectorConfig, CurrentRange, EnergyConfig, SiteConfig,
};
use site_model::{DeviceId, EnergySource, IdTag, Milliamps};

use super::Plan;
use super::fault::Place;
use super::file::{
    BusSection, ChargePointSection, ConnectorSection, GatewaySection, LinkSection, MeterSection,
    MqttSection,
};
use super::keys;
use super::profiles::Profiles;
use super::section::{At, Report, Section, names};
use crate::secret::Secret;
use crate::uplink::{BrokerConfig, Tls};
use firmware_agent::{BusConfig, BusDevice, BusLink};

/// Tag of free sessions unless configured.
const FREE_ID_TAG: &str = "FREE";
/// Volts between phase and neutral (IEC 60038), for devices whose limit counts watts.
const NOMINAL_VOLTAGE: u64 = 230;

/// Everything that is configured, in the order of the file; `None` where a section is unusable.
pub(super) fn plan(top: &Section<'_>, folder: &Path) -> Option<Plan> {
    let gateway_section = top.need("gateway", top.table("gateway", &names(keys::GATEWAY)));
    let gateway = gateway_section.as_ref().and_then(GatewaySection::read);
    let mqtt_section = top.need("mqtt", top.table("mqtt", &names(keys::MQTT)));
    let mqtt = mqtt_section.as_ref().and_then(MqttSection::read);
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

    let mut site = Wiring::new(top.report);
    let mut profiles = Profiles::load(gateway.as_ref(), folder, top.report);
    site.take_devices(&buses, &mut profiles);
    let charge_points = site.charge_points(&charge_points);
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

fn broker(
    mqtt: MqttSection,
    gateway: Option<&GatewaySection>,
    folder: &Path,
    report: &Report<'_>,
) -> Option<BrokerConfig> {
    let password = match (mqtt.password, mqtt.password_file) {
        (Some(password), None) => Some(Secret::new(&password)),
        (None, Some(file)) => {
            let path = folder.join(&file.value);
            let text = std::fs::read_to_string(&path).map_err(|error| {
                let problem = format!("{} cannot be read: {error}", path.display());
                report.fault(
                    file.place.clone(),
                    problem,
                    "Write the password there, readable by this user alone",
                );
            });
            text.ok().map(|text| Secret::new(text.trim_end()))
        }
        (Some(_), Some(_)) | (None, None) => {
            report.fault(
                mqtt.place.clone(),
                "the password must come from one place",
                "Set exactly one of password and password_file",
            );
            None
        }
    };
    let tls = match (mqtt.tls.as_ref().map(|tls| tls.value), mqtt.ca_file) {
        (Some(false), Some(ca_file)) => {
            report.fault(
                ca_file.place,
                "without TLS there are no certificates to check",
                "Remove ca_file, or tls = false",
            );
            Tls::Off
        }
        (Some(false), None) => Tls::Off,
        (_, Some(ca_file)) => Tls::CaFile(folder.join(ca_file.value)),
        (Some(true), None) => Tls::SystemRoots,
        (None, None) if is_loopback(&mqtt.host.value) => Tls::Off,
        (None, None) => Tls::SystemRoots,
    };
    let port = mqtt
        .port
        .unwrap_or(if tls == Tls::Off { 1883 } else { 8883 });
    let username = mqtt
        .username
        .or_else(|| Some(gateway?.id.value.to_string()));
    Some(BrokerConfig {
        host: mqtt.host.value,
        port,
        username: username?,
        password: password?,
        tls,
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A device and what it was given to do.
#[derive(Debug)]
struct Device {
    place: Place,
    /// Absent where the profile is unknown: that is told once, and nothing else about the device.
    profile: Option<Arc<Profile>>,
    used_by: Option<String>,
}

/// Devices by name, and who uses them.
#[derive(Debug)]
struct Wiring<'a> {
    report: &'a Report<'a>,
    devices: BTreeMap<DeviceId, Device>,
}

impl<'a> Wiring<'a> {
    fn new(report: &'a Report<'a>) -> Self {
        Self {
            report,
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
            for (number, device) in bus.devices.iter().enumerate() {
                let before = &bus.devices[..number];
                if before
                    .iter()
                    .any(|other| other.unit.value == device.unit.value)
                {
                    self.report.fault(
                        device.unit.place.clone(),
                        format!(
                            "unit {} is on this bus twice: both would answer at once",
                            device.unit.value
                        ),
                        "Give one of them another unit, at the device and here",
                    );
                }
                let profile = self.profile(&device.profile, &bus.link, profiles);
                let entry = Device {
                    place: device.id.place.clone(),
                    profile,
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

    fn profile(
        &self,
        id: &At<String>,
        link: &LinkSection,
        profiles: &mut Profiles,
    ) -> Option<Arc<Profile>> {
        let Some(profile) = profiles.find(&id.value) else {
            let known = profiles.ids().join(", ");
            self.report.fault(
                id.place.clone(),
                format!("there is no profile `{}`", id.value),
                format!("Known: {known}. Set gateway.profiles_dir for profiles of your own"),
            );
            return None;
        };
        // An RTU device behind a gateway on Ethernet is as good as one that speaks Modbus TCP.
        if let LinkSection::Serial(..) = link
            && profile.link.rtu.is_none()
        {
            self.report.fault(
                id.place.clone(),
                format!(
                    "{} {} has no serial interface",
                    profile.vendor, profile.model
                ),
                "Put it on a bus with tcp = { … }",
            );
        }
        Some(profile)
    }

    fn twice<T: std::fmt::Display>(&self, at: &At<T>) {
        self.report.fault(
            at.place.clone(),
            format!("`{}` is given twice", at.value),
            "Choose another name",
        );
    }

    /// Gives the device a purpose; `None` if it does not exist, has one already, or is of the wrong kind.
    fn assign(&mut self, id: &At<DeviceId>, kind: Kind, purpose: &str) -> Option<Arc<Profile>> {
        let known = || {
            self.devices
                .keys()
                .map(DeviceId::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        };
        if !self.devices.contains_key(&id.value) {
            self.report.fault(
                id.place.clone(),
                format!("there is no device `{}`", id.value),
                format!("Known: {}", known()),
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
                });
            }
        }
        charge_points
    }

    fn connector(
        &mut self,
        charge_point: &ChargePointSection,
        section: &ConnectorSection,
    ) -> Option<(ConnectorConfig, Arc<Profile>)> {
        let purpose = format!("{} connector {}", charge_point.id.value, section.id.value);
        let charger = self.assign(&section.device, Kind::Charger, &purpose);
        let meter = section.meter.as_ref();
        let meter = meter.map(|id| (id, self.assign(id, Kind::Meter, &purpose)));
        let charger = charger?;
        let range = self.range(section, &charger)?;
        self.check_current(section, &range, &charger);
        let authorization = self.authorization(section, &range, &charger);
        let energy = self.energy(section, &charger, meter)?;
        let config = ConnectorConfig {
            id: section.id.value,
            kind: section.kind,
            phases: section.phases,
            max_current: Milliamps(section.max_current_ma.value),
            range,
            device: section.device.value.clone(),
            energy,
            authorization,
        };
        Some((config, charger))
    }

    fn range(&self, section: &ConnectorSection, charger: &Profile) -> Option<CurrentRange> {
        let Some(limit) = &charger.limit else {
            self.report.fault(
                section.device.place.clone(),
                format!(
                    "the limit of {} {} cannot be set",
                    charger.vendor, charger.model
                ),
                "Use a charger whose profile has a [limit]",
            );
            return None;
        };
        Some(CurrentRange {
            minimum: limit.minimum.max(Milliamps::IEC_61851_MINIMUM),
            maximum: limit.maximum,
            step: step(limit, section.phases),
            can_pause: limit.pause.is_some(),
            reads_back: limit.read_back.is_some(),
        })
    }

    fn check_current(&self, section: &ConnectorSection, range: &CurrentRange, charger: &Profile) {
        let current = Milliamps(section.max_current_ma.value);
        if current < range.minimum || current > range.maximum {
            self.report.fault(
                section.max_current_ma.place.clone(),
                format!(
                    "{} A is not what a {} {} can be limited to",
                    amps(current),
                    charger.vendor,
                    charger.model
                ),
                format!("Use {} to {}", amps(range.minimum), amps(range.maximum)),
            );
        }
    }

    fn authorization(
        &self,
        section: &ConnectorSection,
        range: &CurrentRange,
        charger: &Profile,
    ) -> Authorization {
        if !section.free.value && !range.can_pause {
            self.report.fault(
                section.free.place.clone(),
                format!(
                    "a {} {} cannot be told to pause, so it cannot wait for an authorization",
                    charger.vendor, charger.model
                ),
                "Set authorization = \"free\"",
            );
        }
        if let Some(tag) = &section.free_id_tag
            && !section.free.value
        {
            self.report.fault(
                tag.place.clone(),
                "without free charging there are no free sessions",
                "Remove it, or set authorization = \"free\"",
            );
        }
        if !section.free.value {
            return Authorization::Required;
        }
        let id_tag = section.free_id_tag.as_ref().map_or_else(
            || IdTag::new(FREE_ID_TAG).expect("four letters are an idTag"),
            |tag| tag.value.clone(),
        );
        Authorization::Free { id_tag }
    }

    /// The best source there is: a meter of its own, then the charger's lifetime register, its
    /// session register, its power. Apparent energy is none.
    fn energy(
        &self,
        section: &ConnectorSection,
        charger: &Profile,
        meter: Option<(&At<DeviceId>, Option<Arc<Profile>>)>,
    ) -> Option<EnergyConfig> {
        if let Some((id, profile)) = meter {
            let profile = profile?;
            if !counts(&profile, Quantity::EnergyImport) {
                self.report.fault(
                    id.place.clone(),
                    format!(
                        "{} {} has no register of imported energy",
                        profile.vendor, profile.model
                    ),
                    "Use a meter whose profile reads energy_import",
                );
                return None;
            }
            return Some(EnergyConfig {
                device: id.value.clone(),
                source: EnergySource::ExternalMeter,
                billing_grade: section.billing_grade.as_ref().is_none_or(|at| at.value),
            });
        }
        let best = [
            (Quantity::EnergyImport, EnergySource::LifetimeRegister),
            (Quantity::EnergySession, EnergySource::SessionRegister),
            (Quantity::Power, EnergySource::IntegratedPower),
        ];
        let found = best.iter().find(|(quantity, _)| counts(charger, *quantity));
        let Some((_, source)) = found else {
            self.report.fault(
                section.device.place.clone(),
                format!(
                    "{} {} counts no active energy",
                    charger.vendor, charger.model
                ),
                "Give the connector a meter of its own: meter = \"…\"",
            );
            return None;
        };
        let billing_grade = section.billing_grade.as_ref();
        if let Some(wish) = billing_grade
            && wish.value
            && *source == EnergySource::IntegratedPower
        {
            self.report.fault(
                wish.place.clone(),
                "power summed over time is an estimate",
                "Set billing_grade = false, or give the connector a meter of its own",
            );
        }
        Some(EnergyConfig {
            device: section.device.value.clone(),
            source: *source,
            billing_grade: billing_grade.is_some_and(|at| at.value),
        })
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
                    id: device.id.value,
                    unit: device.unit.value,
                    profile,
                    poll_interval_ms: device.poll_interval_ms,
                })
            });
            buses.push(BusConfig {
                name: section.name.value,
                devices: devices.collect(),
                link: match section.link {
                    LinkSection::Serial(path, line) => BusLink::Serial { path, line },
                    LinkSection::Tcp(host, port) => BusLink::Tcp { host, port },
                },
            });
        }
        buses
    }
}

fn counts(profile: &Profile, quantity: Quantity) -> bool {
    let mut registers = profile.registers.iter();
    registers.any(|register| register.quantity == Some(quantity))
}

/// One count of the set-point as a current, at least 1 mA, rounded up so that a limit on a step is exact.
fn step(limit: &LimitControl, phases: u8) -> Milliamps {
    let (numerator, denominator) = match limit.unit {
        LimitUnit::Milliamps => (limit.scale.numerator, limit.scale.denominator),
        LimitUnit::Watts => (
            limit.scale.numerator * 1_000,
            limit.scale.denominator * NOMINAL_VOLTAGE * u64::from(phases),
        ),
    };
    let count = numerator.div_ceil(denominator.max(1)).max(1);
    Milliamps(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Amperes for people, without superfluous decimals.
pub(super) fn amps(current: Milliamps) -> String {
    let text = format!("{}.{:03}", current.0 / 1_000, current.0 % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
