//! What handlers and extractors reach for.

use std::sync::Arc;

use crate::charge_point::ChargePoints;
use crate::clock::Clock;
use crate::command::{Dispatch, Reservations};
use crate::fleet::Fleet;
use crate::id_token::IdTokens;
use crate::idempotency::Attempts;
use crate::installer::Tokens;
use crate::keys::Keys;
use crate::quota::Quotas;
use crate::session::Sessions;
use crate::station::{Frames, SecurityEvents};

/// The parts of the program that the REST API stands on; clones share them.
#[derive(Debug, Clone)]
pub struct ApiState {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    clock: Clock,
    keys: Keys,
    quotas: Quotas,
    fleet: Fleet,
    tokens: Tokens,
    stores: Stores,
}

/// What endpoints read and write.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Requests that were made before.
    pub attempts: Attempts,
    /// Charge points as they are registered.
    pub charge_points: ChargePoints,
    /// Who may charge.
    pub id_tokens: IdTokens,
    /// Charging sessions.
    pub sessions: Sessions,
    /// Commands on their way to charge points.
    pub dispatch: Dispatch,
    /// Reservations of connectors.
    pub reservations: Reservations,
    /// Raw frames of charge points' sockets.
    pub frames: Frames,
    /// What threatened the security of charge points.
    pub security_events: SecurityEvents,
    /// Where charge points connect, without their id: `wss://csms.example.com/ocpp/`.
    pub ocpp_endpoint: String,
}

impl ApiState {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        clock: Clock,
        keys: Keys,
        quotas: Quotas,
        fleet: Fleet,
        tokens: Tokens,
        stores: Stores,
    ) -> Self {
        let parts = Parts {
            clock,
            keys,
            quotas,
            fleet,
            tokens,
            stores,
        };
        Self {
            parts: Arc::new(parts),
        }
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.parts.clock
    }

    /// API keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.parts.keys
    }

    /// Requests per key and hour.
    #[must_use]
    pub fn quotas(&self) -> &Quotas {
        &self.parts.quotas
    }

    /// The live fleet.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.parts.fleet
    }

    /// Tokens of installers.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.parts.tokens
    }

    /// What endpoints read and write.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.parts.stores
    }
}
