//! What an API key may do: the fifteen scopes of the contract, and sets of them.

use std::fmt;

macro_rules! scopes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $access:literal;)+) => {
        /// One permission. `write:x` does not imply `read:x`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scope { $($(#[$doc])* $variant),+ }

        impl Scope {
            /// Every scope, in the order in which answers list them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The scope as it stands in requests and answers.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// What it allows, for people.
            #[must_use]
            pub const fn access(self) -> &'static str {
                match self { $(Self::$variant => $access),+ }
            }
        }
    };
}

scopes! {
    /// Charge points, read.
    ReadChargePoints = "read:charge_points", "List and query charge point status and details";
    /// Charge points, write.
    WriteChargePoints = "write:charge_points", "Register, update, and delete charge points";
    /// Sessions, read.
    ReadSessions = "read:sessions", "Read active and historical charging sessions";
    /// Sessions, write.
    WriteSessions = "write:sessions", "Start and stop charging sessions remotely";
    /// Billing, read.
    ReadBilling = "read:billing", "Read tariffs, billing rules, and revenue reports";
    /// Billing, write.
    WriteBilling = "write:billing", "Create and update tariffs, promotional codes, and billing rules";
    /// Webhooks, read.
    ReadWebhooks = "read:webhooks", "List configured webhook endpoints";
    /// Webhooks, write.
    WriteWebhooks = "write:webhooks", "Create, update, and delete webhook endpoints";
    /// Analytics, read.
    ReadAnalytics = "read:analytics", "Access fleet analytics and usage reports";
    /// Organisations, read.
    ReadOrganisations = "read:organisations", "Read organisation and team member data";
    /// Organisations, write.
    WriteOrganisations = "write:organisations", "Update organisation settings and manage team members";
    /// API keys, write.
    WriteApiKeys = "write:api_keys", "Create and revoke API keys; it may grant any scope, so it is as good as the owner's key";
    /// OCPI, read.
    ReadOcpi = "read:ocpi", "Read OCPI roaming partner data";
    /// OCPI, write.
    WriteOcpi = "write:ocpi", "Configure OCPI connections with partner networks";
    /// Commands, write.
    WriteCommands = "write:commands", "Send remote commands to charge points (reboot, unlock, etc.)";
}

impl Scope {
    /// The scope that is spelled like this, if any.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|scope| scope.as_str() == text)
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScopeSet(u32);

impl ScopeSet {
    /// Whether the scope is in the set.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | scope.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_of_the_contract_is_read_back_and_no_other() {
        let written: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        assert_eq!(
            written,
            [
                "read:charge_points",
                "write:charge_points",
                "read:sessions",
                "write:sessions",
                "read:billing",
                "write:billing",
                "read:webhooks",
                "write:webhooks",
                "read:analytics",
                "read:organisations",
                "write:organisations",
                "write:api_keys",
                "read:ocpi",
                "write:ocpi",
                "write:commands",
            ]
        );
        assert!(
            Scope::ALL
                .iter()
                .all(|s| Scope::parse(s.as_str()) == Some(*s))
        );
        for stranger in ["", "write:analytics", "read:api_keys", "READ:BILLING", "*"] {
            assert_eq!(Scope::parse(stranger), None, "{stranger:?}");
        }
    }

    #[test]
    fn writing_does_not_imply_reading() {
        let set: ScopeSet = [Scope::WriteSessions, Scope::WriteCommands]
            .into_iter()
            .collect();
        assert!(set.contains(Scope::WriteSessions));
        assert!(!set.contains(Scope::ReadSessions));
        let held = Scope::ALL.iter().filter(|scope| set.contains(**scope));
        assert_eq!(held.count(), 2);
    }
}
