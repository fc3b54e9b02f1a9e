//! What will run, for the person who asked with `--check-config`.

use std::fmt::Write as _;

use site_core::{Authorization, ConnectorConfig};
use site_model::EnergySource;

use super::Plan;
use super::connector::amps;
use crate::ocpp::Endpoint;
use crate::uplink::Tls;
use firmware_agent::{BusConfig, BusDevice, BusLink, SerialFraming, TcpFraming};
use hw_profiles::WordOrder;

/// A readable description of the plan, in 80 columns where names are short.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    let mut text = format!(
        "Gateway {}, journal in {}\n",
        plan.gateway,
        plan.data_dir.display()
    );
    let broker = &plan.broker;
    let tls = match &broker.tls {
        Tls::Off => "without TLS".to_owned(),
        Tls::SystemRoots => "TLS, system's roots".to_owned(),
        Tls::CaFile(path) => format!("TLS, roots from {}", path.display()),
    };
    line(
        &mut text,
        format_args!(
            "Cloud   {}:{} as {}, {tls}",
            broker.host, broker.port, broker.username
        ),
    );
    for bus in &plan.buses {
        bus_lines(&mut text, bus);
    }
    for charge_point in &plan.site.charge_points {
        line(
            &mut text,
            format_args!(
                "Charge point {} ({} {})",
                charge_point.id, charge_point.vendor, charge_point.model
            ),
        );
        let station = plan.stations.iter();
        for station in station.filter(|station| station.charge_point == charge_point.id) {
            station_line(&mut text, station);
        }
        for connector in &charge_point.connectors {
            connector_lines(&mut text, connector);
        }
    }
    for meter in &plan.meters {
        line(&mut text, format_args!("Grid meter: {meter} (observed)"));
    }
    text
}

fn station_line(text: &mut String, station: &Endpoint) {
    let tls = match &station.tls {
        Tls::Off => "without TLS".to_owned(),
        Tls::SystemRoots => "TLS, system's roots".to_owned(),
        Tls::CaFile(path) => format!("TLS, roots from {}", path.display()),
    };
    let password = match &station.password {
        Some(_) => "with a password",
        None => "without a password",
    };
    line(text, format_args!("  OCPP      {}", station.address()));
    line(text, format_args!("            {tls}, {password}"));
}

fn bus_lines(text: &mut String, bus: &BusConfig) {
    let link = match &bus.link {
        BusLink::Serial {
            path,
            line,
            framing,
        } => {
            let ascii = match framing {
                SerialFraming::Rtu => "",
                SerialFraming::Ascii => ", Modbus ASCII",
            };
            format!("{}, {} Bd{ascii}", path.display(), line.baud)
        }
        BusLink::Tcp {
            host,
            port,
            framing,
        } => {
            let rtu = match framing {
                TcpFraming::Mbap => "",
                TcpFraming::Rtu => ", RTU frames over TCP",
            };
            format!("{host}:{port}{rtu}")
        }
    };
    line(text, format_args!("Bus {}: {link}", bus.name));
    for device in &bus.devices {
        device_lines(text, device);
    }
}

fn device_lines(text: &mut String, device: &BusDevice) {
    let profile = &device.profile;
    let connector = match profile.connectors {
        Some(_) => format!(", connector {}", device.connector),
        None => String::new(),
    };
    line(
        text,
        format_args!(
            "  unit {:>3}  {}: {} {}{connector}, read every {} ms",
            device.unit, device.id, profile.vendor, profile.model, device.poll_interval_ms
        ),
    );
    if let Some(words) = device.words {
        let words = match words {
            WordOrder::HighFirst => "high word first",
            WordOrder::LowFirst => "low word first",
        };
        line(text, format_args!("            {words}"));
    }
    if let Some(failsafe) = &device.failsafe {
        let (current, after) = (amps(failsafe.current), failsafe.timeout_ms);
        line(
            text,
            format_args!("            falls back to {current} A after {after} ms of silence"),
        );
    }
    let unconfirmed = profile.unconfirmed();
    if !unconfirmed.is_empty() {
        line(
            text,
            format_args!("            to be checked, told by one source only:"),
        );
        for names in rows(&unconfirmed) {
            line(text, format_args!("              {names}"));
        }
    }
}

/// Names with commas between them, in rows that fit.
fn rows(names: &[String]) -> Vec<String> {
    const WIDTH: usize = 64;
    let mut rows: Vec<String> = Vec::new();
    for name in names {
        match rows.last_mut() {
            Some(row) if row.len() + name.len() + 2 <= WIDTH => {
                row.push_str(", ");
                row.push_str(name);
            }
            Some(_) | None => rows.push(name.clone()),
        }
    }
    rows
}

fn connector_lines(text: &mut String, connector: &ConnectorConfig) {
    let who = match &connector.authorization {
        Authorization::Free { id_tag } => format!("free, recorded as {id_tag}"),
        Authorization::Required => "only after a start order or a tag that may charge".to_owned(),
    };
    let current = amps(connector.max_current.min(connector.range.maximum));
    line(
        text,
        format_args!(
            "  connector {}  {} on {}: up to {current} A, {} phase(s), {who}",
            connector.id, connector.kind, connector.device, connector.phases
        ),
    );
    let source = match connector.energy.source {
        EnergySource::ExternalMeter => format!("meter {}", connector.energy.device),
        EnergySource::LifetimeRegister => "the charger's lifetime register".to_owned(),
        EnergySource::SessionRegister => "the charger's session register".to_owned(),
        EnergySource::IntegratedPower => "power summed over time (an estimate)".to_owned(),
    };
    let billing = if connector.energy.billing_grade {
        "billing grade"
    } else {
        "not for billing"
    };
    line(
        text,
        format_args!("               energy from {source}, {billing}"),
    );
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{arguments}");
}
