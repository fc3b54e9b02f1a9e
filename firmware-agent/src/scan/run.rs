//! The scan itself: setting by setting, unit by unit, until somebody answers; then who it is.

use std::time::Duration;

use hw_profiles::Profile;
use site_model::DeviceFault;
use tokio::time::Instant;

use super::identify::{is_absent, recognise};
use super::plan::{other_question, profiles_on, question};
use super::{Found, Thoroughness};
use crate::bus::wire::{Failure, Report};
use crate::bus::{BusLink, framing};
use crate::client::{Client, Effort};
use crate::codec::Request;

/// How long a device that has shown itself is waited for, and one that has done so late.
const PATIENCE: Duration = Duration::from_millis(500);
const LONG_PATIENCE: Duration = Duration::from_millis(2_000);
/// What opening a line with other settings takes.
const SWITCHING: Duration = Duration::from_millis(250);
/// On TCP: a unit that nobody sets. Who answers as this one answers as any.
const NOBODYS_UNIT: u8 = 251;

/// What a scan tells while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A line is asked with these settings.
    Settings(&'a BusLink),
    /// A unit is being asked; so much time is left at most, if nobody answers.
    Asking {
        /// The line and its settings.
        link: &'a BusLink,
        /// The unit.
        unit: u8,
        /// Most time until the end if nobody else answers.
        left: Duration,
    },
    /// Somebody is there.
    Answers(u8),
    /// Frames came that nobody can read: noise, or two devices with this unit.
    Garbled(u8),
    /// A device and what it is.
    Identified(&'a Found),
}

/// One of the passes over all settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Usual,
    Rest,
    /// Nobody answered: some devices say nothing to a question that they do not know.
    Otherwise,
}

const PASSES: [Pass; 3] = [Pass::Usual, Pass::Rest, Pass::Otherwise];

/// A scan and what it has found so far.
#[derive(Debug)]
pub struct Scan {
    links: Vec<BusLink>,
    profiles: Vec<Profile>,
    how: Thoroughness,
    found: Vec<Found>,
    garbled: Vec<(BusLink, u8)>,
    began: Option<Instant>,
    took: Duration,
    effort: Effort,
}

impl Scan {
    /// A scan of the same line with each of these settings in turn, or of one TCP link.
    #[must_use]
    pub fn new(links: Vec<BusLink>, profiles: Vec<Profile>, how: Thoroughness) -> Self {
        Self {
            links,
            profiles,
            how,
            found: vec![],
            garbled: vec![],
            began: None,
            took: Duration::ZERO,
            effort: Effort::default(),
        }
    }

    /// What has been found, also by a scan that was dropped half way.
    #[must_use]
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// Where frames came that nobody can read.
    #[must_use]
    pub fn garbled(&self) -> &[(BusLink, u8)] {
        &self.garbled
    }

    /// How long it ran, and where the time went.
    #[must_use]
    pub fn effort(&self) -> (Duration, Effort) {
        (self.took, self.effort)
    }

