//! Orders to open a connector for use or to close it. Where a session runs a charge point answers
//! `Scheduled`; such an order is done when the status says so, and gives way to a later one.

use site_model::ChargePointId;

use super::{Commands, NewCommand};
use crate::db::{DbError, Param};
use crate::id::CommandId;

/// Why an order that waited will not be done any more.
const REPLACED: &str =
    "another order about this connector's availability was accepted before this one took effect";

impl Commands {
    /// A connector (0 is the whole charge point) told that it is open for use, or closed: what was
    /// scheduled for it is done. The order's answer may still be on its way to be written down.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn became_available(
        &self,
        charge_point: &ChargePointId,
        connector: i64,
        operative: bool,
    ) -> Result<(), DbError> {
        // Charge points that connect themselves and never tell of connector 0 have done what it was told
        // when all their connectors have.
        let sql = "UPDATE commands SET completed_at_ms = $4
                   WHERE charge_point_id = $1 AND action = 'ChangeAvailability' AND operative = $3
                     AND completed_at_ms IS NULL AND failed_at_ms IS NULL
                     AND state IN ('queued', 'accepted')
                     AND (connector_id = $2 OR (connector_id = 0 AND $2 > 0 AND NOT EXISTS
                       (SELECT 1 FROM connectors n JOIN charge_points c ON c.id = n.charge_point_id
                        WHERE n.charge_point_id = $1 AND (c.gateway_id IS NOT NULL
                          OR (n.present = 1 AND (n.status = 'Unavailable') = $3)))))";
        let values = vec![
            charge_point.as_str().into(),
            connector.into(),
            operative.into(),
            self.clock.now().as_millisecond().into(),
        ];
        self.db.write(sql, values).await.map(|_done| ())
    }

    /// A later order was accepted: what still waits for the same connector, or for any where it is about
    /// all, will not come any more.
    pub(super) async fn replace_scheduled(
        &self,
        id: &CommandId,
        new: &NewCommand,
    ) -> Result<(), DbError> {
        let Some(connector) = new.mark.connector else {
            return Ok(());
        };
        let sql = "UPDATE commands SET failed_at_ms = $4, error = $5
                   WHERE charge_point_id = $1 AND action = 'ChangeAvailability' AND id < $2
                     AND (connector_id = $3 OR $3 = 0) AND state = 'accepted'
                     AND completed_at_ms IS NULL AND failed_at_ms IS NULL";
        let values: Vec<Param> = vec![
            new.charge_point.as_str().into(),
            id.as_str().into(),
            connector.into(),
            self.clock.now().as_millisecond().into(),
            REPLACED.into(),
        ];
        self.db.write(sql, values).await.map(|_done| ())
    }
}
