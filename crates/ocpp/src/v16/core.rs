//! The Core profile. OCPP 1.6.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    AvailabilityStatus, AvailabilityType, ChargePointErrorCode, ChargePointStatus, ChargingProfile,
    ClearCacheStatus, ConfigurationStatus, DataTransferStatus, IdTagInfo, KeyValue, MeterValue,
    Reason, RegistrationStatus, RemoteStartStopStatus, ResetStatus, ResetType, TransactionData,
    UnlockStatus,
};
use crate::{Secret, SomeOf, Text, Time, wire::object};

object! {
    /// Call of `Authorize`.
    AuthorizeRequest {
        id_tag: Text<20> = "idTag",
    } {
    }
    /// Answer to `Authorize`.
    AuthorizeResponse {
        id_tag_info: IdTagInfo = "idTagInfo",
    } {
    }
    /// Call of `BootNotification`.
    BootNotificationRequest {
        charge_point_model: Text<20> = "chargePointModel" label,
        charge_point_vendor: Text<20> = "chargePointVendor" label,
    } {
        charge_box_serial_number: Text<25> = "chargeBoxSerialNumber" label,
        charge_point_serial_number: Text<25> = "chargePointSerialNumber" label,
        firmware_version: Text<50> = "firmwareVersion" label,
        iccid: Text<20> = "iccid" label,
        imsi: Text<20> = "imsi" label,
        meter_serial_number: Text<25> = "meterSerialNumber" label,
        meter_type: Text<25> = "meterType" label,
    }
    /// Answer to `BootNotification`.
    BootNotificationResponse {
        current_time: Time = "currentTime",
        interval: i64 = "interval",
        status: RegistrationStatus = "status",
    } {
    }
    /// Call of `ChangeAvailability`.
    ChangeAvailabilityRequest {
        connector_id: i64 = "connectorId",
        kind: AvailabilityType = "type",
    } {
    }
    /// Answer to `ChangeAvailability`.
    ChangeAvailabilityResponse {
        status: AvailabilityStatus = "status",
    } {
    }
    /// Call of `ChangeConfiguration`.
    ChangeConfigurationRequest {
        key: Text<50> = "key",
        value: Secret<500> = "value",
    } {
    }
    /// Answer to `ChangeConfiguration`.
    ChangeConfigurationResponse {
        status: ConfigurationStatus = "status",
    } {
    }
    /// Call of `ClearCache`.
    ClearCacheRequest {
    } {
    }
    /// Answer to `ClearCache`.
    ClearCacheResponse {
        status: ClearCacheStatus = "status",
    } {
    }
    /// Call of `DataTransfer`.
    DataTransferRequest {
        vendor_id: Text<255> = "vendorId",
    } {
        data: String = "data",
        message_id: Text<50> = "messageId",
    }
    /// Answer to `DataTransfer`.
    DataTransferResponse {
        status: DataTransferStatus = "status",
    } {
        data: String = "data",
    }
    /// Call of `GetConfiguration`.
    GetConfigurationRequest {
    } {
        key: Vec<Text<50>> = "key",
    }
    /// Answer to `GetConfiguration`.
    GetConfigurationResponse {
    } {
        configuration_key: Vec<KeyValue> = "configurationKey",
        unknown_key: Vec<Text<50>> = "unknownKey",
    }
    /// Call of `Heartbeat`.
    HeartbeatRequest {
    } {
    }
    /// Answer to `Heartbeat`.
    HeartbeatResponse {
        current_time: Time = "currentTime",
    } {
    }
    /// Call of `MeterValues`.
    MeterValuesRequest {
        connector_id: i64 = "connectorId",
        meter_value: SomeOf<MeterValue> = "meterValue" lossy,
    } {
        transaction_id: i64 = "transactionId" nonzero,
    }
    /// Answer to `MeterValues`.
    MeterValuesResponse {
    } {
    }
    /// Call of `RemoteStartTransaction`.
    RemoteStartTransactionRequest {
        id_tag: Text<20> = "idTag",
    } {
        charging_profile: ChargingProfile = "chargingProfile",
        connector_id: i64 = "connectorId",
    }
    /// Answer to `RemoteStartTransaction`.
    RemoteStartTransactionResponse {
        status: RemoteStartStopStatus = "status",
    } {
    }
    /// Call of `RemoteStopTransaction`.
    RemoteStopTransactionRequest {
        transaction_id: i64 = "transactionId",
    } {
    }
    /// Answer to `RemoteStopTransaction`.
    RemoteStopTransactionResponse {
        status: RemoteStartStopStatus = "status",
    } {
    }
    /// Call of `Reset`.
    ResetRequest {
        kind: ResetType = "type",
    } {
    }
    /// Answer to `Reset`.
    ResetResponse {
        status: ResetStatus = "status",
    } {
    }
    /// Call of `StartTransaction`.
    StartTransactionRequest {
        connector_id: i64 = "connectorId",
        id_tag: Text<20> = "idTag",
        meter_start: i64 = "meterStart" exact,
        timestamp: Time = "timestamp",
    } {
        reservation_id: i64 = "reservationId",
    }
    /// Answer to `StartTransaction`.
    StartTransactionResponse {
        id_tag_info: IdTagInfo = "idTagInfo",
        transaction_id: i64 = "transactionId",
    } {
    }
    /// Call of `StatusNotification`.
    StatusNotificationRequest {
        connector_id: i64 = "connectorId",
        error_code: ChargePointErrorCode = "errorCode",
        status: ChargePointStatus = "status",
    } {
        info: Text<50> = "info" label,
        timestamp: Time = "timestamp",
        vendor_error_code: Text<50> = "vendorErrorCode" label,
        vendor_id: Text<255> = "vendorId" label,
    }
    /// Answer to `StatusNotification`.
    StatusNotificationResponse {
    } {
    }
    /// Call of `StopTransaction`.
    StopTransactionRequest {
        meter_stop: i64 = "meterStop" exact,
        timestamp: Time = "timestamp",
        transaction_id: i64 = "transactionId" nonzero,
    } {
        id_tag: Text<20> = "idTag",
        reason: Reason = "reason",
        transaction_data: TransactionData = "transactionData" lossy,
    }
    /// Answer to `StopTransaction`.
    StopTransactionResponse {
    } {
        id_tag_info: IdTagInfo = "idTagInfo",
    }
    /// Call of `UnlockConnector`.
    UnlockConnectorRequest {
        connector_id: i64 = "connectorId",
    } {
    }
    /// Answer to `UnlockConnector`.
    UnlockConnectorResponse {
        status: UnlockStatus = "status",
    } {
    }
}
