//! The security extension (whitepaper "Improved security for OCPP 1.6-J"). OCPP 1.6.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    CertificateHashData, CertificateSignedStatus, CertificateUse, DeleteCertificateStatus,
    ExtendedMessageTrigger, Firmware, GenericStatus, GetInstalledCertificateStatus,
    InstallCertificateStatus, Log, LogParameters, LogStatus, SignedFirmwareStatus,
    SignedUpdateFirmwareStatus, TriggerMessageStatus, UploadLogStatus,
};
use crate::{SomeOf, Text, Time, wire::object};

object! {
    /// Call of `CertificateSigned`.
    CertificateSignedRequest {
        certificate_chain: Text<10000> = "certificateChain",
    } {
    }
    /// Answer to `CertificateSigned`.
    CertificateSignedResponse {
        status: CertificateSignedStatus = "status",
    } {
    }
    /// Call of `DeleteCertificate`.
    DeleteCertificateRequest {
        certificate_hash_data: CertificateHashData = "certificateHashData",
    } {
    }
    /// Answer to `DeleteCertificate`.
    DeleteCertificateResponse {
        status: DeleteCertificateStatus = "status",
    } {
    }
    /// Call of `ExtendedTriggerMessage`.
    ExtendedTriggerMessageRequest {
        requested_message: ExtendedMessageTrigger = "requestedMessage",
    } {
        connector_id: i64 = "connectorId",
    }
    /// Answer to `ExtendedTriggerMessage`.
    ExtendedTriggerMessageResponse {
        status: TriggerMessageStatus = "status",
    } {
    }
    /// Call of `GetInstalledCertificateIds`.
    GetInstalledCertificateIdsRequest {
        certificate_type: CertificateUse = "certificateType",
    } {
    }
    /// Answer to `GetInstalledCertificateIds`.
    GetInstalledCertificateIdsResponse {
        status: GetInstalledCertificateStatus = "status",
    } {
        certificate_hash_data: SomeOf<CertificateHashData> = "certificateHashData",
    }
    /// Call of `GetLog`.
    GetLogRequest {
        log: LogParameters = "log",
        log_type: Log = "logType",
        request_id: i64 = "requestId",
    } {
        retries: i64 = "retries",
        retry_interval: i64 = "retryInterval",
    }
    /// Answer to `GetLog`.
    GetLogResponse {
        status: LogStatus = "status",
    } {
        filename: Text<255> = "filename",
    }
    /// Call of `InstallCertificate`.
    InstallCertificateRequest {
        certificate: Text<5500> = "certificate",
        certificate_type: CertificateUse = "certificateType",
    } {
    }
    /// Answer to `InstallCertificate`.
    InstallCertificateResponse {
        status: InstallCertificateStatus = "status",
    } {
    }
    /// Call of `LogStatusNotification`.
    LogStatusNotificationRequest {
        status: UploadLogStatus = "status",
    } {
        request_id: i64 = "requestId",
    }
    /// Answer to `LogStatusNotification`.
    LogStatusNotificationResponse {
    } {
    }
    /// Call of `SecurityEventNotification`.
    SecurityEventNotificationRequest {
        timestamp: Time = "timestamp",
        kind: Text<50> = "type",
    } {
        tech_info: Text<255> = "techInfo" label,
    }
    /// Answer to `SecurityEventNotification`.
    SecurityEventNotificationResponse {
    } {
    }
    /// Call of `SignCertificate`.
    SignCertificateRequest {
        csr: Text<5500> = "csr",
    } {
    }
    /// Answer to `SignCertificate`.
    SignCertificateResponse {
        status: GenericStatus = "status",
    } {
    }
    /// Call of `SignedFirmwareStatusNotification`.
    SignedFirmwareStatusNotificationRequest {
        status: SignedFirmwareStatus = "status",
    } {
        request_id: i64 = "requestId",
    }
    /// Answer to `SignedFirmwareStatusNotification`.
    SignedFirmwareStatusNotificationResponse {
    } {
    }
    /// Call of `SignedUpdateFirmware`.
    SignedUpdateFirmwareRequest {
        firmware: Firmware = "firmware",
        request_id: i64 = "requestId",
    } {
        retries: i64 = "retries",
        retry_interval: i64 = "retryInterval",
    }
    /// Answer to `SignedUpdateFirmware`.
    SignedUpdateFirmwareResponse {
        status: SignedUpdateFirmwareStatus = "status",
    } {
    }
}
