//! Live view → snapshot. The other way does not exist: nobody but the site's core makes views.

use site_model::{ChargePointView, ConnectorView, JournalId, SessionView, WallTime};

use super::{Snapshot, SnapshotConnector, SnapshotSession, VERSION};

impl Snapshot {
    /// The view of one charge point, which contains every fact of the journal up to `as_of_sequence`.
    #[must_use]
    pub fn of(
        view: &ChargePointView,
        journal: &JournalId,
        as_of_sequence: u64,
        made_at: WallTime,
    ) -> Self {
        let announced = &view.announcement;
        Self {
            v: VERSION,
            journal_id: journal.to_string(),
            as_of_sequence,
            made_at_ms: made_at.0,
            charge_point_id: announced.charge_point.to_string(),
            vendor: announced.vendor.clone(),
            model: announced.model.clone(),
            status: view.status.to_string(),
            online: view.online,
            last_answer_at_ms: view.last_answer.map(|at| at.wall.0),
            serial: view.serial.clone(),
            firmware: view.firmware.clone(),
            connectors: view
                .connectors
                .iter()
                .filter_map(|connector| connector_of(view, connector))
                .collect(),
        }
    }
}

/// A connector is shown with what was announced of it; one that was never announced is none.
fn connector_of(view: &ChargePointView, connector: &ConnectorView) -> Option<SnapshotConnector> {
    let announced = view
        .announcement
        .connectors
        .iter()
        .find(|announced| announced.connector == connector.connector)?;
    Some(SnapshotConnector {
        connector_id: connector.connector.get(),
        kind: announced.kind.to_string(),
        max_power_w: announced.max_power.0,
        status: connector.status.to_string(),
        observed_at_ms: connector.observed.map(|at| at.wall.0),
        error_code: connector.error_code,
        fault: connector.fault.as_ref().map(|fault| fault.message.clone()),
        limit_ma: connector.limit.0,
        limit_owner: connector.limit_owner.to_string(),
        limit_read_back_ma: connector.limit_read_back.map(|limit| limit.0),
        power_w: connector.power.map(|power| power.0),
        meter_wh: connector.meter.map(|meter| meter.0),
        session: connector.session.as_ref().map(SnapshotSession::from),
    })
}

impl From<&SessionView> for SnapshotSession {
    fn from(session: &SessionView) -> Self {
        Self {
            session_id: session.session.to_string(),
            started_at_ms: session.started.wall.0,
            energy_wh: session.energy.0,
        }
    }
}
