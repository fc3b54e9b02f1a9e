//! Transactions (functional block E), remote control (F) and meter values (J). OCPP 2.0.1.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    ChargingProfile, EVSE, IdToken, IdTokenInfo, MessageContent, MessageTriggerEnum, MeterValue,
    RequestStartStopStatusEnum, StatusInfo, Transaction, TransactionEventEnum,
    TriggerMessageStatusEnum, TriggerReasonEnum, UnlockStatusEnum,
};
use crate::{CustomData, Decimal, SomeOf, Text, Time, wire::object};

object! {
    /// Call of `GetTransactionStatus`.
    GetTransactionStatusRequest {
    } {
        custom_data: Box<CustomData> = "customData",
        transaction_id: Text<36> = "transactionId",
    }
    /// Answer to `GetTransactionStatus`.
    GetTransactionStatusResponse {
        messages_in_queue: bool = "messagesInQueue",
    } {
        custom_data: Box<CustomData> = "customData",
        ongoing_indicator: bool = "ongoingIndicator",
    }
    /// Call of `MeterValues`.
    MeterValuesRequest {
        evse_id: i64 = "evseId",
        meter_value: SomeOf<MeterValue> = "meterValue" lossy,
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `MeterValues`.
    MeterValuesResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `RequestStartTransaction`.
    RequestStartTransactionRequest {
        id_token: IdToken = "idToken",
        remote_start_id: i64 = "remoteStartId",
    } {
        charging_profile: ChargingProfile = "chargingProfile",
        custom_data: Box<CustomData> = "customData",
        evse_id: i64 = "evseId",
        group_id_token: IdToken = "groupIdToken",
    }
    /// Answer to `RequestStartTransaction`.
    RequestStartTransactionResponse {
        status: RequestStartStopStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
        transaction_id: Text<36> = "transactionId",
    }
    /// Call of `RequestStopTransaction`.
    RequestStopTransactionRequest {
        transaction_id: Text<36> = "transactionId",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `RequestStopTransaction`.
    RequestStopTransactionResponse {
        status: RequestStartStopStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `TransactionEvent`.
    TransactionEventRequest {
        event_type: TransactionEventEnum = "eventType",
        seq_no: i64 = "seqNo",
        timestamp: Time = "timestamp",
        transaction_info: Transaction = "transactionInfo",
        trigger_reason: TriggerReasonEnum = "triggerReason",
    } {
        cable_max_current: i64 = "cableMaxCurrent",
        custom_data: Box<CustomData> = "customData",
        evse: EVSE = "evse",
        id_token: IdToken = "idToken",
        meter_value: SomeOf<MeterValue> = "meterValue" lossy,
        number_of_phases_used: i64 = "numberOfPhasesUsed",
        offline: bool = "offline",
        reservation_id: i64 = "reservationId",
    }
    /// Answer to `TransactionEvent`.
    TransactionEventResponse {
    } {
        charging_priority: i64 = "chargingPriority",
        custom_data: Box<CustomData> = "customData",
        id_token_info: IdTokenInfo = "idTokenInfo",
        total_cost: Decimal = "totalCost" exact,
        updated_personal_message: MessageContent = "updatedPersonalMessage",
    }
    /// Call of `TriggerMessage`.
    TriggerMessageRequest {
        requested_message: MessageTriggerEnum = "requestedMessage",
    } {
        custom_data: Box<CustomData> = "customData",
        evse: EVSE = "evse",
    }
    /// Answer to `TriggerMessage`.
    TriggerMessageResponse {
        status: TriggerMessageStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `UnlockConnector`.
    UnlockConnectorRequest {
        connector_id: i64 = "connectorId",
        evse_id: i64 = "evseId",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `UnlockConnector`.
    UnlockConnectorResponse {
        status: UnlockStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
}
