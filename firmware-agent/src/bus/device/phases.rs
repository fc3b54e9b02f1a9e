//! Switching phases: pause where the device asks for it, write, wait, read back, go on with the
//! newest limit. Ends by what was read back; what goes wrong leaves less current, not more.

use std::time::Duration;

use hw_profiles::{LimitUnit, PhaseSwitch};
use site_model::{DeviceFault, Milliamps, Value, VehicleState};
use tokio::time::Instant;

use super::fixed::{Fixed, Purpose, index_of};
use super::order::WriteOp;
use super::{Device, fault};
use crate::bus::{BusEvent, Phases};
use crate::decode::{self, Raw};
use crate::encode;

/// A paused charger must have stopped charging within this time.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(60);
/// The phases must read back within this time after they have settled.
const READ_BACK_TIMEOUT: Duration = Duration::from_secs(30);
/// What does not read back yet is read again after this time.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// Below this current nothing is charged: IEC 61851-1 knows none below 6 A, and electronics draw less.
const IDLE_CURRENT: Milliamps = Milliamps(1_000);

/// A switch under way.
#[derive(Debug)]
pub(super) struct Switching {
    wanted: Phases,
    stage: Stage,
    /// The limit that applied before, if nobody has asked for one.
    limit_before: Option<Milliamps>,
    /// A limit was asked for meanwhile, and somebody waits for it.
    held: bool,
    paused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The pause is being written, or the car has not stopped.
    Pausing { since: Instant },
    /// The switch is being written.
    Writing,
    /// The device switches.
    Settling { until: Instant },
    /// Waits for the phases to be read after this time.
    Reading { since: Instant },
}

impl Device {
    /// Takes a wish; it replaces one that is under way.
    pub(super) fn switch_phases(&mut self, wanted: Phases, now: Instant) {
        if let Some(switching) = &mut self.switching {
            if switching.wanted != wanted {
                let fault = fault::phases_overtaken(wanted);
                self.refuse_phases(fault);
                self.begin_switch(wanted, now);
            }
            return;
        }
        self.begin_switch(wanted, now);
    }

    fn begin_switch(&mut self, wanted: Phases, now: Instant) {
        let profile = self.profile.clone();
        let Some(switch) = &profile.phase_switch else {
            return self.phases_refused(fault::no_phase_switch(&profile.id));
        };
        if !self.polled || !self.may_write() {
            return self.phases_refused(fault::phases_unknown(&self.config.id));
        }
        if self.image.holds(&profile, &switch.when) != Some(true) {
            return self.phases_refused(fault::phases_not_here(&profile.id));
        }
        if self.phases_told(switch) == Some(wanted) {
            self.phases = Some(wanted);
            self.phases_are(wanted);
            return;
        }
        let charging = !self.is_idle();
        // With set-points in watts the same set-point means another current on other phases.
        let in_watts = profile
            .limit
            .as_ref()
            .is_some_and(|limit| limit.unit == LimitUnit::Watts);
        let paused = in_watts || switch.only_paused && charging;
        let mut switching = Switching {
            wanted,
            stage: Stage::Writing,
            limit_before: self.limit_read_back(),
            held: false,
            paused,
        };
        if paused {
            let pause = profile
                .limit
                .as_ref()
                .map(|control| encode::limit_order(control, Milliamps::PAUSE, self.config.phases));
            let Some(Ok(order)) = pause else {
                return self.phases_refused(fault::cannot_pause_for_phases());
            };
            switching.held = self.write.take().is_some_and(|op| op.is_asked());
            self.write = Some(WriteOp::new(order, false));
            switching.stage = Stage::Pausing { since: now };
            self.switching = Some(switching);
        } else {
            self.switching = Some(switching);
            self.write_phases();
        }
    }

