//! Availability (functional block G) and reservation (H). OCPP 2.0.1.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    CancelReservationStatusEnum, ChangeAvailabilityStatusEnum, ConnectorEnum, ConnectorStatusEnum,
    EVSE, IdToken, OperationalStatusEnum, ReservationUpdateStatusEnum, ReserveNowStatusEnum,
    StatusInfo,
};
use crate::{CustomData, Time, wire::object};

object! {
    /// Call of `CancelReservation`.
    CancelReservationRequest {
        reservation_id: i64 = "reservationId",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `CancelReservation`.
    CancelReservationResponse {
        status: CancelReservationStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `ChangeAvailability`.
    ChangeAvailabilityRequest {
        operational_status: OperationalStatusEnum = "operationalStatus",
    } {
        custom_data: Box<CustomData> = "customData",
        evse: EVSE = "evse",
    }
    /// Answer to `ChangeAvailability`.
    ChangeAvailabilityResponse {
        status: ChangeAvailabilityStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `Heartbeat`.
    HeartbeatRequest {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `Heartbeat`.
    HeartbeatResponse {
        current_time: Time = "currentTime",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `ReservationStatusUpdate`.
    ReservationStatusUpdateRequest {
        reservation_id: i64 = "reservationId",
        reservation_update_status: ReservationUpdateStatusEnum = "reservationUpdateStatus",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `ReservationStatusUpdate`.
    ReservationStatusUpdateResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `ReserveNow`.
    ReserveNowRequest {
        expiry_date_time: Time = "expiryDateTime",
        id: i64 = "id",
        id_token: IdToken = "idToken",
    } {
        connector_type: ConnectorEnum = "connectorType",
        custom_data: Box<CustomData> = "customData",
        evse_id: i64 = "evseId",
        group_id_token: IdToken = "groupIdToken",
    }
    /// Answer to `ReserveNow`.
    ReserveNowResponse {
        status: ReserveNowStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `StatusNotification`.
    StatusNotificationRequest {
        connector_id: i64 = "connectorId",
        connector_status: ConnectorStatusEnum = "connectorStatus",
        evse_id: i64 = "evseId",
        timestamp: Time = "timestamp",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `StatusNotification`.
    StatusNotificationResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
}
