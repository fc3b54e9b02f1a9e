//! The frames that prove a profile: what was asked, what was answered, and what it must be read as.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Faults, Report, suggest};
use crate::profile::Origin;
use crate::read::{At, Named, read_document, record, words};

/// The frames of one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameFile {
    /// Id of the profile that they prove.
    pub profile: String,
    /// The frames in the order of the file; names are unique.
    pub frames: Vec<Frame>,
}

impl FrameFile {
    /// The frame of this name.
    #[must_use]
    pub fn frame(&self, name: &str) -> Option<&Frame> {
        self.frames.iter().find(|frame| frame.name == name)
    }
}

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Name within the file.
    pub name: String,
    /// Captured or constructed.
    pub origin: Origin,
    /// The capture's place, or the register table it was constructed from.
    pub source: String,
    /// How the bytes are framed.
    pub framing: Framing,
    /// Whole request: RTU with its CRC, TCP with its MBAP header.
    pub request: Vec<u8>,
    /// Whole answer, framed likewise.
    pub response: Vec<u8>,
    /// Names of frames of this file that were read before, in this order: their raw values hold for
    /// conditions (`when`, state rules) that this frame alone cannot answer.
    pub after: Vec<String>,
    /// What the answer must be read as: all of it, nothing else.
    ///
    /// Keys and values of a read:
    /// - name of a register with a measured quantity: number and base unit, `"16000 mA"`, `"12345 Wh"`;
    ///   negative values with a minus sign;
    /// - name of any other register: its raw number in decimal, `"3"`, or its text, trimmed;
    /// - either, where the raw value is a sentinel: `"not available"`;
    /// - a register whose `when` does not hold is left out, and `paused_when` is not applied;
    /// - `vehicle_state`: the word of the state, `"C"`, if this frame together with `after` decides it.
    ///
    /// A write has the one key `limit`: setting this limit, `"16000 mA"` (`"0 mA"` pauses), makes
    /// requests of which this is one, and the answer acknowledges it.
    pub expect: BTreeMap<String, String>,
}

/// Framing of a recorded frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Modbus RTU: unit, function, data, CRC.
    Rtu,
    /// Modbus TCP: MBAP header, function, data.
    Tcp,
}

words! {
    Framing { "rtu" = Framing::Rtu, "tcp" = Framing::Tcp }
    Origin { "published" = Origin::Published, "constructed" = Origin::Constructed }
}

record! {
    /// The frames of one profile.
    RawFrameFile as "FrameFile" {
        /// The frames.
        frame: Vec<RawFrame>,
    }
}

record! {
    /// One request and its answer.
    RawFrame as "Frame" {
        /// Name within the file.
        name: At<String>,
        /// published or constructed.
        origin: At<Origin>,
        /// Where it was published, or the register table it was constructed from.
        source: At<String>,
        /// rtu or tcp.
        framing: At<Framing>,
        /// Hexadecimal bytes; blanks between bytes.
        request: At<String>,
        /// Hexadecimal bytes; blanks between bytes.
        response: At<String>,
        /// Frames that were read before.
        after: Option<Vec<At<String>>>,
        /// What the answer must be read as.
        expect: Named<At<String>>,
    }
}

impl FrameFile {
    /// Loads the frames of a profile. `name` is the file as messages shall call it; its last part
    /// without `.frames.toml` is the profile's id.
    ///
    /// # Errors
    /// Every fault of the text with line, column and remedy.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, Faults> {
        let mut report = Report::new(name, text);
        let raw = read_document::<RawFrameFile>(text, &mut report);
        let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let profile = file.strip_suffix(".frames.toml").unwrap_or(file).to_owned();
        let frames = raw.and_then(|raw| check(&raw, &mut report));
        report.finish(frames.map(|frames| Self { profile, frames }))
    }
}

fn check(raw: &RawFrameFile, report: &mut Report<'_>) -> Option<Vec<Frame>> {
    let mut earlier: BTreeSet<&str> = BTreeSet::new();
    if raw.frame.is_empty() {
        report.fault(0, "a frame file without frames", "Add a `[[frame]]`");
    }
    let frames: Vec<Option<Frame>> = raw
        .frame
        .iter()
        .map(|frame| {
            let checked = check_frame(frame, &earlier, report);
            if !earlier.insert(&frame.name.value) {
                let problem = format!("a second frame named `{}`", frame.name.value);
                report.fault(frame.name.at, problem, "Choose another name");
            }
            checked
        })
        .collect();
    frames.into_iter().collect()
}

