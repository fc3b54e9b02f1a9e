//! Reads the bodies of messages. What cannot be read is a [`Bad`], told once per gateway and kind;
//! a single fact that cannot be read is kept as it came, so that it never blocks those behind it.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use site_model::{
    ChargePointId, ChargePointStatus, ConnectorId, ConnectorStatus, ConnectorType, Fact, GatewayId,
    JournalId, SessionId, Watts,
};
use site_wire::v1::{Envelope, GatewayState, Snapshot, SnapshotConnector, VERSION};

use crate::fleet::{Observation, RegisteredConnector};

/// Greatest body that is looked at.
pub const MESSAGE_MAX: usize = 1024 * 1024;
/// Greatest MQTT packet: a body and its topic and properties.
pub const PACKET_MAX: usize = MESSAGE_MAX + 64 * 1024;
/// Different complaints that are remembered; beyond it they are told anew.
const NOTED_MAX: usize = 1_000;
/// Longest text of a device that is kept, and longest part of a message in a log line, in bytes.
pub(super) const TEXT_MAX: usize = 200;

/// Why a message was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    /// Told once per gateway.
    kind: &'static str,
    detail: String,
}

impl Bad {
    pub(super) fn new(kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }
}

/// Complaints that were told.
#[derive(Debug, Default)]
pub(super) struct Noted(HashSet<(GatewayId, &'static str)>);

impl Noted {
    /// Whether there is nothing to complain about; else it is told.
    pub(super) fn is_none(&mut self, gateway: &GatewayId, bad: Option<Bad>) -> bool {
        match bad {
            None => true,
            Some(bad) => {
                self.note(gateway, bad);
                false
            }
        }
    }

    pub(super) fn note(&mut self, gateway: &GatewayId, bad: Bad) {
        if self.0.len() >= NOTED_MAX {
            self.0.clear();
        }
        if self.0.insert((gateway.clone(), bad.kind)) {
            let Bad { kind, detail } = bad;
            tracing::warn!(%gateway, kind, "Message was dropped ({detail}); repeats are not logged");
        }
    }
}

/// Facts of one journal.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) journal: JournalId,
    /// Ascending without gaps; at least one.
    pub(super) facts: Vec<Received>,
}

/// One fact under its sequence number.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) sequence: u64,
    pub(super) fact: Result<Fact, Unread>,
}

impl Received {
    /// The boot that recorded it.
    pub(super) fn boot(&self) -> Option<String> {
        match &self.fact {
            Ok(fact) => Some(fact.at.boot.to_string()),
            Err(unread) => {
                let told: Option<Boot> = serde_json::from_str(&unread.json).ok();
                told.map(|told| told.boot).filter(|boot| boot.len() == 16)
            }
        }
    }
}

/// A fact that this version cannot read, as it came.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) reason: String,
    pub(super) json: String,
}

/// Whether a gateway is connected, and the journal it speaks from.
#[derive(Debug)]
pub(super) struct State {
    pub(super) online: bool,
    pub(super) journal: JournalId,
    /// It wants to know its sessions.
    pub(super) asks_for_sessions: bool,
}

#[derive(Deserialize)]
struct RawBatch<'a> {
    v: u32,
    journal_id: String,
    #[serde(borrow)]
    facts: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Key {
    sequence: u64,
}

#[derive(Deserialize)]
struct Boot {
    boot: String,
}

pub(super) fn batch(payload: &[u8]) -> Result<Batch, Bad> {
    let raw: RawBatch<'_> = parse("facts", payload)?;
    check_version(raw.v)?;
    let mut facts: Vec<Received> = Vec::with_capacity(raw.facts.len());
    for fact in raw.facts {
        let received = received(fact.get())?;
        let expected = facts.last().map(|last| last.sequence.saturating_add(1));
        // 0 would be before the first, and the database counts to i64::MAX.
        let possible = received.sequence > 0 && i64::try_from(received.sequence).is_ok();
        if !possible || expected.is_some_and(|expected| expected != received.sequence) {
            let detail = format!("facts: sequence {} is out of order", received.sequence);
            return Err(Bad::new("sequence", detail));
        }
        facts.push(received);
    }
    if facts.is_empty() {
        return Err(Bad::new("facts", "facts: the list is empty"));
    }
    Ok(Batch {
        journal: journal(&raw.journal_id)?,
        facts,
    })
}

