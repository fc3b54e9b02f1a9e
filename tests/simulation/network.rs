//! The way between gateway and cloud: connections that break with messages on them, a broker that may
//! repeat, delay and forget, and a retained acknowledgement.

use std::collections::BTreeMap;

use crate::gateway::Publish;

/// The state of the way.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// Counts connections; messages carry the number of theirs.
    pub(crate) connection: u64,
    /// The present one stands.
    pub(crate) up: bool,
    /// Nobody can connect before this time.
    pub(crate) closed_until_ms: u64,
    /// The broker passes on nothing, and the cloud takes nothing, before this time.
    pub(crate) cloud_down_until_ms: u64,
    /// Messages are repeated and delayed until then.
    pub(crate) disorder_until_ms: u64,
    /// What was on its way on a broken connection arrives until then, and not later.
    pub(crate) cut_at_ms: BTreeMap<u64, u64>,
    /// The last acknowledgement, as the broker keeps it.
    pub(crate) retained: Option<Vec<u8>>,
    /// The last acknowledgement that the gateway heard.
    pub(crate) heard: Option<Vec<u8>>,
    /// What the broker says for the gateway when the connection breaks.
    pub(crate) will: Option<Publish>,
    /// Messages of one connection stay in order.
    pub(crate) last_up_ms: u64,
    pub(crate) last_down_ms: u64,
}

impl Network {
    /// When a message that is sent up now arrives.
    pub(crate) fn up_at(&mut self, now_ms: u64, rng: &mut fastrand::Rng) -> u64 {
        self.last_up_ms = self.last_up_ms.max(now_ms + rng.u64(5..300));
        self.last_up_ms
    }

    /// When a message that is sent down now arrives.
    pub(crate) fn down_at(&mut self, now_ms: u64, rng: &mut fastrand::Rng) -> u64 {
        self.last_down_ms = self.last_down_ms.max(now_ms + rng.u64(5..300));
        self.last_down_ms
    }

    /// Whether what was sent on this connection still arrives now.
    pub(crate) fn arrives(&self, connection: u64, now_ms: u64) -> bool {
        if connection == self.connection && self.up {
            return true;
        }
        self.cut_at_ms
            .get(&connection)
            .is_some_and(|until| now_ms <= *until)
    }

    /// The connection breaks; a part of what is on it still arrives.
    pub(crate) fn cut(&mut self, now_ms: u64, rng: &mut fastrand::Rng) {
        if self.up {
            self.up = false;
            self.cut_at_ms
                .insert(self.connection, now_ms + rng.u64(0..250));
        }
    }
}
