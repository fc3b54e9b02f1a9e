//! The way to the cloud: one password from one place, TLS unless the broker is on this machine.

use std::net::IpAddr;
use std::path::Path;

use super::file::{GatewaySection, MqttSection};
use super::section::Report;
use crate::secret::Secret;
use crate::uplink::{BrokerConfig, Tls};

pub(super) fn broker(
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
