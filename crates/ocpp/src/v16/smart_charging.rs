//! The Smart Charging profile. OCPP 1.6.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    ChargingProfile, ChargingProfilePurpose, ChargingProfileStatus, ChargingRateUnit,
    ChargingSchedule, ClearChargingProfileStatus, GetCompositeScheduleStatus,
};
use crate::{Time, wire::object};

object! {
    /// Call of `ClearChargingProfile`.
    ClearChargingProfileRequest {
    } {
        charging_profile_purpose: ChargingProfilePurpose = "chargingProfilePurpose",
        connector_id: i64 = "connectorId",
        id: i64 = "id",
        stack_level: i64 = "stackLevel" exact,
    }
    /// Answer to `ClearChargingProfile`.
    ClearChargingProfileResponse {
        status: ClearChargingProfileStatus = "status",
    } {
    }
    /// Call of `GetCompositeSchedule`.
    GetCompositeScheduleRequest {
        connector_id: i64 = "connectorId",
        duration: i64 = "duration",
    } {
        charging_rate_unit: ChargingRateUnit = "chargingRateUnit",
    }
    /// Answer to `GetCompositeSchedule`.
    GetCompositeScheduleResponse {
        status: GetCompositeScheduleStatus = "status",
    } {
        charging_schedule: ChargingSchedule = "chargingSchedule",
        connector_id: i64 = "connectorId",
        schedule_start: Time = "scheduleStart",
    }
    /// Call of `SetChargingProfile`.
    SetChargingProfileRequest {
        connector_id: i64 = "connectorId",
        cs_charging_profiles: ChargingProfile = "csChargingProfiles",
    } {
    }
    /// Answer to `SetChargingProfile`.
    SetChargingProfileResponse {
        status: ChargingProfileStatus = "status",
    } {
    }
}
