//! What was found as text: for people, and as the block for the site controller's configuration.

use firmware_agent::scan::{Found, Words};
use firmware_agent::{BusLink, SerialFraming, TcpFraming};
use hw_profiles::{ConnectorAddressing, Kind, Parity, Profile, SerialLine, WordOrder, find};

/// Highest unit of a serial line (Modbus over Serial Line V1.02, 2.2).
const SERIAL_UNIT_MAX: u8 = 247;

pub(super) fn models(found: &Found) -> String {
    let named = |ids: &[String]| {
        let names = ids.iter().map(|id| {
            let model =
                find(id).map_or_else(String::new, |p| format!(" ({} {})", p.vendor, p.model));
            format!("{id}{model}")
        });
        names.collect::<Vec<_>>().join(" or ")
    };
    match (found.profiles.as_slice(), found.possible.as_slice()) {
        ([], []) => "answers, but no built-in profile knows it".to_owned(),
        ([], possible) => format!(
            "perhaps {}; `read` shows whether its values make sense",
            named(possible)
        ),
        (certain, _) => named(certain),
    }
}

/// What whoever commissions the device must know of it.
pub(super) fn remarks(found: &Found) -> Vec<String> {
    let mut remarks = Vec::new();
    if found.profiles.is_empty() && !found.possible.is_empty() {
        let candidates = found.possible.join(", ");
        remarks.push(format!(
            "Not certain, no register tells the model. Possible: {candidates}"
        ));
    }
    if found.profiles.len() > 1 {
        let candidates = found.profiles.join(", ");
        remarks.push(format!("More than one profile recognises it: {candidates}"));
    }
    match found.words {
        Words::Untold => {}
        Words::AsProfile => remarks.push("Word order proven by a value in range".to_owned()),
        Words::Other(order) => remarks.push(format!(
            "Word order is not the profile's: a value lies in range only with {} first",
            match order {
                WordOrder::HighFirst => "the high word",
                WordOrder::LowFirst => "the low word",
            }
        )),
        Words::Unproven => remarks.push(
            "Word order not proven: the value that would tell it is out of range or not delivered"
                .to_owned(),
        ),
    }
    let profile = found.best().and_then(find);
    if let Some(connectors) = profile.and_then(|profile| profile.connectors.as_ref()) {
        remarks.push(match &connectors.by {
            ConnectorAddressing::Stride(_) => format!(
                "Connectors 2 to {} are further devices with `connector = …` and the same unit",
                connectors.maximum
            ),
            ConnectorAddressing::Units(_) => "Each connector has a unit of its own".to_owned(),
            ConnectorAddressing::Ports(ports) => format!(
                "Each connector has a port of its own, on a bus of its own: {}",
                ports
                    .iter()
                    .map(u16::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        });
    }
    let unconfirmed = profile.map(Profile::unconfirmed).unwrap_or_default();
    if !unconfirmed.is_empty() {
        remarks.push(format!(
            "Known from one source only, compare with the device: {}",
            unconfirmed.join(", ")
        ));
    }
    remarks
}

pub(super) fn link(link: &BusLink) -> String {
    match link {
        BusLink::Serial {
            path,
            line,
            framing,
        } => {
            let framing = match framing {
                SerialFraming::Rtu => "",
                SerialFraming::Ascii => " ASCII",
            };
            format!("{} at {}{framing}", path.display(), settings(*line))
        }
        BusLink::Tcp {
            host,
            port,
            framing,
        } => {
            let framing = match framing {
                TcpFraming::Mbap => "",
                TcpFraming::Rtu => " with RTU frames",
            };
            format!("{host}:{port}{framing}")
        }
    }
}

/// As people write it: `19200 8E1`.
fn settings(line: SerialLine) -> String {
    let parity = match line.parity {
        Parity::None => 'N',
        Parity::Even => 'E',
        Parity::Odd => 'O',
    };
    format!("{} 8{parity}{}", line.baud, line.stop_bits)
}

/// The block for the site controller's configuration. A bus has one setting: that of most devices.
pub(super) fn configuration(found: &[Found]) -> String {
    let alike = |link: &BusLink| found.iter().filter(|other| other.link == *link).count();
    // The first of equals: `max_by_key` takes the last.
    let Some(main) = found.iter().rev().max_by_key(|one| alike(&one.link)) else {
        return String::new();
    };
    let mut text = format!("\n[[bus]]\nname = \"bus-1\"\n{}\n", link_key(&main.link));
    for one in found {
        text.push_str(&if one.link == main.link {
            device(one)
        } else {
            format!(
                "# unit {} answers on {}: give it the settings of the others. It is {}\n",
                one.unit,
                link(&one.link),
                models(one)
            )
        });
    }
    text
}

fn link_key(link: &BusLink) -> String {
    match link {
        BusLink::Serial {
            path,
            line,
            framing,
        } => {
            let parity = match line.parity {
                Parity::None => "none",
                Parity::Even => "even",
                Parity::Odd => "odd",
            };
            let framing = match framing {
                SerialFraming::Rtu => "",
                SerialFraming::Ascii => ", framing = \"ascii\"",
            };
            format!(
                "serial = {{ path = {:?}, baud = {}, parity = \"{parity}\", stop_bits = {}{framing} }}",
                path.display().to_string(),
                line.baud,
                line.stop_bits
            )
        }
        BusLink::Tcp {
            host,
            port,
            framing,
        } => {
            let framing = match framing {
                TcpFraming::Mbap => "",
                TcpFraming::Rtu => ", framing = \"rtu\"",
            };
            format!("tcp = {{ host = {host:?}, port = {port}{framing} }}")
        }
    }
}

fn device(found: &Found) -> String {
    let Some(id) = found.best() else {
        return format!("# unit {}: no profile knows it\n", found.unit);
    };
    if matches!(found.link, BusLink::Serial { .. }) && found.unit > SERIAL_UNIT_MAX {
        return format!(
            "# unit {}: {}. On a serial line units end at {SERIAL_UNIT_MAX}: give it another one\n",
            found.unit,
            models(found)
        );
    }
    let mut text = String::new();
    for remark in remarks(found) {
        text.push_str(&format!("# {remark}\n"));
    }
    let profile = find(id);
    let meter = profile.is_some_and(|profile| profile.kind == Kind::Meter);
    let kind = if meter { "meter" } else { "charger" };
    let unit = found.unit;
    text.push_str(&format!(
        "[[bus.device]]\nid = \"{kind}-{unit}\"\nprofile = \"{id}\"\nunit = {unit}\n"
    ));
    if let Some(connector) = profile.and_then(|profile| connector_of(profile, unit)) {
        text.push_str(&format!("connector = {connector}\n"));
    }
    if let Words::Other(order) = found.words {
        let order = match order {
            WordOrder::HighFirst => "high_first",
            WordOrder::LowFirst => "low_first",
        };
        text.push_str(&format!("words = \"{order}\"\n"));
    }
    text
}

/// Which connector has this unit, if each has its own and it is not the first.
fn connector_of(profile: &Profile, unit: u8) -> Option<usize> {
    match &profile.connectors.as_ref()?.by {
        ConnectorAddressing::Units(units) => {
            let index = units.iter().position(|each| *each == unit)?;
            (index > 0).then_some(index + 1)
        }
        ConnectorAddressing::Stride(_) | ConnectorAddressing::Ports(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp() -> BusLink {
        BusLink::Tcp {
            host: "192.0.2.10".to_owned(),
            port: 502,
            framing: TcpFraming::Mbap,
        }
    }

    fn serial(baud: u32, framing: SerialFraming) -> BusLink {
        BusLink::Serial {
            path: "/dev/ttyUSB0".into(),
            line: SerialLine {
                baud,
                parity: Parity::Even,
                stop_bits: 1,
            },
            framing,
        }
    }

    fn found(link: BusLink, unit: u8, profiles: &[&str], possible: &[&str]) -> Found {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        Found {
            link,
            unit,
            profiles: owned(profiles),
            possible: owned(possible),
            words: Words::Untold,
        }
    }

    /// Without remarks, which follow the profiles.
    fn keys(text: &str) -> String {
        let lines = text.lines().filter(|line| !line.starts_with("# Known"));
        lines.map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn what_was_found_becomes_a_block_that_can_be_pasted() {
        let known = found(tcp(), 1, &["heidelberg-energy-control"], &[]);
        let doubtful = found(tcp(), 2, &[], &["eastron-sdm230", "eastron-sdm630"]);
        let unknown = found(tcp(), 9, &[], &[]);
        assert_eq!(
            keys(&configuration(&[known, doubtful, unknown])),
            "\n[[bus]]\nname = \"bus-1\"\ntcp = { host = \"192.0.2.10\", port = 502 }\n\
             [[bus.device]]\nid = \"charger-1\"\nprofile = \"heidelberg-energy-control\"\nunit = 1\n\
             # Not certain, no register tells the model. Possible: eastron-sdm230, eastron-sdm630\n\
             [[bus.device]]\nid = \"meter-2\"\nprofile = \"eastron-sdm230\"\nunit = 2\n\
             # unit 9: no profile knows it\n"
        );
    }

    #[test]
    fn one_bus_has_one_setting_and_the_others_are_told() {
        let rtu = |baud| serial(baud, SerialFraming::Rtu);
        let stranger = found(rtu(9_600), 7, &["eastron-sdm630"], &[]);
        let mut turned = found(rtu(19_200), 1, &["heidelberg-energy-control"], &[]);
        turned.words = Words::Other(WordOrder::LowFirst);
        let beyond = found(rtu(19_200), 255, &["heidelberg-energy-control"], &[]);
        let model = |id: &str| {
            let profile = find(id).expect("built in");
            format!("{id} ({} {})", profile.vendor, profile.model)
        };
        assert_eq!(
            keys(&configuration(&[stranger, turned, beyond])),
            format!(
                "\n[[bus]]\nname = \"bus-1\"\n\
                 serial = {{ path = \"/dev/ttyUSB0\", baud = 19200, parity = \"even\", stop_bits = 1 }}\n\
                 # unit 7 answers on /dev/ttyUSB0 at 9600 8E1: give it the settings of the others. It is {}\n\
                 # Word order is not the profile's: a value lies in range only with the low word first\n\
                 [[bus.device]]\nid = \"charger-1\"\nprofile = \"heidelberg-energy-control\"\nunit = 1\nwords = \"low_first\"\n\
                 # unit 255: {}. On a serial line units end at 247: give it another one\n",
                model("eastron-sdm630"),
                model("heidelberg-energy-control")
            )
        );
        let ascii = found(serial(38_400, SerialFraming::Ascii), 1, &[], &[]);
        assert_eq!(
            configuration(&[ascii]),
            "\n[[bus]]\nname = \"bus-1\"\n\
             serial = { path = \"/dev/ttyUSB0\", baud = 38400, parity = \"even\", stop_bits = 1, framing = \"ascii\" }\n\
             # unit 1: no profile knows it\n"
        );
    }
}
