//! The composite schedule: what all profiles and the connector's own limit come to, second by
//! second from now (`GetCompositeSchedule`).

use ocpp::v16::{ChargingRateUnit, ChargingSchedule, ChargingSchedulePeriod};
use ocpp::{Tenths, Time};

use super::{ConnectorNow, Profiles, in_unit, schedule};

/// A composite schedule looks at most this far ahead: one week, the longest recurrence.
pub const HORIZON_SECONDS: i64 = 7 * 86_400;

/// A composite schedule and when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composite {
    /// A whole second; period 0 begins then.
    pub start: Time,
    /// Its periods; `duration` is shorter than asked when more periods would be needed than one
    /// schedule may have.
    pub schedule: ChargingSchedule,
}

/// Why there is no composite schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompositeRefused {
    /// No such connector.
    #[error("connector {0} does not exist")]
    NoSuchConnector(i64),
    /// The unit is not supported.
    #[error("limits in {0} are not supported")]
    Unit(ChargingRateUnit),
    /// Nobody knows which period holds.
    #[error("the right time is not known yet")]
    TimeUnknown,
    /// The duration is not positive.
    #[error("a duration of {0} s is not positive")]
    Duration(i64),
}

/// A connector and its number.
type Line<'c> = (u8, &'c ConnectorNow);

/// What holds during a period.
type Value = (Tenths, Option<i64>);

impl Profiles {
    /// What a connector may take from now on; for connector 0, what all of them together may.
    ///
    /// `connectors[n]` is connector n + 1. `unit` is amperes unless asked otherwise.
    ///
    /// # Errors
    /// [`CompositeRefused`] with the reason.
    pub fn composite(
        &self,
        now: Time,
        connector: i64,
        seconds: i64,
        unit: Option<ChargingRateUnit>,
        connectors: &[ConnectorNow],
    ) -> Result<Composite, CompositeRefused> {
        let lines: Vec<(u8, &ConnectorNow)> = (1..=self.rules.connectors)
            .zip(connectors)
            .filter(|(number, _)| connector == 0 || connector == i64::from(*number))
            .collect();
        if lines.is_empty() {
            return Err(CompositeRefused::NoSuchConnector(connector));
        }
        let unit = unit.unwrap_or(ChargingRateUnit::A);
        if !self.rules.units.contains(&unit) {
            return Err(CompositeRefused::Unit(unit));
        }
        if seconds <= 0 {
            return Err(CompositeRefused::Duration(seconds));
        }
        let seconds = seconds.min(HORIZON_SECONDS);
        let start_ms = now.unix_ms().div_euclid(1000) * 1000;
        let start = Time::from_unix_ms(start_ms).unwrap_or(now);
        let value_at = |offset: i64| {
            let at = Time::from_unix_ms(start_ms + offset * 1000)?;
            Some(match lines.as_slice() {
                [line] if connector > 0 => self.value_at(at, start, unit, line),
                lines => self.sum_at(at, start, unit, lines),
            })
        };
        let offsets = self.offsets(start, seconds, &lines);
        Ok(Composite {
            start,
            schedule: self.merged(unit, seconds, &offsets, value_at),
        })
    }

    /// Without a transaction, of one that begins with the schedule.
    fn value_at(&self, at: Time, start: Time, unit: ChargingRateUnit, line: &Line<'_>) -> Value {
        let (
            number,
            ConnectorNow {
                transaction,
                electrics,
            },
        ) = line;
        let began = transaction.map_or(start, |transaction| transaction.started);
        let limit = self.limit_began(at, *number, began, transaction.is_some(), electrics);
        let phases = limit.and_then(|limit| limit.phases);
        let own = electrics.convert(electrics.max, ChargingRateUnit::A, unit, phases);
        let limit = limit.map_or(own, |limit| in_unit(&limit, unit, electrics).min(own));
        (limit, phases)
    }

    /// The connectors' limits together, and no more than the whole charge point may take.
    fn sum_at(&self, at: Time, start: Time, unit: ChargingRateUnit, lines: &[Line<'_>]) -> Value {
        let sum = lines
            .iter()
            .map(|line| self.value_at(at, start, unit, line).0.0)
            .sum();
        let whole = self.whole_limit_at(at).zip(lines.first());
        let whole =
            whole.map(|(limit, (_, line))| (in_unit(&limit, unit, &line.electrics), limit.phases));
        match whole {
            Some((limit, phases)) => (limit.min(Tenths(sum)), phases),
            None => (Tenths(sum), None),
        }
    }

    /// The whole seconds at which something may change, 0 first.
    fn offsets(&self, start: Time, seconds: i64, lines: &[Line<'_>]) -> Vec<i64> {
        let start_ms = start.unix_ms();
        let until = start_ms + seconds * 1000;
        let mut moments = Vec::new();
        for (number, line) in lines {
            let began = line
                .transaction
                .map_or(start, |transaction| transaction.started);
            for one in self
                .installed
                .iter()
                .filter(|one| [0, *number].contains(&one.connector))
            {
                schedule::changes(one, start_ms, until, began, &mut moments);
            }
        }
        let to_offset = |moment: i64| (moment - start_ms + 999) / 1000;
        let mut offsets: Vec<i64> = moments.into_iter().map(to_offset).collect();
        offsets.push(0);
        offsets.retain(|offset| *offset < seconds);
        offsets.sort_unstable();
        offsets.dedup();
        offsets
    }

    fn merged(
        &self,
        unit: ChargingRateUnit,
        seconds: i64,
        offsets: &[i64],
        value_at: impl Fn(i64) -> Option<Value>,
    ) -> ChargingSchedule {
        let mut periods: Vec<ChargingSchedulePeriod> = Vec::new();
        let mut duration = seconds;
        for offset in offsets {
            let Some((limit, phases)) = value_at(*offset) else {
                duration = *offset;
                break;
            };
            let same =
                |last: &ChargingSchedulePeriod| last.limit == limit && last.number_phases == phases;
            if periods.last().is_some_and(same) {
                continue;
            }
            if periods.len() == self.rules.periods_max {
                duration = *offset;
                break;
            }
            let mut period = ChargingSchedulePeriod::new(limit, *offset);
            period.number_phases = phases;
            periods.push(period);
        }
        let mut schedule = ChargingSchedule::new(unit, periods);
        schedule.duration = Some(duration);
        schedule
    }
}
