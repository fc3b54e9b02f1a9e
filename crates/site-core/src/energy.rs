//! One monotone Wh register per connector, whatever the device counts. VAh is not energy: a
//! device that reports only `ApparentEnergy` leaves its connector without a register.

use site_model::{Change, EnergySource, Monotonic, Reading, Timestamp, Value, WattHours, Watts};

use crate::site::Site;
use crate::state::Stamped;
use crate::turn::Turn;

/// A jump of this much beyond what the connector could have delivered is taken for another meter.
const IMPLAUSIBLE_JUMP_WH: u64 = 50_000;
/// Power is not summed over a longer silence than this: an estimate rather falls short.
const INTEGRATION_GAP_MAX_MS: u64 = 10_000;
/// Energy outside a session is recorded from this much on, or from two counts of a coarser register.
const UNATTRIBUTED_MIN_WH: u64 = 100;
/// Least time between two records of unattributed energy of one connector.
const UNATTRIBUTED_INTERVAL_MS: u64 = 60_000;
/// 1 Wh in W·ms.
const WATT_MS_PER_WH: u64 = 3_600_000;

/// The journaled part: how the device's register maps to ours, and how far ours has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Register {
    /// Ours minus the device's, from the last tie.
    pub(crate) offset: Option<Stamped<i128>>,
    /// Highest value the journal tells of.
    pub(crate) total: WattHours,
    /// Up to here, energy belongs to a session or is recorded as unattributed.
    pub(crate) accounted: WattHours,
}

impl Register {
    pub(crate) fn tie(&mut self, at: Timestamp, raw: WattHours, total: WattHours) {
        if self.offset.is_none() {
            self.accounted = self.accounted.max(total);
        }
        let value = i128::from(total.0) - i128::from(raw.0);
        self.offset = Some(Stamped { at, value });
        self.reach(total);
    }

    pub(crate) fn reach(&mut self, total: WattHours) {
        self.total = self.total.max(total);
    }

    pub(crate) fn account_up_to(&mut self, total: WattHours) {
        self.reach(total);
        self.accounted = self.accounted.max(total);
    }
}

/// The observed part, new with each start.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveMeter {
    /// Our register at the last reading.
    last: Option<(WattHours, Monotonic)>,
    /// The energy device answers and has told its register since it does.
    pub(crate) fresh: bool,
    /// The turn of the last such reading.
    pub(crate) read_in_turn: u64,
    /// One count of the device's register.
    resolution: WattHours,
    /// A register that fell; the next reading decides whether it was a glitch.
    suspect: Option<WattHours>,
    serial: Option<String>,
    /// Last power and what is summed but not yet a whole Wh.
    summing: Option<(u64, Monotonic)>,
    remainder_watt_ms: u64,
    unattributed_at: Option<Monotonic>,
}

/// Active power in a reading: the total, else the sum of the phases it told.
pub(crate) fn power_in(reading: &Reading) -> Option<Watts> {
    let mut sum: Option<i32> = None;
    for value in &reading.values {
        if let Value::Power(power) = value {
            return Some(*power);
        }
        if let Value::PowerOfPhase(_, power) = value {
            sum = Some(sum.unwrap_or(0).saturating_add(power.0));
        }
    }
    sum.map(Watts)
}

fn register_in(reading: &Reading, source: EnergySource) -> Option<(WattHours, WattHours)> {
    reading.values.iter().find_map(|value| match source {
        EnergySource::ExternalMeter | EnergySource::LifetimeRegister => {
            if let Value::EnergyImport { energy, resolution } = value {
                return Some((*energy, *resolution));
            }
            None
        }
        EnergySource::SessionRegister => {
            if let Value::EnergySession(energy) = value {
                return Some((*energy, WattHours(1)));
            }
            None
        }
        EnergySource::IntegratedPower => None,
    })
}

impl Site {
    /// Our register as last known, from the device or else from the journal.
    pub(crate) fn total_of(&self, i: usize) -> WattHours {
        let journaled = self.journaled(i).register.total;
        let live = self.connectors[i].live.meter.last;
        live.map_or(journaled, |(total, _)| total)
    }
}

