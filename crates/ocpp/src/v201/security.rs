//! Security (functional block A) and ISO 15118 certificates (M). OCPP 2.0.1.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    CertificateActionEnum, CertificateHashData, CertificateHashDataChain,
    CertificateSignedStatusEnum, CertificateSigningUseEnum, DeleteCertificateStatusEnum,
    GenericStatusEnum, GetCertificateIdUseEnum, GetCertificateStatusEnum,
    GetInstalledCertificateStatusEnum, InstallCertificateStatusEnum, InstallCertificateUseEnum,
    Iso15118EVCertificateStatusEnum, OCSPRequestData, StatusInfo,
};
use crate::{CustomData, SomeOf, Text, Time, wire::object};

object! {
    /// Call of `CertificateSigned`.
    CertificateSignedRequest {
        certificate_chain: Text<10000> = "certificateChain",
    } {
        certificate_type: CertificateSigningUseEnum = "certificateType",
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `CertificateSigned`.
    CertificateSignedResponse {
        status: CertificateSignedStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `DeleteCertificate`.
    DeleteCertificateRequest {
        certificate_hash_data: CertificateHashData = "certificateHashData",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `DeleteCertificate`.
    DeleteCertificateResponse {
        status: DeleteCertificateStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `Get15118EVCertificate`.
    Get15118EVCertificateRequest {
        action: CertificateActionEnum = "action",
        exi_request: Text<5600> = "exiRequest",
        iso15118_schema_version: Text<50> = "iso15118SchemaVersion",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `Get15118EVCertificate`.
    Get15118EVCertificateResponse {
        exi_response: Text<7500> = "exiResponse",
        status: Iso15118EVCertificateStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `GetCertificateStatus`.
    GetCertificateStatusRequest {
        ocsp_request_data: OCSPRequestData = "ocspRequestData",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `GetCertificateStatus`.
    GetCertificateStatusResponse {
        status: GetCertificateStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        ocsp_result: Text<5500> = "ocspResult",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `GetInstalledCertificateIds`.
    GetInstalledCertificateIdsRequest {
    } {
        certificate_type: SomeOf<GetCertificateIdUseEnum> = "certificateType",
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `GetInstalledCertificateIds`.
    GetInstalledCertificateIdsResponse {
        status: GetInstalledCertificateStatusEnum = "status",
    } {
        certificate_hash_data_chain: SomeOf<CertificateHashDataChain> = "certificateHashDataChain",
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `InstallCertificate`.
    InstallCertificateRequest {
        certificate: Text<5500> = "certificate",
        certificate_type: InstallCertificateUseEnum = "certificateType",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `InstallCertificate`.
    InstallCertificateResponse {
        status: InstallCertificateStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `SecurityEventNotification`.
    SecurityEventNotificationRequest {
        timestamp: Time = "timestamp",
        kind: Text<50> = "type",
    } {
        custom_data: Box<CustomData> = "customData",
        tech_info: Text<255> = "techInfo" label,
    }
    /// Answer to `SecurityEventNotification`.
    SecurityEventNotificationResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `SignCertificate`.
    SignCertificateRequest {
        csr: Text<5500> = "csr",
    } {
        certificate_type: CertificateSigningUseEnum = "certificateType",
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `SignCertificate`.
    SignCertificateResponse {
        status: GenericStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
}
