//! The structures that messages of OCPP 1.6 share.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    AuthorizationStatus, ChargingProfileKind, ChargingProfilePurpose, ChargingRateUnit,
    HashAlgorithm, Location, Measurand, Phase, ReadingContext, RecurrencyKind, UnitOfMeasure,
    ValueFormat,
};
use crate::{SomeOf, Tenths, Text, Time, wire::object};

object! {
    /// Structure `AuthorizationData`.
    AuthorizationData {
        id_tag: Text<20> = "idTag",
    } {
        id_tag_info: IdTagInfo = "idTagInfo",
    }
    /// Structure `CertificateHashData`.
    CertificateHashData {
        hash_algorithm: HashAlgorithm = "hashAlgorithm",
        issuer_key_hash: Text<128> = "issuerKeyHash",
        issuer_name_hash: Text<128> = "issuerNameHash",
        serial_number: Text<40> = "serialNumber",
    } {
    }
    /// Structure `ChargingProfile`.
    ChargingProfile closed {
        charging_profile_id: i64 = "chargingProfileId",
        charging_profile_kind: ChargingProfileKind = "chargingProfileKind",
        charging_profile_purpose: ChargingProfilePurpose = "chargingProfilePurpose",
        charging_schedule: ChargingSchedule = "chargingSchedule",
        stack_level: i64 = "stackLevel" exact,
    } {
        recurrency_kind: RecurrencyKind = "recurrencyKind",
        transaction_id: i64 = "transactionId",
        valid_from: Time = "validFrom",
        valid_to: Time = "validTo",
    }
    /// Structure `ChargingSchedule`.
    ChargingSchedule closed {
        charging_rate_unit: ChargingRateUnit = "chargingRateUnit",
        charging_schedule_period: Vec<ChargingSchedulePeriod> = "chargingSchedulePeriod",
    } {
        duration: i64 = "duration" exact,
        min_charging_rate: Tenths = "minChargingRate" exact,
        start_schedule: Time = "startSchedule",
    }
    /// Structure `ChargingSchedulePeriod`.
    ChargingSchedulePeriod closed {
        limit: Tenths = "limit" exact,
        start_period: i64 = "startPeriod" exact,
    } {
        number_phases: i64 = "numberPhases" exact,
    }
    /// Structure `Firmware`.
    Firmware {
        location: Text<512> = "location",
        retrieve_date_time: Time = "retrieveDateTime",
        signature: Text<800> = "signature",
        signing_certificate: Text<5500> = "signingCertificate",
    } {
        install_date_time: Time = "installDateTime",
    }
    /// Structure `IdTagInfo`.
    IdTagInfo {
        status: AuthorizationStatus = "status",
    } {
        expiry_date: Time = "expiryDate",
        parent_id_tag: Text<20> = "parentIdTag",
    }
    /// Structure `KeyValue`.
    KeyValue {
        key: Text<50> = "key",
        readonly: bool = "readonly",
    } {
        value: Text<500> = "value",
    }
    /// Structure `LogParameters`.
    LogParameters {
        remote_location: Text<512> = "remoteLocation",
    } {
        latest_timestamp: Time = "latestTimestamp",
        oldest_timestamp: Time = "oldestTimestamp",
    }
    /// Structure `MeterValue`.
    MeterValue {
        sampled_value: SomeOf<SampledValue> = "sampledValue" lossy,
        timestamp: Time = "timestamp",
    } {
    }
    /// Structure `SampledValue`.
    SampledValue {
        value: String = "value",
    } {
        context: ReadingContext = "context",
        format: ValueFormat = "format",
        location: Location = "location",
        measurand: Measurand = "measurand",
        phase: Phase = "phase",
        unit: UnitOfMeasure = "unit",
    }
}
