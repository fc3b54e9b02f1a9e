//! What a connector is granted and on whose word, and the writing of it until a reading confirms.

use site_model::{Change, ChargePointId, ConnectorId, LimitOwner, Milliamps, Monotonic};

use crate::config::CurrentRange;
use crate::decision::Action;
use crate::site::Connector;
use crate::state::Grant;
use crate::turn::Turn;

/// The same limit is not written again sooner: it is also the time a vehicle has to follow.
const REPEAT_MS: u64 = 5_000;
/// Where nothing can be read back, the limit is written again after this time.
const REFRESH_MS: u64 = 60_000;

/// The limit as the device has it, as far as we know.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SetPoint {
    /// As last read back.
    pub(crate) read_back: Option<Milliamps>,
    /// What the device applies, by a reading since the last write.
    confirmed: Option<Milliamps>,
    sent: Option<Sent>,
    /// The device applies no less, by the last reading and the writes since: up to here no write raises.
    at_least: Option<Milliamps>,
    /// Up to here the journal is known to hold the grant, so that writing need not wait for it.
    ceiling: Milliamps,
    /// A raise was handed over that may still wait for the journal.
    raise_waits: bool,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    limit: Milliamps,
    at: Monotonic,
    acknowledged: bool,
    /// It waits for the journal.
    after_commit: bool,
    /// Once it reached the device, the journal holds the grant.
    proves_grant: bool,
}

impl SetPoint {
    /// After a start: the replayed grant is in the journal, the device is unknown.
    pub(crate) fn replayed(ceiling: Milliamps) -> Self {
        Self {
            ceiling,
            ..Self::default()
        }
    }

    /// The device applies `limit`, rounded down to its step, by a reading since the last write.
    pub(crate) fn holds(&self, limit: Milliamps, range: &CurrentRange) -> bool {
        self.confirmed.is_some_and(|confirmed| {
            confirmed == limit
                || (confirmed >= range.minimum
                    && confirmed < limit
                    && limit.0 - confirmed.0 < range.step.0)
        })
    }

    /// The device applies at least `minimum`.
    pub(crate) fn offers(&self, minimum: Milliamps) -> bool {
        self.confirmed.is_some_and(|confirmed| confirmed >= minimum)
    }

    /// The device has told, since the last write, what it applies.
    pub(crate) fn is_known(&self) -> bool {
        self.confirmed.is_some()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.confirmed == Some(Milliamps::PAUSE)
    }

    /// A reading arrived. Without a register to read back, an acknowledged write counts from here on.
    pub(crate) fn observe(&mut self, read_back: Option<Milliamps>, range: &CurrentRange) {
        if range.reads_back {
            if read_back.is_some() {
                self.read_back = read_back;
                self.confirmed = read_back;
            }
        } else if let Some(sent) = self.sent.filter(|sent| sent.acknowledged) {
            self.confirmed = Some(sent.limit);
        }
        if let Some(confirmed) = self.confirmed {
            let on_its_way = self.sent.filter(|sent| !sent.acknowledged);
            let sent = on_its_way.map_or(confirmed, |sent| sent.limit);
            self.at_least = Some(confirmed.min(sent));
        }
    }

    pub(crate) fn acknowledge(&mut self, limit: Milliamps, range: &CurrentRange) {
        if let Some(sent) = &mut self.sent {
            let same = limit == sent.limit
                || (limit < sent.limit && sent.limit.0 - limit.0 < range.step.0);
            sent.acknowledged |= same;
        }
    }

    /// The device is gone; what it applies when it comes back is unknown.
    pub(crate) fn forget_device(&mut self) {
        *self = Self {
            raise_waits: self.raise_waits,
            ..Self::replayed(self.ceiling)
        };
    }

    /// The device applies `limit`. That the journal holds the grant is known only if our own write
    /// waited for it: a device may stand at the limit by itself.
    fn confirm(&mut self, limit: Milliamps) {
        let delivered = |sent: &Sent| sent.limit == limit && sent.acknowledged;
        let Some(sent) = self.sent.filter(delivered) else {
            return;
        };
        if sent.proves_grant {
            self.ceiling = limit;
        }
        if sent.after_commit {
            self.raise_waits = false;
        }
    }
}

/// The limit as the device can take it: rounded down to its step, and never between 0 and its minimum.
pub(crate) fn rounded(limit: Milliamps, range: &CurrentRange) -> Milliamps {
    let highest = limit.0.min(range.maximum.0);
    let rounded = Milliamps(highest - highest % range.step.0.max(1));
    if rounded < range.minimum {
        Milliamps::PAUSE
    } else {
        rounded
    }
}

