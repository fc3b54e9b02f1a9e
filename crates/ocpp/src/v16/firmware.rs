//! The Firmware Management profile. OCPP 1.6.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{DiagnosticsStatus, FirmwareStatus};
use crate::{Text, Time, Uri, wire::object};

object! {
    /// Call of `DiagnosticsStatusNotification`.
    DiagnosticsStatusNotificationRequest {
        status: DiagnosticsStatus = "status",
    } {
    }
    /// Answer to `DiagnosticsStatusNotification`.
    DiagnosticsStatusNotificationResponse {
    } {
    }
    /// Call of `FirmwareStatusNotification`.
    FirmwareStatusNotificationRequest {
        status: FirmwareStatus = "status",
    } {
    }
    /// Answer to `FirmwareStatusNotification`.
    FirmwareStatusNotificationResponse {
    } {
    }
    /// Call of `GetDiagnostics`.
    GetDiagnosticsRequest {
        location: Uri = "location",
    } {
        retries: i64 = "retries",
        retry_interval: i64 = "retryInterval",
        start_time: Time = "startTime",
        stop_time: Time = "stopTime",
    }
    /// Answer to `GetDiagnostics`.
    GetDiagnosticsResponse {
    } {
        file_name: Text<255> = "fileName",
    }
    /// Call of `UpdateFirmware`.
    UpdateFirmwareRequest {
        location: Uri = "location",
        retrieve_date: Time = "retrieveDate",
    } {
        retries: i64 = "retries",
        retry_interval: i64 = "retryInterval",
    }
    /// Answer to `UpdateFirmware`.
    UpdateFirmwareResponse {
    } {
    }
}
