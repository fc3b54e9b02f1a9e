//! Finds devices on a line and recognises their models. Only ever reads.

use std::time::Duration;

use hw_profiles::{Parity, Profile, Register, SerialLine, Table};

use crate::client::Client;
use crate::codec::{Answer, Request};
use crate::decode::{recognises, value_of};

/// Factory units of the known maps come first: the others are almost never set.
const USUAL_UNITS: [u8; 10] = [1, 2, 50, 100, 101, 180, 200, 247, 248, 255];
/// Highest unit of a serial line (Modbus over Serial Line V1.02, 2.2).
const UNIT_MAX: u8 = 247;

/// What was found at one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub unit: u8,
    /// Ids of the profiles that recognise it.
    pub profiles: Vec<String>,
    /// If none does: ids of profiles without probes whose first value it delivers.
    pub possible: Vec<String>,
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
        possible: vec![],
    };
    // Whoever it is gets the pause it needs.
    let gap = profiles.iter().map(|profile| profile.link.gap_ms).max();
    let gap = Duration::from_millis(gap.unwrap_or(0));
    if !answers(client, unit, profiles, timeout, gap).await {
        return None;
    }
    for profile in profiles.iter().filter(|profile| !profile.probes.is_empty()) {
        if recognise(client, unit, profile, timeout, gap).await {
            found.profiles.push(profile.id.clone());
        }
    }
    if found.profiles.is_empty() {
        for profile in profiles.iter().filter(|profile| profile.probes.is_empty()) {
            if delivers(client, unit, profile, timeout, gap).await {
                found.possible.push(profile.id.clone());
            }
        }
    }
    Some(found)
}

/// Whether all probes of the profile hold.
async fn recognise(
    client: &mut Client,
    unit: u8,
    profile: &Profile,
    timeout: Duration,
    gap: Duration,
) -> bool {
    for probe in &profile.probes {
        let register = profile.registers.iter().find(|r| r.name == probe.register);
        let Some(register) = register else {
            return false;
        };
        match client.ask(unit, &read_of(register), timeout, gap).await {
            Ok(Answer::Registers(words)) if recognises(register, &words, &probe.test) => {}
            Ok(Answer::Registers(_) | Answer::Written | Answer::Exception(_)) | Err(_) => {
                return false;
            }
        }
    }
    true
}

/// Whether the device delivers the first value of the profile.
async fn delivers(
    client: &mut Client,
    unit: u8,
    profile: &Profile,
    timeout: Duration,
    gap: Duration,
) -> bool {
    let first = profile
        .registers
        .iter()
        .find(|register| register.quantity.is_some());
    let Some(register) = first else {
        return false;
    };
    match client.ask(unit, &read_of(register), timeout, gap).await {
        Ok(Answer::Registers(words)) => value_of(register, &words).is_some(),
        Ok(Answer::Written | Answer::Exception(_)) | Err(_) => false,
    }
}

/// Whether anybody answers, if only with an exception. The question is one that a known model has.
async fn answers(
    client: &mut Client,
    unit: u8,
    profiles: &[Profile],
    timeout: Duration,
    gap: Duration,
) -> bool {
    let register = profiles
        .iter()
        .flat_map(|profile| &profile.registers)
        .next();
    let request = register.map_or(
        Request::Read {
            table: Table::Holding,
            address: 0,
            count: 1,
        },
        read_of,
    );
    client.ask(unit, &request, timeout, gap).await.is_ok()
}

fn read_of(register: &Register) -> Request {
    Request::Read {
        table: register.table,
        address: register.address,
        count: register.count(),
    }
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
