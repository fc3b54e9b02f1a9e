//! Every message of OCPP 2.0.1.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

mod authorization;
mod availability;
mod diagnostics;
mod firmware;
mod provisioning;
mod security;
mod smart_charging;
mod transactions;
mod types;
mod words;

use crate::wire::messages;

pub use authorization::{
    AuthorizeRequest, AuthorizeResponse, ClearCacheRequest, ClearCacheResponse,
    GetLocalListVersionRequest, GetLocalListVersionResponse, SendLocalListRequest,
    SendLocalListResponse,
};
pub use availability::{
    CancelReservationRequest, CancelReservationResponse, ChangeAvailabilityRequest,
    ChangeAvailabilityResponse, HeartbeatRequest, HeartbeatResponse,
    ReservationStatusUpdateRequest, ReservationStatusUpdateResponse, ReserveNowRequest,
    ReserveNowResponse, StatusNotificationRequest, StatusNotificationResponse,
};
pub use diagnostics::{
    ClearDisplayMessageRequest, ClearDisplayMessageResponse, ClearVariableMonitoringRequest,
    ClearVariableMonitoringResponse, CustomerInformationRequest, CustomerInformationResponse,
    DataTransferRequest, DataTransferResponse, GetDisplayMessagesRequest,
    GetDisplayMessagesResponse, GetLogRequest, GetLogResponse, GetMonitoringReportRequest,
    GetMonitoringReportResponse, LogStatusNotificationRequest, LogStatusNotificationResponse,
    NotifyCustomerInformationRequest, NotifyCustomerInformationResponse,
    NotifyDisplayMessagesRequest, NotifyDisplayMessagesResponse, NotifyEventRequest,
    NotifyEventResponse, NotifyMonitoringReportRequest, NotifyMonitoringReportResponse,
    SetDisplayMessageRequest, SetDisplayMessageResponse, SetMonitoringBaseRequest,
    SetMonitoringBaseResponse, SetMonitoringLevelRequest, SetMonitoringLevelResponse,
    SetVariableMonitoringRequest, SetVariableMonitoringResponse,
};
pub use firmware::{
    FirmwareStatusNotificationRequest, FirmwareStatusNotificationResponse, PublishFirmwareRequest,
    PublishFirmwareResponse, PublishFirmwareStatusNotificationRequest,
    PublishFirmwareStatusNotificationResponse, UnpublishFirmwareRequest, UnpublishFirmwareResponse,
    UpdateFirmwareRequest, UpdateFirmwareResponse,
};
pub use provisioning::{
    BootNotificationRequest, BootNotificationResponse, GetBaseReportRequest, GetBaseReportResponse,
    GetReportRequest, GetReportResponse, GetVariablesRequest, GetVariablesResponse,
    NotifyReportRequest, NotifyReportResponse, ResetRequest, ResetResponse,
    SetNetworkProfileRequest, SetNetworkProfileResponse, SetVariablesRequest, SetVariablesResponse,
};
pub use security::{
    CertificateSignedRequest, CertificateSignedResponse, DeleteCertificateRequest,
    DeleteCertificateResponse, Get15118EVCertificateRequest, Get15118EVCertificateResponse,
    GetCertificateStatusRequest, GetCertificateStatusResponse, GetInstalledCertificateIdsRequest,
    GetInstalledCertificateIdsResponse, InstallCertificateRequest, InstallCertificateResponse,
    SecurityEventNotificationRequest, SecurityEventNotificationResponse, SignCertificateRequest,
    SignCertificateResponse,
};
pub use smart_charging::{
    ClearChargingProfileRequest, ClearChargingProfileResponse, ClearedChargingLimitRequest,
    ClearedChargingLimitResponse, CostUpdatedRequest, CostUpdatedResponse,
    GetChargingProfilesRequest, GetChargingProfilesResponse, GetCompositeScheduleRequest,
    GetCompositeScheduleResponse, NotifyChargingLimitRequest, NotifyChargingLimitResponse,
    NotifyEVChargingNeedsRequest, NotifyEVChargingNeedsResponse, NotifyEVChargingScheduleRequest,
    NotifyEVChargingScheduleResponse, ReportChargingProfilesRequest,
    ReportChargingProfilesResponse, SetChargingProfileRequest, SetChargingProfileResponse,
};
pub use transactions::{
    GetTransactionStatusRequest, GetTransactionStatusResponse, MeterValuesRequest,
    MeterValuesResponse, RequestStartTransactionRequest, RequestStartTransactionResponse,
    RequestStopTransactionRequest, RequestStopTransactionResponse, TransactionEventRequest,
    TransactionEventResponse, TriggerMessageRequest, TriggerMessageResponse,
    UnlockConnectorRequest, UnlockConnectorResponse,
};
pub use types::*;
pub use words::*;

