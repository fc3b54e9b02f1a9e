//! The enumerations of OCPP 1.6.
//!
//! Written by `cargo xtask ocpp` from the official schemas; not edited by hand.

use crate::wire::words;

words! {
    /// Enumeration `AuthorizationStatus`.
    AuthorizationStatus {
        Accepted = "Accepted", Blocked = "Blocked", Expired = "Expired", Invalid = "Invalid",
        ConcurrentTx = "ConcurrentTx",
    }
    /// Enumeration `AvailabilityStatus`.
    AvailabilityStatus {
        Accepted = "Accepted", Rejected = "Rejected", Scheduled = "Scheduled",
    }
    /// Enumeration `AvailabilityType`.
    AvailabilityType {
        Inoperative = "Inoperative", Operative = "Operative",
    }
    /// Enumeration `CancelReservationStatus`.
    CancelReservationStatus {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `CertificateSignedStatus`.
    CertificateSignedStatus {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `CertificateUse`.
    CertificateUse {
        CentralSystemRootCertificate = "CentralSystemRootCertificate",
        ManufacturerRootCertificate = "ManufacturerRootCertificate",
    }
    /// Enumeration `ChargePointErrorCode`.
    ChargePointErrorCode else OtherError {
        ConnectorLockFailure = "ConnectorLockFailure",
        EVCommunicationError = "EVCommunicationError", GroundFailure = "GroundFailure",
        HighTemperature = "HighTemperature", InternalError = "InternalError",
        LocalListConflict = "LocalListConflict", NoError = "NoError", OtherError = "OtherError",
        OverCurrentFailure = "OverCurrentFailure", PowerMeterFailure = "PowerMeterFailure",
        PowerSwitchFailure = "PowerSwitchFailure", ReaderFailure = "ReaderFailure",
        ResetFailure = "ResetFailure", UnderVoltage = "UnderVoltage", OverVoltage = "OverVoltage",
        WeakSignal = "WeakSignal",
    }
    /// Enumeration `ChargePointStatus`.
    ChargePointStatus {
        Available = "Available", Preparing = "Preparing", Charging = "Charging",
        SuspendedEVSE = "SuspendedEVSE", SuspendedEV = "SuspendedEV", Finishing = "Finishing",
        Reserved = "Reserved", Unavailable = "Unavailable", Faulted = "Faulted",
    }
    /// Enumeration `ChargingProfileKind`.
    ChargingProfileKind {
        Absolute = "Absolute", Recurring = "Recurring", Relative = "Relative",
    }
    /// Enumeration `ChargingProfilePurpose`.
    ChargingProfilePurpose {
        ChargePointMaxProfile = "ChargePointMaxProfile", TxDefaultProfile = "TxDefaultProfile",
        TxProfile = "TxProfile",
    }
    /// Enumeration `ChargingProfileStatus`.
    ChargingProfileStatus {
        Accepted = "Accepted", Rejected = "Rejected", NotSupported = "NotSupported",
    }
    /// Enumeration `ChargingRateUnit`.
    ChargingRateUnit {
        A = "A", W = "W",
    }
    /// Enumeration `ClearCacheStatus`.
    ClearCacheStatus {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `ClearChargingProfileStatus`.
    ClearChargingProfileStatus {
        Accepted = "Accepted", Unknown = "Unknown",
    }
    /// Enumeration `ConfigurationStatus`.
    ConfigurationStatus {
        Accepted = "Accepted", Rejected = "Rejected", RebootRequired = "RebootRequired",
        NotSupported = "NotSupported",
    }
    /// Enumeration `DataTransferStatus`.
    DataTransferStatus {
        Accepted = "Accepted", Rejected = "Rejected", UnknownMessageId = "UnknownMessageId",
        UnknownVendorId = "UnknownVendorId",
    }
    /// Enumeration `DeleteCertificateStatus`.
    DeleteCertificateStatus {
        Accepted = "Accepted", Failed = "Failed", NotFound = "NotFound",
    }
    /// Enumeration `DiagnosticsStatus`.
    DiagnosticsStatus {
        Idle = "Idle", Uploaded = "Uploaded", UploadFailed = "UploadFailed",
        Uploading = "Uploading",
    }
    /// Enumeration `ExtendedMessageTrigger`.
    ExtendedMessageTrigger {
        BootNotification = "BootNotification", LogStatusNotification = "LogStatusNotification",
        FirmwareStatusNotification = "FirmwareStatusNotification", Heartbeat = "Heartbeat",
        MeterValues = "MeterValues", SignChargePointCertificate = "SignChargePointCertificate",
        StatusNotification = "StatusNotification",
    }
    /// Enumeration `FirmwareStatus`.
    FirmwareStatus {
        Downloaded = "Downloaded", DownloadFailed = "DownloadFailed", Downloading = "Downloading",
        Idle = "Idle", InstallationFailed = "InstallationFailed", Installing = "Installing",
        Installed = "Installed",
    }
    /// Enumeration `GenericStatus`.
    GenericStatus {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `GetCompositeScheduleStatus`.
    GetCompositeScheduleStatus {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `GetInstalledCertificateStatus`.
    GetInstalledCertificateStatus {
        Accepted = "Accepted", NotFound = "NotFound",
    }
    /// Enumeration `HashAlgorithm`.
    HashAlgorithm {
        SHA256 = "SHA256", SHA384 = "SHA384", SHA512 = "SHA512",
    }
    /// Enumeration `InstallCertificateStatus`.
    InstallCertificateStatus {
        Accepted = "Accepted", Failed = "Failed", Rejected = "Rejected",
    }
    /// Enumeration `Location`.
    Location {
        Cable = "Cable", EV = "EV", Inlet = "Inlet", Outlet = "Outlet", Body = "Body",
    }
    /// Enumeration `Log`.
    Log {
        DiagnosticsLog = "DiagnosticsLog", SecurityLog = "SecurityLog",
    }
    /// Enumeration `LogStatus`.
    LogStatus {
        Accepted = "Accepted", Rejected = "Rejected", AcceptedCanceled = "AcceptedCanceled",
    }
    /// Enumeration `Measurand`.
    Measurand {
        EnergyActiveExportRegister = "Energy.Active.Export.Register",
        EnergyActiveImportRegister = "Energy.Active.Import.Register",
        EnergyReactiveExportRegister = "Energy.Reactive.Export.Register",
        EnergyReactiveImportRegister = "Energy.Reactive.Import.Register",
        EnergyActiveExportInterval = "Energy.Active.Export.Interval",
        EnergyActiveImportInterval = "Energy.Active.Import.Interval",
        EnergyReactiveExportInterval = "Energy.Reactive.Export.Interval",
        EnergyReactiveImportInterval = "Energy.Reactive.Import.Interval",
        PowerActiveExport = "Power.Active.Export", PowerActiveImport = "Power.Active.Import",
        PowerOffered = "Power.Offered", PowerReactiveExport = "Power.Reactive.Export",
        PowerReactiveImport = "Power.Reactive.Import", PowerFactor = "Power.Factor",
        CurrentImport = "Current.Import", CurrentExport = "Current.Export",
        CurrentOffered = "Current.Offered", Voltage = "Voltage", Frequency = "Frequency",
        Temperature = "Temperature", SoC = "SoC", RPM = "RPM",
    }
    /// Enumeration `MessageTrigger`.
    MessageTrigger {
        BootNotification = "BootNotification",
        DiagnosticsStatusNotification = "DiagnosticsStatusNotification",
        FirmwareStatusNotification = "FirmwareStatusNotification", Heartbeat = "Heartbeat",
        MeterValues = "MeterValues", StatusNotification = "StatusNotification",
    }
    /// Enumeration `Phase`.
    Phase {
        L1 = "L1", L2 = "L2", L3 = "L3", N = "N", L1N = "L1-N", L2N = "L2-N", L3N = "L3-N",
        L1L2 = "L1-L2", L2L3 = "L2-L3", L3L1 = "L3-L1",
    }
    /// Enumeration `ReadingContext`.
    ReadingContext else Other {
        InterruptionBegin = "Interruption.Begin", InterruptionEnd = "Interruption.End",
        SampleClock = "Sample.Clock", SamplePeriodic = "Sample.Periodic",
        TransactionBegin = "Transaction.Begin", TransactionEnd = "Transaction.End",
        Trigger = "Trigger", Other = "Other",
    }
    /// Enumeration `Reason`.
    Reason else Other {
        EmergencyStop = "EmergencyStop", EVDisconnected = "EVDisconnected", HardReset = "HardReset",
        Local = "Local", Other = "Other", PowerLoss = "PowerLoss", Reboot = "Reboot",
        Remote = "Remote", SoftReset = "SoftReset", UnlockCommand = "UnlockCommand",
        DeAuthorized = "DeAuthorized",
    }
    /// Enumeration `RecurrencyKind`.
    RecurrencyKind {
        Daily = "Daily", Weekly = "Weekly",
    }
    /// Enumeration `RegistrationStatus`.
    RegistrationStatus {
        Accepted = "Accepted", Pending = "Pending", Rejected = "Rejected",
    }
    /// Enumeration `RemoteStartStopStatus`.
    RemoteStartStopStatus {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `ReservationStatus`.
    ReservationStatus {
        Accepted = "Accepted", Faulted = "Faulted", Occupied = "Occupied", Rejected = "Rejected",
        Unavailable = "Unavailable",
    }
    /// Enumeration `ResetStatus`.
    ResetStatus {
        Accepted = "Accepted", Rejected = "Rejected",
    }
    /// Enumeration `ResetType`.
    ResetType {
        Hard = "Hard", Soft = "Soft",
    }
    /// Enumeration `SignedFirmwareStatus`.
    SignedFirmwareStatus {
        Downloaded = "Downloaded", DownloadFailed = "DownloadFailed", Downloading = "Downloading",
        DownloadScheduled = "DownloadScheduled", DownloadPaused = "DownloadPaused", Idle = "Idle",
        InstallationFailed = "InstallationFailed", Installing = "Installing",
        Installed = "Installed", InstallRebooting = "InstallRebooting",
        InstallScheduled = "InstallScheduled",
        InstallVerificationFailed = "InstallVerificationFailed",
        InvalidSignature = "InvalidSignature", SignatureVerified = "SignatureVerified",
    }
    /// Enumeration `SignedUpdateFirmwareStatus`.
    SignedUpdateFirmwareStatus {
        Accepted = "Accepted", Rejected = "Rejected", AcceptedCanceled = "AcceptedCanceled",
        InvalidCertificate = "InvalidCertificate", RevokedCertificate = "RevokedCertificate",
    }
    /// Enumeration `TriggerMessageStatus`.
    TriggerMessageStatus {
        Accepted = "Accepted", Rejected = "Rejected", NotImplemented = "NotImplemented",
    }
    /// Enumeration `UnitOfMeasure`.
    UnitOfMeasure {
        Wh = "Wh", KWh = "kWh", Varh = "varh", Kvarh = "kvarh", W = "W", KW = "kW", VA = "VA",
        KVA = "kVA", Var = "var", Kvar = "kvar", A = "A", V = "V", K = "K", Celcius = "Celcius",
        Celsius = "Celsius", Fahrenheit = "Fahrenheit", Percent = "Percent", Hertz = "Hertz",
    }
    /// Enumeration `UnlockStatus`.
    UnlockStatus {
        Unlocked = "Unlocked", UnlockFailed = "UnlockFailed", NotSupported = "NotSupported",
    }
    /// Enumeration `UpdateStatus`.
    UpdateStatus {
        Accepted = "Accepted", Failed = "Failed", NotSupported = "NotSupported",
        VersionMismatch = "VersionMismatch",
    }
    /// Enumeration `UpdateType`.
    UpdateType {
        Differential = "Differential", Full = "Full",
    }
    /// Enumeration `UploadLogStatus`.
    UploadLogStatus {
        BadMessage = "BadMessage", Idle = "Idle", NotSupportedOperation = "NotSupportedOperation",
        PermissionDenied = "PermissionDenied", Uploaded = "Uploaded",
        UploadFailure = "UploadFailure", Uploading = "Uploading",
    }
    /// Enumeration `ValueFormat`.
    ValueFormat {
        Raw = "Raw", SignedData = "SignedData",
    }
}
