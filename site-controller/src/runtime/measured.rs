//! What devices tell, on its way to the charge points' links: once what was decided with it is safe on
//! disk.

use site_model::Reading;

use super::Runtime;
use crate::buses::Buses;
use crate::ocpp::Measured;

impl<B: Buses> Runtime<B> {
    /// A device told this, and the core has taken it in.
    pub(super) fn measured(&mut self, reading: &Reading) {
        let (stations, at) = (&self.parts.stations, self.parts.clock.now());
        let connectors = self.parts.site.measured_by(&reading.device);
        let linked = connectors.filter(|connector| stations.has(connector.charge_point));
        let measured: Vec<Measured> = linked
            .map(|connector| Measured {
                at,
                charge_point: connector.charge_point.clone(),
                connector: connector.connector,
                by_meter: connector.by_meter,
                values: reading.values.clone(),
                register: connector.register,
            })
            .collect();
        match self.releases.back_mut() {
            Some(release) => release.measured.extend(measured),
            None => measured
                .iter()
                .for_each(|measured| stations.measured(measured)),
        }
    }
}
