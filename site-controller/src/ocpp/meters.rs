//! The meters of one charge point: the core's side shows and measures, the link tells. What is sampled
//! when is `station::sampler`'s.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ocpp::v16::TriggerMessageStatus;
use site_model::{ChargePointId, ChargePointView, ConnectorId, Timestamp, Value, WattHours};
use station::profiles::Electrics;
use station::sampler::{Reading, Sampler};

use super::Stations;
use super::settings::Settings;
use super::station::Registration;
use super::task::Task;
use crate::store::stations;

/// What a device told about a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// When it was taken in.
    pub at: Timestamp,
    /// Of which charge point.
    pub charge_point: ChargePointId,
    /// Which connector.
    pub connector: ConnectorId,
    /// By a meter of its own, not by the charger.
    pub by_meter: bool,
    /// What it told.
    pub values: Vec<Value>,
    /// The connector's monotone register, where the device tells it.
    pub register: Option<WattHours>,
}

/// The sampler, for both sides; neither holds it while it waits for anything.
#[derive(Debug)]
pub(super) struct Meters(Mutex<Sampler>);

impl Meters {
    pub(super) fn new(electrics: &[Electrics], settings: &Settings) -> Self {
        Self(Mutex::new(Sampler::new(electrics, settings.meter_values())))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Sampler> {
        // No code under this lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The live view, all of it safe on disk.
    pub(super) fn show(&self, view: &ChargePointView, now: &Timestamp) {
        let mut sampler = self.lock();
        for connector in &view.connectors {
            let session = connector.session.as_ref();
            let session = session.map(|session| (&session.session, &session.started));
            let offered = connector.limit_read_back.unwrap_or(connector.limit);
            sampler.show(now, connector.connector.get(), session, offered);
        }
    }
}

impl Stations {
    /// A device told something, and what was decided with it is safe on disk.
    pub fn measured(&self, measured: &Measured) {
        let Some(link) = self.links.get(&measured.charge_point) else {
            return;
        };
        let reading = Reading {
            by_meter: measured.by_meter,
            values: &measured.values,
            register: measured.register,
        };
        let connector = measured.connector.get();
        if link
            .meters
            .lock()
            .measured(&measured.at, connector, reading)
        {
            link.changed.notify_one();
        }
    }
}

impl Task {
    /// What became of the last sample, and who listens to the next.
    pub(super) async fn meter_values(&mut self) {
        let fate = self.station.take_sample_fate();
        let to_look_up = {
            let mut sampler = self.shared.meters.lock();
            if let Some(answered) = fate {
                sampler.settled(answered);
            }
            sampler.listen(self.station.registration() == Registration::Accepted);
            sampler.to_look_up()
        };
        let Some(session) = to_look_up else {
            return;
        };
        let wanted = session.clone();
        let found = self
            .store
            .work(move |db| stations::known(db, &wanted))
            .await;
        // A start that was not answered yet brings its id with its answer.
        let id = found.ok().flatten().and_then(|known| known.transaction_id);
        if let Some(id) = id {
            self.shared.meters.lock().known(&session, id);
        }
    }

    /// The socket is over: nobody listens.
    pub(super) fn unheard(&self) {
        self.shared.meters.lock().listen(false);
    }

    /// What TriggerMessage is answered; the values follow (OCPP 1.6 section 5.17).
    pub(super) fn meter_values_triggered(&self, connector: Option<i64>) -> TriggerMessageStatus {
        let wanted = match connector.map(u8::try_from) {
            None => None,
            Some(Ok(number)) if number > 0 => Some(number),
            // There is no main meter: the grid connection's is not this charge point's alone.
            Some(_) => return TriggerMessageStatus::Rejected,
        };
        let now = self.clock.now();
        if self.shared.meters.lock().trigger(&now, wanted) {
            TriggerMessageStatus::Accepted
        } else {
            TriggerMessageStatus::Rejected
        }
    }
}
