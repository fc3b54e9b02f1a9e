//! What the fields of a profile must mean together. Every check records its faults and goes on.

mod condition;
mod connectors;
mod failsafe;
mod limit;
mod link;
mod overlap;
mod phases;
mod register;
mod state;
mod write;

use std::collections::BTreeMap;

use crate::fault::{Report, suggest};
use crate::profile::{KeepAlive, Kind, Profile, RegisterType, Source, WordOrder};
use crate::raw::{RawProfile, RawRegister, TypeWord};
use crate::read::{At, Record};

/// What the checks of one part must know of the others.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// Registers that can be read, by name.
    registers: BTreeMap<&'a str, &'a RawRegister>,
    /// Every name of a register, also of those with a fault of structure.
    names: Vec<&'a str>,
    /// Word order where a value does not say otherwise.
    words: WordOrder,
    /// Whether something can be station-wide.
    has_station: bool,
    /// Whether registers can be in SunSpec models.
    has_sunspec: bool,
}

impl<'a> Context<'a> {
    fn of(raw: &'a RawProfile) -> Self {
        Self {
            registers: raw
                .read
                .entries()
                .map(|(name, register)| (name.value.as_str(), register))
                .collect(),
            names: raw.read.names().collect(),
            words: raw.words.map_or(WordOrder::HighFirst, |words| words.value),
            has_station: raw.connectors.is_some() || raw.link.station_unit.is_some(),
            has_sunspec: raw.sunspec.is_some(),
        }
    }

    /// The register of this name, or a fault.
    fn register(&self, name: &At<String>, report: &mut Report<'_>) -> Option<&'a RawRegister> {
        let found = self.registers.get(name.value.as_str()).copied();
        if !self.names.contains(&name.value.as_str()) {
            let problem = format!("`{}` names no register", name.value);
            report.fault(name.at, problem, suggest(&name.value, &self.names));
        }
        found
    }
}

/// The register type of a word; texts take their length from `registers`.
fn type_of(word: TypeWord, registers: u16) -> RegisterType {
    match word {
        TypeWord::Bit => RegisterType::Bit,
        TypeWord::U16 => RegisterType::U16,
        TypeWord::I16 => RegisterType::I16,
        TypeWord::U32 => RegisterType::U32,
        TypeWord::I32 => RegisterType::I32,
        TypeWord::U64 => RegisterType::U64,
        TypeWord::I64 => RegisterType::I64,
        TypeWord::F32 => RegisterType::F32,
        TypeWord::F64 => RegisterType::F64,
        TypeWord::Ascii => RegisterType::Ascii { registers },
        TypeWord::AsciiSwapped => RegisterType::AsciiSwapped { registers },
        TypeWord::Utf16 => RegisterType::Utf16 { registers },
    }
}

const fn is_text(word: TypeWord) -> bool {
    matches!(
        word,
        TypeWord::Ascii | TypeWord::AsciiSwapped | TypeWord::Utf16
    )
}

const fn is_float(word: TypeWord) -> bool {
    matches!(word, TypeWord::F32 | TypeWord::F64)
}

/// The largest raw number that a type's registers hold; bit patterns count unsigned.
fn largest_raw(word: TypeWord) -> u64 {
    if word == TypeWord::Bit {
        return 1;
    }
    match type_of(word, 1).count() {
        1 => u64::from(u16::MAX),
        2 => u64::from(u32::MAX),
        _ => u64::MAX,
    }
}

/// The largest count that a set-point of this type can express; floats express any.
fn largest_count(word: TypeWord) -> u64 {
    match word {
        TypeWord::I16 | TypeWord::I32 | TypeWord::I64 => largest_raw(word) / 2,
        TypeWord::F32 | TypeWord::F64 => u64::MAX,
        TypeWord::Bit
        | TypeWord::U16
        | TypeWord::U32
        | TypeWord::U64
        | TypeWord::Ascii
        | TypeWord::AsciiSwapped
        | TypeWord::Utf16 => largest_raw(word),
    }
}

/// What a flag says; left out: false.
fn flag(flag: Option<At<bool>>) -> bool {
    flag.is_some_and(|flag| flag.value)
}

/// Checks a whole file and makes the profile of it.
pub(crate) fn check(id: &str, raw: &RawProfile, report: &mut Report<'_>) -> Option<Profile> {
    check_id(id, report);
    check_name(&raw.vendor, "vendor", report);
    check_name(&raw.model, "model", report);
    check_source(&raw.source.document, report);
    parts_of_kind(raw, report);
    let context = Context::of(raw);
    let link = link::check(&raw.link, report);
    let registers = register::check(&raw.read, &link, &context, report);
    register::report_unused(raw, report);
    let rules = raw.state.as_deref().unwrap_or_default();
    let state_rules = state::check(rules, &context, report);
    let limit = raw.limit.as_ref();
    let limit = limit.map(|limit| limit::check(limit, &context, report));
    let failsafe = raw.failsafe.as_ref();
    let failsafe = failsafe.map(|failsafe| failsafe::failsafe(failsafe, &context, report));
    overlap::check(raw, report);
    let keep_alive = match &raw.keep_alive {
        None => Some(KeepAlive::None),
        Some(keep_alive) => failsafe::keep_alive(keep_alive, raw, &context, report),
    };
    let phase_switch = raw.phase_switch.as_ref();
    let phase_switch = phase_switch.map(|phases| phases::check(phases, raw, &context, report));
    let connectors = raw.connectors.as_ref();
    let connectors = connectors.map(|connectors| connectors::check(connectors, raw, report));
    connectors::check_sunspec(raw, report);
    let word_probe = raw.word_probe.as_ref();
    let word_probe = word_probe.map(|probe| state::word_probe(probe, &context, report));
    let setup = write::setups(raw.setup.as_deref(), "`setup`", &context, report);
    let probes = raw.probe.as_deref().unwrap_or_default();
    let probes = condition::check_all(probes, &context, report);
    let profile = Profile {
        id: id.to_owned(),
        vendor: raw.vendor.value.clone(),
        model: raw.model.value.clone(),
        same_map: texts(raw.same_map.as_deref()),
        kind: raw.kind.value,
        source: Source {
            document: raw.source.document.value.clone(),
            also: texts(raw.source.also.as_deref()),
        },
        link,
        connectors: present(connectors)?,
        sunspec: raw.sunspec.as_ref().map(connectors::sunspec),
        word_probe: present(word_probe)?,
        setup,
        registers,
        state_rules: state_rules?,
        limit: present(limit)?,
        failsafe: present(failsafe)?,
        keep_alive: keep_alive?,
        keep_alive_unconfirmed: raw
            .keep_alive
            .as_ref()
            .is_some_and(|keep_alive| flag(keep_alive.unconfirmed)),
        phase_switch: present(phase_switch)?,
        probes: probes?,
    };
    connectors::check_station(&profile, raw, report);
    connectors::check_places(&profile, raw, report);
    Some(profile)
}

/// A part that is left out is fine; one with a fault is none.
fn present<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    part.map_or(Some(None), |part| part.map(Some))
}

