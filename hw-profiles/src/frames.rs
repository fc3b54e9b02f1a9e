//! The frames that prove a profile: what was asked, what was answered, and what it must be read as.

mod framing;
mod proof;

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Faults, Report, suggest};
use crate::profile::{Origin, Profile};
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
    /// Which connector's registers it is about; 1 where there is one.
    pub connector: u8,
    /// SunSpec: the model that it is about, and the address of the register with its number.
    pub block: Option<(u16, u16)>,
    /// Whole request: RTU with its CRC, TCP with its MBAP header, ASCII as the characters of the
    /// line without CR and LF.
    pub request: Vec<u8>,
    /// Whole answer, framed likewise.
    pub response: Vec<u8>,
    /// Names of frames of this file that were read before, in this order: their raw values hold for
    /// conditions (`when`, state rules) and powers of ten that this frame alone cannot answer.
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
    /// A write has one key: which write of the profile it is.
    /// - `limit`: setting this limit, `"16000 mA"` (`"0 mA"` pauses), makes requests of which this is
    ///   one, and the answer acknowledges it;
    /// - `failsafe_current` (`"6000 mA"`, or watts), `failsafe_timeout` (`"60000 ms"`);
    /// - `phases`: `"1"` or `"3"`;
    /// - `setup`, `keep_alive`, `failsafe_enable`, `failsafe_persist`: `"written"`.
    pub expect: BTreeMap<String, String>,
}

impl Frame {
    /// Unit identifier and protocol data unit of the request.
    ///
    /// # Panics
    /// Never for a loaded frame: its framing was checked.
    #[must_use]
    pub fn request_pdu(&self) -> (u8, Vec<u8>) {
        framing::inside(&self.request, self.framing).expect("the framing was checked")
    }

    /// Unit identifier and protocol data unit of the answer.
    ///
    /// # Panics
    /// Never for a loaded frame: its framing was checked.
    #[must_use]
    pub fn response_pdu(&self) -> (u8, Vec<u8>) {
        framing::inside(&self.response, self.framing).expect("the framing was checked")
    }

    /// The profile with the addresses that this frame is about; `None`: it has no such connector or
    /// model.
    #[must_use]
    pub fn profile(&self, profile: &Profile) -> Option<Profile> {
        let profile = profile.for_connector(self.connector)?;
        match self.block {
            None => Some(profile),
            Some(block) => profile.located(&[block]),
        }
    }
}

/// Framing of a recorded frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Modbus RTU: unit, function, data, CRC.
    Rtu,
    /// Modbus TCP: MBAP header, function, data.
    Tcp,
    /// Modbus ASCII: start, hexadecimal digits of unit, function, data and LRC.
    Ascii,
}

words! {
    Framing { "rtu" = Framing::Rtu, "tcp" = Framing::Tcp, "ascii" = Framing::Ascii }
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
        /// rtu, tcp or ascii.
        framing: At<Framing>,
        /// Connector that it is about. Default: 1.
        connector: Option<At<u8>>,
        /// SunSpec: the model block that it is about.
        block: Option<RawBlock>,
        /// Hexadecimal bytes; blanks between bytes. ascii: the line without CR and LF.
        request: At<String>,
        /// Hexadecimal bytes; blanks between bytes. ascii: the line without CR and LF.
        response: At<String>,
        /// Frames that were read before.
        after: Option<Vec<At<String>>>,
        /// What the answer must be read as.
        expect: Named<At<String>>,
    }
}

record! {
    /// A SunSpec model block.
    RawBlock as "Block" {
        /// Number of the model.
        model: At<u16>,
        /// Address of the register that holds this number.
        address: At<u16>,
    }
}

impl FrameFile {
    /// Loads the frames of a profile without looking at it. `name` is the file as messages shall
    /// call it; its last part without `.frames.toml` is the profile's id.
    ///
    /// # Errors
    /// Every fault of the text with line, column and remedy.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, Faults> {
        Self::load(name, text, None)
    }

    /// Loads the frames of this profile, and checks that they prove all of it.
    ///
    /// # Errors
    /// Every fault of the text with line, column and remedy, and everything that no frame proves.
    pub fn for_profile(profile: &Profile, name: &str, text: &str) -> Result<Self, Faults> {
        Self::load(name, text, Some(profile))
    }

    fn load(name: &str, text: &str, proven: Option<&Profile>) -> Result<Self, Faults> {
        let mut report = Report::new(name, text);
        let raw = read_document::<RawFrameFile>(text, &mut report);
        let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let profile = file.strip_suffix(".frames.toml").unwrap_or(file).to_owned();
        let frames = raw.and_then(|raw| {
            let frames = check(&raw, &mut report)?;
            if let (Some(profile), true) = (proven, report.is_empty()) {
                proof::check(profile, &raw, &frames, &mut report);
            }
            Some(frames)
        });
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
    let request = framing::bytes(&raw.request, "request", framing, report);
    let response = framing::bytes(&raw.response, "response", framing, report);
    Some(Frame {
        name: raw.name.value.clone(),
        origin: raw.origin.value,
        source: raw.source.value.clone(),
        framing,
        connector: raw.connector.map_or(1, |connector| connector.value),
        block: raw
            .block
            .as_ref()
            .map(|block| (block.model.value, block.address.value)),
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
