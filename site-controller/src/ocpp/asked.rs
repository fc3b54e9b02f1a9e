//! What a central system asks of a charge point: what is answered at once, and what is an order for
//! the site. What this charge point does not offer is said in the words of its message.

use ocpp::ErrorCode;
use ocpp::v16::{
    AvailabilityStatus, AvailabilityType, CancelReservationResponse, CancelReservationStatus,
    ChangeAvailabilityResponse, ChargingProfile, DataTransferResponse, DataTransferStatus,
    RemoteStartStopStatus, RemoteStartTransactionRequest, RemoteStartTransactionResponse,
    RemoteStopTransactionResponse, Request, ReservationStatus, ReserveNowRequest,
    ReserveNowResponse, ResetResponse, ResetStatus, ResetType, Response, UnlockConnectorResponse,
    UnlockStatus,
};
use site_model::{ConnectorId, IdTag, ReservationAnswer, ReservationId, WallTime};

use super::Verdict;

/// What a call leads to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    /// This answer.
    Answer(Response),
    /// This refusal.
    Refuse(ErrorCode, &'static str),
    /// An order; its fate is the answer.
    Order(Order),
    /// The charging profiles say.
    Profiles,
    /// A call about who may charge; the list or the cache answers it.
    Access,
}

/// An order of the central system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Let a vehicle charge on this tag.
    Start {
        /// Absent: on any connector.
        connector: Option<ConnectorId>,
        id_tag: IdTag,
        /// For the transaction that it leads to.
        profile: Option<Box<ChargingProfile>>,
    },
    /// End the transaction.
    Stop { transaction_id: i64 },
    /// Take into or out of operation.
    Availability {
        /// Absent: all of them.
        connector: Option<ConnectorId>,
        operative: bool,
    },
    /// Keep a connector, or any one, for somebody.
    Reserve(Reserve),
    /// Keep it no longer.
    CancelReservation(ReservationId),
    /// Begin anew.
    Reset { hard: bool },
}

/// What is to be kept, for whom and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reserve {
    pub(super) id: ReservationId,
    /// Absent: any one.
    pub(super) connector: Option<ConnectorId>,
    pub(super) id_tag: IdTag,
    pub(super) parent: Option<IdTag>,
    pub(super) expires: WallTime,
}

impl Order {
    pub(super) fn answer(&self, verdict: Verdict) -> Response {
        if matches!(
            (self, verdict),
            (Self::Availability { .. }, Verdict::Scheduled)
        ) {
            return ChangeAvailabilityResponse::new(AvailabilityStatus::Scheduled).into();
        }
        let accepted = match verdict {
            Verdict::Accepted
            | Verdict::Scheduled
            | Verdict::Reservation(ReservationAnswer::Accepted) => true,
            Verdict::Refused(_) | Verdict::Reservation(_) => false,
        };
        let status = if accepted {
            RemoteStartStopStatus::Accepted
        } else {
            RemoteStartStopStatus::Rejected
        };
        match self {
            Self::Start { .. } => RemoteStartTransactionResponse::new(status).into(),
            Self::Stop { .. } => RemoteStopTransactionResponse::new(status).into(),
            Self::Availability { .. } => {
                let status = if accepted {
                    AvailabilityStatus::Accepted
                } else {
                    AvailabilityStatus::Rejected
                };
                ChangeAvailabilityResponse::new(status).into()
            }
            Self::Reserve(_) => ReserveNowResponse::new(reserved(verdict)).into(),
            Self::CancelReservation(_) => {
                let status = if accepted {
                    CancelReservationStatus::Accepted
                } else {
                    CancelReservationStatus::Rejected
                };
                CancelReservationResponse::new(status).into()
            }
            Self::Reset { .. } => {
                let status = if accepted {
                    ResetStatus::Accepted
                } else {
                    ResetStatus::Rejected
                };
                ResetResponse::new(status).into()
            }
        }
    }
}

