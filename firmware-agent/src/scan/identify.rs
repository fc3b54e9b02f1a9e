//! Who is at a unit: the probes of every profile, each register asked once; then the word order.

use std::collections::BTreeMap;
use std::time::Duration;

use hw_profiles::{Condition, Profile, Quantity, RawMatch, Register, Table, WordOrder};

use super::plan::{profiles_on, question, read_of};
use super::{Found, Words};
use crate::client::Client;
use crate::codec::{Answer, ExceptionCode, Request};
use crate::decode::Image;
use crate::sunspec::{Step, Walk};

/// Function code not known (Modbus Application Protocol V1.1b3, 7): no register of this table can
/// be read.
const ILLEGAL_FUNCTION: u8 = 1;
/// Mains that a connected meter or charger sees, from 100 V −20 % to 277 V +8 %.
const VOLTAGE_MV: (i64, i64) = (80_000, 300_000);
/// Mains frequency.
const FREQUENCY_MHZ: (i64, i64) = (45_000, 65_000);
/// Pause that nearly every device is content with.
const SHORT_GAP: Duration = Duration::from_millis(30);
/// Of a profile without probes, so many values are looked at.
const LOOKED_AT: usize = 4;
/// Stands for whatever kept the device from delivering a register.
const ILLEGAL_ADDRESS: u8 = 2;

/// Asks one unit who it is; `None` when nobody answers. Costs one timeout if nobody is there.
///
/// `timeout`: how long an answer may take to begin.
pub async fn identify(
    client: &mut Client,
    unit: u8,
    profiles: &[Profile],
    timeout: Duration,
) -> Option<Found> {
    let profiles = profiles_on(client.link(), profiles);
    let request = question(client.link(), unit, &profiles);
    let gap = longest_gap(&profiles);
    let answer = client.ask(unit, &request, timeout, gap).await.ok()?;
    if is_absent(&answer) {
        return None;
    }
    Some(recognise(client, unit, &profiles, timeout).await)
}

/// The profile with the addresses that it has in the device at a unit: only SunSpec profiles differ,
/// whose registers are offsets into model blocks. `None`: the device has none of these models.
pub async fn locate(client: &mut Client, unit: u8, profile: &Profile) -> Option<Profile> {
    let timeout = Duration::from_millis(profile.link.answer_timeout_ms);
    let mut questions = Questions::new(client, unit, &[profile], timeout);
    questions.located(profile).await
}

/// A gateway's word for "nobody there".
pub(super) fn is_absent(answer: &Answer) -> bool {
    matches!(answer, Answer::Exception(code) if code.is_silence_behind_gateway())
}

/// Tells who answers at a unit where somebody does.
pub(super) async fn recognise(
    client: &mut Client,
    unit: u8,
    profiles: &[&Profile],
    timeout: Duration,
) -> Found {
    let mut found = Found {
        link: client.link().clone(),
        unit,
        profiles: vec![],
        possible: vec![],
        words: Words::Untold,
    };
    let mut questions = Questions::new(client, unit, profiles, timeout);
    let (probed, unprobed): (Vec<&Profile>, Vec<&Profile>) = profiles
        .iter()
        .copied()
        .partition(|profile| !profile.probes.is_empty());
    for profile in probed {
        if let Some(located) = questions.located(profile).await
            && questions.passes(&located).await
        {
            found.profiles.push(profile.id.clone());
        }
    }
    if found.profiles.is_empty() {
        found.possible = questions.possible(&unprobed).await;
    }
    let best = profiles
        .iter()
        .find(|profile| Some(profile.id.as_str()) == found.best());
    if let Some(profile) = best {
        found.words = match questions.located(profile).await {
            Some(located) => questions.word_order(&located).await,
            None => Words::Unproven,
        };
    }
    found
}

fn longest_gap(profiles: &[&Profile]) -> Duration {
    let gap = profiles.iter().map(|profile| profile.link.gap_ms).max();
    Duration::from_millis(gap.unwrap_or(0))
}

