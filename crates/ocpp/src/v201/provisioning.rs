//! Provisioning (functional block B). OCPP 2.0.1.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    BootReasonEnum, ChargingStation, ComponentCriterionEnum, ComponentVariable,
    GenericDeviceModelStatusEnum, GetVariableData, GetVariableResult, NetworkConnectionProfile,
    RegistrationStatusEnum, ReportBaseEnum, ReportData, ResetEnum, ResetStatusEnum,
    SetNetworkProfileStatusEnum, SetVariableData, SetVariableResult, StatusInfo,
};
use crate::{CustomData, List, SomeOf, Time, wire::object};

object! {
    /// Call of `BootNotification`.
    BootNotificationRequest {
        charging_station: ChargingStation = "chargingStation",
        reason: BootReasonEnum = "reason",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `BootNotification`.
    BootNotificationResponse {
        current_time: Time = "currentTime",
        interval: i64 = "interval",
        status: RegistrationStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `GetBaseReport`.
    GetBaseReportRequest {
        report_base: ReportBaseEnum = "reportBase",
        request_id: i64 = "requestId",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `GetBaseReport`.
    GetBaseReportResponse {
        status: GenericDeviceModelStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `GetReport`.
    GetReportRequest {
        request_id: i64 = "requestId",
    } {
        component_criteria: List<ComponentCriterionEnum, 1, 4> = "componentCriteria",
        component_variable: SomeOf<ComponentVariable> = "componentVariable",
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `GetReport`.
    GetReportResponse {
        status: GenericDeviceModelStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `GetVariables`.
    GetVariablesRequest {
        get_variable_data: SomeOf<GetVariableData> = "getVariableData",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `GetVariables`.
    GetVariablesResponse {
        get_variable_result: SomeOf<GetVariableResult> = "getVariableResult",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `NotifyReport`.
    NotifyReportRequest {
        generated_at: Time = "generatedAt",
        request_id: i64 = "requestId",
        seq_no: i64 = "seqNo",
    } {
        custom_data: Box<CustomData> = "customData",
        report_data: SomeOf<ReportData> = "reportData",
        tbc: bool = "tbc",
    }
    /// Answer to `NotifyReport`.
    NotifyReportResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `Reset`.
    ResetRequest {
        kind: ResetEnum = "type",
    } {
        custom_data: Box<CustomData> = "customData",
        evse_id: i64 = "evseId",
    }
    /// Answer to `Reset`.
    ResetResponse {
        status: ResetStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `SetNetworkProfile`.
    SetNetworkProfileRequest {
        configuration_slot: i64 = "configurationSlot",
        connection_data: NetworkConnectionProfile = "connectionData",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `SetNetworkProfile`.
    SetNetworkProfileResponse {
        status: SetNetworkProfileStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `SetVariables`.
    SetVariablesRequest {
        set_variable_data: SomeOf<SetVariableData> = "setVariableData",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `SetVariables`.
    SetVariablesResponse {
        set_variable_result: SomeOf<SetVariableResult> = "setVariableResult",
    } {
        custom_data: Box<CustomData> = "customData",
    }
}
