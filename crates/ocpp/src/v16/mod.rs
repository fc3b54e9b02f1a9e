//! Every message of OCPP 1.6.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

mod core;
mod firmware;
mod local_list;
mod reservation;
mod security;
mod smart_charging;
mod trigger;
mod types;
mod words;

use crate::wire::messages;

pub use crate::by_hand::TransactionData;
pub use core::{
    AuthorizeRequest, AuthorizeResponse, BootNotificationRequest, BootNotificationResponse,
    ChangeAvailabilityRequest, ChangeAvailabilityResponse, ChangeConfigurationRequest,
    ChangeConfigurationResponse, ClearCacheRequest, ClearCacheResponse, DataTransferRequest,
    DataTransferResponse, GetConfigurationRequest, GetConfigurationResponse, HeartbeatRequest,
    HeartbeatResponse, MeterValuesRequest, MeterValuesResponse, RemoteStartTransactionRequest,
    RemoteStartTransactionResponse, RemoteStopTransactionRequest, RemoteStopTransactionResponse,
    ResetRequest, ResetResponse, StartTransactionRequest, StartTransactionResponse,
    StatusNotificationRequest, StatusNotificationResponse, StopTransactionRequest,
    StopTransactionResponse, UnlockConnectorRequest, UnlockConnectorResponse,
};
pub use firmware::{
    DiagnosticsStatusNotificationRequest, DiagnosticsStatusNotificationResponse,
    FirmwareStatusNotificationRequest, FirmwareStatusNotificationResponse, GetDiagnosticsRequest,
    GetDiagnosticsResponse, UpdateFirmwareRequest, UpdateFirmwareResponse,
};
pub use local_list::{
    GetLocalListVersionRequest, GetLocalListVersionResponse, SendLocalListRequest,
    SendLocalListResponse,
};
pub use reservation::{
    CancelReservationRequest, CancelReservationResponse, ReserveNowRequest, ReserveNowResponse,
};
pub use security::{
    CertificateSignedRequest, CertificateSignedResponse, DeleteCertificateRequest,
    DeleteCertificateResponse, ExtendedTriggerMessageRequest, ExtendedTriggerMessageResponse,
    GetInstalledCertificateIdsRequest, GetInstalledCertificateIdsResponse, GetLogRequest,
    GetLogResponse, InstallCertificateRequest, InstallCertificateResponse,
    LogStatusNotificationRequest, LogStatusNotificationResponse, SecurityEventNotificationRequest,
    SecurityEventNotificationResponse, SignCertificateRequest, SignCertificateResponse,
    SignedFirmwareStatusNotificationRequest, SignedFirmwareStatusNotificationResponse,
    SignedUpdateFirmwareRequest, SignedUpdateFirmwareResponse,
};
pub use smart_charging::{
    ClearChargingProfileRequest, ClearChargingProfileResponse, GetCompositeScheduleRequest,
    GetCompositeScheduleResponse, SetChargingProfileRequest, SetChargingProfileResponse,
};
pub use trigger::{TriggerMessageRequest, TriggerMessageResponse};
pub use types::*;
pub use words::*;

