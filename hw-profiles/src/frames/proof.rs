//! Whether frames prove a profile: each fits it, and nothing of it is left without one. How a driver
//! reads them is its own affair.

use std::collections::BTreeSet;

use crate::fault::{Report, suggest};
use crate::profile::{
    Access, Failsafe, KeepAlive, LimitUnit, Origin, PauseControl, Profile, Quantity, RegisterType,
    Scale, WordOrder, WriteRegister,
};
use crate::read::{At, Record};

use super::{Frame, Framing, RawFrame, RawFrameFile};

/// What a frame of a write can expect.
const WRITE_KEYS: [&str; 8] = [
    "limit",
    "failsafe_current",
    "failsafe_timeout",
    "failsafe_enable",
    "failsafe_persist",
    "phases",
    "setup",
    "keep_alive",
];

/// Checks each frame, and that everything has one.
pub(super) fn check(
    profile: &Profile,
    raw: &RawFrameFile,
    frames: &[Frame],
    report: &mut Report<'_>,
) {
    for (raw, frame) in raw.frame.iter().zip(frames) {
        check_frame(profile, raw, frame, report);
    }
    check_cover(profile, frames, report);
}

fn check_frame(profile: &Profile, raw: &RawFrame, frame: &Frame, report: &mut Report<'_>) {
    check_source(raw, frame, report);
    check_link(profile, raw, frame, report);
    let Some(placed) = frame.profile(profile) else {
        let (at, problem) = match (&raw.block, raw.connector) {
            (Some(block), _) => {
                let model = block.model.value;
                (block.at(), format!("no register is in model {model}"))
            }
            (None, connector) => {
                let at = connector.map_or(raw.at(), |connector| connector.at);
                (at, format!("there is no connector {}", frame.connector))
            }
        };
        report.fault(at, problem, "Correct it, or the profile");
        return;
    };
    let in_block = |name: &String| profile.register(name).is_some_and(|r| !r.models.is_empty());
    if frame.block.is_none() && frame.expect.keys().any(in_block) {
        let remedy = "Add `block = { model, address }`: which model block, and where";
        report.fault(raw.at(), "the frame does not say where it is", remedy);
        return;
    }
    let (_, request) = frame.request_pdu();
    match request.first() {
        Some(1..=4) => check_read(&placed, raw, report),
        Some(5 | 6 | 16) => check_write(&placed, raw, frame, &request, report),
        Some(_) | None => {
            let remedy = "Prove the profile with functions 1 to 6 and 16";
            report.fault(raw.request.at, "a function that is not used here", remedy);
        }
    }
}

/// A constructed frame names the table that it was constructed from.
fn check_source(raw: &RawFrame, frame: &Frame, report: &mut Report<'_>) {
    let source = &frame.source;
    let cites = source.contains("register") && source.contains(|c: char| c.is_ascii_digit());
    if frame.origin == Origin::Constructed && !cites {
        let problem = format!("frame `{}` cites no register table", frame.name);
        let remedy = "Name the document and the registers, for instance \"Acme guide 3.1, \
             table 4: input registers 5 to 8\"";
        report.fault(raw.source.at, problem, remedy);
    }
}

fn check_link(profile: &Profile, raw: &RawFrame, frame: &Frame, report: &mut Report<'_>) {
    let (key, exists) = match frame.framing {
        Framing::Rtu => ("rtu", profile.link.rtu.is_some()),
        Framing::Tcp => ("tcp", profile.link.tcp.is_some()),
        Framing::Ascii => ("ascii", profile.link.ascii.is_some()),
    };
    if !exists {
        let problem = format!("frame `{}` is not framed as the profile's link", frame.name);
        let remedy = format!("Correct `framing`, or add `link.{key}` to the profile");
        report.fault(raw.framing.at, problem, remedy);
    }
}

/// Names exist, and measured values have their unit.
fn check_read(profile: &Profile, raw: &RawFrame, report: &mut Report<'_>) {
    for (key, value) in raw.expect.entries() {
        if key.value == "vehicle_state" {
            continue;
        }
        let Some(register) = profile.register(&key.value) else {
            let mut names: Vec<&str> = profile.registers.iter().map(|r| r.name.as_str()).collect();
            names.push("vehicle_state");
            let problem = format!("a read expects `{}`", key.value);
            report.fault(key.at, problem, suggest(&key.value, &names));
            continue;
        };
        let unit = register.quantity.and_then(Quantity::base_unit);
        if let Some(unit) = unit
            && value.value != "not available"
            && number_of(&value.value, unit).is_none()
        {
            let problem = format!("`{}` is expected as \"{}\"", key.value, value.value);
            let remedy = format!("Write a number and the base unit: \"16 {unit}\"");
            report.fault(value.at, problem, remedy);
        }
    }
}

