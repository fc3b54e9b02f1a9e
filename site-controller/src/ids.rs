//! Fresh identities: ULIDs (time, then 80 random bits) with a prefix that says what they name.

use ocpp::MessageId;
use site_model::{BootId, CommandId, JournalId, SessionId, WallTime};
use ulid::Ulid;

/// Identity for a session that may begin.
#[must_use]
pub fn session(now: WallTime) -> SessionId {
    SessionId::new(&lower_case("sess", now)).expect("a lower-case ULID is a session id")
}

/// Identity for a command given at the cabinet.
#[must_use]
pub fn command(now: WallTime) -> CommandId {
    CommandId::new(&lower_case("cmd", now)).expect("a lower-case ULID is a command id")
}

/// Identity for an OCPP call.
#[must_use]
pub fn message() -> MessageId {
    let ulid = Ulid::from_parts(
        u64::from_be_bytes(random()) >> 16,
        u128::from_be_bytes(random()),
    );
    MessageId::new(&ulid.to_string()).expect("a ULID has 26 characters")
}

/// Identity for a new journal file.
#[must_use]
pub fn journal(now: WallTime) -> JournalId {
    JournalId::new(&lower_case("j", now)).expect("a lower-case ULID is a journal id")
}

/// Identity of this boot of the daemon.
#[must_use]
pub fn boot() -> BootId {
    BootId(u64::from_be_bytes(random()))
}

fn lower_case(prefix: &str, now: WallTime) -> String {
    let ulid = Ulid::from_parts(
        u64::try_from(now.0).unwrap_or(0),
        u128::from_be_bytes(random()),
    );
    format!("{prefix}_{}", ulid.to_string().to_ascii_lowercase())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("Linux always has random numbers once it runs daemons");
    bytes
}

/// A wait between half of `at_most` and all of it, so that a fleet does not come back in step.
#[must_use]
pub fn jitter(at_most: std::time::Duration) -> std::time::Duration {
    let half = at_most / 2;
    half + half * u32::from(u16::from_be_bytes(random())) / u32::from(u16::MAX)
}
