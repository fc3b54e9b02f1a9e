//! POST `/chargepoints`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use site_model::{ChargePointId, ConnectorId, ConnectorType, Watts};
use utoipa::ToSchema;

use crate::charge_point::{CONNECTORS_MAX, NewChargePoint, NewConnector};
use crate::http::body::{Fields, FromFields};
use crate::http::caller::CallerWith;
use crate::http::error::ApiError;
use crate::http::idempotency::{IdempotencyKey, Made, Once};
use crate::http::requirement::WriteChargePoints;
use crate::http::state::ApiState;
use crate::http::time;
use crate::id::SiteId;

/// Longest vendor, model and serial number, in characters.
pub(super) const TEXT_MAX: usize = 128;
/// Most power of a connector, W: beyond what any connector is rated for.
const POWER_MAX_W: u64 = 10_000_000;

/// A charge point that connects itself.
#[derive(Debug, ToSchema)]
#[schema(as = NewChargePoint)]
pub(crate) struct NewChargePointBody {
    /// Its OCPP identity, unique on the platform: 1 to 48 of `A-Z a-z 0-9 - _ * . =`, but neither
    /// `status` nor `bulk`. Left out, the platform makes one.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 48, example = "DE*ABC*E0042")]
    charge_point_id: Option<ChargePointId>,
    /// Its maker.
    #[schema(min_length = 1, max_length = 128, example = "Mennekes")]
    vendor: String,
    /// Its model.
    #[schema(min_length = 1, max_length = 128, example = "Amtron Xtra 22")]
    model: String,
    /// Its serial number.
    #[schema(min_length = 1, max_length = 128)]
    serial_number: Option<String>,
    /// Where it is.
    #[schema(value_type = Option<String>)]
    site_id: Option<SiteId>,
    /// Its connectors as far as they are known; others show when it tells of them.
    #[schema(value_type = Option<Vec<NewConnectorBody>>)]
    connectors: Vec<NewConnector>,
    /// Whether it may connect with a token in the path instead of a password (security profile 0),
    /// for stations that can do neither basic authentication nor certificates; false if left out.
    #[schema(value_type = Option<bool>)]
    path_token: bool,
    /// Whether it must show its certificate (security profile 3): nothing else lets it in then; false if
    /// left out.
    #[schema(value_type = Option<bool>)]
    certificate_required: bool,
}

/// A connector as its operator describes it.
#[derive(Debug, ToSchema)]
#[schema(as = NewConnector)]
#[expect(dead_code, reason = "documentation of what is read field by field")]
pub(crate) struct NewConnectorBody {
    /// Its number.
    #[schema(minimum = 1, maximum = 255, example = 1)]
    connector_id: u8,
    /// Its plug or socket: Type2, Type1, CCS2 or CHAdeMO.
    #[schema(example = "Type2")]
    r#type: String,
    /// Rated power, with at most 3 decimals.
    #[schema(example = 22)]
    max_power_kw: f64,
}

/// A charge point that was registered. Its secrets are shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct RegisteredChargePoint {
    /// Its OCPP identity, also the user name of its basic authentication.
    #[schema(example = "DE*ABC*E0042")]
    charge_point_id: String,
    /// Its maker.
    vendor: String,
    /// Its model.
    model: String,
    /// Its serial number.
    #[schema(required)]
    serial_number: Option<String>,
    /// Where it is.
    #[schema(required)]
    site_id: Option<String>,
    /// How far its life is: it begins as `registered`.
    #[schema(example = "registered")]
    status: &'static str,
    /// Where it connects. Security profile 1 is `ws`, 2 and 3 are `wss`.
    #[schema(example = "wss://csms.example.com/ocpp/DE*ABC*E0042")]
    ocpp_endpoint: String,
    /// Password of its basic authentication: 20 ASCII letters and digits.
    #[schema(example = "3nB8kQ…")]
    provisioning_password: String,
    /// Where it connects without a password (security profile 0); only if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    path_token_endpoint: Option<String>,
    /// When it was registered.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    registered_at: String,
}

impl FromFields for NewChargePointBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let charge_point_id = id(fields);
        let vendor = fields.text("vendor", 1..=TEXT_MAX);
        let model = fields.text("model", 1..=TEXT_MAX);
        let serial_number = fields.optional_text("serial_number", 1..=TEXT_MAX);
        let site_id = site(fields);
        let connectors = connectors(fields);
        let path_token = fields.flag("path_token").unwrap_or(false);
        let certificate_required = fields.flag("certificate_required").unwrap_or(false);
        Some(Self {
            charge_point_id,
            vendor: vendor?,
            model: model?,
            serial_number,
            site_id,
            connectors,
            path_token,
            certificate_required,
        })
    }
}

fn id(fields: &mut Fields) -> Option<ChargePointId> {
    let value = fields.optional("charge_point_id")?;
    let id = value.as_str().map(ChargePointId::new);
    match id {
        Some(Ok(id)) => Some(id),
        Some(Err(invalid)) => {
            fields.fault("charge_point_id", format!("must {}", invalid.rule));
            None
        }
        None => {
            fields.fault("charge_point_id", "must be a string");
            None
        }
    }
}

/// An id that cannot be one names no site of the organisation, as an unknown one does.
pub(super) fn site(fields: &mut Fields) -> Option<SiteId> {
    let value = fields.optional("site_id")?;
    let site = value.as_str().and_then(SiteId::parse);
    if site.is_none() {
        fields.fault("site_id", "is not a site of the organisation");
    }
    site
}

