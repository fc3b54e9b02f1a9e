//! Authorization (functional block C) and the local list (D). OCPP 2.0.1.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    AuthorizationData, AuthorizeCertificateStatusEnum, ClearCacheStatusEnum, IdToken, IdTokenInfo,
    OCSPRequestData, SendLocalListStatusEnum, StatusInfo, UpdateEnum,
};
use crate::{CustomData, List, SomeOf, Text, wire::object};

object! {
    /// Call of `Authorize`.
    AuthorizeRequest {
        id_token: IdToken = "idToken",
    } {
        certificate: Text<5500> = "certificate",
        custom_data: Box<CustomData> = "customData",
        iso15118_certificate_hash_data: List<OCSPRequestData, 1, 4> = "iso15118CertificateHashData",
    }
    /// Answer to `Authorize`.
    AuthorizeResponse {
        id_token_info: IdTokenInfo = "idTokenInfo",
    } {
        certificate_status: AuthorizeCertificateStatusEnum = "certificateStatus",
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `ClearCache`.
    ClearCacheRequest {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `ClearCache`.
    ClearCacheResponse {
        status: ClearCacheStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `GetLocalListVersion`.
    GetLocalListVersionRequest {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `GetLocalListVersion`.
    GetLocalListVersionResponse {
        version_number: i64 = "versionNumber",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `SendLocalList`.
    SendLocalListRequest {
        update_type: UpdateEnum = "updateType",
        version_number: i64 = "versionNumber",
    } {
        custom_data: Box<CustomData> = "customData",
        local_authorization_list: SomeOf<AuthorizationData> = "localAuthorizationList",
    }
    /// Answer to `SendLocalList`.
    SendLocalListResponse {
        status: SendLocalListStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
}