    /// Goes on as far as is possible now.
    pub(super) fn advance_phases(&mut self, now: Instant) {
        let Some(switching) = &self.switching else {
            return;
        };
        let wanted = switching.wanted;
        match switching.stage {
            Stage::Pausing { since } => {
                if self.is_paused_since(since) && self.is_idle() {
                    self.write_phases();
                } else if now >= since + PAUSE_TIMEOUT {
                    self.refuse_phases(fault::still_charging(PAUSE_TIMEOUT));
                }
            }
            Stage::Writing => {}
            Stage::Settling { until } if now >= until => {
                let profile = self.profile.clone();
                let switch = profile.phase_switch.as_ref();
                match switch.and_then(|switch| switch.read_back.as_ref()) {
                    None => self.phases_switched(wanted),
                    Some(read_back) => {
                        if let Some(register) = index_of(&profile, &read_back.register) {
                            self.want(register);
                        }
                        self.due = self.due.min(now);
                        self.stage_is(Stage::Reading { since: now });
                    }
                }
            }
            Stage::Settling { .. } => {}
            Stage::Reading { since } => self.read_phases(wanted, since, now),
        }
    }

    /// When [`Device::advance_phases`] has something to do that no answer brings about.
    pub(in crate::bus) fn phases_at(&self) -> Option<Instant> {
        match self.switching.as_ref()?.stage {
            Stage::Settling { until } => Some(until),
            Stage::Pausing { .. } | Stage::Writing | Stage::Reading { .. } => None,
        }
    }

    /// Whether the pause was echoed and everything was read after it.
    fn is_paused_since(&mut self, since: Instant) -> bool {
        let order = self.last_order.as_ref();
        let written = self.write.is_none()
            && self.last_order_at >= since
            && order.is_some_and(|order| order.applied == Milliamps::PAUSE);
        let read = written
            && self
                .polled_began
                .is_some_and(|began| began >= self.last_order_at);
        if written && !read {
            self.due = self.due.min(self.last_order_at);
        }
        read
    }

    fn read_phases(&mut self, wanted: Phases, since: Instant, now: Instant) {
        let profile = self.profile.clone();
        let Some(switch) = &profile.phase_switch else {
            return;
        };
        let register = switch
            .read_back
            .as_ref()
            .and_then(|read_back| index_of(&profile, &read_back.register));
        let read = register.is_some_and(|register| self.was_read_since(register, since));
        if read && self.phases_told(switch) == Some(wanted) {
            self.phases_switched(wanted);
        } else if now >= since + READ_BACK_TIMEOUT {
            let shown = register.map_or_else(|| "nothing".to_owned(), |r| self.shown(r));
            self.refuse_phases(fault::phases_differ(wanted, &shown));
        } else if let Some(register) = register.filter(|_| read) {
            self.want(register);
            self.due = self.due.min(now + READ_AGAIN);
        }
    }

