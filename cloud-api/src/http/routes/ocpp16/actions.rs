//! POST `/ocpp16/<action>`: one endpoint for each action that a charge point takes.

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;
use site_model::ChargePointId;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::body::{Addressed, CallAnswer, answer};
use crate::http::body::{Fields, FromFields};
use crate::http::caller::CallerWith;
use crate::http::endpoint::secured;
use crate::http::error::ApiError;
use crate::http::idempotency::IdempotencyKey;
use crate::http::requirement::WriteCommands;
use crate::http::state::ApiState;
use crate::ocpp16::orders::camel_cased;

/// A call of one action: its fields stand beside `charge_point_id`, spelled `like_this` or as OCPP
/// spells them.
#[derive(Debug, ToSchema)]
pub(crate) struct Ocpp16Call {
    /// To whom.
    #[schema(value_type = String, example = "cp_01hx2b3c4d5e6f")]
    charge_point_id: ChargePointId,
    /// How long the answer is waited for; 10 if left out.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 60)]
    timeout_seconds: u32,
    #[schema(ignore)]
    payload: Value,
}

impl FromFields for Ocpp16Call {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let to = Addressed::take(fields);
        let payload = camel_cased(Value::Object(fields.rest()));
        let to = to?;
        Some(Self {
            charge_point_id: to.charge_point,
            timeout_seconds: to.timeout_s,
            payload,
        })
    }
}

/// Defines the endpoints of a list of actions.
macro_rules! actions {
    ($($name:ident, $path:literal, $word:literal, $action:literal, $summary:literal, $fields:literal;)+) => {
        $(
            #[utoipa::path(
                post,
                path = $path,
                tag = "OCPP 1.6",
                summary = $summary,
                description = $fields,
                params(("Idempotency-Key" = Option<String>, Header, min_length = 1,
                    max_length = 255,
                    description = "The client's mark of this attempt, kept for 24 h.")),
                request_body = Ocpp16Call,
                responses(
                    (status = 200, description = "What became of it.", body = CallAnswer),
                    (status = 404, description = "No charge point has this id."),
                    (status = 409, description = "The charge point is offline, or its OCPP socket is closed; nothing was sent."),
                    (status = 422, description = "The `Idempotency-Key` was used before with another body."),
                ),
            )]
            async fn $name(
                State(state): State<ApiState>,
                mark: IdempotencyKey,
                CallerWith {
                    caller,
                    body,
                    body_hash,
                }: CallerWith<WriteCommands, Ocpp16Call>,
            ) -> Result<Response, ApiError> {
                let to = Addressed {
                    charge_point: body.charge_point_id,
                    timeout_s: body.timeout_seconds,
                };
                let what = (to, $action.to_owned(), body.payload);
                answer(&state, caller, mark, body_hash, $word, what).await
            }
        )+

        pub(super) fn routes() -> OpenApiRouter<ApiState> {
            OpenApiRouter::new()$(.routes(secured!($name)))+
        }
    };
}

