//! Running counts of one organisation: each charge point adds its share when it is shown and takes
//! it back when it is replaced, so that a summary costs the same for ten charge points and ten thousand.

use site_model::{ChargePointStatus, ConnectorStatus};

use super::{ChargePointLive, FleetSummary};

/// Sums over charge points; `total` = `online` + `offline` + `faulted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    online: u64,
    offline: u64,
    faulted: u64,
    active_sessions: u64,
    available: u64,
    charging: u64,
}

impl Counts {
    pub(super) fn add(&mut self, live: &ChargePointLive) {
        self.combine(Self::of(live), u64::saturating_add);
    }

    pub(super) fn remove(&mut self, live: &ChargePointLive) {
        self.combine(Self::of(live), u64::saturating_sub);
    }

    pub(super) fn summary(self, energy_today_wh: u64) -> FleetSummary {
        FleetSummary {
            total: self.online + self.offline + self.faulted,
            online: self.online,
            offline: self.offline,
            faulted: self.faulted,
            active_sessions: self.active_sessions,
            available: self.available,
            charging: self.charging,
            energy_today_wh,
        }
    }

    /// The share of one charge point: the first of offline, faulted, online that holds. Connectors
    /// count by status only while they are reachable; a session counts until its end is known.
    fn of(live: &ChargePointLive) -> Self {
        let statuses = || live.connectors.iter().map(|connector| connector.status);
        let count = |wanted| count(statuses().filter(|status| live.online && *status == wanted));
        let faulted = live.online
            && (live.ocpp_status == ChargePointStatus::Faulted
                || statuses().any(|status| status == ConnectorStatus::Faulted));
        let sessions = live.connectors.iter();
        Self {
            online: u64::from(live.online && !faulted),
            offline: u64::from(!live.online),
            faulted: u64::from(faulted),
            active_sessions: self::count(sessions.filter(|c| c.active_session_id.is_some())),
            available: count(ConnectorStatus::Available),
            charging: count(ConnectorStatus::Charging),
        }
    }

    fn combine(&mut self, other: Self, with: fn(u64, u64) -> u64) {
        self.online = with(self.online, other.online);
        self.offline = with(self.offline, other.offline);
        self.faulted = with(self.faulted, other.faulted);
        self.active_sessions = with(self.active_sessions, other.active_sessions);
        self.available = with(self.available, other.available);
        self.charging = with(self.charging, other.charging);
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}
