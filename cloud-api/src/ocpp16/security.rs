//! What charge points tell by the security extension: their security events, and that they want a
//! certificate, which is signed after checks and follows the answer.

use jiff::Timestamp;
use ocpp::v16::{GenericStatus, SecurityEventNotificationRequest};

use super::{Central, Known, failed};
use crate::certificate::{Unsigned, Whose};
use crate::db::DbError;
use crate::station::{NewEvent, Refused, Source};

impl Central {
    pub(super) async fn security_event(
        &self,
        known: &Known,
        request: &SecurityEventNotificationRequest,
    ) -> Result<(), Refused> {
        let (charge_point, event) = (&known.station.id, request.kind.as_str());
        tracing::warn!(%charge_point, event, "Charge point tells a security event: {event}");
        let now = self.now();
        let at = Timestamp::from_millisecond(super::ms(request.timestamp));
        let event = NewEvent {
            charge_point,
            source: Source::ChargePoint,
            kind: event,
            at: at.unwrap_or(now),
            received_at: now,
            info: request.tech_info.as_ref().map(|info| info.as_str()),
        };
        self.0.events.record(event).await.map_err(failed)
    }

    pub(super) async fn sign(&self, known: &Known, csr: &str) -> Result<GenericStatus, Refused> {
        let charge_point = &known.station.id;
        match self.signed(known, csr).await.map_err(failed)? {
            Ok(chain) => {
                tracing::info!(%charge_point, "Charge point asked for a certificate, which is signed and follows");
                let upkeep = &self.0.upkeep;
                upkeep.certified(charge_point, &known.organisation, chain);
                Ok(GenericStatus::Accepted)
            }
            Err(why) => {
                tracing::warn!(%charge_point, "Charge point asked for a certificate and gets none: {why}");
                Ok(GenericStatus::Rejected)
            }
        }
    }

    async fn signed(&self, known: &Known, csr: &str) -> Result<Result<String, String>, DbError> {
        let Some(authority) = &self.0.authority else {
            let why = "nobody signs here: set certificate_file and key_file of [ocpp.ca]";
            return Ok(Err(why.to_owned()));
        };
        let sql = "SELECT name FROM organisations WHERE id = $1";
        let values = vec![known.organisation.as_str().into()];
        let rows = self.0.db.query(sql, values).await?;
        let whose = Whose {
            charge_point: &known.station.id,
            organisation: &known.organisation,
            name: rows.first().map_or(Ok(""), |row| row.text("name"))?,
        };
        let signed = authority.now().sign(csr, whose, self.now());
        Ok(signed.map_err(|why: Unsigned| why.to_string()))
    }
}
