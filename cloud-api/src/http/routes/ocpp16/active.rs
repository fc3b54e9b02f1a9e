//! GET `/ocpp16/active_transactions`.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::caller::Caller;
use crate::http::error::{ApiError, Detail};
use crate::http::etag::Tagged;
use crate::http::page::{Page, PageFrame};
use crate::http::parameters::Parameters;
use crate::http::query::Query;
use crate::http::requirement::{AnyOf, ReadChargePoints, ReadSessions};
use crate::http::state::ApiState;
use crate::http::time;
use crate::session::ActiveTransaction;

/// A page of the organisation's open transactions, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransactionList {
    /// The transactions.
    transactions: Vec<TransactionBody>,
    #[serde(flatten)]
    page: PageFrame,
}

/// An open transaction of OCPP 1.6.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActiveTransaction)]
pub(crate) struct TransactionBody {
    /// Its id.
    #[schema(example = 1_482_093_744)]
    transaction_id: i64,
    /// Where it runs.
    #[schema(example = "cp_01hx2b3c4d5e6f")]
    charge_point_id: String,
    /// Where it runs.
    #[schema(example = 1)]
    connector_id: u8,
    /// What authorized it.
    #[schema(example = "04A1B2C3D4E5F6")]
    id_tag: String,
    /// Register at its start.
    #[schema(example = 1_204_500)]
    meter_start_wh: u64,
    /// When it began.
    #[schema(format = DateTime, example = "2026-05-01T09:00:00Z")]
    started_at: String,
    /// Its session; null while its gateway has not told it.
    #[schema(required, example = "sess_01hx2b3c4d5e6f7g8h9jkmnpqr")]
    session_id: Option<String>,
    /// Whether it began while its charge point was not connected.
    offline: bool,
}

/// Which page is asked for.
#[derive(Debug)]
pub(super) struct ActiveQuery {
    charge_point: Option<String>,
    page: Page,
}

impl Query for ActiveQuery {
    fn parse(query: Option<&str>) -> Result<Self, Vec<Detail>> {
        let mut parameters = Parameters::of(query);
        let page = Page::take(&mut parameters);
        if page.after.is_some() {
            parameters.fault("cursor", "is not known here; use offset");
        }
        let charge_point = parameters.text("charge_point_id");
        parameters.finish(Self { charge_point, page })
    }
}

/// List active transactions
#[utoipa::path(
    get,
    path = "/api/v1/ocpp16/active_transactions",
    tag = "OCPP 1.6",
    params(
        ("charge_point_id" = Option<String>, Query, description = "On this charge point."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries of a page; 50 if left out."),
        ("offset" = Option<u32>, Query, minimum = 0, maximum = 1_000_000, description = "Entries before the page."),
    ),
    responses(
        (status = 200, description = "A page of them.", body = TransactionList),
        (status = 304, description = "Nothing changed since the `ETag` of `If-None-Match`."),
    ),
)]
pub(super) async fn list_active_transactions(
    caller: Caller<AnyOf<ReadSessions, ReadChargePoints>, ActiveQuery>,
    State(state): State<ApiState>,
) -> Result<Tagged, ApiError> {
    let ActiveQuery { charge_point, page } = &caller.query;
    let listed = state.stores().sessions.active_transactions(
        caller.organisation(),
        charge_point.as_deref(),
        page.limit,
        page.offset,
    );
    let (transactions, total) = listed.await?;
    let shown = transactions.len();
    let transactions = transactions.into_iter().map(TransactionBody::from);
    Ok(Tagged::new(&TransactionList {
        transactions: transactions.collect(),
        page: page.frame(total, shown, None),
    }))
}

impl From<ActiveTransaction> for TransactionBody {
    fn from(active: ActiveTransaction) -> Self {
        Self {
            transaction_id: active.transaction,
            charge_point_id: active.charge_point,
            connector_id: active.connector,
            id_tag: active.id_tag,
            meter_start_wh: active.meter_start_wh,
            started_at: time::shown(active.started_at),
            session_id: active.session,
            offline: active.offline,
        }
    }
}
