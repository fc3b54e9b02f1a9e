//! In which order settings and units are tried, and which question each unit is asked. Pure.

use std::path::Path;

use hw_profiles::{Parity, Profile, Register, SerialLine, Table};

use crate::bus::{BusLink, SerialFraming};
use crate::codec::Request;

/// Factory units of the known maps come first: the others are almost never set.
pub(super) const USUAL_UNITS: [u8; 10] = [1, 2, 50, 100, 101, 180, 200, 247, 248, 255];
/// Who sets units by hand counts from 1.
const COUNTED_MAX: u8 = 32;

/// Which units are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    /// Asked with every setting.
    pub(super) first: Vec<u8>,
    /// Asked where somebody answered; with every setting if nobody did.
    pub(super) rest: Vec<u8>,
}

impl Default for Units {
    /// The usual ones, then 1 to 32.
    fn default() -> Self {
        Self {
            first: USUAL_UNITS.to_vec(),
            rest: without_usual(1..=COUNTED_MAX),
        }
    }
}

impl Units {
    /// From `first` to `last`, those that are usual before the others.
    #[must_use]
    pub fn between(first: u8, last: u8) -> Self {
        let range = first..=last;
        let usual = USUAL_UNITS.into_iter().filter(|unit| range.contains(unit));
        Self {
            first: usual.collect(),
            rest: without_usual(range.clone()),
        }
    }
}

fn without_usual(units: impl Iterator<Item = u8>) -> Vec<u8> {
    units.filter(|unit| !USUAL_UNITS.contains(unit)).collect()
}

/// A port with every setting that a device may have from its factory: RTU with the most usual ones
/// first, then what only single profiles name, then Modbus ASCII where a profile names it.
#[must_use]
pub fn serial_links(path: &Path, profiles: &[Profile]) -> Vec<BusLink> {
    let usual = [
        (9_600, Parity::None, 1),
        (19_200, Parity::Even, 1),
        (19_200, Parity::None, 1),
        (9_600, Parity::Even, 1),
        (38_400, Parity::Even, 1),
        (57_600, Parity::None, 2),
        (115_200, Parity::None, 1),
    ];
    let usual = usual.map(|(baud, parity, stop_bits)| SerialLine {
        baud,
        parity,
        stop_bits,
    });
    let rtu = profiles.iter().filter_map(|profile| profile.link.rtu);
    let ascii = profiles.iter().filter_map(|profile| profile.link.ascii);
    let rtu = usual.into_iter().chain(rtu);
    let settings = rtu
        .map(|line| (line, SerialFraming::Rtu))
        .chain(ascii.map(|line| (line, SerialFraming::Ascii)));
    let mut links: Vec<BusLink> = Vec::new();
    for (line, framing) in settings {
        let link = BusLink::Serial {
            path: path.to_owned(),
            line,
            framing,
        };
        if !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

/// Models that can be on such a line at all.
pub(super) fn profiles_on<'a>(link: &BusLink, profiles: &'a [Profile]) -> Vec<&'a Profile> {
    let fits = |profile: &&Profile| match link {
        BusLink::Serial {
            framing: SerialFraming::Rtu,
            ..
        } => profile.link.rtu.is_some(),
        BusLink::Serial {
            framing: SerialFraming::Ascii,
            ..
        } => profile.link.ascii.is_some(),
        // A converter on Ethernet may stand before a serial line.
        BusLink::Tcp { .. } => profile.link.tcp.is_some() || profile.link.rtu.is_some(),
    };
    profiles.iter().filter(fits).collect()
}

/// The cheapest question that shows whether anybody is there: an exception is an answer too, but
/// some devices say nothing to what they do not know. So it is one that the model knows which has
/// this unit and these settings from the factory, else one that has this unit, else any.
pub(super) fn question(link: &BusLink, unit: u8, profiles: &[&Profile]) -> Request {
    let factory_line = |profile: &Profile| match link {
        BusLink::Serial {
            line,
            framing: SerialFraming::Rtu,
            ..
        } => profile.link.rtu == Some(*line),
        BusLink::Serial {
            line,
            framing: SerialFraming::Ascii,
            ..
        } => profile.link.ascii == Some(*line),
        BusLink::Tcp { port, .. } => profile.link.tcp.is_some_and(|tcp| tcp.port == *port),
    };
    let likeness = |profile: &Profile| {
        let unit = profile.link.unit == unit;
        (unit && factory_line(profile), unit, factory_line(profile))
    };
    // The last of equals wins in `max_by_key`, the first is wanted.
    let likely = profiles
        .iter()
        .rev()
        .max_by_key(|profile| likeness(profile));
    likely
        .and_then(|profile| shortest(profile))
        .unwrap_or(Request::Read {
            table: Table::Holding,
            address: 0,
            count: 1,
        })
}