fn connectors(fields: &mut Fields) -> Vec<NewConnector> {
    let Some(value) = fields.optional("connectors") else {
        return Vec::new();
    };
    let Value::Array(items) = value else {
        fields.fault("connectors", "must be an array");
        return Vec::new();
    };
    if items.len() > CONNECTORS_MAX {
        fields.fault("connectors", format!("must be at most {CONNECTORS_MAX}"));
        return Vec::new();
    }
    let mut connectors: Vec<NewConnector> = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let field = format!("connectors[{place}]");
        match connector(item) {
            Ok(one)
                if connectors
                    .iter()
                    .any(|held| held.connector == one.connector) =>
            {
                fields.fault(field, "has the connector_id of another one");
            }
            Ok(one) => connectors.push(one),
            Err(rule) => fields.fault(field, rule),
        }
    }
    connectors
}

fn connector(item: &Value) -> Result<NewConnector, &'static str> {
    let object = item.as_object().ok_or("must be an object")?;
    let known = ["connector_id", "type", "max_power_kw"];
    if object.keys().any(|name| !known.contains(&name.as_str())) {
        return Err("may have connector_id, type and max_power_kw only");
    }
    let number = object.get("connector_id").and_then(Value::as_u64);
    let number = number.and_then(|number| u8::try_from(number).ok());
    let number = number.and_then(|number| ConnectorId::new(number).ok());
    let kind = object.get("type").and_then(Value::as_str);
    let power = object.get("max_power_kw").and_then(watts);
    Ok(NewConnector {
        connector: number.ok_or("needs a connector_id from 1 to 255")?,
        kind: kind
            .and_then(ConnectorType::parse)
            .ok_or("needs a type: Type2, Type1, CCS2 or CHAdeMO")?,
        max_power: power
            .ok_or("needs a max_power_kw from 0.001 to 10000 with at most 3 decimals")?,
    })
}

/// Watts of a number of kW as JSON writes it, without a detour through binary fractions.
fn watts(value: &Value) -> Option<Watts> {
    let Value::Number(number) = value else {
        return None;
    };
    let text = number.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let decimals = decimals.trim_end_matches('0');
    if decimals.len() > 3 {
        return None;
    }
    let kilo: u64 = whole.parse().ok()?;
    let rest: u64 = format!("{decimals:0<3}").parse().ok()?;
    let watts = kilo.checked_mul(1_000)?.checked_add(rest)?;
    let in_range = (1..=POWER_MAX_W).contains(&watts);
    in_range.then(|| i32::try_from(watts).ok().map(Watts))?
}

/// Register charge point
///
/// For a charge point that connects to this platform itself; those behind a gateway are announced by
/// it. Its password is in this answer and nowhere else. An id that is taken is 409, whoever has it.
///
/// With an `Idempotency-Key`, a repeat of the same body within 24 h answers 409 and names the charge
/// point that was registered (answers with a secret are never stored); another body answers 422.
#[utoipa::path(
    post,
    path = "/api/v1/chargepoints",
    tag = "Charge points",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "The client's mark of this attempt, kept for 24 h.")),
    request_body = NewChargePointBody,
    responses(
        (status = 201, description = "The charge point is registered.", body = RegisteredChargePoint),
        (status = 409, description = "The id is taken, or the organisation has as many as it may."),
        (status = 422, description = "The `Idempotency-Key` was used before with another body."),
    ),
)]
pub(super) async fn register_charge_point(
    State(state): State<ApiState>,
    mark: IdempotencyKey,
    CallerWith {
        caller,
        body,
        body_hash,
    }: CallerWith<WriteChargePoints, NewChargePointBody>,
) -> Result<Response, ApiError> {
    let organisation = caller.organisation().clone();
    let once = Once {
        organisation: organisation.clone(),
        mark,
        request: "POST /api/v1/chargepoints".to_owned(),
        body_hash,
    };
    let new = NewChargePoint {
        organisation,
        id: body.charge_point_id,
        site: body.site_id,
        vendor: body.vendor,
        model: body.model,
        serial: body.serial_number,
        connectors: body.connectors,
        path_token: body.path_token,
        certificate_required: body.certificate_required,
    };
    let making = {
        let state = state.clone();
        async move {
            let registered = state.stores().charge_points.register(new).await?;
            let kept = registered.charge_point;
            // One that was held connects again, and is known then.
            state.stores().dispatch.stations().close(&kept.id);
            let endpoint = &state.stores().ocpp_endpoint;
            let token = registered.path_token.as_ref();
            let body = RegisteredChargePoint {
                charge_point_id: kept.id.to_string(),
                vendor: kept.vendor,
                model: kept.model,
                serial_number: kept.serial,
                site_id: kept.site.as_ref().map(ToString::to_string),
                status: "registered",
                ocpp_endpoint: format!("{endpoint}{}", kept.id),
                provisioning_password: registered.password.expose().clone(),
                path_token_endpoint: token
                    .map(|token| format!("{endpoint}{}/{}", kept.id, token.expose())),
                registered_at: time::shown(kept.registered_at),
            };
            let of = format!("the charge point {}", kept.id);
            Ok(Made::with_secret(StatusCode::CREATED, &body, of))
        }
    };
    once.answer(&state, making).await
}

/// Leaves out the secrets.
impl std::fmt::Debug for RegisteredChargePoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegisteredChargePoint")
            .field("charge_point_id", &self.charge_point_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilowatts_are_exact_to_the_watt_and_never_nothing() {
        let of = |text: &str| watts(&serde_json::from_str(text).unwrap());
        assert_eq!(of("22"), Some(Watts(22_000)));
        assert_eq!(of("43.5"), Some(Watts(43_500)));
        assert_eq!(of("0.001"), Some(Watts(1)));
        assert_eq!(of("10000"), Some(Watts(10_000_000)));
        for bad in ["0", "-1", "0.0001", "10000.001", "1e9", "\"22\"", "null"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