/// The number of `"-16 W"`.
fn number_of(text: &str, unit: &str) -> Option<i64> {
    let (number, found) = text.split_once(' ')?;
    number.parse().ok().filter(|_| found == unit)
}

/// A write is one that the profile makes, and its answer acknowledges it.
fn check_write(
    profile: &Profile,
    raw: &RawFrame,
    frame: &Frame,
    request: &[u8],
    report: &mut Report<'_>,
) {
    let mut entries = raw.expect.entries();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
        let remedy = format!("Expect one of `{}`", WRITE_KEYS.join("`, `"));
        report.fault(
            raw.at(),
            "a write does not expect exactly one thing",
            remedy,
        );
        return;
    };
    let (_, answer) = frame.response_pdu();
    if request.get(..5) != Some(&*answer) {
        let remedy = "Functions 5 and 6 echo address and value, function 16 address and count";
        report.fault(
            raw.response.at,
            "the answer acknowledges another write",
            remedy,
        );
    }
    if key.value == "limit" {
        if number_of(&value.value, "mA").is_none_or(|limit| limit < 0) {
            let problem = format!("`limit` is expected as \"{}\"", value.value);
            report.fault(value.at, problem, "Write \"16000 mA\"; \"0 mA\" pauses");
        }
        return;
    }
    match written(profile, key, value, report) {
        Some(writes) if writes.is_empty() => {
            let problem = format!("the profile writes no `{}`", key.value);
            report.fault(key.at, problem, "Correct the key, or the profile");
        }
        Some(writes) if !writes.iter().any(|write| write == request) => {
            let problem = format!("the profile does not write this for `{}`", key.value);
            let shown = writes.first().map(|write| shown(write)).unwrap_or_default();
            let remedy = format!("It writes {shown}; correct one of the two");
            report.fault(raw.request.at, problem, remedy);
        }
        Some(_) | None => {}
    }
}

/// Requests that the profile makes for an expectation; none: it does not make such. `None`: the
/// expectation is at fault.
fn written(
    profile: &Profile,
    key: &At<String>,
    value: &At<String>,
    report: &mut Report<'_>,
) -> Option<Vec<Vec<u8>>> {
    let failsafe = profile.failsafe.as_ref();
    let phases = profile.phase_switch.as_ref();
    let expected = value.value.as_str();
    let fixed = |writes: Vec<(&WriteRegister, u64)>| {
        let made = |(write, raw): &(&WriteRegister, u64)| request(write, *raw);
        writes.iter().map(made).collect()
    };
    let (writes, form): (Option<Vec<Vec<u8>>>, &str) = match key.value.as_str() {
        "failsafe_current" => (
            failsafe_current(failsafe, expected),
            "\"6000 mA\" or \"4140 W\"",
        ),
        "failsafe_timeout" => (failsafe_timeout(failsafe, expected), "\"60000 ms\""),
        "phases" => {
            let raw = phases.map(|phases| match expected {
                "1" => Some((&phases.write, phases.one)),
                "3" => Some((&phases.write, phases.three)),
                _ => None,
            });
            let raw = raw.map_or(Some(vec![]), |raw| raw.map(|raw| vec![raw]));
            (raw.map(fixed), "\"1\" or \"3\"")
        }
        "setup" | "keep_alive" | "failsafe_enable" | "failsafe_persist" => {
            let writes = fixed_writes(profile, &key.value);
            let is_written = expected == "written";
            (is_written.then(|| fixed(writes)), "\"written\"")
        }
        other => {
            let problem = format!("a write expects `{other}`");
            report.fault(key.at, problem, suggest(other, &WRITE_KEYS));
            return None;
        }
    };
    if writes.is_none() {
        let problem = format!("`{}` is expected as \"{expected}\"", key.value);
        report.fault(value.at, problem, format!("Write {form}"));
    }
    writes
}

/// Fixed values that the profile writes for this key.
fn fixed_writes<'p>(profile: &'p Profile, key: &str) -> Vec<(&'p WriteRegister, u64)> {
    let failsafe = profile.failsafe.as_ref();
    let phases = profile.phase_switch.iter().flat_map(|phases| &phases.setup);
    let setups = match key {
        "setup" => profile.setup.iter().chain(phases).collect(),
        "failsafe_enable" => failsafe.iter().flat_map(|f| &f.enable).collect(),
        "failsafe_persist" => failsafe.iter().flat_map(|f| &f.persist).collect(),
        _ => Vec::new(),
    };
    let kept = match &profile.keep_alive {
        KeepAlive::WriteRegister { write, value, .. } | KeepAlive::LifeBit { write, value, .. }
            if key == "keep_alive" =>
        {
            Some((write, *value))
        }
        KeepAlive::WriteRegister { .. }
        | KeepAlive::LifeBit { .. }
        | KeepAlive::None
        | KeepAlive::AnyRequest { .. }
        | KeepAlive::RewriteLimit { .. }
        | KeepAlive::RewriteTimeout { .. } => None,
    };
    let setups = setups.into_iter().map(|setup| (&setup.write, setup.value));
    setups.chain(kept).collect()
}

