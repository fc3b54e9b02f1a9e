//! Ids of what the cloud itself keeps: prefix and lower-case ULID, opaque to clients.
//! Gateways, charge points and sessions have theirs in `site_model`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use ulid::Ulid;

/// Longest id that is looked at; longer texts cannot be one.
const TEXT_MAX: usize = 64;

/// Random bits of a ULID.
const RANDOM_BITS: u32 = 80;

/// Millisecond and random part of the latest id.
static LATEST: Mutex<(u64, u128)> = Mutex::new((0, 0));

/// A new `<prefix>_<ulid>`; for instance `gw_01jd…` with the prefix `gw`. Ids sort in
/// the order in which this process made them: within a millisecond, or while the clock stands behind
/// the latest id, they count up from it.
#[must_use]
pub fn mint(prefix: &str, now: Timestamp) -> String {
    let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let mut latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner);
    *latest = if ms > latest.0 {
        let mut fresh = [0; 16];
        getrandom::fill(&mut fresh).expect("the operating system gives random bytes");
        // Half of the room stays free to count in.
        (ms, u128::from_be_bytes(fresh) >> (128 - RANDOM_BITS + 1))
    } else {
        (latest.0, latest.1 + 1)
    };
    let ulid = Ulid::from_parts(latest.0, latest.1);
    format!("{prefix}_{}", ulid.to_string().to_ascii_lowercase())
}

/// What sorts before every id of a kind that was made at this time or later. It is no id.
#[must_use]
pub fn bound(prefix: &str, at: Timestamp) -> String {
    let ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
    let ulid = Ulid::from_parts(ms, 0);
    format!("{prefix}_{}", ulid.to_string().to_ascii_lowercase())
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// What every id of this kind starts with, without the underscore.
            pub const PREFIX: &str = $prefix;

            /// A new id, sortable by `now`.
            #[must_use]
            pub fn mint(now: Timestamp) -> Self {
                Self(mint(Self::PREFIX, now).into())
            }

            /// An id as it was written down; `None` if the text cannot be one of this kind.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let rest = text.strip_prefix(concat!($prefix, "_"))?;
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
                let fits = !rest.is_empty() && text.len() <= TEXT_MAX && rest.chars().all(plain);
                fits.then(|| Self(text.into()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

prefixed_id!(
    /// An organisation: the tenant to which everything else belongs.
    OrganisationId, "org"
);
prefixed_id!(
    /// A person who works for an organisation.
    UserId, "usr"
);
prefixed_id!(
    /// A person who installs and commissions sites, for any organisation.
    InstallerId, "ins"
);
prefixed_id!(
    /// An API key (its public name, never the key itself).
    ApiKeyId, "key"
);
prefixed_id!(
    /// A site: the chargers behind one grid connection.
    SiteId, "site"
);
prefixed_id!(
    /// A token: who may charge.
    TokenId, "tok"
);
prefixed_id!(
    /// A command to a charge point; also the id of its OCPP message.
    CommandId, "cmd"
);
prefixed_id!(
    /// A reservation of a connector.
    ReservationId, "rsv"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minted_ids_carry_their_prefix_sort_by_time_and_never_repeat() {
        let early: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let late: Timestamp = "2026-11-22T10:00:01Z".parse().unwrap();
        let (first, second) = (OrganisationId::mint(early), OrganisationId::mint(early));
        assert!(first < second);
        assert!(first < OrganisationId::mint(late));
        assert_eq!(first.as_str().len(), "org_".len() + 26);
        assert_eq!(OrganisationId::parse(first.as_str()), Some(first));
    }

    #[test]
    fn a_bound_sorts_between_what_was_made_before_and_after_it() {
        let at: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(bound("cmd", at), "cmd_01m81b5h800000000000000000");
        let before = bound("cmd", "2026-11-22T09:59:59.999Z".parse().unwrap());
        assert!(before < bound("cmd", at));
        assert!(bound("cmd", at) < CommandId::mint(at).to_string());
        assert_eq!(
            bound("cmd", Timestamp::MIN),
            "cmd_00000000000000000000000000"
        );
    }

    #[test]
    fn a_text_of_another_kind_is_no_id() {
        for bad in [
            "",
            "org",
            "org_",
            "usr_01",
            "org_A",
            "org_0/1",
            &format!("org_{}", "0".repeat(61)),
        ] {
            assert_eq!(OrganisationId::parse(bad), None, "{bad:?}");
        }
    }
}
