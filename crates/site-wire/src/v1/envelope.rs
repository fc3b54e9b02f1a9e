//! Envelope ↔ fact: the key and the times around a change.

use site_model::{Fact, Monotonic, Timestamp, WallTime};

use super::{BadField, Change, Envelope, field};

impl Envelope {
    /// The fact under its sequence number.
    #[must_use]
    pub fn of(sequence: u64, fact: &Fact) -> Self {
        Self {
            sequence,
            boot: fact.at.boot.to_string(),
            monotonic_ms: fact.at.monotonic.0,
            wall_ms: fact.at.wall.0,
            wall_known: fact.at.wall_known,
            change: Change::from(&fact.change),
        }
    }
}

impl TryFrom<Envelope> for Fact {
    type Error = BadField;

    /// The fact inside; its key stays with the caller.
    fn try_from(envelope: Envelope) -> Result<Self, BadField> {
        Ok(Self {
            at: Timestamp {
                boot: field::boot("boot", &envelope.boot)?,
                monotonic: Monotonic(envelope.monotonic_ms),
                wall: WallTime(envelope.wall_ms),
                wall_known: envelope.wall_known,
            },
            change: envelope.change.try_into()?,
        })
    }
}
