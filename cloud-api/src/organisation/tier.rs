//! What an organisation pays for, and how many requests an hour that gives each of its keys.

/// The tiers that are sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Tier {
    /// 1 000 requests an hour.
    Free,
    /// 10 000 requests an hour.
    Pro,
    /// As agreed.
    Enterprise,
}

impl Tier {
    /// As it stands in the database and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }

    /// The tier with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Free, Self::Pro, Self::Enterprise]
            .into_iter()
            .find(|tier| tier.as_str() == text)
    }
}

/// A tier with the limit that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    tier: Tier,
    hourly_limit: u32,
}

/// Why tier and limit do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Enterprise has no limit of its own.
    #[error("the tier enterprise needs its agreed number: --hourly-limit N")]
    LimitMissing,
    /// Free and pro are what they are.
    #[error("only the tier enterprise has an agreed number: leave out --hourly-limit")]
    LimitNotAgreed,
    /// Nobody could do anything.
    #[error("the hourly limit must be 1 or more")]
    LimitZero,
}

impl Plan {
    /// A tier with the limit agreed for it; only enterprise has one.
    ///
    /// # Errors
    /// [`PlanError`] when the two do not go together.
    pub fn new(tier: Tier, agreed_limit: Option<u32>) -> Result<Self, PlanError> {
        let hourly_limit = match (tier, agreed_limit) {
            (Tier::Free, None) => 1_000,
            (Tier::Pro, None) => 10_000,
            (Tier::Enterprise, None) => return Err(PlanError::LimitMissing),
            (Tier::Enterprise, Some(0)) => return Err(PlanError::LimitZero),
            (Tier::Enterprise, Some(limit)) => limit,
            (Tier::Free | Tier::Pro, Some(_)) => return Err(PlanError::LimitNotAgreed),
        };
        Ok(Self { tier, hourly_limit })
    }

    /// The tier.
    #[must_use]
    pub fn tier(self) -> Tier {
        self.tier
    }

    /// Requests that each key may make in one UTC clock hour.
    #[must_use]
    pub fn hourly_limit(self) -> u32 {
        self.hourly_limit
    }

    /// The limit if it is an agreed one, as it is kept beside the tier.
    #[must_use]
    pub fn agreed_limit(self) -> Option<u32> {
        (self.tier == Tier::Enterprise).then_some(self.hourly_limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tier_and_limit_go_together_or_say_why_not() {
        let limit = |tier, agreed| Plan::new(tier, agreed).map(Plan::hourly_limit);
        assert_eq!(limit(Tier::Free, None), Ok(1_000));
        assert_eq!(limit(Tier::Pro, None), Ok(10_000));
        assert_eq!(limit(Tier::Enterprise, Some(7)), Ok(7));
        assert_eq!(limit(Tier::Enterprise, None), Err(PlanError::LimitMissing));
        assert_eq!(limit(Tier::Enterprise, Some(0)), Err(PlanError::LimitZero));
        assert_eq!(limit(Tier::Free, Some(7)), Err(PlanError::LimitNotAgreed));
        assert_eq!(limit(Tier::Pro, Some(7)), Err(PlanError::LimitNotAgreed));
    }
}
