//! The enumerations of OCPP 2.0.1.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use crate::wire::words;

words! {
    /// Enumeration `APNAuthenticationEnum`.
    APNAuthenticationEnum {
        CHAP = "CHAP", NONE = "NONE", PAP = "PAP", AUTO = "AUTO",
    }
    /// Enumeration `AttributeEnum`.
    AttributeEnum {
        Actual = "Actual", Target = "Target", MinSet = "MinSet", MaxSet = "MaxSet",
    }
    /// Enumeration `AuthorizationStatusEnum`.
    AuthorizationStatusEnum {
        Accepted = "Accepted", Blocked = "Blocked", ConcurrentTx = "ConcurrentTx",
        Expired = "Expired", Invalid = "Invalid", NoCredit = "NoCredit",
        NotAllowedTypeEVSE = "NotAllowedTypeEVSE", NotAtThisLocation = "NotAtThisLocation",
        NotAtThisTime = "NotAtThisTime", Unknown = "Unknown",
    }
    /// Enumeration `AuthorizeCertificateStatusEnum`.
    AuthorizeCertificateStatusEnum {
        Accepted = "Accepted", SignatureError = "SignatureError",
        CertificateExpired = "CertificateExpired", CertificateRevoked = "CertificateRevoked",
        NoCertificateAvailable = "NoCertificateAvailable", CertChainError = "CertChainError",
        ContractCancelled = "ContractCancelled",
    }
    /// Enumeration `BootReasonEnum`.
    BootReasonEnum {
        ApplicationReset = "ApplicationReset", FirmwareUpdate = "FirmwareUpdate",
        LocalReset = "LocalReset", PowerUp = "PowerUp", RemoteReset = "RemoteReset",
        ScheduledReset = "ScheduledReset", Triggered = "Triggered", Unknown = "Unknown",
        Watchdog = "Watchdog",
    }
    /// Enumeration `CancelReservationStatusEnum`.
    CancelReservationStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `CertificateActionEnum`.
    CertificateActionEnum {
        Install = "Install", Update = "Update",
    }
    /// Enumeration `CertificateSignedStatusEnum`.
    CertificateSignedStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `CertificateSigningUseEnum`.
    CertificateSigningUseEnum {
        ChargingStationCertificate = "ChargingStationCertificate",
        V2GCertificate = "V2GCertificate",
    }
    /// Enumeration `ChangeAvailabilityStatusEnum`.
    ChangeAvailabilityStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", Scheduled = "Scheduled",
    }
    /// Enumeration `ChargingLimitSourceEnum`.
    ChargingLimitSourceEnum {
        EMS = "EMS", Other = "Other", SO = "SO", CSO = "CSO",
    }
    /// Enumeration `ChargingProfileKindEnum`.
    ChargingProfileKindEnum {
        Absolute = "Absolute", Recurring = "Recurring", Relative = "Relative",
    }
    /// Enumeration `ChargingProfilePurposeEnum`.
    ChargingProfilePurposeEnum {
        ChargingStationExternalConstraints = "ChargingStationExternalConstraints",
        ChargingStationMaxProfile = "ChargingStationMaxProfile",
        TxDefaultProfile = "TxDefaultProfile", TxProfile = "TxProfile",
    }
    /// Enumeration `ChargingProfileStatusEnum`.
    ChargingProfileStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `ChargingRateUnitEnum`.
    ChargingRateUnitEnum {
        W = "W", A = "A",
    }
    /// Enumeration `ChargingStateEnum`.
    ChargingStateEnum {
        Charging = "Charging", EVConnected = "EVConnected", SuspendedEV = "SuspendedEV",
        SuspendedEVSE = "SuspendedEVSE", Idle = "Idle",
    }
    /// Enumeration `ClearCacheStatusEnum`.
    ClearCacheStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `ClearChargingProfileStatusEnum`.
    ClearChargingProfileStatusEnum {
        Accepted = "Accepted", Unknown = "Unknown",
    }
    /// Enumeration `ClearMessageStatusEnum`.
    ClearMessageStatusEnum {
        Accepted = "Accepted", Unknown = "Unknown",
    }
    /// Enumeration `ClearMonitoringStatusEnum`.
    ClearMonitoringStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", NotFound = "NotFound",
    }
    /// Enumeration `ComponentCriterionEnum`.
    ComponentCriterionEnum {
        Active = "Active", Available = "Available", Enabled = "Enabled", Problem = "Problem",
    }
    /// Enumeration `ConnectorEnum`.
    ConnectorEnum {
        CCCS1 = "cCCS1", CCCS2 = "cCCS2", CG105 = "cG105", CTesla = "cTesla", CType1 = "cType1",
        CType2 = "cType2", S3091P16A = "s309-1P-16A", S3091P32A = "s309-1P-32A",
        S3093P16A = "s309-3P-16A", S3093P32A = "s309-3P-32A", SBS1361 = "sBS1361",
        SCEE77 = "sCEE-7-7", SType2 = "sType2", SType3 = "sType3",
        Other1PhMax16A = "Other1PhMax16A", Other1PhOver16A = "Other1PhOver16A",
        Other3Ph = "Other3Ph", Pan = "Pan", WInductive = "wInductive", WResonant = "wResonant",
        Undetermined = "Undetermined", Unknown = "Unknown",
    }
    /// Enumeration `ConnectorStatusEnum`.
    ConnectorStatusEnum {
        Available = "Available", Occupied = "Occupied", Reserved = "Reserved",
        Unavailable = "Unavailable", Faulted = "Faulted",
    }
    /// Enumeration `CostKindEnum`.
    CostKindEnum {
        CarbonDioxideEmission = "CarbonDioxideEmission",
        RelativePricePercentage = "RelativePricePercentage",
        RenewableGenerationPercentage = "RenewableGenerationPercentage",
    }
    /// Enumeration `CustomerInformationStatusEnum`.
    CustomerInformationStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", Invalid = "Invalid",
    }
    /// Enumeration `DataEnum`.
    DataEnum {
        String = "string", Decimal = "decimal", Integer = "integer", DateTime = "dateTime",
        Boolean = "boolean", OptionList = "OptionList", SequenceList = "SequenceList",
        MemberList = "MemberList",
    }
    /// Enumeration `DataTransferStatusEnum`.
    DataTransferStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", UnknownMessageId = "UnknownMessageId",
        UnknownVendorId = "UnknownVendorId",
    }
    /// Enumeration `DeleteCertificateStatusEnum`.
    DeleteCertificateStatusEnum {
        Accepted = "Accepted", Failed = "Failed", NotFound = "NotFound",
    }
    /// Enumeration `DisplayMessageStatusEnum`.
    DisplayMessageStatusEnum {
        Accepted = "Accepted", NotSupportedMessageFormat = "NotSupportedMessageFormat",
        Rejected = "Rejected", NotSupportedPriority = "NotSupportedPriority",
        NotSupportedState = "NotSupportedState", UnknownTransaction = "UnknownTransaction",
    }
    /// Enumeration `EnergyTransferModeEnum`.
    EnergyTransferModeEnum {
        DC = "DC", ACSinglePhase = "AC_single_phase", ACTwoPhase = "AC_two_phase",
        ACThreePhase = "AC_three_phase",
    }
    /// Enumeration `EventNotificationEnum`.
    EventNotificationEnum {
        HardWiredNotification = "HardWiredNotification", HardWiredMonitor = "HardWiredMonitor",
        PreconfiguredMonitor = "PreconfiguredMonitor", CustomMonitor = "CustomMonitor",
    }
    /// Enumeration `EventTriggerEnum`.
    EventTriggerEnum {
        Alerting = "Alerting", Delta = "Delta", Periodic = "Periodic",
    }
    /// Enumeration `FirmwareStatusEnum`.
    FirmwareStatusEnum {
        Downloaded = "Downloaded", DownloadFailed = "DownloadFailed", Downloading = "Downloading",
        DownloadScheduled = "DownloadScheduled", DownloadPaused = "DownloadPaused", Idle = "Idle",
        InstallationFailed = "InstallationFailed", Installing = "Installing",
        Installed = "Installed", InstallRebooting = "InstallRebooting",
        InstallScheduled = "InstallScheduled",
        InstallVerificationFailed = "InstallVerificationFailed",
        InvalidSignature = "InvalidSignature", SignatureVerified = "SignatureVerified",
    }
    /// Enumeration `GenericDeviceModelStatusEnum`.
    GenericDeviceModelStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", NotSupported = "NotSupported",
        EmptyResultSet = "EmptyResultSet",
    }
    /// Enumeration `GenericStatusEnum`.
    GenericStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `GetCertificateIdUseEnum`.
    GetCertificateIdUseEnum {
        V2GRootCertificate = "V2GRootCertificate", MORootCertificate = "MORootCertificate",
        CSMSRootCertificate = "CSMSRootCertificate", V2GCertificateChain = "V2GCertificateChain",
        ManufacturerRootCertificate = "ManufacturerRootCertificate",
    }
    /// Enumeration `GetCertificateStatusEnum`.
    GetCertificateStatusEnum {
        Accepted = "Accepted", Failed = "Failed",
    }
    /// Enumeration `GetChargingProfileStatusEnum`.
    GetChargingProfileStatusEnum {
        Accepted = "Accepted", NoProfiles = "NoProfiles",
    }
    /// Enumeration `GetDisplayMessagesStatusEnum`.
    GetDisplayMessagesStatusEnum {
        Accepted = "Accepted", Unknown = "Unknown",
    }
    /// Enumeration `GetInstalledCertificateStatusEnum`.
    GetInstalledCertificateStatusEnum {
        Accepted = "Accepted", NotFound = "NotFound",
    }
    /// Enumeration `GetVariableStatusEnum`.
    GetVariableStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", UnknownComponent = "UnknownComponent",
        UnknownVariable = "UnknownVariable",
        NotSupportedAttributeType = "NotSupportedAttributeType",
    }
    /// Enumeration `HashAlgorithmEnum`.
    HashAlgorithmEnum {
        SHA256 = "SHA256", SHA384 = "SHA384", SHA512 = "SHA512",
    }
    /// Enumeration `IdTokenEnum`.
    IdTokenEnum {
        Central = "Central", EMAID = "eMAID", ISO14443 = "ISO14443", ISO15693 = "ISO15693",
        KeyCode = "KeyCode", Local = "Local", MacAddress = "MacAddress",
        NoAuthorization = "NoAuthorization",
    }
    /// Enumeration `InstallCertificateStatusEnum`.
    InstallCertificateStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", Failed = "Failed",
    }
    /// Enumeration `InstallCertificateUseEnum`.
    InstallCertificateUseEnum {
        V2GRootCertificate = "V2GRootCertificate", MORootCertificate = "MORootCertificate",
        CSMSRootCertificate = "CSMSRootCertificate",
        ManufacturerRootCertificate = "ManufacturerRootCertificate",
    }
    /// Enumeration `Iso15118EVCertificateStatusEnum`.
    Iso15118EVCertificateStatusEnum {
        Accepted = "Accepted", Failed = "Failed",
    }
    /// Enumeration `LocationEnum`.
    LocationEnum {
        Body = "Body", Cable = "Cable", EV = "EV", Inlet = "Inlet", Outlet = "Outlet",
    }
    /// Enumeration `LogEnum`.
    LogEnum {
        DiagnosticsLog = "DiagnosticsLog", SecurityLog = "SecurityLog",
    }
    /// Enumeration `LogStatusEnum`.
    LogStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", AcceptedCanceled = "AcceptedCanceled",
    }
    /// Enumeration `MeasurandEnum`.
    MeasurandEnum {
        CurrentExport = "Current.Export", CurrentImport = "Current.Import",
        CurrentOffered = "Current.Offered",
        EnergyActiveExportRegister = "Energy.Active.Export.Register",
        EnergyActiveImportRegister = "Energy.Active.Import.Register",
        EnergyReactiveExportRegister = "Energy.Reactive.Export.Register",
        EnergyReactiveImportRegister = "Energy.Reactive.Import.Register",
        EnergyActiveExportInterval = "Energy.Active.Export.Interval",
        EnergyActiveImportInterval = "Energy.Active.Import.Interval",
        EnergyActiveNet = "Energy.Active.Net",
        EnergyReactiveExportInterval = "Energy.Reactive.Export.Interval",
        EnergyReactiveImportInterval = "Energy.Reactive.Import.Interval",
        EnergyReactiveNet = "Energy.Reactive.Net", EnergyApparentNet = "Energy.Apparent.Net",
        EnergyApparentImport = "Energy.Apparent.Import",
        EnergyApparentExport = "Energy.Apparent.Export", Frequency = "Frequency",
        PowerActiveExport = "Power.Active.Export", PowerActiveImport = "Power.Active.Import",
        PowerFactor = "Power.Factor", PowerOffered = "Power.Offered",
        PowerReactiveExport = "Power.Reactive.Export",
        PowerReactiveImport = "Power.Reactive.Import", SoC = "SoC", Voltage = "Voltage",
    }
    /// Enumeration `MessageFormatEnum`.
    MessageFormatEnum {
        ASCII = "ASCII", HTML = "HTML", URI = "URI", UTF8 = "UTF8",
    }
    /// Enumeration `MessagePriorityEnum`.
    MessagePriorityEnum {
        AlwaysFront = "AlwaysFront", InFront = "InFront", NormalCycle = "NormalCycle",
    }
    /// Enumeration `MessageStateEnum`.
    MessageStateEnum {
        Charging = "Charging", Faulted = "Faulted", Idle = "Idle", Unavailable = "Unavailable",
    }
    /// Enumeration `MessageTriggerEnum`.
    MessageTriggerEnum {
        BootNotification = "BootNotification", LogStatusNotification = "LogStatusNotification",
        FirmwareStatusNotification = "FirmwareStatusNotification", Heartbeat = "Heartbeat",
        MeterValues = "MeterValues",
        SignChargingStationCertificate = "SignChargingStationCertificate",
        SignV2GCertificate = "SignV2GCertificate", StatusNotification = "StatusNotification",
        TransactionEvent = "TransactionEvent", SignCombinedCertificate = "SignCombinedCertificate",
        PublishFirmwareStatusNotification = "PublishFirmwareStatusNotification",
    }
    /// Enumeration `MonitorEnum`.
    MonitorEnum {
        UpperThreshold = "UpperThreshold", LowerThreshold = "LowerThreshold", Delta = "Delta",
        Periodic = "Periodic", PeriodicClockAligned = "PeriodicClockAligned",
    }
    /// Enumeration `MonitoringBaseEnum`.
    MonitoringBaseEnum {
        All = "All", FactoryDefault = "FactoryDefault", HardWiredOnly = "HardWiredOnly",
    }
    /// Enumeration `MonitoringCriterionEnum`.
    MonitoringCriterionEnum {
        ThresholdMonitoring = "ThresholdMonitoring", DeltaMonitoring = "DeltaMonitoring",
        PeriodicMonitoring = "PeriodicMonitoring",
    }
    /// Enumeration `MutabilityEnum`.
    MutabilityEnum {
        ReadOnly = "ReadOnly", WriteOnly = "WriteOnly", ReadWrite = "ReadWrite",
    }
    /// Enumeration `NotifyEVChargingNeedsStatusEnum`.
    NotifyEVChargingNeedsStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", Processing = "Processing",
    }
    /// Enumeration `OCPPInterfaceEnum`.
    OCPPInterfaceEnum {
        Wired0 = "Wired0", Wired1 = "Wired1", Wired2 = "Wired2", Wired3 = "Wired3",
        Wireless0 = "Wireless0", Wireless1 = "Wireless1", Wireless2 = "Wireless2",
        Wireless3 = "Wireless3",
    }
    /// Enumeration `OCPPTransportEnum`.
    OCPPTransportEnum {
        JSON = "JSON", SOAP = "SOAP",
    }
    /// Enumeration `OCPPVersionEnum`.
    OCPPVersionEnum {
        OCPP12 = "OCPP12", OCPP15 = "OCPP15", OCPP16 = "OCPP16", OCPP20 = "OCPP20",
    }
    /// Enumeration `OperationalStatusEnum`.
    OperationalStatusEnum {
        Inoperative = "Inoperative", Operative = "Operative",
    }
    /// Enumeration `PhaseEnum`.
    PhaseEnum {
        L1 = "L1", L2 = "L2", L3 = "L3", N = "N", L1N = "L1-N", L2N = "L2-N", L3N = "L3-N",
        L1L2 = "L1-L2", L2L3 = "L2-L3", L3L1 = "L3-L1",
    }
    /// Enumeration `PublishFirmwareStatusEnum`.
    PublishFirmwareStatusEnum {
        Idle = "Idle", DownloadScheduled = "DownloadScheduled", Downloading = "Downloading",
        Downloaded = "Downloaded", Published = "Published", DownloadFailed = "DownloadFailed",
        DownloadPaused = "DownloadPaused", InvalidChecksum = "InvalidChecksum",
        ChecksumVerified = "ChecksumVerified", PublishFailed = "PublishFailed",
    }
    /// Enumeration `ReadingContextEnum`.
    ReadingContextEnum else Other {
        InterruptionBegin = "Interruption.Begin", InterruptionEnd = "Interruption.End",
        Other = "Other", SampleClock = "Sample.Clock", SamplePeriodic = "Sample.Periodic",
        TransactionBegin = "Transaction.Begin", TransactionEnd = "Transaction.End",
        Trigger = "Trigger",
    }
    /// Enumeration `ReasonEnum`.
    ReasonEnum else Other {
        DeAuthorized = "DeAuthorized", EmergencyStop = "EmergencyStop",
        EnergyLimitReached = "EnergyLimitReached", EVDisconnected = "EVDisconnected",
        GroundFault = "GroundFault", ImmediateReset = "ImmediateReset", Local = "Local",
        LocalOutOfCredit = "LocalOutOfCredit", MasterPass = "MasterPass", Other = "Other",
        OvercurrentFault = "OvercurrentFault", PowerLoss = "PowerLoss",
        PowerQuality = "PowerQuality", Reboot = "Reboot", Remote = "Remote",
        SOCLimitReached = "SOCLimitReached", StoppedByEV = "StoppedByEV",
        TimeLimitReached = "TimeLimitReached", Timeout = "Timeout",
    }
    /// Enumeration `RecurrencyKindEnum`.
    RecurrencyKindEnum {
        Daily = "Daily", Weekly = "Weekly",
    }
    /// Enumeration `RegistrationStatusEnum`.
    RegistrationStatusEnum {
        Accepted = "Accepted", Pending = "Pending", Rejected = "Rejected",
    }
    /// Enumeration `ReportBaseEnum`.
    ReportBaseEnum {
        ConfigurationInventory = "ConfigurationInventory", FullInventory = "FullInventory",
        SummaryInventory = "SummaryInventory",
    }
    /// Enumeration `RequestStartStopStatusEnum`.
    RequestStartStopStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `ReservationUpdateStatusEnum`.
    ReservationUpdateStatusEnum {
        Expired = "Expired", Removed = "Removed",
    }
    /// Enumeration `ReserveNowStatusEnum`.
    ReserveNowStatusEnum {
        Accepted = "Accepted", Faulted = "Faulted", Occupied = "Occupied", Rejected = "Rejected",
        Unavailable = "Unavailable",
    }
    /// Enumeration `ResetEnum`.
    ResetEnum {
        Immediate = "Immediate", OnIdle = "OnIdle",
    }
    /// Enumeration `ResetStatusEnum`.
    ResetStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", Scheduled = "Scheduled",
    }
    /// Enumeration `SendLocalListStatusEnum`.
    SendLocalListStatusEnum {
        Accepted = "Accepted", Failed = "Failed", VersionMismatch = "VersionMismatch",
    }
    /// Enumeration `SetMonitoringStatusEnum`.
    SetMonitoringStatusEnum {
        Accepted = "Accepted", UnknownComponent = "UnknownComponent",
        UnknownVariable = "UnknownVariable", UnsupportedMonitorType = "UnsupportedMonitorType",
        Rejected = "Rejected", Duplicate = "Duplicate",
    }
    /// Enumeration `SetNetworkProfileStatusEnum`.
    SetNetworkProfileStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", Failed = "Failed",
    }
    /// Enumeration `SetVariableStatusEnum`.
    SetVariableStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", UnknownComponent = "UnknownComponent",
        UnknownVariable = "UnknownVariable",
        NotSupportedAttributeType = "NotSupportedAttributeType", RebootRequired = "RebootRequired",
    }
    /// Enumeration `TransactionEventEnum`.
    TransactionEventEnum {
        Ended = "Ended", Started = "Started", Updated = "Updated",
    }
    /// Enumeration `TriggerMessageStatusEnum`.
    TriggerMessageStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", NotImplemented = "NotImplemented",
    }
    /// Enumeration `TriggerReasonEnum`.
    TriggerReasonEnum {
        Authorized = "Authorized", CablePluggedIn = "CablePluggedIn",
        ChargingRateChanged = "ChargingRateChanged", ChargingStateChanged = "ChargingStateChanged",
        Deauthorized = "Deauthorized", EnergyLimitReached = "EnergyLimitReached",
        EVCommunicationLost = "EVCommunicationLost", EVConnectTimeout = "EVConnectTimeout",
        MeterValueClock = "MeterValueClock", MeterValuePeriodic = "MeterValuePeriodic",
        TimeLimitReached = "TimeLimitReached", Trigger = "Trigger", UnlockCommand = "UnlockCommand",
        StopAuthorized = "StopAuthorized", EVDeparted = "EVDeparted", EVDetected = "EVDetected",
        RemoteStop = "RemoteStop", RemoteStart = "RemoteStart",
        AbnormalCondition = "AbnormalCondition", SignedDataReceived = "SignedDataReceived",
        ResetCommand = "ResetCommand",
    }
    /// Enumeration `UnlockStatusEnum`.
    UnlockStatusEnum {
        Unlocked = "Unlocked", UnlockFailed = "UnlockFailed",
        OngoingAuthorizedTransaction = "OngoingAuthorizedTransaction",
        UnknownConnector = "UnknownConnector",
    }
    /// Enumeration `UnpublishFirmwareStatusEnum`.
    UnpublishFirmwareStatusEnum {
        DownloadOngoing = "DownloadOngoing", NoFirmware = "NoFirmware", Unpublished = "Unpublished",
    }
    /// Enumeration `UpdateEnum`.
    UpdateEnum {
        Differential = "Differential", Full = "Full",
    }
    /// Enumeration `UpdateFirmwareStatusEnum`.
    UpdateFirmwareStatusEnum {
        Accepted = "Accepted", Rejected = "Rejected", AcceptedCanceled = "AcceptedCanceled",
        InvalidCertificate = "InvalidCertificate", RevokedCertificate = "RevokedCertificate",
    }
    /// Enumeration `UploadLogStatusEnum`.
    UploadLogStatusEnum {
        BadMessage = "BadMessage", Idle = "Idle", NotSupportedOperation = "NotSupportedOperation",
        PermissionDenied = "PermissionDenied", Uploaded = "Uploaded",
        UploadFailure = "UploadFailure", Uploading = "Uploading",
        AcceptedCanceled = "AcceptedCanceled",
    }
    /// Enumeration `VPNEnum`.
    VPNEnum {
        IKEv2 = "IKEv2", IPSec = "IPSec", L2TP = "L2TP", PPTP = "PPTP",
    }
}