fn check_frame(raw: &RawFrame, earlier: &BTreeSet<&str>, report: &mut Report<'_>) -> Option<Frame> {
    for (key, text) in [("name", &raw.name), ("source", &raw.source)] {
        if text.value.trim().is_empty() {
            report.fault(
                text.at,
                format!("`{key}` is empty"),
                format!("Write a {key}"),
            );
        }
    }
    for name in raw.after.iter().flatten() {
        if !earlier.contains(name.value.as_str()) {
            let known: Vec<&str> = earlier.iter().copied().collect();
            let problem = format!("`{}` names no frame above", name.value);
            report.fault(name.at, problem, suggest(&name.value, &known));
        }
    }
    let framing = raw.framing.value;
    let request = bytes(&raw.request, "request", framing, report);
    let response = bytes(&raw.response, "response", framing, report);
    Some(Frame {
        name: raw.name.value.clone(),
        origin: raw.origin.value,
        source: raw.source.value.clone(),
        framing,
        request: request?,
        response: response?,
        after: raw
            .after
            .iter()
            .flatten()
            .map(|n| n.value.clone())
            .collect(),
        expect: raw
            .expect
            .entries()
            .map(|(name, value)| (name.value.clone(), value.value.clone()))
            .collect(),
    })
}

/// The bytes of a frame, with the check that its framing allows: CRC, or length in the MBAP header.
fn bytes(
    text: &At<String>,
    key: &str,
    framing: Framing,
    report: &mut Report<'_>,
) -> Option<Vec<u8>> {
    let Some(bytes) = hex(&text.value) else {
        let problem = format!("`{key}` is not hexadecimal");
        report.fault(text.at, problem, "Write bytes as \"01 04 00 05\"");
        return None;
    };
    match framing {
        Framing::Rtu => check_crc(&bytes, key, text.at, report),
        Framing::Tcp => check_mbap(&bytes, key, text.at, report),
    }
    Some(bytes)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let byte = |pair: &str| {
        let digits = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        digits.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    };
    text.split_whitespace().map(byte).collect()
}

/// Modbus RTU: unit, function and CRC at least, low byte of the CRC first.
fn check_crc(bytes: &[u8], key: &str, at: usize, report: &mut Report<'_>) {
    let Some((body, [low, high])) = bytes.split_last_chunk::<2>() else {
        report.fault(
            at,
            format!("`{key}` is too short"),
            "Write the whole frame with its CRC",
        );
        return;
    };
    let expected = crc16(body);
    if u16::from_le_bytes([*low, *high]) != expected || body.len() < 2 {
        let [low, high] = expected.to_le_bytes();
        let problem = format!("the CRC of `{key}` does not match");
        report.fault(
            at,
            problem,
            format!("For these bytes it is {low:02X} {high:02X}"),
        );
    }
}

/// CRC of Modbus over Serial Line V1.02, 6.2.2: polynomial 0xA001 reflected, start 0xFFFF.
fn crc16(bytes: &[u8]) -> u16 {
    let mut crc: u16 = 0xFFFF;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1 == 1;
            crc >>= 1;
            if carry {
                crc ^= 0xA001;
            }
        }
    }
    crc
}

/// MBAP header: transaction, protocol 0, length of what follows, unit; then the function.
fn check_mbap(bytes: &[u8], key: &str, at: usize, report: &mut Report<'_>) {
    let [
        _,
        _,
        protocol_high,
        protocol_low,
        length_high,
        length_low,
        rest @ ..,
    ] = bytes
    else {
        report.fault(
            at,
            format!("`{key}` is too short"),
            "Write the whole frame with its MBAP header",
        );
        return;
    };
    let protocol = u16::from_be_bytes([*protocol_high, *protocol_low]);
    let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
    if protocol != 0 || length != rest.len() || length < 2 {
        let problem = format!("the MBAP header of `{key}` does not match");
        let remedy = format!("Protocol is 0 and the length of these bytes {}", rest.len());
        report.fault(at, problem, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_agrees_with_the_published_check_value() {
        // CRC catalogue (reveng), CRC-16/MODBUS: check value of "123456789".
        assert_eq!(crc16(b"123456789"), 0x4B37);
    }

    #[test]
    fn hex_takes_pairs_between_blanks_only() {
        assert_eq!(hex("01 aF\n00"), Some(vec![0x01, 0xAF, 0x00]));
        for bad in ["0x01", "1", "012", "+1", "0 1", "gg"] {
            assert_eq!(hex(bad), None, "{bad:?}");
        }
    }
}