/// Questions to one unit; none is asked twice.
struct Questions<'a> {
    client: &'a mut Client,
    unit: u8,
    timeout: Duration,
    /// Pause before each question; short until the device shows that it wants more.
    gap: Duration,
    longest_gap: Duration,
    answers: BTreeMap<(u8, Table, u16, u16), Option<Vec<u16>>>,
    /// Tables that the device says it does not have.
    without: Vec<(u8, Table)>,
}

impl<'a> Questions<'a> {
    fn new(client: &'a mut Client, unit: u8, profiles: &[&Profile], timeout: Duration) -> Self {
        let longest_gap = longest_gap(profiles);
        // Whoever it is may want its pause after what it was asked before.
        client.rest(longest_gap);
        Self {
            client,
            unit,
            timeout,
            gap: SHORT_GAP.min(longest_gap),
            longest_gap,
            answers: BTreeMap::new(),
            without: vec![],
        }
    }

    /// The words of a register, if the device delivers them.
    async fn words(&mut self, profile: &Profile, register: &Register) -> Option<Vec<u16>> {
        let unit = match profile.link.station_unit {
            Some(station) if register.station => station,
            Some(_) | None => self.unit,
        };
        self.read(unit, &read_of(register)).await
    }

    async fn read(&mut self, unit: u8, request: &Request) -> Option<Vec<u16>> {
        let Request::Read {
            table,
            address,
            count,
        } = *request
        else {
            return None;
        };
        let key = (unit, table, address, count);
        if let Some(known) = self.answers.get(&key) {
            return known.clone();
        }
        if self.without.contains(&(unit, table)) {
            return None;
        }
        let mut answer = self.client.ask(unit, request, self.timeout, self.gap).await;
        if answer.is_err() && self.gap < self.longest_gap {
            // It may want a longer pause; after a missing answer the line has rested.
            self.gap = self.longest_gap;
            answer = self.client.ask(unit, request, self.timeout, self.gap).await;
        }
        let words = match answer {
            Ok(Answer::Registers(words)) => Some(words),
            Ok(Answer::Exception(code)) => {
                if code.0 == ILLEGAL_FUNCTION {
                    self.without.push((unit, table));
                }
                None
            }
            Ok(_) | Err(_) => None,
        };
        self.answers.insert(key, words.clone());
        words
    }

    /// What the device holds in a register, and in the one that tells its scale.
    async fn image(&mut self, profile: &Profile, register: &Register) -> Option<Image> {
        let mut image = Image::new(profile);
        let scale = register.scale_register.as_ref();
        for name in scale.into_iter().chain([&register.name]) {
            let index = profile.registers.iter().position(|r| r.name == *name)?;
            let words = self.words(profile, &profile.registers[index]).await?;
            image.set(index, &words);
        }
        Some(image)
    }

    /// Whether a condition holds; `None` if its register is not delivered.
    async fn holds(&mut self, profile: &Profile, condition: &Condition) -> Option<bool> {
        let register = profile.register(&condition.register)?;
        let image = self.image(profile, register).await?;
        Some(image.holds(profile, std::slice::from_ref(condition)) == Some(true))
    }

    /// Whether all probes of the profile hold; with the other word order if that is what the value
    /// tells that lies in range with the right one only.
    async fn passes(&mut self, profile: &Profile) -> bool {
        let Some(failing) = self.failing(profile).await else {
            return true;
        };
        let register = profile.register(&failing.register);
        if !register.is_some_and(|register| register.count() > 1 && !register.words_fixed) {
            return false;
        }
        match self.word_order(profile).await {
            Words::Other(order) => self.failing(&profile.with_words(order)).await.is_none(),
            Words::Untold | Words::AsProfile | Words::Unproven => false,
        }
    }

