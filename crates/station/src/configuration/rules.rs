//! The kinds of configuration values and what each allows.

use ocpp::v16::{Measurand, Phase};

use super::Equipment;
use super::keys::Key;

/// One key of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) access: Access,
    pub(super) rule: Rule,
    pub(super) default: &'static str,
    /// Whether a change waits for a restart.
    pub(super) restart: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Read only.
    Read,
    ReadWrite,
    /// Write only: never told.
    Write,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Whole(u32, u32),
    /// Measurands, with or without a phase, at most so many.
    Measurands(usize),
    /// `0.RST,1.RTS`: connectors and how their phases are wired.
    Rotation,
    /// A list of words; only read.
    Words,
    /// Any text of at most so many characters.
    Text(usize),
    /// A password of so many printable ASCII characters.
    Password(usize, usize),
}

/// How the phases of a connector may be wired (OCPP 1.6 section 9.1.6).
const ROTATIONS: [&str; 8] = [
    "NotApplicable",
    "Unknown",
    "RST",
    "RTS",
    "SRT",
    "STR",
    "TRS",
    "TSR",
];

impl Rule {
    /// The value as it is stored, or why it is refused: a sentence fragment that follows the key.
    pub(super) fn check(self, value: &str, equipment: &Equipment) -> Result<String, String> {
        let value = value.trim();
        match self {
            Self::Flag => {
                let value = value.to_ascii_lowercase();
                let known = ["true", "false"].contains(&value.as_str());
                known
                    .then_some(value)
                    .ok_or_else(|| "must be true or false".into())
            }
            Self::Whole(least, most) => {
                let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let number = value.parse::<u32>().ok().filter(|_| digits);
                let number = number.filter(|number| (least..=most).contains(number));
                number
                    .map(|number| number.to_string())
                    .ok_or_else(|| format!("must be a whole number from {least} to {most}"))
            }
            Self::Measurands(most) => list(value, most, |word| measurand(word, equipment)),
            Self::Rotation => list(value, usize::from(equipment.connectors) + 1, |word| {
                rotation(word, equipment.connectors)
            }),
            Self::Words => Err("is read-only".into()),
            Self::Text(most) => {
                let fits = value.chars().count() <= most && !value.chars().any(char::is_control);
                fits.then(|| value.to_owned())
                    .ok_or_else(|| format!("must be at most {most} printable characters"))
            }
            Self::Password(least, most) => {
                let printable = value.bytes().all(|byte| byte.is_ascii_graphic());
                let fits = printable && (least..=most).contains(&value.len());
                fits.then(|| value.to_owned())
                    .ok_or_else(|| format!("must be {least} to {most} printable ASCII characters"))
            }
        }
    }
}

fn list(
    value: &str,
    most: usize,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<String, String> {
    let words: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    if words.len() > most {
        return Err(format!("must have at most {most} elements"));
    }
    for word in &words {
        check(word)?;
    }
    Ok(words.join(","))
}

/// `Voltage`, or `Voltage.L1`.
fn measurand(word: &str, equipment: &Equipment) -> Result<(), String> {
    let of_phase = |(measurand, phase): (&str, &str)| {
        let known = Phase::ALL.iter().any(|known| known.as_str() == phase);
        known.then(|| measurand.to_owned())
    };
    let plain = word
        .rsplit_once('.')
        .and_then(of_phase)
        .unwrap_or_else(|| word.to_owned());
    let told = |known: &Measurand| known.as_str() == plain;
    if equipment.measurands.iter().any(told) {
        return Ok(());
    }
    if Measurand::ALL.iter().any(told) {
        return Err(format!(
            "must hold what the meter can tell, and {plain} is not"
        ));
    }
    Err("must hold measurands of OCPP 1.6".into())
}

fn rotation(word: &str, connectors: u8) -> Result<(), String> {
    let known = word.split_once('.').is_some_and(|(connector, rotation)| {
        connector
            .parse::<u8>()
            .is_ok_and(|number| number <= connectors)
            && ROTATIONS.contains(&rotation)
    });
    known
        .then_some(())
        .ok_or_else(|| "must be like 0.RST,1.RTS with existing connectors".into())
}
