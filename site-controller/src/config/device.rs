//! What a device's keys must mean with its profile: connector, framing, word order, failsafe.

use firmware_agent::{FailsafeSettings, SerialFraming, TcpFraming};
use hw_profiles::{ConnectorAddressing, KeepAlive, LimitControl, Profile};
use site_model::Milliamps;

use super::connector::amps;
use super::file::{BusSection, DeviceSection, FailsafeSection, LinkSection};
use super::section::{At, Report};

/// Checks one device of a bus.
pub(super) fn check(
    bus: &BusSection,
    device: &DeviceSection,
    profile: &Profile,
    report: &Report<'_>,
) {
    check_link(&bus.link, device, profile, report);
    check_connector(&bus.link, device, profile, report);
    check_words(device, profile, report);
    if let Some(failsafe) = &device.failsafe {
        check_failsafe(failsafe, profile, report);
    }
}

/// Two devices answer to one unit only if they are connectors of one.
pub(super) fn check_unit(before: &[DeviceSection], device: &DeviceSection, report: &Report<'_>) {
    let same_unit = |other: &&DeviceSection| other.unit.value == device.unit.value;
    for other in before.iter().filter(same_unit) {
        let unit = device.unit.value;
        if other.profile.value != device.profile.value {
            report.fault(
                device.unit.place.clone(),
                format!("unit {unit} is on this bus twice: both would answer at once"),
                "Give one of them another unit, at the device and here",
            );
        } else if number_of(other) == number_of(device) {
            report.fault(
                device.unit.place.clone(),
                format!("unit {unit} is on this bus twice: both would answer at once"),
                "Give one of them another unit, at the device and here; connectors of one device \
                 have different `connector`s",
            );
        } else {
            continue;
        }
        return;
    }
}

pub(super) fn number_of(device: &DeviceSection) -> u8 {
    device.connector.as_ref().map_or(1, |at| at.value)
}

/// The profile must be able to speak as the bus does.
fn check_link(link: &LinkSection, device: &DeviceSection, profile: &Profile, report: &Report<'_>) {
    let name = format!("{} {}", profile.vendor, profile.model);
    let (rtu, ascii) = (profile.link.rtu.is_some(), profile.link.ascii.is_some());
    let fault = match link {
        LinkSection::Serial(_, _, SerialFraming::Rtu) if !rtu && ascii => Some((
            format!("{name} speaks Modbus ASCII on a serial line"),
            "Set framing = \"ascii\" in serial = { … }",
        )),
        LinkSection::Serial(_, _, SerialFraming::Ascii) if !ascii && rtu => Some((
            format!("{name} does not speak Modbus ASCII"),
            "Remove framing = \"ascii\"",
        )),
        LinkSection::Serial(..) if !rtu && !ascii => Some((
            format!("{name} has no serial interface"),
            "Put it on a bus with tcp = { … }",
        )),
        LinkSection::Tcp(_, _, TcpFraming::Rtu) if !rtu => Some((
            format!("{name} does not speak Modbus RTU, so there is nothing to pass through"),
            "Remove framing = \"rtu\"",
        )),
        // An RTU device behind a gateway on Ethernet is as good as one that speaks Modbus TCP.
        LinkSection::Serial(..) | LinkSection::Tcp(..) => None,
    };
    if let Some((problem, remedy)) = fault {
        report.fault(device.profile.place.clone(), problem, remedy);
    }
}

fn check_connector(
    link: &LinkSection,
    device: &DeviceSection,
    profile: &Profile,
    report: &Report<'_>,
) {
    let number = number_of(device);
    let most = profile
        .connectors
        .as_ref()
        .map_or(1, |connectors| connectors.maximum);
    if let Some(At { place, .. }) = &device.connector
        && number > most
    {
        let problem = format!(
            "{} {} has no connector {number}",
            profile.vendor, profile.model
        );
        let remedy = match most {
            1 => "Remove it: the model has one connector".to_owned(),
            most => format!("Use 1 to {most}"),
        };
        report.fault(place.clone(), problem, remedy);
        return;
    }
    let Some(connectors) = &profile.connectors else {
        return;
    };
    match &connectors.by {
        ConnectorAddressing::Stride(_) => {}
        ConnectorAddressing::Units(units) => {
            if let Some((right, other)) = belongs_elsewhere(units, number, device.unit.value) {
                report.fault(
                    device.unit.place.clone(),
                    format!(
                        "unit {} is connector {other} of this model",
                        device.unit.value
                    ),
                    format!("Use unit {right} for connector {number}, or connector = {other}"),
                );
            }
        }
        ConnectorAddressing::Ports(ports) => {
            if let LinkSection::Tcp(_, port, _) = link
                && let Some((right, other)) = belongs_elsewhere(ports, number, port.value)
            {
                report.fault(
                    port.place.clone(),
                    format!("port {} is connector {other} of this model", port.value),
                    format!(
                        "Give each connector a bus of its own: port {right} for connector {number}"
                    ),
                );
            }
        }
    }
}

