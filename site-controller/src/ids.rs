//! Fresh identities: ULIDs (time, then 80 random bits) with a prefix that says what they name.

use std::cell::Cell;

use ocpp::MessageId;
use site_model::{BootId, CommandId, JournalId, SessionId, WallTime};
use ulid::Ulid;

thread_local! {
    /// Where this thread's identities follow from a seed: the state they are counted on from.
    static FOLLOWS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on the identities that this thread makes follow from a seed, so that a simulated day can be
/// repeated exactly; `None`: they are random again, as they are where nobody calls this.
pub fn follow(seed: Option<u64>) {
    FOLLOWS.set(seed);
}

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
    if let Some(state) = FOLLOWS.get() {
        FOLLOWS.set(Some(follow_on(state, &mut bytes)));
        return bytes;
    }
    getrandom::fill(&mut bytes).expect("Linux always has random numbers once it runs daemons");
    bytes
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), byte by byte.
fn follow_on(mut state: u64, bytes: &mut [u8]) -> u64 {
    for byte in bytes {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        [*byte, ..] = mixed.to_be_bytes();
    }
    state
}

/// A wait between half of `at_most` and all of it, so that a fleet does not come back in step.
#[must_use]
pub fn jitter(at_most: std::time::Duration) -> std::time::Duration {
    let half = at_most / 2;
    half + half * u32::from(u16::from_be_bytes(random())) / u32::from(u16::MAX)
}