fn failsafe_current(failsafe: Option<&Failsafe>, expected: &str) -> Option<Vec<Vec<u8>>> {
    let Some((failsafe, write)) = failsafe.and_then(|f| Some((f, f.current.as_ref()?))) else {
        return Some(vec![]);
    };
    let unit = match failsafe.current_unit {
        LimitUnit::Milliamps => "mA",
        LimitUnit::Watts => "W",
    };
    let current = u64::try_from(number_of(expected, unit)?).ok()?;
    let pause = failsafe.current_pause.filter(|_| current == 0);
    let raw = pause.unwrap_or_else(|| raw_of(write.ty, failsafe.current_scale, current));
    Some(vec![request(write, raw)])
}

fn failsafe_timeout(failsafe: Option<&Failsafe>, expected: &str) -> Option<Vec<Vec<u8>>> {
    let Some((failsafe, write)) = failsafe.and_then(|f| Some((f, f.timeout.as_ref()?))) else {
        return Some(vec![]);
    };
    let timeout = u64::try_from(number_of(expected, "ms")?).ok()?;
    Some(vec![request(
        write,
        raw_of(write.ty, failsafe.timeout_scale, timeout),
    )])
}

/// Raw value of so many base units, rounded down.
fn raw_of(ty: RegisterType, scale: Scale, base_units: u64) -> u64 {
    let counts = base_units.saturating_mul(scale.denominator) / scale.numerator;
    // Through decimal digits, which is exact: no float arithmetic.
    let digits = counts.to_string();
    match ty {
        RegisterType::F32 => digits.parse().map_or(0, |f: f32| u64::from(f.to_bits())),
        RegisterType::F64 => digits.parse().map_or(0, |f: f64| f.to_bits()),
        RegisterType::Bit
        | RegisterType::U16
        | RegisterType::I16
        | RegisterType::U32
        | RegisterType::I32
        | RegisterType::U64
        | RegisterType::I64
        | RegisterType::Ascii { .. }
        | RegisterType::AsciiSwapped { .. }
        | RegisterType::Utf16 { .. } => counts,
    }
}

/// The protocol data unit that writes a raw value.
fn request(write: &WriteRegister, raw: u64) -> Vec<u8> {
    let mut words: Vec<[u8; 2]> = raw.to_be_bytes().as_chunks::<2>().0.to_vec();
    words.drain(..words.len().saturating_sub(usize::from(write.ty.count())));
    if write.words == WordOrder::LowFirst {
        words.reverse();
    }
    let address = write.address.to_be_bytes();
    let header = |function: u8| [vec![function], address.to_vec()].concat();
    match write.access {
        Access::Coil => [header(5), vec![if raw == 0 { 0 } else { 0xFF }, 0]].concat(),
        Access::Single => [header(6), words.concat()].concat(),
        Access::Multiple => {
            let data = words.concat().repeat(write.repeat.into());
            let bytes = u8::try_from(data.len()).unwrap_or(u8::MAX);
            let count = write.count().to_be_bytes();
            [header(16), count.to_vec(), vec![bytes], data].concat()
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(" ")
}

/// Every register, state and pause has a frame.
fn check_cover(profile: &Profile, frames: &[Frame], report: &mut Report<'_>) {
    let proven: BTreeSet<(&str, &str)> = frames
        .iter()
        .flat_map(|frame| &frame.expect)
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let names: BTreeSet<&str> = proven.iter().map(|(key, _)| *key).collect();
    let registers = profile
        .registers
        .iter()
        .map(|register| register.name.as_str());
    let mut missing: Vec<String> = registers
        .filter(|name| !names.contains(name))
        .map(|name| format!("`{name}`"))
        .collect();
    let states: BTreeSet<&str> = profile
        .state_rules
        .iter()
        .map(|rule| rule.state.as_str())
        .collect();
    let states = states
        .into_iter()
        .filter(|state| !proven.contains(&("vehicle_state", state)));
    missing.extend(states.map(|state| format!("`vehicle_state = \"{state}\"`")));
    let pause = profile
        .limit
        .as_ref()
        .and_then(|limit| limit.pause.as_ref());
    let pause = pause.map(|pause| match pause {
        PauseControl::Value(_) | PauseControl::Switch { .. } => "0 mA",
    });
    if let Some(pause) = pause
        && !proven.contains(&("limit", pause))
    {
        missing.push("`limit = \"0 mA\"`".to_owned());
    }
    if profile.limit.is_some() && !names.contains("limit") {
        missing.push("`limit`".to_owned());
    }
    for what in missing {
        let remedy = "Add a frame that expects it";
        report.fault_of_file(format!("no frame proves {what}"), remedy);
    }
}
