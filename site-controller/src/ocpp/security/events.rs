//! Security events: what is written down, and which of them a central system is told (security whitepaper
//! for OCPP 1.6-J, edition 3, section 4.6, and the use cases that ask for one).

/// An event, named as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The daemon started.
    StartupOfTheDevice,
    /// The charge point was reset.
    ResetOrReboot,
    /// The clock was set.
    SettingSystemTime,
    /// The central system does not accept who we say we are.
    FailedToAuthenticateAtCentralSystem,
    /// Its certificate is not trusted.
    InvalidCentralSystemCertificate,
    /// A certificate for this charge point cannot be used.
    InvalidChargePointCertificate,
    /// A firmware signing certificate has no manufacturer's root behind it.
    InvalidFirmwareSigningCertificate,
    /// A firmware is not what was signed.
    InvalidFirmwareSignature,
    /// The central system sent what is no message of OCPP; one event for each socket.
    InvalidMessages,
    /// Password, profile or certificates were changed.
    ReconfigurationOfSecurityParameters,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::StartupOfTheDevice => "StartupOfTheDevice",
            Self::ResetOrReboot => "ResetOrReboot",
            Self::SettingSystemTime => "SettingSystemTime",
            Self::FailedToAuthenticateAtCentralSystem => "FailedToAuthenticateAtCentralSystem",
            Self::InvalidCentralSystemCertificate => "InvalidCentralSystemCertificate",
            Self::InvalidChargePointCertificate => "InvalidChargePointCertificate",
            Self::InvalidFirmwareSigningCertificate => "InvalidFirmwareSigningCertificate",
            Self::InvalidFirmwareSignature => "InvalidFirmwareSignature",
            Self::InvalidMessages => "InvalidMessages",
            Self::ReconfigurationOfSecurityParameters => "ReconfigurationOfSecurityParameters",
        }
    }

    /// The table calls it critical, or a use case has it sent (A02, A03, L01, M05).
    pub(crate) fn is_told(self) -> bool {
        match self {
            Self::StartupOfTheDevice
            | Self::ResetOrReboot
            | Self::SettingSystemTime
            | Self::InvalidCentralSystemCertificate
            | Self::InvalidChargePointCertificate
            | Self::InvalidFirmwareSigningCertificate
            | Self::InvalidFirmwareSignature => true,
            Self::FailedToAuthenticateAtCentralSystem
            | Self::InvalidMessages
            | Self::ReconfigurationOfSecurityParameters => false,
        }
    }
}
