//! What is broken on purpose, to see that it is noticed.

use serde_json::Value;

/// One thing that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Syncs are acknowledged and not done.
    SyncsSkipped,
    /// Limits are written with one ampere more than was granted.
    LimitsRaised,
    /// The cloud is told that the times of a boot were right.
    CorrectionLost,
    /// The driver tells one watt-hour more.
    EnergyMisread,
    /// The daemon's clock is three seconds ahead of the machine's.
    ClockAhead,
    /// Once everything heals, no acknowledgement reaches the gateway.
    AcknowledgementsLost,
    /// The cloud takes a meter reading twice, the second time for the fact behind it.
    FactTwice,
    /// The cloud passes over the end of a session.
    FactLost,
    /// The cloud takes facts from behind a gap as if they followed.
    GapTaken,
}

impl Mutant {
    /// Every one.
    pub(crate) const ALL: [Self; 9] = [
        Self::SyncsSkipped,
        Self::LimitsRaised,
        Self::CorrectionLost,
        Self::EnergyMisread,
        Self::ClockAhead,
        Self::AcknowledgementsLost,
        Self::FactTwice,
        Self::FactLost,
        Self::GapTaken,
    ];

    /// The message as a broken cloud reads it that has the facts up to `mark`.
    pub(crate) fn read(self, payload: Vec<u8>, mark: u64) -> Vec<u8> {
        let Ok(mut message) = serde_json::from_slice::<Value>(&payload) else {
            return payload;
        };
        let Some(facts) = message["facts"].as_array_mut() else {
            return payload;
        };
        match self {
            Self::CorrectionLost => {
                for fact in facts {
                    if let Some(offset) = fact["change"].get_mut("offset_ms") {
                        *offset = 0.into();
                    }
                }
            }
            Self::FactTwice => copy_forward(facts, "meter_read", 0),
            Self::FactLost => copy_forward(facts, "session_ended", -1),
            Self::GapTaken => follow(facts, mark),
            Self::SyncsSkipped
            | Self::LimitsRaised
            | Self::EnergyMisread
            | Self::ClockAhead
            | Self::AcknowledgementsLost => {}
        }
        serde_json::to_vec(&message).unwrap()
    }
}

/// Puts the fact `by` places off each fact of this kind where the next one, or itself, was.
fn copy_forward(facts: &mut [Value], kind: &str, by: isize) {
    for of_kind in 0..facts.len() {
        let is_one = facts[of_kind]["change"]["type"] == kind;
        let Some(from) = of_kind.checked_add_signed(by).filter(|_| is_one) else {
            continue;
        };
        if let Some(over) = facts.get(from + 1) {
            let sequence = over["sequence"].clone();
            let mut copy = facts[from].clone();
            copy["sequence"] = sequence;
            let later = copy["wall_ms"].as_i64().unwrap_or_default() + 1;
            copy["wall_ms"] = later.into();
            facts[from + 1] = copy;
        }
    }
}

/// Numbers facts from behind a gap as if none were there.
fn follow(facts: &mut [Value], mark: u64) {
    let first = facts.first().and_then(|fact| fact["sequence"].as_u64());
    if first.is_some_and(|first| first > mark + 1) {
        for (fact, sequence) in facts.iter_mut().zip(mark + 1..) {
            fact["sequence"] = sequence.into();
        }
    }
}