/// What the same unit is asked if nobody answered at all.
pub(super) fn other_question(question: &Request) -> Request {
    let holding = matches!(
        question,
        Request::Read {
            table: Table::Holding,
            ..
        }
    );
    let table = if holding {
        Table::Input
    } else {
        Table::Holding
    };
    Request::Read {
        table,
        address: 0,
        count: 1,
    }
}

/// The shortest value that every variant of the model has.
fn shortest(profile: &Profile) -> Option<Request> {
    let sure = profile.registers.iter().filter(|register| {
        register.when.is_empty()
            && !register.optional
            && !register.table.is_bits()
            && register.models.is_empty()
    });
    sure.min_by_key(|register| register.count()).map(read_of)
}

pub(super) fn read_of(register: &Register) -> Request {
    Request::Read {
        table: register.table,
        address: register.address,
        count: register.count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{profile, register};
    use hw_profiles::RegisterType::{U16, U32};

    #[test]
    fn usual_units_come_first_and_none_comes_twice() {
        let units = Units::default();
        assert_eq!(units.first, USUAL_UNITS);
        assert_eq!(units.rest, (3..=32).collect::<Vec<u8>>());
        let some = Units::between(2, 4);
        assert_eq!((some.first, some.rest), (vec![2], vec![3, 4]));
        let all = Units::between(1, 255);
        assert_eq!(all.first.len() + all.rest.len(), 255);
    }

    fn settings(profiles: &[Profile]) -> Vec<(u32, Parity, u8, SerialFraming)> {
        serial_links(Path::new("/dev/x"), profiles)
            .into_iter()
            .map(|link| match link {
                BusLink::Serial { line, framing, .. } => {
                    (line.baud, line.parity, line.stop_bits, framing)
                }
                BusLink::Tcp { .. } => panic!("a serial port has no address"),
            })
            .collect()
    }

    #[test]
    fn usual_settings_come_first_then_those_of_single_profiles_then_ascii() {
        let rtu = SerialFraming::Rtu;
        let usual = [
            (9_600, Parity::None, 1, rtu),
            (19_200, Parity::Even, 1, rtu),
            (19_200, Parity::None, 1, rtu),
            (9_600, Parity::Even, 1, rtu),
            (38_400, Parity::Even, 1, rtu),
            (57_600, Parity::None, 2, rtu),
            (115_200, Parity::None, 1, rtu),
        ];
        assert_eq!(settings(&[]), usual);
        let mut odd = profile(vec![]);
        odd.link.rtu = Some(SerialLine {
            baud: 2_400,
            parity: Parity::Odd,
            stop_bits: 1,
        });
        let mut ascii = profile(vec![]);
        ascii.link.ascii = ascii.link.rtu;
        let found = settings(&[ascii, odd]);
        assert_eq!(found[..7], usual);
        assert_eq!(
            found[7..],
            [
                (2_400, Parity::Odd, 1, rtu),
                (19_200, Parity::Even, 1, SerialFraming::Ascii)
            ]
        );
    }

    #[test]
    fn a_unit_is_asked_what_the_model_knows_that_has_it_from_the_factory() {
        let mut first = profile(vec![register("a", 5, U16).build()]);
        first.link.unit = 9;
        let mut second = profile(vec![
            register("long", 6, U32).build(),
            register("short", 8, U16).holding().build(),
        ]);
        second.link.unit = 50;
        let link = BusLink::Tcp {
            host: "h".to_owned(),
            port: 1,
            framing: crate::bus::TcpFraming::Mbap,
        };
        let profiles = [&first, &second];
        let asked = question(&link, 50, &profiles);
        assert_eq!(
            asked,
            Request::Read {
                table: Table::Holding,
                address: 8,
                count: 1
            }
        );
        assert_eq!(question(&link, 7, &profiles), read_of(&first.registers[0]));
        assert_eq!(
            other_question(&asked),
            Request::Read {
                table: Table::Input,
                address: 0,
                count: 1
            }
        );
    }
}
