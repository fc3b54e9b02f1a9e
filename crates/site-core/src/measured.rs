//! Whose figures a device tells: for whoever passes them on as they are, without deciding anything.

use site_model::{ChargePointId, ConnectorId, DeviceId, WattHours};

use crate::site::Site;

/// A connector that a device tells figures of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured<'s> {
    /// Which charge point.
    pub charge_point: &'s ChargePointId,
    /// Which connector.
    pub connector: ConnectorId,
    /// By a meter of its own, not by the charger.
    pub by_meter: bool,
    /// The connector's monotone register, where the device tells it.
    pub register: Option<WattHours>,
}

impl Site {
    /// The connectors that a device tells figures of, with their registers after its last reading.
    pub fn measured_by(&self, device: &DeviceId) -> impl Iterator<Item = Measured<'_>> {
        self.connectors_of(device).into_iter().map(|i| {
            let connector = &self.connectors[i];
            let tells_energy = connector.config.energy.device == *device;
            let is_known =
                connector.live.meter.fresh && self.journaled(i).register.offset.is_some();
            Measured {
                charge_point: &connector.key.charge_point,
                connector: connector.key.connector,
                by_meter: connector.config.device != *device,
                register: (tells_energy && is_known).then(|| self.total_of(i)),
            }
        })
    }
}
