//! Diagnostics (functional block N), display messages (O), data transfer (P). OCPP 2.0.1.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    CertificateHashData, ClearMessageStatusEnum, ClearMonitoringResult, ComponentVariable,
    CustomerInformationStatusEnum, DataTransferStatusEnum, DisplayMessageStatusEnum, EventData,
    GenericDeviceModelStatusEnum, GenericStatusEnum, GetDisplayMessagesStatusEnum, IdToken,
    LogEnum, LogParameters, LogStatusEnum, MessageInfo, MessagePriorityEnum, MessageStateEnum,
    MonitoringBaseEnum, MonitoringCriterionEnum, MonitoringData, SetMonitoringData,
    SetMonitoringResult, StatusInfo, UploadLogStatusEnum,
};
use crate::{Any, CustomData, List, SomeOf, Text, Time, wire::object};

object! {
    /// Call of `ClearDisplayMessage`.
    ClearDisplayMessageRequest {
        id: i64 = "id",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `ClearDisplayMessage`.
    ClearDisplayMessageResponse {
        status: ClearMessageStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `ClearVariableMonitoring`.
    ClearVariableMonitoringRequest {
        id: SomeOf<i64> = "id",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `ClearVariableMonitoring`.
    ClearVariableMonitoringResponse {
        clear_monitoring_result: SomeOf<ClearMonitoringResult> = "clearMonitoringResult",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `CustomerInformation`.
    CustomerInformationRequest {
        clear: bool = "clear",
        report: bool = "report",
        request_id: i64 = "requestId",
    } {
        custom_data: Box<CustomData> = "customData",
        customer_certificate: CertificateHashData = "customerCertificate",
        customer_identifier: Text<64> = "customerIdentifier",
        id_token: IdToken = "idToken",
    }
    /// Answer to `CustomerInformation`.
    CustomerInformationResponse {
        status: CustomerInformationStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `DataTransfer`.
    DataTransferRequest {
        vendor_id: Text<255> = "vendorId",
    } {
        custom_data: Box<CustomData> = "customData",
        data: Any = "data",
        message_id: Text<50> = "messageId",
    }
    /// Answer to `DataTransfer`.
    DataTransferResponse {
        status: DataTransferStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        data: Any = "data",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `GetDisplayMessages`.
    GetDisplayMessagesRequest {
        request_id: i64 = "requestId",
    } {
        custom_data: Box<CustomData> = "customData",
        id: SomeOf<i64> = "id",
        priority: MessagePriorityEnum = "priority",
        state: MessageStateEnum = "state",
    }
    /// Answer to `GetDisplayMessages`.
    GetDisplayMessagesResponse {
        status: GetDisplayMessagesStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `GetLog`.
    GetLogRequest {
        log: LogParameters = "log",
        log_type: LogEnum = "logType",
        request_id: i64 = "requestId",
    } {
        custom_data: Box<CustomData> = "customData",
        retries: i64 = "retries",
        retry_interval: i64 = "retryInterval",
    }
    /// Answer to `GetLog`.
    GetLogResponse {
        status: LogStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        filename: Text<255> = "filename",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `GetMonitoringReport`.
    GetMonitoringReportRequest {
        request_id: i64 = "requestId",
    } {
        component_variable: SomeOf<ComponentVariable> = "componentVariable",
        custom_data: Box<CustomData> = "customData",
        monitoring_criteria: List<MonitoringCriterionEnum, 1, 3> = "monitoringCriteria",
    }
    /// Answer to `GetMonitoringReport`.
    GetMonitoringReportResponse {
        status: GenericDeviceModelStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `LogStatusNotification`.
    LogStatusNotificationRequest {
        status: UploadLogStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        request_id: i64 = "requestId",
    }
    /// Answer to `LogStatusNotification`.
    LogStatusNotificationResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `NotifyCustomerInformation`.
    NotifyCustomerInformationRequest {
        data: Text<512> = "data",
        generated_at: Time = "generatedAt",
        request_id: i64 = "requestId",
        seq_no: i64 = "seqNo",
    } {
        custom_data: Box<CustomData> = "customData",
        tbc: bool = "tbc",
    }
    /// Answer to `NotifyCustomerInformation`.
    NotifyCustomerInformationResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `NotifyDisplayMessages`.
    NotifyDisplayMessagesRequest {
        request_id: i64 = "requestId",
    } {
        custom_data: Box<CustomData> = "customData",
        message_info: SomeOf<MessageInfo> = "messageInfo",
        tbc: bool = "tbc",
    }
    /// Answer to `NotifyDisplayMessages`.
    NotifyDisplayMessagesResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `NotifyEvent`.
    NotifyEventRequest {
        event_data: SomeOf<EventData> = "eventData",
        generated_at: Time = "generatedAt",
        seq_no: i64 = "seqNo",
    } {
        custom_data: Box<CustomData> = "customData",
        tbc: bool = "tbc",
    }
    /// Answer to `NotifyEvent`.
    NotifyEventResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `NotifyMonitoringReport`.
    NotifyMonitoringReportRequest {
        generated_at: Time = "generatedAt",
        request_id: i64 = "requestId",
        seq_no: i64 = "seqNo",
    } {
        custom_data: Box<CustomData> = "customData",
        monitor: SomeOf<MonitoringData> = "monitor",
        tbc: bool = "tbc",
    }
    /// Answer to `NotifyMonitoringReport`.
    NotifyMonitoringReportResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `SetDisplayMessage`.
    SetDisplayMessageRequest {
        message: MessageInfo = "message",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `SetDisplayMessage`.
    SetDisplayMessageResponse {
        status: DisplayMessageStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `SetMonitoringBase`.
    SetMonitoringBaseRequest {
        monitoring_base: MonitoringBaseEnum = "monitoringBase",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `SetMonitoringBase`.
    SetMonitoringBaseResponse {
        status: GenericDeviceModelStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `SetMonitoringLevel`.
    SetMonitoringLevelRequest {
        severity: i64 = "severity",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `SetMonitoringLevel`.
    SetMonitoringLevelResponse {
        status: GenericStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `SetVariableMonitoring`.
    SetVariableMonitoringRequest {
        set_monitoring_data: SomeOf<SetMonitoringData> = "setMonitoringData",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `SetVariableMonitoring`.
    SetVariableMonitoringResponse {
        set_monitoring_result: SomeOf<SetMonitoringResult> = "setMonitoringResult",
    } {
        custom_data: Box<CustomData> = "customData",
    }
}
