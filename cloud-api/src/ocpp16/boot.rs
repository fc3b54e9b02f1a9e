//! What a charge point tells of itself: that it started, that it lives, how far it is with firmware
//! and diagnostics.

use ocpp::v16::{
    BootNotificationRequest, BootNotificationResponse, HeartbeatResponse, RegistrationStatus,
};

use super::{Central, HEARTBEAT_INTERVAL_S, Known, failed};
use crate::fleet::{Told, Update};
use crate::ingest::apply::Step;
use crate::station::Refused;

impl Central {
    pub(super) async fn boot(
        &self,
        known: &Known,
        request: &BootNotificationRequest,
    ) -> Result<BootNotificationResponse, Refused> {
        let id = &known.station.id;
        let now_ms = self.now().as_millisecond();
        let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let firmware = text(request.firmware_version.as_ref().map(|text| text.as_str()));
        let told = request.charge_point_serial_number.as_ref();
        let serial = told.or(request.charge_box_serial_number.as_ref());
        let serial = text(serial.map(|text| text.as_str()));
        if known.station.gateway.is_none() {
            let step = Step::new(
                "UPDATE charge_points SET firmware = $2, serial = COALESCE($3, serial),
                   booted_at_ms = $4
                 WHERE id = $1 AND deleted_at_ms IS NULL",
                vec![
                    id.as_str().into(),
                    firmware.clone().into(),
                    serial.into(),
                    now_ms.into(),
                ],
            );
            let update = Update::Told(id.clone(), Told::Firmware(firmware));
            self.book(known, vec![step.meaning(update)]).await?;
        }
        let done = self.0.commands.complete(id, "Reset");
        done.await.map_err(failed)?;
        self.0.upkeep.booted(id, &known.organisation);
        self.registration(RegistrationStatus::Accepted)
    }

    /// The answer to a charge point that nobody has registered.
    pub(super) fn pending(&self) -> Result<BootNotificationResponse, Refused> {
        self.registration(RegistrationStatus::Pending)
    }

    fn registration(
        &self,
        status: RegistrationStatus,
    ) -> Result<BootNotificationResponse, Refused> {
        Ok(BootNotificationResponse::new(
            self.time()?,
            HEARTBEAT_INTERVAL_S,
            status,
        ))
    }

    pub(super) fn heartbeat(&self) -> Result<HeartbeatResponse, Refused> {
        Ok(HeartbeatResponse::new(self.time()?))
    }

    pub(super) async fn diagnostics_status(
        &self,
        known: &Known,
        status: &'static str,
    ) -> Result<(), Refused> {
        let sql = "UPDATE charge_points SET diagnostics_status = $2 WHERE id = $1";
        let values = vec![known.station.id.as_str().into(), status.into()];
        self.0.db.write(sql, values).await.map_err(failed)?;
        self.progress(known, ["GetDiagnostics", "GetLog"], status)
            .await
    }

    pub(super) async fn firmware_status(
        &self,
        known: &Known,
        status: &'static str,
    ) -> Result<(), Refused> {
        let sql = "UPDATE charge_points SET firmware_status = $2 WHERE id = $1";
        let values = vec![known.station.id.as_str().into(), status.into()];
        self.0.db.write(sql, values).await.map_err(failed)?;
        self.progress(known, ["UpdateFirmware", "SignedUpdateFirmware"], status)
            .await
    }

    /// How far it is with what was ordered.
    async fn progress(
        &self,
        known: &Known,
        actions: [&'static str; 2],
        status: &'static str,
    ) -> Result<(), Refused> {
        let told = self.0.commands.told(&known.station.id, actions, status);
        told.await.map_err(failed)
    }
}