impl Turn<'_> {
    /// Records what charging profiles leave the connectors of a charge point, where that is new.
    pub(crate) fn profiles_limit(
        &mut self,
        charge_point: &ChargePointId,
        limits: &[(ConnectorId, Option<Milliamps>)],
    ) {
        for (connector, limit) in limits {
            let named = |known: &Connector| {
                known.key.charge_point == *charge_point && known.key.connector == *connector
            };
            let Some(i) = self.site.connectors.iter().position(named) else {
                continue;
            };
            let known = self.state(i).profile_limit.as_ref();
            if known.map(|known| known.value) != *limit {
                self.record(Change::ProfileLimitChanged {
                    charge_point: charge_point.clone(),
                    connector: *connector,
                    limit: *limit,
                });
            }
        }
    }

    /// Grants the lowest limit of all owners. Where two ask for the same, the one who is named is
    /// whoever must act first to raise it: availability, authorization, installation, command,
    /// charging profiles.
    pub(crate) fn settle_grant(&mut self, i: usize) {
        let grant = self.grant_now(i);
        if self.state(i).granted.as_ref().map(|g| g.value) == Some(grant) {
            return;
        }
        let (charge_point, connector) = self.names(i);
        self.record(Change::LimitGranted {
            charge_point,
            connector,
            limit: grant.limit,
            owner: grant.owner,
        });
        let setpoint = &mut self.live_mut(i).setpoint;
        setpoint.ceiling = setpoint.ceiling.min(grant.limit);
    }

    fn grant_now(&self, i: usize) -> Grant {
        let config = self.config(i);
        let state = self.state(i);
        let held = |holds: bool| holds.then_some(Milliamps::PAUSE);
        let asked = [
            (
                held(state.out_of_operation.is_some()),
                LimitOwner::Availability,
            ),
            (
                held(self.is_held(i) || self.is_used_up(i)),
                LimitOwner::Authorization,
            ),
            (Some(config.max_current), LimitOwner::Installation),
            (state.cap.as_ref().map(|c| c.limit), LimitOwner::Command),
            (self.profile_limit(i), LimitOwner::ChargingProfile),
        ];
        let lowest = asked
            .into_iter()
            .filter_map(|(limit, owner)| {
                let limit = rounded(limit?, &config.range);
                Some(Grant { limit, owner })
            })
            .min_by_key(|grant| grant.limit);
        match lowest {
            Some(grant) if grant.limit > Milliamps::PAUSE || config.range.can_pause => grant,
            // A device that cannot be paused runs free, at what the installation allows.
            Some(_) | None => Grant {
                limit: rounded(config.max_current, &config.range),
                owner: LimitOwner::Installation,
            },
        }
    }

    /// A profile cannot be refused for its device: one that cannot be paused gets the least it can.
    fn profile_limit(&self, i: usize) -> Option<Milliamps> {
        let range = &self.config(i).range;
        let limit = self.state(i).profile_limit.as_ref()?.value;
        let too_low = rounded(limit, range) == Milliamps::PAUSE;
        Some(if too_low && !range.can_pause {
            range.minimum
        } else {
            limit
        })
    }

    /// Writes the granted limit until the device is known to apply it.
    pub(crate) fn settle_setpoint(&mut self, i: usize) {
        let Some(want) = self.state(i).granted.as_ref().map(|g| g.value.limit) else {
            return;
        };
        if !self.live(i).answering {
            return;
        }
        let now = self.now.monotonic;
        let (range, device) = (self.config(i).range, self.config(i).device.clone());
        let live = self.live_mut(i);
        let setpoint = &mut live.setpoint;
        let holds = setpoint.holds(want, &range);
        if holds {
            setpoint.confirm(want);
            live.write_fault = None;
        }
        let due = match setpoint.sent {
            Some(sent) if sent.limit == want => {
                let waited = now.ms_since(sent.at);
                let refresh = !range.reads_back && waited >= REFRESH_MS;
                (!holds && waited >= REPEAT_MS) || refresh
            }
            // A raise that waits for the journal comes after whatever the device shows now.
            Some(_) | None => !holds || setpoint.raise_waits,
        };
        if !due {
            return;
        }
        let raises = setpoint.at_least.is_none_or(|applied| want > applied);
        let stored = want <= setpoint.ceiling;
        let at_once = stored || !raises;
        let overtakes = setpoint.raise_waits;
        setpoint.raise_waits |= !at_once;
        setpoint.confirmed = None;
        setpoint.at_least = setpoint.at_least.map(|applied| applied.min(want));
        setpoint.sent = Some(Sent {
            limit: want,
            at: now,
            acknowledged: false,
            after_commit: !at_once,
            proves_grant: stored || raises,
        });
        let write = Action::WriteLimit {
            device,
            limit: want,
        };
        if at_once {
            self.decision.at_once.push(write.clone());
        }
        // A raise that still waits for the journal would be written after this one and undo it.
        if !at_once || overtakes {
            self.decision.after_commit.push(write);
        }
    }
}