fn texts(list: Option<&[At<String>]>) -> Vec<String> {
    let list = list.unwrap_or_default();
    list.iter().map(|text| text.value.clone()).collect()
}

fn check_id(id: &str, report: &mut Report<'_>) {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > 64 || !id.chars().all(allowed) {
        let problem = format!("the file's name gives the profile id \"{id}\"");
        let remedy = "Name the file with 1 to 64 of a-z 0-9 -, for instance `acme-ac22.toml`";
        report.fault(0, problem, remedy);
    }
}

/// OCPP 1.6 allows 20 characters (`CiString20Type`) for vendor and model of a BootNotification.
fn check_name(name: &At<String>, key: &str, report: &mut Report<'_>) {
    let length = name.value.chars().count();
    if name.value.trim().is_empty() || length > 20 {
        let problem = format!("`{key}` has {length} characters");
        report.fault(
            name.at,
            problem,
            "Write 1 to 20 characters, as OCPP 1.6 has room for",
        );
    }
}

fn check_source(document: &At<String>, report: &mut Report<'_>) {
    if document.value.trim().is_empty() {
        let remedy =
            "Name the manufacturer's document and its revision, or the public source and its date";
        report.fault(document.at, "`source.document` is empty", remedy);
    }
}

/// Chargers must be controllable and observable; meters must not pretend to be.
fn parts_of_kind(raw: &RawProfile, report: &mut Report<'_>) {
    let parts = [
        ("limit", raw.limit.as_ref().map(|part| part.at())),
        ("keep_alive", raw.keep_alive.as_ref().map(|part| part.at())),
        (
            "state",
            raw.state
                .as_ref()
                .and_then(|rules| rules.first())
                .map(|rule| rule.at()),
        ),
    ];
    let besides = [
        ("failsafe", raw.failsafe.as_ref().map(|part| part.at())),
        ("connectors", raw.connectors.as_ref().map(|part| part.at())),
        (
            "phase_switch",
            raw.phase_switch.as_ref().map(|part| part.at()),
        ),
    ];
    match raw.kind.value {
        Kind::Charger => {
            for (name, at) in parts {
                if at.is_none() {
                    let problem = format!("a charger without `{name}`");
                    report.fault(raw.kind.at, problem, missing_part(name));
                }
            }
            if let Some(sunspec) = &raw.sunspec {
                let remedy = "Remove it: only meters are found by their models";
                report.fault(sunspec.at(), "a charger with `sunspec`", remedy);
            }
        }
        Kind::Meter => {
            for (name, at) in parts.into_iter().chain(besides) {
                if let Some(at) = at {
                    let remedy = "Remove it, or write `kind = \"charger\"`";
                    report.fault(at, format!("a meter with `{name}`"), remedy);
                }
            }
            let mut registers = raw.read.entries();
            if !registers.any(|(_, register)| register.quantity.is_some()) {
                let remedy = "Give at least one register a `quantity`";
                report.fault(raw.kind.at, "a meter that measures nothing", remedy);
            }
        }
    }
}

fn missing_part(name: &str) -> &'static str {
    match name {
        "limit" => "Add the table `[limit]`: where the current limit is written",
        "state" => "Add `[[state]]` rules that give the vehicle states A, B and C",
        _ => "Add `[keep_alive]`; write `kind = \"none\"` if the device needs nothing",
    }
}
