//! Firmware management (functional block L). OCPP 2.0.1.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    Firmware, FirmwareStatusEnum, GenericStatusEnum, PublishFirmwareStatusEnum, StatusInfo,
    UnpublishFirmwareStatusEnum, UpdateFirmwareStatusEnum,
};
use crate::{CustomData, SomeOf, Text, wire::object};

object! {
    /// Call of `FirmwareStatusNotification`.
    FirmwareStatusNotificationRequest {
        status: FirmwareStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        request_id: i64 = "requestId",
    }
    /// Answer to `FirmwareStatusNotification`.
    FirmwareStatusNotificationResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `PublishFirmware`.
    PublishFirmwareRequest {
        checksum: Text<32> = "checksum",
        location: Text<512> = "location",
        request_id: i64 = "requestId",
    } {
        custom_data: Box<CustomData> = "customData",
        retries: i64 = "retries",
        retry_interval: i64 = "retryInterval",
    }
    /// Answer to `PublishFirmware`.
    PublishFirmwareResponse {
        status: GenericStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `PublishFirmwareStatusNotification`.
    PublishFirmwareStatusNotificationRequest {
        status: PublishFirmwareStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        location: SomeOf<Text<512>> = "location",
        request_id: i64 = "requestId",
    }
    /// Answer to `PublishFirmwareStatusNotification`.
    PublishFirmwareStatusNotificationResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `UnpublishFirmware`.
    UnpublishFirmwareRequest {
        checksum: Text<32> = "checksum",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `UnpublishFirmware`.
    UnpublishFirmwareResponse {
        status: UnpublishFirmwareStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `UpdateFirmware`.
    UpdateFirmwareRequest {
        firmware: Firmware = "firmware",
        request_id: i64 = "requestId",
    } {
        custom_data: Box<CustomData> = "customData",
        retries: i64 = "retries",
        retry_interval: i64 = "retryInterval",
    }
    /// Answer to `UpdateFirmware`.
    UpdateFirmwareResponse {
        status: UpdateFirmwareStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
}
