//! PATCH `/chargepoints/{id}`.

use axum::extract::State;
use site_model::ChargePointId;
use utoipa::ToSchema;

use super::body::ChargePointBody;
use super::own;
use super::register::{TEXT_MAX, site};
use crate::charge_point::ChargePointChange;
use crate::http::body::{Fields, FromFields};
use crate::http::caller::CallerWith;
use crate::http::error::ApiError;
use crate::http::etag::Tagged;
use crate::http::if_match::IfMatch;
use crate::http::path::Named;
use crate::http::requirement::WriteChargePoints;
use crate::http::state::ApiState;
use crate::id::SiteId;

/// What of a charge point is to change; what is left out stays, null takes away.
#[derive(Debug, ToSchema)]
#[schema(as = ChargePointChange)]
pub(crate) struct ChargePointChangeBody {
    /// Where it is.
    #[schema(value_type = Option<String>)]
    site_id: Option<Option<SiteId>>,
    /// Its maker.
    #[schema(min_length = 1, max_length = 128)]
    vendor: Option<String>,
    /// Its model.
    #[schema(min_length = 1, max_length = 128)]
    model: Option<String>,
    /// Its serial number.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    serial_number: Option<Option<String>>,
    /// Whether it must show its certificate (security profile 3): nothing else lets it in then, from its
    /// next connection on.
    certificate_required: Option<bool>,
}

impl FromFields for ChargePointChangeBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let serial = |fields: &mut Fields| fields.text("serial_number", 1..=TEXT_MAX);
        Some(Self {
            site_id: fields.nullable("site_id", site),
            vendor: fields.optional_text("vendor", 1..=TEXT_MAX),
            model: fields.optional_text("model", 1..=TEXT_MAX),
            serial_number: fields.nullable("serial_number", serial),
            certificate_required: fields.flag("certificate_required"),
        })
    }
}

/// Change charge point
///
/// What is left out stays as it is; null takes a value away. A charge point behind a gateway is
/// described by its gateway: 409.
#[utoipa::path(
    patch,
    path = "/api/v1/chargepoints/{id}",
    tag = "Charge points",
    params(
        ("id" = String, Path, description = "Id of the charge point.", example = "cp_01hx2b3c4d5e6f"),
        ("If-Match" = Option<String>, Header, description = "Change it only if it has this `ETag`."),
    ),
    request_body = ChargePointChangeBody,
    responses(
        (status = 200, description = "The charge point as it is now.", body = ChargePointBody<'_>),
        (status = 404, description = "No charge point has this id."),
        (status = 409, description = "The charge point is behind a gateway."),
        (status = 412, description = "The charge point has another `ETag`."),
    ),
)]
pub(super) async fn change_charge_point(
    State(state): State<ApiState>,
    id: Named<ChargePointId>,
    if_match: IfMatch,
    CallerWith { caller, body, .. }: CallerWith<WriteChargePoints, ChargePointChangeBody>,
) -> Result<Tagged, ApiError> {
    let id = id.id()?;
    let kept = own(&state, caller.organisation(), &id).await?;
    let live = state.fleet().find(&id);
    let live = live.ok_or_else(|| ApiError::not_found("charge point"))?;
    if_match.check(&Tagged::new(&ChargePointBody::of(&kept, &live)))?;
    let change = ChargePointChange {
        site: body.site_id.unwrap_or(kept.site),
        vendor: body.vendor.unwrap_or(kept.vendor),
        model: body.model.unwrap_or(kept.model),
        serial: body.serial_number.unwrap_or(kept.serial),
        certificate_required: body
            .certificate_required
            .unwrap_or(kept.certificate_required),
    };
    let charge_points = &state.stores().charge_points;
    let changed = charge_points.change(caller.organisation(), &id, change);
    Ok(Tagged::new(&ChargePointBody::of(&changed.await?, &live)))
}