    /// The first probe that does not hold.
    async fn failing(&mut self, profile: &Profile) -> Option<Condition> {
        for probe in &profile.probes {
            if self.holds(profile, probe).await != Some(true) {
                return Some(probe.clone());
            }
        }
        None
    }

    /// Ids of the profiles without probes that the device may have, the most plausible first.
    async fn possible(&mut self, profiles: &[&Profile]) -> Vec<String> {
        let mut possible = Vec::new();
        for profile in profiles {
            if let Some(located) = self.located(profile).await
                && let Some(values) = self.plausible_values(&located).await
            {
                possible.push((std::cmp::Reverse(values), profile.id.clone()));
            }
        }
        possible.sort();
        possible.into_iter().map(|(_, id)| id).collect()
    }

    /// How many of the first values lie where those of a connected device do; `None` if one is
    /// refused, not available or elsewhere.
    async fn plausible_values(&mut self, profile: &Profile) -> Option<usize> {
        let sure = |register: &&Register| {
            register.quantity.is_some() && register.when.is_empty() && !register.optional
        };
        let mut looked_at: Vec<&Register> = profile.registers.iter().filter(sure).collect();
        looked_at.sort_by_key(|register| range_of(register).is_none());
        let turned = match self.word_order(profile).await {
            Words::Other(order) => Some(profile.with_words(order)),
            Words::Untold | Words::AsProfile => None,
            Words::Unproven => return None,
        };
        let profile = turned.as_ref().unwrap_or(profile);
        let mut plausible = 0;
        for register in looked_at.into_iter().take(LOOKED_AT) {
            if let Some((low, high)) = range_of(register) {
                let in_range = in_range(register, low, high);
                if !self.holds(profile, &in_range).await? {
                    return None;
                }
                plausible += 1;
            } else {
                let image = self.image(profile, register).await?;
                image.raw(profile, &register.name)?;
            }
        }
        Some(plausible)
    }

    /// Judges the value that lies in range with the right word order only.
    async fn word_order(&mut self, profile: &Profile) -> Words {
        let Some(probe) = &profile.word_probe else {
            return Words::Untold;
        };
        let Some(register) = profile.register(&probe.register) else {
            return Words::Unproven;
        };
        let test = in_range(register, probe.low, probe.high);
        let other = match register.words {
            WordOrder::HighFirst => WordOrder::LowFirst,
            WordOrder::LowFirst => WordOrder::HighFirst,
        };
        match self.holds(profile, &test).await {
            None => Words::Unproven,
            Some(true) => Words::AsProfile,
            Some(false) => match self.holds(&profile.with_words(other), &test).await {
                Some(true) => Words::Other(other),
                Some(false) | None => Words::Unproven,
            },
        }
    }

    /// The profile with the addresses that it has in this device: for SunSpec those of the model
    /// block that is there, `None` if none is.
    async fn located(&mut self, profile: &Profile) -> Option<Profile> {
        let Some(mut walk) = Walk::new(profile) else {
            return Some(profile.clone());
        };
        while let Some(request) = walk.request() {
            let words = self.read(self.unit, &request).await;
            let refused = Answer::Exception(ExceptionCode(ILLEGAL_ADDRESS));
            match walk.take(&words.map_or(refused, Answer::Registers)) {
                Step::Ahead => {}
                Step::Found(blocks) => return profile.located(&blocks),
                Step::Missing => return None,
            }
        }
        None
    }
}

fn in_range(register: &Register, low: i64, high: i64) -> Condition {
    Condition {
        register: register.name.clone(),
        mask: None,
        test: RawMatch::ValueBetween(low, high),
    }
}

/// Where the value of a connected device lies, if that is known of it.
fn range_of(register: &Register) -> Option<(i64, i64)> {
    match register.quantity {
        Some(Quantity::VoltageL1 | Quantity::VoltageL2 | Quantity::VoltageL3) => Some(VOLTAGE_MV),
        Some(Quantity::Frequency) => Some(FREQUENCY_MHZ),
        Some(_) | None => None,
    }
}