messages! {
    Authorize = "Authorize", Station, AuthorizeRequest, AuthorizeResponse;
    BootNotification = "BootNotification", Station, BootNotificationRequest, BootNotificationResponse;
    CancelReservation = "CancelReservation", System, CancelReservationRequest, CancelReservationResponse;
    CertificateSigned = "CertificateSigned", System, CertificateSignedRequest, CertificateSignedResponse;
    ChangeAvailability = "ChangeAvailability", System, ChangeAvailabilityRequest, ChangeAvailabilityResponse;
    ClearCache = "ClearCache", System, ClearCacheRequest, ClearCacheResponse;
    ClearChargingProfile = "ClearChargingProfile", System, ClearChargingProfileRequest, ClearChargingProfileResponse;
    ClearDisplayMessage = "ClearDisplayMessage", System, ClearDisplayMessageRequest, ClearDisplayMessageResponse;
    ClearVariableMonitoring = "ClearVariableMonitoring", System, ClearVariableMonitoringRequest, ClearVariableMonitoringResponse;
    ClearedChargingLimit = "ClearedChargingLimit", Station, ClearedChargingLimitRequest, ClearedChargingLimitResponse;
    CostUpdated = "CostUpdated", System, CostUpdatedRequest, CostUpdatedResponse;
    CustomerInformation = "CustomerInformation", System, CustomerInformationRequest, CustomerInformationResponse;
    DataTransfer = "DataTransfer", Either, DataTransferRequest, DataTransferResponse;
    DeleteCertificate = "DeleteCertificate", System, DeleteCertificateRequest, DeleteCertificateResponse;
    FirmwareStatusNotification = "FirmwareStatusNotification", Station, FirmwareStatusNotificationRequest, FirmwareStatusNotificationResponse;
    Get15118EVCertificate = "Get15118EVCertificate", Station, Get15118EVCertificateRequest, Get15118EVCertificateResponse;
    GetBaseReport = "GetBaseReport", System, GetBaseReportRequest, GetBaseReportResponse;
    GetCertificateStatus = "GetCertificateStatus", Station, GetCertificateStatusRequest, GetCertificateStatusResponse;
    GetChargingProfiles = "GetChargingProfiles", System, GetChargingProfilesRequest, GetChargingProfilesResponse;
    GetCompositeSchedule = "GetCompositeSchedule", System, GetCompositeScheduleRequest, GetCompositeScheduleResponse;
    GetDisplayMessages = "GetDisplayMessages", System, GetDisplayMessagesRequest, GetDisplayMessagesResponse;
    GetInstalledCertificateIds = "GetInstalledCertificateIds", System, GetInstalledCertificateIdsRequest, GetInstalledCertificateIdsResponse;
    GetLocalListVersion = "GetLocalListVersion", System, GetLocalListVersionRequest, GetLocalListVersionResponse;
    GetLog = "GetLog", System, GetLogRequest, GetLogResponse;
    GetMonitoringReport = "GetMonitoringReport", System, GetMonitoringReportRequest, GetMonitoringReportResponse;
    GetReport = "GetReport", System, GetReportRequest, GetReportResponse;
    GetTransactionStatus = "GetTransactionStatus", System, GetTransactionStatusRequest, GetTransactionStatusResponse;
    GetVariables = "GetVariables", System, GetVariablesRequest, GetVariablesResponse;
    Heartbeat = "Heartbeat", Station, HeartbeatRequest, HeartbeatResponse;
    InstallCertificate = "InstallCertificate", System, InstallCertificateRequest, InstallCertificateResponse;
    LogStatusNotification = "LogStatusNotification", Station, LogStatusNotificationRequest, LogStatusNotificationResponse;
    MeterValues = "MeterValues", Station, MeterValuesRequest, MeterValuesResponse;
    NotifyChargingLimit = "NotifyChargingLimit", Station, NotifyChargingLimitRequest, NotifyChargingLimitResponse;
    NotifyCustomerInformation = "NotifyCustomerInformation", Station, NotifyCustomerInformationRequest, NotifyCustomerInformationResponse;
    NotifyDisplayMessages = "NotifyDisplayMessages", Station, NotifyDisplayMessagesRequest, NotifyDisplayMessagesResponse;
    NotifyEVChargingNeeds = "NotifyEVChargingNeeds", Station, NotifyEVChargingNeedsRequest, NotifyEVChargingNeedsResponse;
    NotifyEVChargingSchedule = "NotifyEVChargingSchedule", Station, NotifyEVChargingScheduleRequest, NotifyEVChargingScheduleResponse;
    NotifyEvent = "NotifyEvent", Station, NotifyEventRequest, NotifyEventResponse;
    NotifyMonitoringReport = "NotifyMonitoringReport", Station, NotifyMonitoringReportRequest, NotifyMonitoringReportResponse;
    NotifyReport = "NotifyReport", Station, NotifyReportRequest, NotifyReportResponse;
    PublishFirmware = "PublishFirmware", System, PublishFirmwareRequest, PublishFirmwareResponse;
    PublishFirmwareStatusNotification = "PublishFirmwareStatusNotification", Station, PublishFirmwareStatusNotificationRequest, PublishFirmwareStatusNotificationResponse;
    ReportChargingProfiles = "ReportChargingProfiles", Station, ReportChargingProfilesRequest, ReportChargingProfilesResponse;
    RequestStartTransaction = "RequestStartTransaction", System, RequestStartTransactionRequest, RequestStartTransactionResponse;
    RequestStopTransaction = "RequestStopTransaction", System, RequestStopTransactionRequest, RequestStopTransactionResponse;
    ReservationStatusUpdate = "ReservationStatusUpdate", Station, ReservationStatusUpdateRequest, ReservationStatusUpdateResponse;
    ReserveNow = "ReserveNow", System, ReserveNowRequest, ReserveNowResponse;
    Reset = "Reset", System, ResetRequest, ResetResponse;
    SecurityEventNotification = "SecurityEventNotification", Station, SecurityEventNotificationRequest, SecurityEventNotificationResponse;
    SendLocalList = "SendLocalList", System, SendLocalListRequest, SendLocalListResponse;
    SetChargingProfile = "SetChargingProfile", System, SetChargingProfileRequest, SetChargingProfileResponse;
    SetDisplayMessage = "SetDisplayMessage", System, SetDisplayMessageRequest, SetDisplayMessageResponse;
    SetMonitoringBase = "SetMonitoringBase", System, SetMonitoringBaseRequest, SetMonitoringBaseResponse;
    SetMonitoringLevel = "SetMonitoringLevel", System, SetMonitoringLevelRequest, SetMonitoringLevelResponse;
    SetNetworkProfile = "SetNetworkProfile", System, SetNetworkProfileRequest, SetNetworkProfileResponse;
    SetVariableMonitoring = "SetVariableMonitoring", System, SetVariableMonitoringRequest, SetVariableMonitoringResponse;
    SetVariables = "SetVariables", System, SetVariablesRequest, SetVariablesResponse;
    SignCertificate = "SignCertificate", Station, SignCertificateRequest, SignCertificateResponse;
    StatusNotification = "StatusNotification", Station, StatusNotificationRequest, StatusNotificationResponse;
    TransactionEvent = "TransactionEvent", Station, TransactionEventRequest, TransactionEventResponse;
    TriggerMessage = "TriggerMessage", System, TriggerMessageRequest, TriggerMessageResponse;
    UnlockConnector = "UnlockConnector", System, UnlockConnectorRequest, UnlockConnectorResponse;
    UnpublishFirmware = "UnpublishFirmware", System, UnpublishFirmwareRequest, UnpublishFirmwareResponse;
    UpdateFirmware = "UpdateFirmware", System, UpdateFirmwareRequest, UpdateFirmwareResponse;
}

/// OCPP 2.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct V201;

impl crate::Version for V201 {
    type Action = Action;
    type Request = Request;
    type Response = Response;

    const NAME: &'static str = "2.0.1";
    const SUBPROTOCOL: &'static str = "ocpp2.0.1";
    const DIALECT: crate::Dialect = crate::Dialect::V201;
}