/// Whether `found` is what the model uses for another connector: what is right, and that connector.
fn belongs_elsewhere<T: Copy + PartialEq>(all: &[T], number: u8, found: T) -> Option<(T, usize)> {
    let right = *all.get(usize::from(number.checked_sub(1)?))?;
    let other = all.iter().position(|one| *one == found)? + 1;
    (other != usize::from(number)).then_some((right, other))
}

/// Another word order must change something.
fn check_words(device: &DeviceSection, profile: &Profile, report: &Report<'_>) {
    if let Some(words) = &device.words
        && profile.with_words(words.value) == *profile
    {
        report.fault(
            words.place.clone(),
            format!(
                "this changes nothing for {} {}",
                profile.vendor, profile.model
            ),
            "Remove it",
        );
    }
}

fn check_failsafe(section: &FailsafeSection, profile: &Profile, report: &Report<'_>) {
    let name = format!("{} {}", profile.vendor, profile.model);
    let Some(failsafe) = &profile.failsafe else {
        report.fault(
            section.place.clone(),
            format!("{name} has no failsafe that can be set"),
            "Remove it",
        );
        return;
    };
    let keys = [
        ("current_a", &section.current_ma, failsafe.current.is_some()),
        ("timeout_s", &section.timeout_ms, failsafe.timeout.is_some()),
    ];
    for (key, value, settable) in keys {
        match (value, settable) {
            (Some(at), false) => report.fault(
                at.place.clone(),
                format!("{name} cannot be told this"),
                "Remove it",
            ),
            (None, true) => report.fault(
                section.place.clone(),
                format!("{key} is missing"),
                "Give what the device is to fall back to, and after which time",
            ),
            (Some(_), true) | (None, false) => {}
        }
    }
    if let (Some(at), Some(limit)) = (&section.current_ma, &profile.limit) {
        check_fallback(at, limit, report);
    }
    if let Some(at) = &section.timeout_ms {
        check_timeout(at, profile, report);
    }
}

/// 0, or a current that the device can be limited to.
fn check_fallback(at: &At<u32>, limit: &LimitControl, report: &Report<'_>) {
    let least = limit.minimum.max(Milliamps::IEC_61851_MINIMUM);
    let current = Milliamps(at.value);
    if current != Milliamps::PAUSE && (current < least || current > limit.maximum) {
        report.fault(
            at.place.clone(),
            format!("{} A is no current to charge with", amps(current)),
            format!("Use 0, or {} to {}", amps(least), amps(limit.maximum)),
        );
    }
}

/// Longer than the keep-alive takes, and expressible.
fn check_timeout(at: &At<u32>, profile: &Profile, report: &Report<'_>) {
    let interval_ms = match &profile.keep_alive {
        KeepAlive::None => 0,
        KeepAlive::AnyRequest { interval_ms }
        | KeepAlive::RewriteLimit { interval_ms }
        | KeepAlive::RewriteTimeout { interval_ms }
        | KeepAlive::WriteRegister { interval_ms, .. }
        | KeepAlive::LifeBit { interval_ms, .. } => *interval_ms,
    };
    let timeout_ms = u64::from(at.value);
    let count_ms = profile.failsafe.as_ref().map_or(1, |failsafe| {
        let scale = failsafe.timeout_scale;
        scale.numerator.div_ceil(scale.denominator)
    });
    let least = (interval_ms + 1).max(count_ms);
    if timeout_ms < least {
        report.fault(
            at.place.clone(),
            "it would fall back while it is being spoken to",
            format!("Use at least {}", seconds(least)),
        );
    }
}

/// Seconds for people, without superfluous decimals.
fn seconds(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1_000, ms % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What the bus is to set; what cannot be set keeps the profile's value.
pub(super) fn settings(section: &FailsafeSection, profile: &Profile) -> Option<FailsafeSettings> {
    let failsafe = profile.failsafe.as_ref()?;
    let current = section.current_ma.as_ref().map(|at| Milliamps(at.value));
    let timeout_ms = section.timeout_ms.as_ref().map(|at| u64::from(at.value));
    Some(FailsafeSettings {
        current: current
            .or(failsafe.factory_current)
            .unwrap_or(Milliamps::PAUSE),
        timeout_ms: timeout_ms.unwrap_or(failsafe.timeout_default_ms),
    })
}