impl Turn<'_> {
    /// Our register as last known, from the device or else from the journal.
    pub(crate) fn register_total(&self, i: usize) -> WattHours {
        self.site.total_of(i)
    }

    /// Takes the energy out of a reading of the connector's energy device.
    pub(crate) fn read_energy(&mut self, i: usize, reading: &Reading) {
        if self.config(i).energy.source == EnergySource::IntegratedPower {
            self.sum_power(i, reading);
            return;
        }
        let swapped = self.meter_was_swapped(i, reading);
        let source = self.config(i).energy.source;
        if let Some((raw, resolution)) = register_in(reading, source) {
            self.live_mut(i).meter.resolution = resolution;
            self.take_register(i, raw, swapped);
        }
    }

    fn meter_was_swapped(&mut self, i: usize, reading: &Reading) -> bool {
        let Some(serial) = reading.values.iter().find_map(serial_of) else {
            return false;
        };
        let config = self.config(i);
        let journaled = if config.energy.device == config.device {
            let identity = self.state(i).identity.as_ref();
            identity.and_then(|identity| identity.value.serial.clone())
        } else {
            None
        };
        let known = self.live(i).meter.serial.clone().or(journaled);
        self.live_mut(i).meter.serial = Some(serial.to_owned());
        known.is_some_and(|known| known != serial)
    }

    fn take_register(&mut self, i: usize, raw: WattHours, swapped: bool) {
        let floor = self.register_total(i);
        let offset = self.state(i).register.offset.as_ref().map(|tie| tie.value);
        let Some(offset) = offset else {
            // A lifetime register shows what the meter shows, unless a session has already begun
            // without it: what the meter counted before must not become that session's.
            let lifetime = self.config(i).energy.source != EnergySource::SessionRegister;
            let total = if lifetime && self.state(i).session.is_none() {
                floor.max(raw)
            } else {
                floor
            };
            self.tie(i, raw, total);
            self.reach(i, total);
            return;
        };
        let candidate = u64::try_from(i128::from(raw.0) + offset)
            .ok()
            .map(WattHours);
        let most = WattHours(floor.0.saturating_add(self.plausible_rise(i)));
        match candidate {
            Some(total) if !swapped && total >= floor && total <= most => self.reach(i, total),
            Some(total) if !swapped && total < floor => self.doubt(i, raw, floor),
            None if !swapped => self.doubt(i, raw, floor),
            Some(_) | None => {
                self.tie(i, raw, floor);
                self.reach(i, floor);
            }
        }
    }

    /// A register that fell was reset, rolled over or exchanged if the next reading agrees.
    fn doubt(&mut self, i: usize, raw: WattHours, floor: WattHours) {
        let Some(first) = self.live_mut(i).meter.suspect.take() else {
            self.live_mut(i).meter.suspect = Some(raw);
            return;
        };
        let from = first.min(raw);
        self.tie(i, from, floor);
        self.reach(i, WattHours(floor.0 + (raw.0 - from.0)));
    }

    fn tie(&mut self, i: usize, raw: WattHours, total: WattHours) {
        let (charge_point, connector) = self.names(i);
        self.record(Change::RegisterTied {
            charge_point,
            connector,
            raw,
            total,
        });
    }

    fn reach(&mut self, i: usize, total: WattHours) {
        let (now, turn) = (self.now.monotonic, self.number);
        let meter = &mut self.live_mut(i).meter;
        meter.last = Some((total, now));
        meter.suspect = None;
        meter.fresh = true;
        meter.read_in_turn = turn;
    }

    /// Most Wh that can have flowed since the last known value, with a wide margin.
    fn plausible_rise(&self, i: usize) -> u64 {
        let elapsed_ms = match self.live(i).meter.last {
            Some((_, at)) => self.now.monotonic.ms_since(at),
            None => self.wall_ms_since_journal(i),
        };
        let rated = u64::try_from(self.config(i).max_power().0).unwrap_or(0);
        let twice = rated.saturating_mul(2).saturating_mul(elapsed_ms) / WATT_MS_PER_WH;
        twice.saturating_add(IMPLAUSIBLE_JUMP_WH)
    }

    fn wall_ms_since_journal(&self, i: usize) -> u64 {
        let state = self.state(i);
        let tied = state.register.offset.as_ref().map(|tie| tie.at.wall.0);
        let status = state.status.as_ref().map(|status| status.at.wall.0);
        let alive = state.session_last_alive().map(|wall| wall.0);
        let latest = tied.into_iter().chain(status).chain(alive).max();
        latest.map_or(0, |latest| {
            u64::try_from(self.now.wall.0.saturating_sub(latest)).unwrap_or(0)
        })
    }

    fn sum_power(&mut self, i: usize, reading: &Reading) {
        let power = power_in(reading);
        let (now, turn) = (self.now.monotonic, self.number);
        let meter = &mut self.live_mut(i).meter;
        meter.fresh = true;
        meter.read_in_turn = turn;
        // A device that never tells its power has no register, and nobody waits for one.
        if power.is_none() && meter.summing.is_none() {
            return;
        }
        if self.state(i).register.offset.is_none() {
            let total = self.state(i).register.total;
            self.tie(i, total, total);
        }
        let mut total = self.register_total(i);
        let meter = &mut self.live_mut(i).meter;
        if let Some((watts, since)) = meter.summing {
            let elapsed = now.ms_since(since);
            if elapsed <= INTEGRATION_GAP_MAX_MS {
                let sum = meter.remainder_watt_ms + watts * elapsed;
                meter.remainder_watt_ms = sum % WATT_MS_PER_WH;
                total = WattHours(total.0 + sum / WATT_MS_PER_WH);
            }
        }
        let last = meter.summing.map_or(0, |(watts, _)| watts);
        let import = power.map_or(last, |power| u64::try_from(power.0).unwrap_or(0));
        meter.summing = Some((import, now));
        meter.resolution = WattHours(1);
        self.reach(i, total);
    }

    /// Records energy that flowed outside a session, once it is more than noise. A session that
    /// begins takes a clean start: what flowed before is recorded from one count on.
    pub(crate) fn settle_unattributed(&mut self, i: usize, session_begins: bool) {
        let state = self.state(i);
        if state.session.is_some() || state.register.offset.is_none() {
            return;
        }
        let from = state.register.accounted;
        let to = self.register_total(i);
        let meter = &self.live(i).meter;
        let excess = to.0.saturating_sub(from.0);
        let two_counts = meter.resolution.0.saturating_mul(2);
        let now = self.now.monotonic;
        let due = if session_begins {
            excess > meter.resolution.0
        } else {
            excess >= UNATTRIBUTED_MIN_WH.max(two_counts)
                && meter
                    .unattributed_at
                    .is_none_or(|at| now.ms_since(at) >= UNATTRIBUTED_INTERVAL_MS)
        };
        if due {
            self.live_mut(i).meter.unattributed_at = Some(now);
            let (charge_point, connector) = self.names(i);
            self.record(Change::EnergyUnattributed {
                charge_point,
                connector,
                from,
                to,
            });
        }
    }
}

fn serial_of(value: &Value) -> Option<&str> {
    if let Value::Serial(serial) = value {
        return Some(serial);
    }
    None
}