    /// Scans. `client` has one of the links open.
    ///
    /// # Errors
    /// Why a line cannot be opened. What was found before stays found.
    pub async fn run(
        &mut self,
        client: &mut Client,
        tell: &mut (dyn FnMut(Step<'_>) + Send),
    ) -> Result<(), DeviceFault> {
        self.began = Some(Instant::now());
        for (number, pass) in PASSES.into_iter().enumerate() {
            for index in 0..self.links.len() {
                let link = self.links[index].clone();
                if self.found.iter().any(|found| found.link == link) {
                    continue;
                }
                let later =
                    self.time_for(&PASSES[number + 1..], 0) + self.time_for(&[pass], index + 1);
                self.settings(client, &link, pass, later, tell).await?;
                if !self.found.is_empty() && !self.how.every_setting {
                    return Ok(());
                }
            }
            if !self.found.is_empty() && pass == Pass::Rest {
                break;
            }
        }
        Ok(())
    }

    /// Asks with one setting who is there. Where somebody answers the other units are asked too.
    async fn settings(
        &mut self,
        client: &mut Client,
        link: &BusLink,
        pass: Pass,
        later: Duration,
        tell: &mut (dyn FnMut(Step<'_>) + Send),
    ) -> Result<(), DeviceFault> {
        let units = self.units(pass);
        if units.is_empty() {
            return Ok(());
        }
        client.switch_to(link).await?;
        let profiles = profiles_on(link, &self.profiles);
        client.set_waking(profiles.iter().any(|profile| profile.link.wake_up));
        tell(Step::Settings(link));
        let mut roll = Roll::default();
        self.ask_all(client, &units, pass, later, &mut roll, tell)
            .await?;
        if pass == Pass::Usual && !roll.present.is_empty() && !roll.anybody {
            let units = self.units(Pass::Rest);
            self.ask_all(client, &units, Pass::Rest, Duration::ZERO, &mut roll, tell)
                .await?;
        }
        let unreadable = roll.garbled.iter().map(|unit| (link.clone(), *unit));
        self.garbled.extend(unreadable);
        Ok(())
    }

    async fn ask_all(
        &mut self,
        client: &mut Client,
        units: &[u8],
        pass: Pass,
        later: Duration,
        roll: &mut Roll,
        tell: &mut (dyn FnMut(Step<'_>) + Send),
    ) -> Result<(), DeviceFault> {
        let link = client.link().clone();
        for (asked, unit) in units.iter().enumerate() {
            let request = self.request(&link, *unit, pass);
            let cost = client.cost_of_silence(&request, self.how.timeout);
            let rest = u32::try_from(units.len() - asked).unwrap_or(u32::MAX);
            tell(Step::Asking {
                link: &link,
                unit: *unit,
                left: later + cost * rest,
            });
            let known = roll.present.len();
            roll.ask(client, *unit, &request, self.how.timeout).await?;
            self.note(client);
            if roll.garbled.last() == Some(unit) {
                tell(Step::Garbled(*unit));
            }
            if known == 0 && !roll.present.is_empty() && matches!(link, BusLink::Tcp { .. }) {
                // Who answers as anybody is listed once.
                let report = client.exchange(NOBODYS_UNIT, &request, self.how.timeout);
                roll.anybody = answered(&report.await?);
            }
            for unit in roll.present.iter().skip(known).copied() {
                tell(Step::Answers(unit));
                self.recognise(client, unit, roll, tell).await;
            }
            if roll.anybody {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn recognise(
        &mut self,
        client: &mut Client,
        unit: u8,
        roll: &Roll,
        tell: &mut (dyn FnMut(Step<'_>) + Send),
    ) {
        let profiles = profiles_on(client.link(), &self.profiles);
        let patience = if roll.late.contains(&unit) {
            LONG_PATIENCE
        } else {
            PATIENCE
        };
        let mut found = recognise(client, unit, &profiles, patience).await;
        if roll.anybody {
            let best = profiles
                .iter()
                .find(|profile| Some(profile.id.as_str()) == found.best());
            found.unit = best.map_or(unit, |profile| profile.link.unit);
        }
        self.note(client);
        self.found.push(found);
        if let Some(found) = self.found.last() {
            tell(Step::Identified(found));
        }
    }

    fn units(&self, pass: Pass) -> Vec<u8> {
        match pass {
            Pass::Usual | Pass::Otherwise => self.how.units.first.clone(),
            Pass::Rest => self.how.units.rest.clone(),
        }
    }

    fn request(&self, link: &BusLink, unit: u8, pass: Pass) -> Request {
        let usual = question(link, unit, &profiles_on(link, &self.profiles));
        match pass {
            Pass::Usual | Pass::Rest => usual,
            Pass::Otherwise => other_question(&usual),
        }
    }

    /// Most time that passes take, from a link on, if nobody answers.
    fn time_for(&self, passes: &[Pass], from: usize) -> Duration {
        let mut time = Duration::ZERO;
        for pass in passes {
            let units = self.units(*pass);
            for link in self.links.iter().skip(from).filter(|_| !units.is_empty()) {
                let request = self.request(link, units[0], *pass);
                let one = self.how.timeout + framing(link).line_time(&request);
                time += SWITCHING + one * u32::try_from(units.len()).unwrap_or(u32::MAX);
            }
        }
        time
    }

    fn note(&mut self, client: &Client) {
        self.effort = client.effort();
        self.took = self.began.map_or(Duration::ZERO, |began| began.elapsed());
    }
}

/// Who is there with one setting.
#[derive(Debug, Default)]
struct Roll {
    asked: Vec<u8>,
    present: Vec<u8>,
    garbled: Vec<u8>,
    /// Of those present, who answered late.
    late: Vec<u8>,
    /// Whoever answers on this TCP link answers as every unit.
    anybody: bool,
}

impl Roll {
    /// Asks one unit. A unit that answers only now to an earlier question is there too; what cannot
    /// be read is asked again with more patience.
    async fn ask(
        &mut self,
        client: &mut Client,
        unit: u8,
        request: &Request,
        timeout: Duration,
    ) -> Result<(), DeviceFault> {
        if self.present.contains(&unit) {
            return Ok(());
        }
        let before = self.asked.last().copied();
        self.asked.push(unit);
        let report = client.exchange(unit, request, timeout).await?;
        self.hear_late(&report);
        if answered(&report) {
            self.add(unit);
            return Ok(());
        }
        if !matches!(report.result, Err(Failure::Garbled)) {
            return Ok(());
        }
        // A late answer to the question before may have met this one.
        for unit in before.into_iter().chain([unit]) {
            let again = client.exchange(unit, request, PATIENCE).await?;
            self.hear_late(&again);
            if answered(&again) {
                self.add(unit);
            } else if matches!(again.result, Err(Failure::Garbled)) {
                self.garbled.push(unit);
            }
        }
        Ok(())
    }

    fn hear_late(&mut self, report: &Report) {
        for stray in &report.strays {
            if self.asked.contains(&stray.unit) && !self.present.contains(&stray.unit) {
                self.late.push(stray.unit);
                self.add(stray.unit);
            }
        }
    }

    fn add(&mut self, unit: u8) {
        if !self.present.contains(&unit) {
            self.present.push(unit);
        }
    }
}

fn answered(report: &Report) -> bool {
    report
        .result
        .as_ref()
        .is_ok_and(|answer| !is_absent(answer))
}
