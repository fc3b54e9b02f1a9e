//! What the devices say: readings, silence, acknowledged and refused writes.

use site_model::{Change, DeviceFault, DeviceId, Milliamps, Reading, Value};

use crate::energy::power_in;
use crate::state::Identity;
use crate::turn::Turn;

impl Turn<'_> {
    pub(crate) fn device_read(&mut self, reading: &Reading) {
        for i in self.site.connectors_of(&reading.device) {
            if self.config(i).device == reading.device {
                self.read_charger(i, reading);
            }
            if self.config(i).energy.device == reading.device {
                self.read_energy_device(i, reading);
            }
            // After the energy: a new serial number means a new register.
            if self.config(i).device == reading.device {
                self.identify(i, reading);
            }
            self.touch(i);
        }
    }

    fn read_charger(&mut self, i: usize, reading: &Reading) {
        let now = self.now;
        let range = self.config(i).range;
        let mut limit = None;
        let live = self.live_mut(i);
        live.answering = true;
        live.last_answer = Some(now);
        if !live.power_from_meter {
            live.power = power_in(reading).or(live.power);
        }
        for value in &reading.values {
            match value {
                Value::VehicleState(state) => {
                    live.vehicle = Some(*state);
                    live.observed = Some(now);
                }
                Value::CurrentLimit(applied) => limit = Some(*applied),
                Value::ErrorCode(code) => live.error_code = (*code != 0).then_some(*code),
                Value::Current(..)
                | Value::Voltage(..)
                | Value::PowerOfPhase(..)
                | Value::Power(_)
                | Value::ApparentPower(_)
                | Value::EnergyImport { .. }
                | Value::EnergyExport(_)
                | Value::EnergySession(_)
                | Value::ApparentEnergy(_)
                | Value::Frequency(_)
                | Value::Firmware(_)
                | Value::Serial(_)
                | Value::Model(_) => {}
            }
        }
        live.setpoint.observe(limit, &range);
        live.fault_since = if live.is_faulted() {
            live.fault_since.or(Some(now.monotonic))
        } else {
            None
        };
    }

    /// Records that the device answers and who it says it is, where that is new.
    fn identify(&mut self, i: usize, reading: &Reading) {
        let known = self.state(i).identity.as_ref().map(|s| s.value.clone());
        let mut told = known.clone().unwrap_or(Identity {
            serial: None,
            firmware: None,
        });
        for value in &reading.values {
            if let Value::Serial(serial) = value {
                told.serial = Some(serial.clone());
            } else if let Value::Firmware(firmware) = value {
                told.firmware = Some(firmware.clone());
            }
        }
        if known.as_ref() == Some(&told) && self.state(i).offline.is_none() {
            return;
        }
        let (charge_point, connector) = self.names(i);
        self.record(Change::DeviceOnline {
            charge_point,
            connector,
            serial: told.serial,
            firmware: told.firmware,
        });
    }

    fn read_energy_device(&mut self, i: usize, reading: &Reading) {
        let own_meter = self.config(i).energy.device != self.config(i).device;
        let live = self.live_mut(i);
        if own_meter {
            live.meter_fault = None;
            if let Some(power) = power_in(reading) {
                live.power = Some(power);
                live.power_from_meter = true;
            }
        }
        self.read_energy(i, reading);
    }

    pub(crate) fn device_lost(&mut self, device: &DeviceId, fault: &DeviceFault) {
        for i in self.site.connectors_of(device) {
            if self.config(i).device == *device {
                self.lose_charger(i, fault);
            }
            if self.config(i).energy.device == *device {
                self.lose_energy_device(i, fault);
            }
            self.touch(i);
        }
    }

    fn lose_charger(&mut self, i: usize, fault: &DeviceFault) {
        let live = self.live_mut(i);
        if let Some(answer) = live.last_answer {
            live.unseen_since = Some(answer.wall);
        }
        live.answering = false;
        live.vehicle = None;
        live.fault_since = None;
        live.write_fault = None;
        live.setpoint.forget_device();
        if !live.power_from_meter {
            live.power = None;
        }
        if self.state(i).offline.is_none() {
            let (charge_point, connector) = self.names(i);
            self.record(Change::DeviceOffline {
                charge_point,
                connector,
                fault: fault.clone(),
            });
        }
    }

    fn lose_energy_device(&mut self, i: usize, fault: &DeviceFault) {
        let own_meter = self.config(i).energy.device != self.config(i).device;
        let live = self.live_mut(i);
        live.meter.fresh = false;
        if own_meter {
            live.meter_fault = Some(fault.clone());
            live.power = live.power.filter(|_| !live.power_from_meter);
            live.power_from_meter = false;
        }
    }

    /// The device that tells the connector's energy does not answer.
    pub(crate) fn energy_is_lost(&self, i: usize) -> bool {
        let config = self.config(i);
        if config.energy.device == config.device {
            !self.live(i).answering
        } else {
            self.live(i).meter_fault.is_some()
        }
    }

    pub(crate) fn limit_written(&mut self, device: &DeviceId, limit: Milliamps) {
        for i in self.site.connectors_of(device) {
            let range = self.config(i).range;
            if self.config(i).device == *device {
                self.live_mut(i).setpoint.acknowledge(limit, &range);
                self.touch(i);
            }
        }
    }

    pub(crate) fn write_refused(&mut self, device: &DeviceId, fault: &DeviceFault) {
        for i in self.site.connectors_of(device) {
            if self.config(i).device == *device {
                self.live_mut(i).write_fault = Some(fault.clone());
                self.touch(i);
            }
        }
    }
}
