//! Finds devices on a line and recognises their models. Only ever reads.

use std::time::Duration;

use hw_profiles::{Parity, Profile, SerialLine, Table};

use crate::client::Client;
use crate::codec::{Answer, Request};
use crate::decode::recognises;

/// Factory units of the known maps come first: the others are almost never set.
const USUAL_UNITS: [u8; 10] = [1, 2, 50, 100, 101, 180, 200, 247, 248, 255];
/// Highest unit of a serial line (Modbus over Serial Line V1.02, 2.2).
const UNIT_MAX: u8 = 247;

/// What was found at one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub unit: u8,
    /// Ids of the profiles that recognise it; none: it answers, but no profile knows it.
    pub profiles: Vec<String>,
}

/// Line settings from factories, the most usual first.
#[must_use]
pub fn usual_lines() -> Vec<SerialLine> {
    let settings = [
        (9_600, Parity::None, 1),
        (19_200, Parity::Even, 1),
        (19_200, Parity::None, 1),
        (9_600, Parity::Even, 1),
        (38_400, Parity::Even, 1),
        (57_600, Parity::None, 2),
        (115_200, Parity::None, 1),
    ];
    let lines = settings.map(|(baud, parity, stop_bits)| SerialLine {
        baud,
        parity,
        stop_bits,
    });
    lines.to_vec()
}

/// Units from `first` to `last` in the order in which they are worth asking.
#[must_use]
pub fn units(first: u8, last: u8) -> Vec<u8> {
    let usual = USUAL_UNITS
        .into_iter()
        .filter(|unit| (first..=last).contains(unit));
    let rest = (first..=last.min(UNIT_MAX)).filter(|unit| !USUAL_UNITS.contains(unit));
    usual.chain(rest).collect()
}

/// Asks one unit who it is; `None` when nobody answers. Costs one timeout if nobody is there.
pub async fn identify(
    client: &mut Client,
    unit: u8,
    profiles: &[Profile],
    timeout: Duration,
) -> Option<Found> {
    let mut found = Found {
        unit,
        profiles: vec![],
    };
    let mut present = false;
    // Whoever it is gets the pause it needs.
    let gap = profiles
        .iter()
        .map(|profile| profile.link.gap_ms)
        .max()
        .unwrap_or(0);
    let gap = Duration::from_millis(gap);
    for profile in profiles {
        match recognise(client, unit, profile, timeout, gap).await {
            Recognition::Yes => {
                present = true;
                found.profiles.push(profile.id.clone());
            }
            Recognition::No => present = true,
            Recognition::Silence if present => {}
            Recognition::Silence => return None,
        }
    }
    if present || profiles.is_empty() && answers(client, unit, timeout).await {
        return Some(found);
    }
    None
}

enum Recognition {
    Yes,
    No,
    Silence,
}

async fn recognise(
    client: &mut Client,
    unit: u8,
    profile: &Profile,
    timeout: Duration,
    gap: Duration,
) -> Recognition {
    for probe in &profile.probes {
        let Some(register) = profile.registers.iter().find(|r| r.name == probe.register) else {
            return Recognition::No;
        };
        let request = Request::Read {
            table: register.table,
            address: register.address,
            count: register.count(),
        };
        match client.ask(unit, &request, timeout, gap).await {
            Ok(Answer::Registers(words)) if recognises(register, &words, &probe.test) => {}
            Ok(Answer::Registers(_) | Answer::Written | Answer::Exception(_)) => {
                return Recognition::No;
            }
            Err(_) => return Recognition::Silence,
        }
    }
    if profile.probes.is_empty() {
        Recognition::No
    } else {
        Recognition::Yes
    }
}

async fn answers(client: &mut Client, unit: u8, timeout: Duration) -> bool {
    let request = Request::Read {
        table: Table::Holding,
        address: 0,
        count: 1,
    };
    client
        .ask(unit, &request, timeout, Duration::ZERO)
        .await
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_units_come_first_and_none_comes_twice() {
        assert_eq!(units(1, 4), [1, 2, 3, 4]);
        let all = units(1, 255);
        assert_eq!(all[..10], USUAL_UNITS);
        let mut sorted = all.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), all.len());
        assert_eq!(all.len(), 247 + 2);
    }
}
