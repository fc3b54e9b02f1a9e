//! The structures that messages of OCPP 2.0.1 share.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use super::{
    APNAuthenticationEnum, AttributeEnum, AuthorizationStatusEnum, ChargingLimitSourceEnum,
    ChargingProfileKindEnum, ChargingProfilePurposeEnum, ChargingRateUnitEnum, ChargingStateEnum,
    ClearMonitoringStatusEnum, CostKindEnum, DataEnum, EnergyTransferModeEnum,
    EventNotificationEnum, EventTriggerEnum, GetCertificateIdUseEnum, GetVariableStatusEnum,
    HashAlgorithmEnum, IdTokenEnum, LocationEnum, MeasurandEnum, MessageFormatEnum,
    MessagePriorityEnum, MessageStateEnum, MonitorEnum, MutabilityEnum, OCPPInterfaceEnum,
    OCPPTransportEnum, OCPPVersionEnum, PhaseEnum, ReadingContextEnum, ReasonEnum,
    RecurrencyKindEnum, SetMonitoringStatusEnum, SetVariableStatusEnum, VPNEnum,
};
use crate::{Bounded, CustomData, Decimal, List, Secret, SomeOf, Text, Time, wire::object};

object! {
    /// Structure `ACChargingParameters`.
    ACChargingParameters {
        energy_amount: i64 = "energyAmount",
        ev_max_current: i64 = "evMaxCurrent",
        ev_max_voltage: i64 = "evMaxVoltage",
        ev_min_current: i64 = "evMinCurrent",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `APN`.
    APN {
        apn: Text<512> = "apn",
        apn_authentication: APNAuthenticationEnum = "apnAuthentication",
    } {
        apn_password: Secret<20> = "apnPassword",
        apn_user_name: Text<20> = "apnUserName",
        custom_data: Box<CustomData> = "customData",
        preferred_network: Text<6> = "preferredNetwork",
        sim_pin: i64 = "simPin",
        use_only_preferred_network: bool = "useOnlyPreferredNetwork",
    }
    /// Structure `AdditionalInfo`.
    AdditionalInfo {
        additional_id_token: Text<36> = "additionalIdToken",
        kind: Text<50> = "type",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `AuthorizationData`.
    AuthorizationData {
        id_token: IdToken = "idToken",
    } {
        custom_data: Box<CustomData> = "customData",
        id_token_info: IdTokenInfo = "idTokenInfo",
    }
    /// Structure `CertificateHashData`.
    CertificateHashData {
        hash_algorithm: HashAlgorithmEnum = "hashAlgorithm",
        issuer_key_hash: Text<128> = "issuerKeyHash",
        issuer_name_hash: Text<128> = "issuerNameHash",
        serial_number: Text<40> = "serialNumber",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `CertificateHashDataChain`.
    CertificateHashDataChain {
        certificate_hash_data: CertificateHashData = "certificateHashData",
        certificate_type: GetCertificateIdUseEnum = "certificateType",
    } {
        child_certificate_hash_data: List<CertificateHashData, 1, 4> = "childCertificateHashData",
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `ChargingLimit`.
    ChargingLimit {
        charging_limit_source: ChargingLimitSourceEnum = "chargingLimitSource",
    } {
        custom_data: Box<CustomData> = "customData",
        is_grid_critical: bool = "isGridCritical",
    }
    /// Structure `ChargingNeeds`.
    ChargingNeeds {
        requested_energy_transfer: EnergyTransferModeEnum = "requestedEnergyTransfer",
    } {
        ac_charging_parameters: ACChargingParameters = "acChargingParameters",
        custom_data: Box<CustomData> = "customData",
        dc_charging_parameters: DCChargingParameters = "dcChargingParameters",
        departure_time: Time = "departureTime",
    }
    /// Structure `ChargingProfile`.
    ChargingProfile closed {
        charging_profile_kind: ChargingProfileKindEnum = "chargingProfileKind",
        charging_profile_purpose: ChargingProfilePurposeEnum = "chargingProfilePurpose",
        charging_schedule: List<ChargingSchedule, 1, 3> = "chargingSchedule",
        id: i64 = "id",
        stack_level: i64 = "stackLevel" exact,
    } {
        custom_data: Box<CustomData> = "customData",
        recurrency_kind: RecurrencyKindEnum = "recurrencyKind",
        transaction_id: Text<36> = "transactionId",
        valid_from: Time = "validFrom",
        valid_to: Time = "validTo",
    }
    /// Structure `ChargingProfileCriterion`.
    ChargingProfileCriterion {
    } {
        charging_limit_source: List<ChargingLimitSourceEnum, 1, 4> = "chargingLimitSource",
        charging_profile_id: SomeOf<i64> = "chargingProfileId",
        charging_profile_purpose: ChargingProfilePurposeEnum = "chargingProfilePurpose",
        custom_data: Box<CustomData> = "customData",
        stack_level: i64 = "stackLevel" exact,
    }
    /// Structure `ChargingSchedule`.
    ChargingSchedule closed {
        charging_rate_unit: ChargingRateUnitEnum = "chargingRateUnit",
        charging_schedule_period: List<ChargingSchedulePeriod, 1, 1024> = "chargingSchedulePeriod",
        id: i64 = "id",
    } {
        custom_data: Box<CustomData> = "customData",
        duration: i64 = "duration" exact,
        min_charging_rate: Decimal = "minChargingRate" exact,
        sales_tariff: SalesTariff = "salesTariff",
        start_schedule: Time = "startSchedule",
    }
    /// Structure `ChargingSchedulePeriod`.
    ChargingSchedulePeriod closed {
        limit: Decimal = "limit" exact,
        start_period: i64 = "startPeriod" exact,
    } {
        custom_data: Box<CustomData> = "customData",
        number_phases: i64 = "numberPhases" exact,
        phase_to_use: i64 = "phaseToUse",
    }
    /// Structure `ChargingStation`.
    ChargingStation {
        model: Text<20> = "model" label,
        vendor_name: Text<50> = "vendorName" label,
    } {
        custom_data: Box<CustomData> = "customData",
        firmware_version: Text<50> = "firmwareVersion" label,
        modem: Modem = "modem",
        serial_number: Text<25> = "serialNumber" label,
    }
    /// Structure `ClearChargingProfile`.
    ClearChargingProfile {
    } {
        charging_profile_purpose: ChargingProfilePurposeEnum = "chargingProfilePurpose",
        custom_data: Box<CustomData> = "customData",
        evse_id: i64 = "evseId",
        stack_level: i64 = "stackLevel" exact,
    }
    /// Structure `ClearMonitoringResult`.
    ClearMonitoringResult {
        id: i64 = "id",
        status: ClearMonitoringStatusEnum = "status",
    } {
        custom_data: Box<CustomData> = "customData",
        status_info: StatusInfo = "statusInfo",
    }
    /// Structure `Component`.
    Component {
        name: Text<50> = "name",
    } {
        custom_data: Box<CustomData> = "customData",
        evse: EVSE = "evse",
        instance: Text<50> = "instance",
    }
    /// Structure `ComponentVariable`.
    ComponentVariable {
        component: Component = "component",
    } {
        custom_data: Box<CustomData> = "customData",
        variable: Variable = "variable",
    }
    /// Structure `CompositeSchedule`.
    CompositeSchedule {
        charging_rate_unit: ChargingRateUnitEnum = "chargingRateUnit",
        charging_schedule_period: SomeOf<ChargingSchedulePeriod> = "chargingSchedulePeriod",
        duration: i64 = "duration",
        evse_id: i64 = "evseId",
        schedule_start: Time = "scheduleStart",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `ConsumptionCost`.
    ConsumptionCost {
        cost: List<Cost, 1, 3> = "cost",
        start_value: Decimal = "startValue",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `Cost`.
    Cost {
        amount: i64 = "amount",
        cost_kind: CostKindEnum = "costKind",
    } {
        amount_multiplier: i64 = "amountMultiplier",
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `DCChargingParameters`.
    DCChargingParameters {
        ev_max_current: i64 = "evMaxCurrent",
        ev_max_voltage: i64 = "evMaxVoltage",
    } {
        bulk_soc: Bounded<0, 100> = "bulkSoC",
        custom_data: Box<CustomData> = "customData",
        energy_amount: i64 = "energyAmount",
        ev_energy_capacity: i64 = "evEnergyCapacity",
        ev_max_power: i64 = "evMaxPower",
        full_soc: Bounded<0, 100> = "fullSoC",
        state_of_charge: Bounded<0, 100> = "stateOfCharge",
    }
    /// Structure `EVSE`.
    EVSE {
        id: i64 = "id",
    } {
        connector_id: i64 = "connectorId",
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `EventData`.
    EventData {
        actual_value: Text<2500> = "actualValue",
        component: Component = "component",
        event_id: i64 = "eventId",
        event_notification_type: EventNotificationEnum = "eventNotificationType",
        timestamp: Time = "timestamp",
        trigger: EventTriggerEnum = "trigger",
        variable: Variable = "variable",
    } {
        cause: i64 = "cause",
        cleared: bool = "cleared",
        custom_data: Box<CustomData> = "customData",
        tech_code: Text<50> = "techCode" label,
        tech_info: Text<500> = "techInfo" label,
        transaction_id: Text<36> = "transactionId",
        variable_monitoring_id: i64 = "variableMonitoringId",
    }
    /// Structure `Firmware`.
    Firmware {
        location: Text<512> = "location",
        retrieve_date_time: Time = "retrieveDateTime",
    } {
        custom_data: Box<CustomData> = "customData",
        install_date_time: Time = "installDateTime",
        signature: Text<800> = "signature",
        signing_certificate: Text<5500> = "signingCertificate",
    }
    /// Structure `GetVariableData`.
    GetVariableData {
        component: Component = "component",
        variable: Variable = "variable",
    } {
        attribute_type: AttributeEnum = "attributeType",
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `GetVariableResult`.
    GetVariableResult {
        attribute_status: GetVariableStatusEnum = "attributeStatus",
        component: Component = "component",
        variable: Variable = "variable",
    } {
        attribute_status_info: StatusInfo = "attributeStatusInfo",
        attribute_type: AttributeEnum = "attributeType",
        attribute_value: Text<2500> = "attributeValue",
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `IdToken`.
    IdToken {
        id_token: Text<36> = "idToken",
        kind: IdTokenEnum = "type",
    } {
        additional_info: SomeOf<AdditionalInfo> = "additionalInfo",
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `IdTokenInfo`.
    IdTokenInfo {
        status: AuthorizationStatusEnum = "status",
    } {
        cache_expiry_date_time: Time = "cacheExpiryDateTime",
        charging_priority: i64 = "chargingPriority",
        custom_data: Box<CustomData> = "customData",
        evse_id: SomeOf<i64> = "evseId",
        group_id_token: IdToken = "groupIdToken",
        language1: Text<8> = "language1",
        language2: Text<8> = "language2",
        personal_message: MessageContent = "personalMessage",
    }
    /// Structure `LogParameters`.
    LogParameters {
        remote_location: Text<512> = "remoteLocation",
    } {
        custom_data: Box<CustomData> = "customData",
        latest_timestamp: Time = "latestTimestamp",
        oldest_timestamp: Time = "oldestTimestamp",
    }
    /// Structure `MessageContent`.
    MessageContent {
        content: Text<512> = "content",
        format: MessageFormatEnum = "format",
    } {
        custom_data: Box<CustomData> = "customData",
        language: Text<8> = "language",
    }
    /// Structure `MessageInfo`.
    MessageInfo {
        id: i64 = "id",
        message: MessageContent = "message",
        priority: MessagePriorityEnum = "priority",
    } {
        custom_data: Box<CustomData> = "customData",
        display: Component = "display",
        end_date_time: Time = "endDateTime",
        start_date_time: Time = "startDateTime",
        state: MessageStateEnum = "state",
        transaction_id: Text<36> = "transactionId",
    }
    /// Structure `MeterValue`.
    MeterValue {
        sampled_value: SomeOf<SampledValue> = "sampledValue" lossy,
        timestamp: Time = "timestamp",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `Modem`.
    Modem {
    } {
        custom_data: Box<CustomData> = "customData",
        iccid: Text<20> = "iccid" label,
        imsi: Text<20> = "imsi" label,
    }
    /// Structure `MonitoringData`.
    MonitoringData {
        component: Component = "component",
        variable: Variable = "variable",
        variable_monitoring: SomeOf<VariableMonitoring> = "variableMonitoring",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `NetworkConnectionProfile`.
    NetworkConnectionProfile {
        message_timeout: i64 = "messageTimeout",
        ocpp_csms_url: Text<512> = "ocppCsmsUrl",
        ocpp_interface: OCPPInterfaceEnum = "ocppInterface",
        ocpp_transport: OCPPTransportEnum = "ocppTransport",
        ocpp_version: OCPPVersionEnum = "ocppVersion",
        security_profile: i64 = "securityProfile",
    } {
        apn: APN = "apn",
        custom_data: Box<CustomData> = "customData",
        vpn: VPN = "vpn",
    }
    /// Structure `OCSPRequestData`.
    OCSPRequestData {
        hash_algorithm: HashAlgorithmEnum = "hashAlgorithm",
        issuer_key_hash: Text<128> = "issuerKeyHash",
        issuer_name_hash: Text<128> = "issuerNameHash",
        responder_url: Text<512> = "responderURL",
        serial_number: Text<40> = "serialNumber",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `RelativeTimeInterval`.
    RelativeTimeInterval {
        start: i64 = "start",
    } {
        custom_data: Box<CustomData> = "customData",
        duration: i64 = "duration",
    }
    /// Structure `ReportData`.
    ReportData {
        component: Component = "component",
        variable: Variable = "variable",
        variable_attribute: List<VariableAttribute, 1, 4> = "variableAttribute",
    } {
        custom_data: Box<CustomData> = "customData",
        variable_characteristics: VariableCharacteristics = "variableCharacteristics",
    }
    /// Structure `SalesTariff`.
    SalesTariff {
        id: i64 = "id",
        sales_tariff_entry: List<SalesTariffEntry, 1, 1024> = "salesTariffEntry",
    } {
        custom_data: Box<CustomData> = "customData",
        num_e_price_levels: i64 = "numEPriceLevels",
        sales_tariff_description: Text<32> = "salesTariffDescription",
    }
    /// Structure `SalesTariffEntry`.
    SalesTariffEntry {
        relative_time_interval: RelativeTimeInterval = "relativeTimeInterval",
    } {
        consumption_cost: List<ConsumptionCost, 1, 3> = "consumptionCost",
        custom_data: Box<CustomData> = "customData",
        e_price_level: Bounded<0, { i64::MAX }> = "ePriceLevel",
    }
    /// Structure `SampledValue`.
    SampledValue {
        value: Decimal = "value" exact,
    } {
        context: ReadingContextEnum = "context",
        custom_data: Box<CustomData> = "customData",
        location: LocationEnum = "location",
        measurand: MeasurandEnum = "measurand",
        phase: PhaseEnum = "phase",
        signed_meter_value: SignedMeterValue = "signedMeterValue",
        unit_of_measure: UnitOfMeasure = "unitOfMeasure",
    }
    /// Structure `SetMonitoringData`.
    SetMonitoringData {
        component: Component = "component",
        severity: i64 = "severity",
        kind: MonitorEnum = "type",
        value: Decimal = "value",
        variable: Variable = "variable",
    } {
        custom_data: Box<CustomData> = "customData",
        id: i64 = "id",
        transaction: bool = "transaction",
    }
    /// Structure `SetMonitoringResult`.
    SetMonitoringResult {
        component: Component = "component",
        severity: i64 = "severity",
        status: SetMonitoringStatusEnum = "status",
        kind: MonitorEnum = "type",
        variable: Variable = "variable",
    } {
        custom_data: Box<CustomData> = "customData",
        id: i64 = "id",
        status_info: StatusInfo = "statusInfo",
    }
    /// Structure `SetVariableData`.
    SetVariableData {
        attribute_value: Secret<1000> = "attributeValue",
        component: Component = "component",
        variable: Variable = "variable",
    } {
        attribute_type: AttributeEnum = "attributeType",
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `SetVariableResult`.
    SetVariableResult {
        attribute_status: SetVariableStatusEnum = "attributeStatus",
        component: Component = "component",
        variable: Variable = "variable",
    } {
        attribute_status_info: StatusInfo = "attributeStatusInfo",
        attribute_type: AttributeEnum = "attributeType",
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `SignedMeterValue`.
    SignedMeterValue {
        encoding_method: Text<50> = "encodingMethod",
        public_key: Text<2500> = "publicKey",
        signed_meter_data: Text<2500> = "signedMeterData",
        signing_method: Text<50> = "signingMethod",
    } {
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `StatusInfo`.
    StatusInfo {
        reason_code: Text<20> = "reasonCode" label,
    } {
        additional_info: Text<512> = "additionalInfo" label,
        custom_data: Box<CustomData> = "customData",
    }
    /// Structure `Transaction`.
    Transaction {
        transaction_id: Text<36> = "transactionId",
    } {
        charging_state: ChargingStateEnum = "chargingState",
        custom_data: Box<CustomData> = "customData",
        remote_start_id: i64 = "remoteStartId",
        stopped_reason: ReasonEnum = "stoppedReason",
        time_spent_charging: i64 = "timeSpentCharging",
    }
    /// Structure `UnitOfMeasure`.
    UnitOfMeasure {
    } {
        custom_data: Box<CustomData> = "customData",
        multiplier: i64 = "multiplier",
        unit: Text<20> = "unit",
    }
    /// Structure `VPN`.
    VPN {
        key: Secret<255> = "key",
        password: Secret<20> = "password",
        server: Text<512> = "server",
        kind: VPNEnum = "type",
        user: Text<20> = "user",
    } {
        custom_data: Box<CustomData> = "customData",
        group: Text<20> = "group",
    }
    /// Structure `Variable`.
    Variable {
        name: Text<50> = "name",
    } {
        custom_data: Box<CustomData> = "customData",
        instance: Text<50> = "instance",
    }
    /// Structure `VariableAttribute`.
    VariableAttribute {
    } {
        constant: bool = "constant",
        custom_data: Box<CustomData> = "customData",
        mutability: MutabilityEnum = "mutability",
        persistent: bool = "persistent",
        kind: AttributeEnum = "type",
        value: Text<2500> = "value",
    }
    /// Structure `VariableCharacteristics`.
    VariableCharacteristics {
        data_type: DataEnum = "dataType",
        supports_monitoring: bool = "supportsMonitoring",
    } {
        custom_data: Box<CustomData> = "customData",
        max_limit: Decimal = "maxLimit",
        min_limit: Decimal = "minLimit",
        unit: Text<16> = "unit",
        values_list: Text<1000> = "valuesList",
    }
    /// Structure `VariableMonitoring`.
    VariableMonitoring {
        id: i64 = "id",
        severity: i64 = "severity",
        transaction: bool = "transaction",
        kind: MonitorEnum = "type",
        value: Decimal = "value",
    } {
        custom_data: Box<CustomData> = "customData",
    }
}
