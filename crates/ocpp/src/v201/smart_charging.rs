//! Tariff and cost (functional block I) and smart charging (K). OCPP 2.0.1.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    ChargingLimit, ChargingLimitSourceEnum, ChargingNeeds, ChargingProfile,
    ChargingProfileCriterion, ChargingProfileStatusEnum, ChargingRateUnitEnum, ChargingSchedule,
    ClearChargingProfile, ClearChargingProfileStatusEnum, CompositeSchedule, GenericStatusEnum,
    GetChargingProfileStatusEnum, NotifyEVChargingNeedsStatusEnum, StatusInfo,
};
use crate::{CustomData, Decimal, SomeOf, Text, Time, wire::object};

object! {
    /// Call of `ClearChargingProfile`.
    ClearChargingProfileRequest {
    } {
        charging_profile_criteria: ClearChargingProfile = "chargingProfileCriteria",
        charging_profile_id: i64 = "chargingProfileId",
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `ClearChargingProfile`.
    ClearChargingProfileResponse {
        status: ClearChargingProfileStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `ClearedChargingLimit`.
    ClearedChargingLimitRequest {
        charging_limit_source: ChargingLimitSourceEnum = "chargingLimitSource",
    } {
        custom_data: Box<CustomData> = "customData",
        evse_id: i64 = "evseId",
    }
    /// Answer to `ClearedChargingLimit`.
    ClearedChargingLimitResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `CostUpdated`.
    CostUpdatedRequest {
        total_cost: Decimal = "totalCost" exact,
        transaction_id: Text<36> = "transactionId",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `CostUpdated`.
    CostUpdatedResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `GetChargingProfiles`.
    GetChargingProfilesRequest {
        charging_profile: ChargingProfileCriterion = "chargingProfile",
        request_id: i64 = "requestId",
    } {
        custom_data: Box<CustomData> = "customData",
        evse_id: i64 = "evseId",
    }
    /// Answer to `GetChargingProfiles`.
    GetChargingProfilesResponse {
        status: GetChargingProfileStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `GetCompositeSchedule`.
    GetCompositeScheduleRequest {
        duration: i64 = "duration",
        evse_id: i64 = "evseId",
    } {
        charging_rate_unit: ChargingRateUnitEnum = "chargingRateUnit",
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `GetCompositeSchedule`.
    GetCompositeScheduleResponse {
        status: GenericStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        schedule: CompositeSchedule = "schedule",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `NotifyChargingLimit`.
    NotifyChargingLimitRequest {
        charging_limit: ChargingLimit = "chargingLimit",
    } {
        charging_schedule: SomeOf<ChargingSchedule> = "chargingSchedule",
        custom_data: Box<CustomData> = "customData",
        evse_id: i64 = "evseId",
    }
    /// Answer to `NotifyChargingLimit`.
    NotifyChargingLimitResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `NotifyEVChargingNeeds`.
    NotifyEVChargingNeedsRequest {
        charging_needs: ChargingNeeds = "chargingNeeds",
        evse_id: i64 = "evseId",
    } {
        custom_data: Box<CustomData> = "customData",
        max_schedule_tuples: i64 = "maxScheduleTuples",
    }
    /// Answer to `NotifyEVChargingNeeds`.
    NotifyEVChargingNeedsResponse {
        status: NotifyEVChargingNeedsStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `NotifyEVChargingSchedule`.
    NotifyEVChargingScheduleRequest {
        charging_schedule: ChargingSchedule = "chargingSchedule",
        evse_id: i64 = "evseId",
        time_base: Time = "timeBase",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `NotifyEVChargingSchedule`.
    NotifyEVChargingScheduleResponse {
        status: GenericStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Call of `ReportChargingProfiles`.
    ReportChargingProfilesRequest {
        charging_limit_source: ChargingLimitSourceEnum = "chargingLimitSource",
        charging_profile: SomeOf<ChargingProfile> = "chargingProfile",
        evse_id: i64 = "evseId",
        request_id: i64 = "requestId",
    } {
        custom_data: Box<CustomData> = "customData",
        tbc: bool = "tbc",
    }
    /// Answer to `ReportChargingProfiles`.
    ReportChargingProfilesResponse {
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Call of `SetChargingProfile`.
    SetChargingProfileRequest {
        charging_profile: ChargingProfile = "chargingProfile",
        evse_id: i64 = "evseId",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Answer to `SetChargingProfile`.
    SetChargingProfileResponse {
        status: ChargingProfileStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
}