messages! {
    Authorize = "Authorize", Station, AuthorizeRequest, AuthorizeResponse;
    BootNotification = "BootNotification", Station, BootNotificationRequest, BootNotificationResponse;
    CancelReservation = "CancelReservation", System, CancelReservationRequest, CancelReservationResponse;
    CertificateSigned = "CertificateSigned", System, CertificateSignedRequest, CertificateSignedResponse;
    ChangeAvailability = "ChangeAvailability", System, ChangeAvailabilityRequest, ChangeAvailabilityResponse;
    ChangeConfiguration = "ChangeConfiguration", System, ChangeConfigurationRequest, ChangeConfigurationResponse;
    ClearCache = "ClearCache", System, ClearCacheRequest, ClearCacheResponse;
    ClearChargingProfile = "ClearChargingProfile", System, ClearChargingProfileRequest, ClearChargingProfileResponse;
    DataTransfer = "DataTransfer", Either, DataTransferRequest, DataTransferResponse;
    DeleteCertificate = "DeleteCertificate", System, DeleteCertificateRequest, DeleteCertificateResponse;
    DiagnosticsStatusNotification = "DiagnosticsStatusNotification", Station, DiagnosticsStatusNotificationRequest, DiagnosticsStatusNotificationResponse;
    ExtendedTriggerMessage = "ExtendedTriggerMessage", System, ExtendedTriggerMessageRequest, ExtendedTriggerMessageResponse;
    FirmwareStatusNotification = "FirmwareStatusNotification", Station, FirmwareStatusNotificationRequest, FirmwareStatusNotificationResponse;
    GetCompositeSchedule = "GetCompositeSchedule", System, GetCompositeScheduleRequest, GetCompositeScheduleResponse;
    GetConfiguration = "GetConfiguration", System, GetConfigurationRequest, GetConfigurationResponse;
    GetDiagnostics = "GetDiagnostics", System, GetDiagnosticsRequest, GetDiagnosticsResponse;
    GetInstalledCertificateIds = "GetInstalledCertificateIds", System, GetInstalledCertificateIdsRequest, GetInstalledCertificateIdsResponse;
    GetLocalListVersion = "GetLocalListVersion", System, GetLocalListVersionRequest, GetLocalListVersionResponse;
    GetLog = "GetLog", System, GetLogRequest, GetLogResponse;
    Heartbeat = "Heartbeat", Station, HeartbeatRequest, HeartbeatResponse;
    InstallCertificate = "InstallCertificate", System, InstallCertificateRequest, InstallCertificateResponse;
    LogStatusNotification = "LogStatusNotification", Station, LogStatusNotificationRequest, LogStatusNotificationResponse;
    MeterValues = "MeterValues", Station, MeterValuesRequest, MeterValuesResponse;
    RemoteStartTransaction = "RemoteStartTransaction", System, RemoteStartTransactionRequest, RemoteStartTransactionResponse;
    RemoteStopTransaction = "RemoteStopTransaction", System, RemoteStopTransactionRequest, RemoteStopTransactionResponse;
    ReserveNow = "ReserveNow", System, ReserveNowRequest, ReserveNowResponse;
    Reset = "Reset", System, ResetRequest, ResetResponse;
    SecurityEventNotification = "SecurityEventNotification", Station, SecurityEventNotificationRequest, SecurityEventNotificationResponse;
    SendLocalList = "SendLocalList", System, SendLocalListRequest, SendLocalListResponse;
    SetChargingProfile = "SetChargingProfile", System, SetChargingProfileRequest, SetChargingProfileResponse;
    SignCertificate = "SignCertificate", Station, SignCertificateRequest, SignCertificateResponse;
    SignedFirmwareStatusNotification = "SignedFirmwareStatusNotification", Station, SignedFirmwareStatusNotificationRequest, SignedFirmwareStatusNotificationResponse;
    SignedUpdateFirmware = "SignedUpdateFirmware", System, SignedUpdateFirmwareRequest, SignedUpdateFirmwareResponse;
    StartTransaction = "StartTransaction", Station, StartTransactionRequest, StartTransactionResponse;
    StatusNotification = "StatusNotification", Station, StatusNotificationRequest, StatusNotificationResponse;
    StopTransaction = "StopTransaction", Station, StopTransactionRequest, StopTransactionResponse;
    TriggerMessage = "TriggerMessage", System, TriggerMessageRequest, TriggerMessageResponse;
    UnlockConnector = "UnlockConnector", System, UnlockConnectorRequest, UnlockConnectorResponse;
    UpdateFirmware = "UpdateFirmware", System, UpdateFirmwareRequest, UpdateFirmwareResponse;
}

/// OCPP 1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct V16;

impl crate::Version for V16 {
    type Action = Action;
    type Request = Request;
    type Response = Response;

    const NAME: &'static str = "1.6";
    const SUBPROTOCOL: &'static str = "ocpp1.6";
    const DIALECT: crate::Dialect = crate::Dialect::V16;
}
