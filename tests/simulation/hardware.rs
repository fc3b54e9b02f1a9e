//! Cars and devices: what happens at the connectors, and how it is read.

use firmware_agent::BusEvent;
use site_controller::runtime::Input;
use site_model::{DeviceFault, Milliamps, Reading, Value, VehicleState, WattHours};

use crate::agenda::What;
use crate::mutants::Mutant;
use crate::place::{PLACES, Place, Stay};
use crate::world::World;

/// How often a device that does not apply what it was told is read again.
const POLL_AGAIN_MS: u64 = 6_000;
/// A car closes its contactor so long after it was plugged in.
const READY_AFTER_MS: u64 = 3_000;

impl World {
    pub(crate) fn plug(&mut self, place: usize, wants: WattHours) {
        let now = self.now_ms;
        let here = &mut self.places[place];
        if here.charger.is_plugged() {
            return;
        }
        here.charger.plug();
        let meter = here.charger.truth();
        here.stays.push(Stay {
            from_ms: now,
            to_ms: None,
            meter_from: meter,
            meter_to: meter,
        });
        self.report.count("cars");
        self.poll_soon(place);
        let ready = What::Ready {
            place,
            plugged_at_ms: now,
            wants,
        };
        self.after(READY_AFTER_MS, ready);
    }

    pub(crate) fn ready(&mut self, place: usize, plugged_at_ms: u64, wants: WattHours) {
        if self.car_is_here(place, plugged_at_ms) {
            self.places[place].charger.ready(wants);
            self.power_changed(place);
        }
    }

    pub(crate) fn unplug(&mut self, place: usize) {
        let now = self.now_ms;
        let here = &mut self.places[place];
        here.charger.unplug();
        if let Some(stay) = here.stays.last_mut().filter(|stay| stay.to_ms.is_none()) {
            stay.to_ms = Some(now);
            stay.meter_to = here.charger.truth();
        }
        self.power_changed(place);
    }

    pub(crate) fn power_changed(&mut self, place: usize) {
        let here = &mut self.places[place];
        here.power += 1;
        let power = here.power;
        if let Some(ms) = here.charger.ms_to_full() {
            self.after(ms + 1, What::Full { place, power });
        }
        self.poll_soon(place);
    }

    pub(crate) fn poll_soon(&mut self, place: usize) {
        let ms = self.rng.u64(100..1_500);
        self.poll_after(place, ms);
    }

    pub(crate) fn poll_after(&mut self, place: usize, ms: u64) {
        let at = self.now_ms + ms;
        let here = &mut self.places[place];
        if here.poll_at.is_none_or(|due| due > at || due < self.now_ms) {
            here.poll_at = Some(at);
            self.at(at, What::Poll { place });
        }
    }

    pub(crate) fn poll(&mut self, place: usize) {
        let here = &mut self.places[place];
        if here.poll_at.is_some_and(|due| due > self.now_ms) {
            return;
        }
        here.poll_at = None;
        if self.gateway.is_none() || !here.answers {
            return;
        }
        let mut readings = here.readings();
        if self.mutant == Some(Mutant::EnergyMisread) {
            let values = readings
                .0
                .iter_mut()
                .flat_map(|reading| &mut reading.values);
            for value in values {
                if let Value::EnergyImport { energy, .. } = value {
                    energy.0 += 1;
                }
            }
        }
        let holds = here
            .wanted
            .is_none_or(|wanted| wanted == here.charger.limit());
        let confused = readings.1;
        for reading in readings.0 {
            self.input(Input::Bus(BusEvent::Read(reading)));
        }
        if !holds || confused {
            self.poll_after(place, POLL_AGAIN_MS);
        }
    }

    /// The lines are read once a second; before the core looks at its registers they are fresh.
    pub(crate) fn read_all_that_charge(&mut self) {
        for place in 0..PLACES {
            let here = &self.places[place];
            if here.answers && here.charger.is_plugged() {
                self.places[place].poll_at = None;
                self.poll(place);
            }
        }
    }

    pub(crate) fn written(&mut self, place: usize, limit: Milliamps) {
        let here = &mut self.places[place];
        if !here.answers {
            return;
        }
        here.charger.set_limit(limit);
        let device = here.charger.id().clone();
        if self.gateway.is_some() {
            self.input(Input::Bus(BusEvent::LimitWritten { device, limit }));
        }
        self.power_changed(place);
    }

    pub(crate) fn lost(&mut self, place: usize, boot: u64) {
        let here = &self.places[place];
        if here.answers || self.boot != boot || self.gateway.is_none() {
            return;
        }
        let mut devices = vec![here.charger.id().clone()];
        devices.extend(here.charger.meter().cloned());
        for device in devices {
            let fault = DeviceFault {
                message: "No answer to 3 polls.".to_owned(),
                remedy: "Check the wiring.".to_owned(),
            };
            self.input(Input::Bus(BusEvent::Lost { device, fault }));
        }
    }
}

impl Place {
    /// What it answers, and whether that was nonsense.
    fn readings(&mut self) -> (Vec<Reading>, bool) {
        let mut readings = vec![self.charger.read()];
        readings.extend(self.charger.read_meter());
        let confused = std::mem::take(&mut self.confused);
        if confused {
            for value in readings.iter_mut().flat_map(|reading| &mut reading.values) {
                if let Value::EnergyImport { energy, .. } = value {
                    *energy = WattHours(0);
                }
                if let Value::VehicleState(state) = value {
                    *state = VehicleState::Fault;
                }
            }
        }
        (readings, confused)
    }
}