fn reserved(verdict: Verdict) -> ReservationStatus {
    match verdict {
        Verdict::Accepted | Verdict::Reservation(ReservationAnswer::Accepted) => {
            ReservationStatus::Accepted
        }
        Verdict::Reservation(ReservationAnswer::Faulted) => ReservationStatus::Faulted,
        Verdict::Reservation(ReservationAnswer::Occupied) => ReservationStatus::Occupied,
        Verdict::Reservation(ReservationAnswer::Unavailable) => ReservationStatus::Unavailable,
        Verdict::Refused(_)
        | Verdict::Scheduled
        | Verdict::Reservation(ReservationAnswer::Rejected) => ReservationStatus::Rejected,
    }
}

pub(super) fn asked(request: &Request) -> Asked {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not named here is not offered, nor is what a later table adds"
    )]
    match request {
        Request::RemoteStartTransaction(request) => remote_start(request),
        Request::RemoteStopTransaction(request) => Asked::Order(Order::Stop {
            transaction_id: request.transaction_id,
        }),
        Request::ChangeAvailability(request) => match connector(request.connector_id) {
            Some(connector) => Asked::Order(Order::Availability {
                connector,
                operative: request.kind == AvailabilityType::Operative,
            }),
            None => {
                let rejected = AvailabilityStatus::Rejected;
                answer(ChangeAvailabilityResponse::new(rejected))
            }
        },
        Request::ReserveNow(request) => reserve(request),
        Request::CancelReservation(request) => Asked::Order(Order::CancelReservation(
            ReservationId(request.reservation_id),
        )),
        Request::UnlockConnector(_) => {
            answer(UnlockConnectorResponse::new(UnlockStatus::NotSupported))
        }
        Request::DataTransfer(_) => {
            let unknown = DataTransferStatus::UnknownVendorId;
            answer(DataTransferResponse::new(unknown))
        }
        Request::Reset(request) => Asked::Order(Order::Reset {
            hard: request.kind == ResetType::Hard,
        }),
        Request::SendLocalList(_) | Request::GetLocalListVersion(_) | Request::ClearCache(_) => {
            Asked::Access
        }
        Request::SetChargingProfile(_)
        | Request::ClearChargingProfile(_)
        | Request::GetCompositeSchedule(_) => Asked::Profiles,
        _ => Asked::Refuse(
            ErrorCode::NotSupported,
            "this charge point does not offer that",
        ),
    }
}

fn remote_start(request: &RemoteStartTransactionRequest) -> Asked {
    let wished = request.connector_id.map_or(Some(None), connector);
    let id_tag = IdTag::new(request.id_tag.as_str()).ok();
    match (wished, id_tag) {
        (Some(connector), Some(id_tag)) => Asked::Order(Order::Start {
            connector,
            id_tag,
            profile: request.charging_profile.clone().map(Box::new),
        }),
        (None, _) | (_, None) => {
            let rejected = RemoteStartStopStatus::Rejected;
            answer(RemoteStartTransactionResponse::new(rejected))
        }
    }
}

fn reserve(request: &ReserveNowRequest) -> Asked {
    let read = || {
        let parent = request.parent_id_tag.as_ref();
        let parent = parent.map(|parent| IdTag::new(parent.as_str()));
        Some(Reserve {
            id: ReservationId(request.reservation_id),
            connector: connector(request.connector_id)?,
            id_tag: IdTag::new(request.id_tag.as_str()).ok()?,
            parent: parent.transpose().ok()?,
            expires: WallTime(request.expiry_date.unix_ms()),
        })
    };
    match read() {
        Some(reserve) => Asked::Order(Order::Reserve(reserve)),
        None => answer(ReserveNowResponse::new(ReservationStatus::Rejected)),
    }
}

/// 0 is the whole charge point.
fn connector(number: i64) -> Option<Option<ConnectorId>> {
    let number = u8::try_from(number).ok()?;
    Some(ConnectorId::new(number).ok())
}

fn answer(response: impl Into<Response>) -> Asked {
    Asked::Answer(response.into())
}