fn received(json: &str) -> Result<Received, Bad> {
    let envelope: Result<Envelope, _> = serde_json::from_str(json);
    let (sequence, fact) = match envelope {
        Ok(envelope) => {
            let sequence = envelope.sequence;
            (
                sequence,
                Fact::try_from(envelope).map_err(|bad| bad.to_string()),
            )
        }
        Err(error) => {
            let key: Key = parse("facts", json.as_bytes())?;
            (key.sequence, Err(error.to_string()))
        }
    };
    Ok(Received {
        sequence,
        fact: fact.map_err(|reason| Unread {
            reason,
            json: json.to_owned(),
        }),
    })
}

pub(super) fn state(payload: &[u8]) -> Result<State, Bad> {
    let state: GatewayState = parse("state", payload)?;
    check_version(state.v)?;
    Ok(State {
        online: state.online,
        journal: journal(&state.journal_id)?,
        asks_for_sessions: state.asks_for_sessions,
    })
}

pub(super) fn snapshot(payload: &[u8], topic: &ChargePointId) -> Result<Observation, Bad> {
    let snapshot: Snapshot = parse("snapshot", payload)?;
    check_version(snapshot.v)?;
    if snapshot.charge_point_id != topic.as_str() {
        let detail = format!("snapshot: charge_point_id is not that of the topic ({topic})");
        return Err(Bad::new("snapshot", detail));
    }
    let numbers = snapshot.connectors.iter().map(|c| c.connector_id);
    if !numbers.is_sorted_by(|a, b| a < b) {
        let detail = "snapshot: the connectors are not in ascending order";
        return Err(Bad::new("snapshot", detail));
    }
    let firmware = snapshot.firmware.as_deref();
    let status = ChargePointStatus::parse(&snapshot.status);
    let connectors = snapshot.connectors.iter().map(connector);
    Ok(Observation {
        charge_point: topic.clone(),
        as_of_sequence: snapshot.as_of_sequence,
        made_at_ms: snapshot.made_at_ms,
        answers: snapshot.online,
        ocpp_status: status.ok_or_else(|| unknown_word("status", &snapshot.status))?,
        last_heartbeat_at: snapshot.last_answer_at_ms.and_then(time),
        connectors: connectors.collect::<Result<_, _>>()?,
        firmware: firmware.map(|text| shortened(text, TEXT_MAX).to_owned()),
        journal_id: snapshot.journal_id,
    })
}

fn connector(shown: &SnapshotConnector) -> Result<(RegisteredConnector, u64), Bad> {
    let number = ConnectorId::new(shown.connector_id);
    let status = ConnectorStatus::parse(&shown.status);
    let kind = ConnectorType::parse(&shown.kind);
    let session = shown.session.as_ref();
    let session_id = session.map(|session| SessionId::new(&session.session_id));
    let invalid = |error: site_model::InvalidId| Bad::new("snapshot", error.to_string());
    let connector = RegisteredConnector {
        connector: number.map_err(invalid)?,
        kind: Some(kind.ok_or_else(|| unknown_word("type", &shown.kind))?),
        max_power: Watts(shown.max_power_w),
        status: status.ok_or_else(|| unknown_word("status", &shown.status))?,
        status_at: shown.observed_at_ms.and_then(time),
        session: session_id.transpose().map_err(invalid)?,
    };
    Ok((connector, session.map_or(0, |session| session.energy_wh)))
}

fn parse<'a, T: Deserialize<'a>>(kind: &'static str, payload: &'a [u8]) -> Result<T, Bad> {
    if payload.len() > MESSAGE_MAX {
        let detail = format!(
            "{kind}: {} bytes are more than {MESSAGE_MAX}",
            payload.len()
        );
        return Err(Bad::new("size", detail));
    }
    serde_json::from_slice(payload).map_err(|error| Bad::new(kind, format!("{kind}: {error}")))
}

fn check_version(v: u32) -> Result<(), Bad> {
    if v == VERSION {
        return Ok(());
    }
    let detail = format!("version {v} of the messages; this server knows {VERSION}, update it");
    Err(Bad::new("version", detail))
}

fn journal(text: &str) -> Result<JournalId, Bad> {
    JournalId::new(text).map_err(|error| Bad::new("journal", error.to_string()))
}

fn unknown_word(field: &'static str, word: &str) -> Bad {
    let word = shortened(word, TEXT_MAX);
    let detail = format!("snapshot: {field} `{word}` is not known");
    Bad::new("snapshot", detail)
}

/// The beginning of a text, at most `max` bytes.
pub(super) fn shortened(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

fn time(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}