    /// Whether a new limit waits for the end of a switch.
    pub(super) fn hold_for_phases(&mut self) -> bool {
        match &mut self.switching {
            Some(switching) if switching.paused => {
                switching.held = true;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Phases that a set-point in watts is reckoned with. What is not known counts as one: then
    /// the set-point is too low, not too high.
    pub(super) fn phases_in_use(&self) -> u8 {
        if self.profile.phase_switch.is_none() {
            return self.config.phases;
        }
        let known = self.phases_known().map_or(1, Phases::count);
        known.min(self.config.phases)
    }

    /// As read back, or as last switched where nothing tells them.
    pub(in crate::bus) fn phases_known(&self) -> Option<Phases> {
        let switch = self.profile.phase_switch.as_ref()?;
        self.phases_told(switch).or(self.phases)
    }

    fn phases_told(&self, switch: &PhaseSwitch) -> Option<Phases> {
        let read_back = switch.read_back.as_ref()?;
        let Raw::Number(raw) = self.image.raw(&self.profile, &read_back.register)? else {
            return None;
        };
        if read_back.one.contains(&raw) {
            Some(Phases::One)
        } else {
            read_back.three.contains(&raw).then_some(Phases::Three)
        }
    }

    /// Whether the device says that it does not charge, by its state or by its currents.
    fn is_idle(&self) -> bool {
        let everything = vec![true; self.registers.len()];
        let decoded = decode::decode(&self.profile, &self.image, &everything);
        let mut currents = 0;
        let mut drawing = false;
        let mut charging = None;
        for value in &decoded.values {
            match value {
                Value::VehicleState(state) => {
                    charging = Some(matches!(state, VehicleState::C | VehicleState::D));
                }
                Value::Current(_, current) => {
                    currents += 1;
                    drawing |= *current >= IDLE_CURRENT;
                }
                Value::CurrentLimit(_)
                | Value::Voltage(..)
                | Value::PowerOfPhase(..)
                | Value::Power(_)
                | Value::ApparentPower(_)
                | Value::EnergyImport { .. }
                | Value::EnergyExport(_)
                | Value::EnergySession(_)
                | Value::ApparentEnergy(_)
                | Value::Frequency(_)
                | Value::ErrorCode(_)
                | Value::Firmware(_)
                | Value::Serial(_)
                | Value::Model(_) => {}
            }
        }
        charging == Some(false) || currents > 0 && !drawing
    }

    fn write_phases(&mut self) {
        let profile = self.profile.clone();
        let (Some(switch), Some(switching)) = (&profile.phase_switch, &self.switching) else {
            return;
        };
        let raw = match switching.wanted {
            Phases::One => switch.one,
            Phases::Three => switch.three,
        };
        let mut writes = Vec::new();
        for setup in &switch.setup {
            match Fixed::of(&profile, setup, Purpose::Phases) {
                Ok(fixed) => writes.push(fixed),
                Err(error) => return self.refuse_phases(fault::unwritable_value(error)),
            }
        }
        let write = match encode::write(&switch.write, raw) {
            Ok(write) => write,
            Err(error) => return self.refuse_phases(fault::unwritable_value(error)),
        };
        for setup in writes {
            self.push_unless_told(setup);
        }
        self.fixed
            .push_back(Fixed::new(write, None, Purpose::Phases));
        self.stage_is(Stage::Writing);
    }

    /// The switch was echoed.
    pub(super) fn phases_written(&mut self, now: Instant) {
        // Until it reads back nothing is known.
        self.phases = None;
        let settle_ms = self
            .profile
            .phase_switch
            .as_ref()
            .map_or(0, |s| s.settle_ms);
        self.stage_is(Stage::Settling {
            until: now + Duration::from_millis(settle_ms),
        });
    }

    /// The pause that a switch needs was refused. Other writes that nobody waits for do not matter.
    pub(super) fn pause_refused(&mut self, fault: DeviceFault) {
        let pausing = self
            .switching
            .as_ref()
            .is_some_and(|switching| matches!(switching.stage, Stage::Pausing { .. }));
        if pausing {
            self.refuse_phases(fault);
        }
    }

    /// The device is lost: what it did with the switch is not known.
    pub(super) fn abandon_phases(&mut self) {
        self.phases = None;
        if self.switching.is_some() {
            self.phases_refused(fault::lost_while_switching());
            self.go_on_charging();
        }
    }

    /// Ends the switch under way in vain.
    pub(super) fn refuse_phases(&mut self, fault: DeviceFault) {
        self.fixed.retain(|fixed| !fixed.is_for(Purpose::Phases));
        self.phases_refused(fault);
        self.go_on_charging();
    }

    fn phases_switched(&mut self, phases: Phases) {
        self.phases = Some(phases);
        self.phases_are(phases);
        self.go_on_charging();
    }

    /// The newest limit applies again; without one that anybody asked for, what the device had.
    fn go_on_charging(&mut self) {
        let Some(switching) = self.switching.take() else {
            return;
        };
        let limit = self.asked.or(switching.limit_before);
        if let Some(limit) = limit.filter(|_| switching.paused) {
            self.resume(limit, switching.held);
        }
    }

    fn stage_is(&mut self, stage: Stage) {
        if let Some(switching) = &mut self.switching {
            switching.stage = stage;
        }
    }

    fn phases_are(&mut self, phases: Phases) {
        self.news.push(BusEvent::PhasesSwitched {
            device: self.config.id.clone(),
            phases,
        });
    }

    fn phases_refused(&mut self, fault: DeviceFault) {
        self.news.push(BusEvent::PhasesRefused {
            device: self.config.id.clone(),
            fault,
        });
    }
}
