//! Identities. Each is its own type, so that one cannot stand for another.

use std::fmt;

/// Why a text is no valid id; the message says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId {
    /// What was being parsed, for instance `charge point id`.
    pub what: &'static str,
    /// The rule that was broken, as a sentence fragment that follows "must".
    pub rule: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must {}", self.what, self.rule)
    }
}

impl std::error::Error for InvalidId {}

/// Words that are routes of the REST API and therefore no charge point ids (api contract, section 1).
const RESERVED_CHARGE_POINT_IDS: [&str; 2] = ["status", "bulk"];

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $rule:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// Parses and checks the text.
            ///
            /// # Errors
            /// [`InvalidId`] with the rule when the text breaks it.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                let allowed: fn(char) -> bool = $allowed;
                if text.is_empty() || text.len() > $max || !text.chars().all(allowed) {
                    return Err(InvalidId { what: $what, rule: $rule });
                }
                Ok(Self(text.into()))
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

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
    };
}

/// OCPP identity of a charge point: 1–48 of `A-Z a-z 0-9 - _ * . =`, and not a route word.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChargePointId(Box<str>);

impl ChargePointId {
    /// Parses and checks the text.
    ///
    /// # Errors
    /// [`InvalidId`] with the rule when the text breaks it.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_*.=".contains(c);
        if text.is_empty() || text.len() > 48 || !text.chars().all(allowed) {
            return Err(InvalidId {
                what: "charge point id",
                rule: "be 1 to 48 characters of A-Z a-z 0-9 - _ * . =",
            });
        }
        if RESERVED_CHARGE_POINT_IDS.contains(&text) {
            return Err(InvalidId {
                what: "charge point id",
                rule: "not be one of the reserved words `status` and `bulk`",
            });
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChargePointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for ChargePointId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

text_id!(
    /// Name of a device in the site's configuration, for instance `garage-left`.
    DeviceId, "device name", 48, "be 1 to 48 characters of a-z 0-9 - _",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'
);
text_id!(
    /// Identity of a gateway, `gw_<ulid>`; also its MQTT user name.
    GatewayId, "gateway id", 64, "be 1 to 64 characters of a-z 0-9 - _",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'
);
text_id!(
    /// Identity of a session, `sess_<ulid>`, minted by the gateway.
    SessionId, "session id", 64, "be 1 to 64 characters of a-z 0-9 _",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
);
text_id!(
    /// Identity of a command, `cmd_<ulid>`, at most 36 characters (it doubles as the OCPP message id).
    CommandId, "command id", 36, "be 1 to 36 characters of A-Z a-z 0-9 - _",
    |c| c.is_ascii_alphanumeric() || c == '-' || c == '_'
);
text_id!(
    /// Random identity of one journal file; a new, restored or repaired file gets a new one.
    JournalId, "journal id", 64, "be 1 to 64 characters of a-z 0-9 _",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
);
text_id!(
    /// What authorised a session (OCPP `idTag`, 1–20 printable ASCII characters).
    IdTag, "idTag", 20, "be 1 to 20 printable ASCII characters",
    |c| c.is_ascii_graphic()
);

impl IdTag {
    /// Whether both are the same tag: upper and lower case do not matter (OCPP 1.6 `CiString20`).
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

/// Number of a connector within its charge point, counted from 1 (OCPP; 0 is the charge point itself).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectorId(u8);

impl ConnectorId {
    /// A connector number from 1 to 255.
    ///
    /// # Errors
    /// [`InvalidId`] for 0.
    pub fn new(number: u8) -> Result<Self, InvalidId> {
        if number == 0 {
            return Err(InvalidId {
                what: "connector id",
                rule: "be 1 or more",
            });
        }
        Ok(Self(number))
    }

    /// The number, from 1.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for ConnectorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charge_point_id_takes_the_contract_alphabet_up_to_48() {
        assert!(ChargePointId::new("DE*ABC*E1=2.b_-").is_ok());
        assert!(ChargePointId::new(&"x".repeat(48)).is_ok());
        for bad in ["", "a/b", "a b", "ü", &"x".repeat(49), "status", "bulk"] {
            assert!(ChargePointId::new(bad).is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn refusal_names_the_rule() {
        assert_eq!(
            ChargePointId::new("a/b").unwrap_err().to_string(),
            "charge point id must be 1 to 48 characters of A-Z a-z 0-9 - _ * . ="
        );
    }

    #[test]
    fn connector_zero_is_the_charge_point_and_no_connector() {
        assert!(ConnectorId::new(0).is_err());
        assert_eq!(ConnectorId::new(2).unwrap().get(), 2);
    }
}