actions! {
    remote_start_transaction, "/api/v1/ocpp16/remote_start_transaction", "remote_start_transaction", "RemoteStartTransaction", "Remote start transaction", "Fields: `id_tag`, `connector_id?`, `charging_profile?`.";
    remote_stop_transaction, "/api/v1/ocpp16/remote_stop_transaction", "remote_stop_transaction", "RemoteStopTransaction", "Remote stop transaction", "Fields: `transaction_id`.";
    change_availability, "/api/v1/ocpp16/change_availability", "change_availability", "ChangeAvailability", "Change availability", "Fields: `connector_id` (0 is all), `type`.";
    cancel_reservation, "/api/v1/ocpp16/cancel_reservation", "cancel_reservation", "CancelReservation", "Cancel reservation", "Fields: `reservation_id`.";
    certificate_signed, "/api/v1/ocpp16/certificate_signed", "certificate_signed", "CertificateSigned", "Certificate signed", "Fields: `certificate_chain`.";
    change_configuration, "/api/v1/ocpp16/change_configuration", "change_configuration", "ChangeConfiguration", "Change configuration", "Fields: `key`, `value`.";
    clear_cache, "/api/v1/ocpp16/clear_cache", "clear_cache", "ClearCache", "Clear cache", "Fields: nothing.";
    clear_charging_profile, "/api/v1/ocpp16/clear_charging_profile", "clear_charging_profile", "ClearChargingProfile", "Clear charging profile", "Fields: `id?`, `connector_id?`, `charging_profile_purpose?`, `stack_level?`.";
    data_transfer, "/api/v1/ocpp16/data_transfer", "data_transfer", "DataTransfer", "Data transfer", "Fields: `vendor_id`, `message_id?`, `data?`.";
    delete_certificate, "/api/v1/ocpp16/delete_certificate", "delete_certificate", "DeleteCertificate", "Delete certificate", "Fields: `certificate_hash_data`.";
    extended_trigger_message, "/api/v1/ocpp16/extended_trigger_message", "extended_trigger_message", "ExtendedTriggerMessage", "Extended trigger message", "Fields: `requested_message`, `connector_id?`.";
    get_composite_schedule, "/api/v1/ocpp16/get_composite_schedule", "get_composite_schedule", "GetCompositeSchedule", "Get composite schedule", "Fields: `connector_id`, `duration`, `charging_rate_unit?`.";
    get_configuration, "/api/v1/ocpp16/get_configuration", "get_configuration", "GetConfiguration", "Get configuration", "Fields: `key?`.";
    get_diagnostics, "/api/v1/ocpp16/get_diagnostics", "get_diagnostics", "GetDiagnostics", "Get diagnostics", "Fields: `location`, `retries?`, `retry_interval?`, `start_time?`, `stop_time?`.";
    get_installed_certificate_ids, "/api/v1/ocpp16/get_installed_certificate_ids", "get_installed_certificate_ids", "GetInstalledCertificateIds", "Get installed certificate ids", "Fields: `certificate_type`.";
    get_local_list_version, "/api/v1/ocpp16/get_local_list_version", "get_local_list_version", "GetLocalListVersion", "Get local list version", "Fields: nothing.";
    get_log, "/api/v1/ocpp16/get_log", "get_log", "GetLog", "Get log", "Fields: `log`, `log_type`, `request_id`, `retries?`, `retry_interval?`.";
    install_certificate, "/api/v1/ocpp16/install_certificate", "install_certificate", "InstallCertificate", "Install certificate", "Fields: `certificate_type`, `certificate`.";
    reserve_now, "/api/v1/ocpp16/reserve_now", "reserve_now", "ReserveNow", "Reserve now", "Fields: `connector_id`, `expiry_date`, `id_tag`, `reservation_id`, `parent_id_tag?`.";
    reset, "/api/v1/ocpp16/reset", "reset", "Reset", "Reset", "Fields: `type`.";
    send_local_list, "/api/v1/ocpp16/send_local_list", "send_local_list", "SendLocalList", "Send local list", "Fields: `list_version`, `update_type`, `local_authorization_list?`.";
    set_charging_profile, "/api/v1/ocpp16/set_charging_profile", "set_charging_profile", "SetChargingProfile", "Set charging profile", "Fields: `connector_id`, `cs_charging_profiles`.";
    signed_update_firmware, "/api/v1/ocpp16/signed_update_firmware", "signed_update_firmware", "SignedUpdateFirmware", "Signed update firmware", "Fields: `request_id`, `firmware`, `retries?`, `retry_interval?`.";
    trigger_message, "/api/v1/ocpp16/trigger_message", "trigger_message", "TriggerMessage", "Trigger message", "Fields: `requested_message`, `connector_id?`.";
    unlock_connector, "/api/v1/ocpp16/unlock_connector", "unlock_connector", "UnlockConnector", "Unlock connector", "Fields: `connector_id`.";
    update_firmware, "/api/v1/ocpp16/update_firmware", "update_firmware", "UpdateFirmware", "Update firmware", "Fields: `location`, `retrieve_date`, `retries?`, `retry_interval?`.";
}
