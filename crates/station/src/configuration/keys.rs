//! The table of configuration keys: OCPP 1.6 chapter 9, and the security whitepaper's section 2.3.
//! Defaults and upper bounds are ours where the specification leaves them open.

use super::rules::Access::{Read, ReadWrite, Write};
use super::rules::Row;
use super::rules::Rule::{Flag, Measurands, Password, Rotation, Text, Whole, Words};

/// Seconds of a day: more is a mistake.
const DAY: u32 = 86_400;
/// Measurands in one list.
const LIST: usize = 20;

macro_rules! keys {
    ($($key:ident $access:ident $rule:expr, $default:literal $($restart:ident)?;)*) => {
        /// A configuration key, named as on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Key {
            $(#[doc = concat!("`", stringify!($key), "`")] $key,)*
        }

        impl Key {
            /// As it stands on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$key => stringify!($key),)*
                }
            }
        }

        pub(super) static TABLE: &[Row] = &[$(Row {
            key: Key::$key,
            access: $access,
            rule: $rule,
            default: $default,
            restart: keys!(@ $($restart)?),
        },)*];
    };
    (@) => { false };
    (@ restart) => { true };
}

keys! {
    // Core
    AllowOfflineTxForUnknownId ReadWrite Flag, "false";
    AuthorizationCacheEnabled ReadWrite Flag, "true";
    AuthorizeRemoteTxRequests ReadWrite Flag, "false";
    ClockAlignedDataInterval ReadWrite Whole(0, DAY), "0";
    ConnectionTimeOut ReadWrite Whole(5, DAY), "60";
    ConnectorPhaseRotation ReadWrite Rotation, "0.Unknown";
    GetConfigurationMaxKeys Read Whole(1, 1000), "100";
    HeartbeatInterval ReadWrite Whole(1, DAY), "300";
    LocalAuthorizeOffline ReadWrite Flag, "true";
    LocalPreAuthorize ReadWrite Flag, "false";
    MaxEnergyOnInvalidId ReadWrite Whole(0, 1_000_000), "0";
    MeterValuesAlignedData ReadWrite Measurands(LIST), "Energy.Active.Import.Register";
    MeterValuesAlignedDataMaxLength Read Whole(0, 100), "20";
    MeterValuesSampledData ReadWrite Measurands(LIST), "Energy.Active.Import.Register";
    MeterValuesSampledDataMaxLength Read Whole(0, 100), "20";
    MeterValueSampleInterval ReadWrite Whole(0, DAY), "60";
    MinimumStatusDuration ReadWrite Whole(0, 3600), "0";
    NumberOfConnectors Read Whole(1, 255), "1";
    ResetRetries ReadWrite Whole(0, 10), "1";
    StopTransactionOnEVSideDisconnect ReadWrite Flag, "true";
    StopTransactionOnInvalidId ReadWrite Flag, "true";
    StopTxnAlignedData ReadWrite Measurands(LIST), "";
    StopTxnAlignedDataMaxLength Read Whole(0, 100), "20";
    StopTxnSampledData ReadWrite Measurands(LIST), "";
    StopTxnSampledDataMaxLength Read Whole(0, 100), "20";
    SupportedFeatureProfiles Read Words, "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger";
    TransactionMessageAttempts ReadWrite Whole(1, 1000), "3";
    TransactionMessageRetryInterval ReadWrite Whole(1, DAY), "60";
    UnlockConnectorOnEVSideDisconnect ReadWrite Flag, "true";
    WebSocketPingInterval ReadWrite Whole(0, 3600), "60";
    // Local Auth List Management
    LocalAuthListEnabled ReadWrite Flag, "true";
    LocalAuthListMaxLength Read Whole(0, 100_000), "5000";
    SendLocalListMaxLength Read Whole(1, 10_000), "250";
    // Reservation
    ReserveConnectorZeroSupported Read Flag, "true";
    // Smart Charging
    ChargeProfileMaxStackLevel Read Whole(0, 100), "9";
    ChargingScheduleAllowedChargingRateUnit Read Words, "Current,Power";
    ChargingScheduleMaxPeriods Read Whole(1, 1000), "48";
    ConnectorSwitch3to1PhaseSupported Read Flag, "false";
    MaxChargingProfilesInstalled Read Whole(1, 1000), "40";
    // Security whitepaper
    AdditionalRootCertificateCheck Read Flag, "false";
    AuthorizationKey Write Password(16, 40), "";
    CertificateSignedMaxChainSize Read Whole(0, 10_000), "10000";
    CertificateStoreMaxLength Read Whole(0, 100), "10";
    CpoName ReadWrite Text(50), "";
    SecurityProfile ReadWrite Whole(0, 3), "0" restart;
}

/// The row of a name; upper and lower case do not matter (`CiString`).
pub(super) fn find(name: &str) -> Option<&'static Row> {
    TABLE
        .iter()
        .find(|row| row.key.name().eq_ignore_ascii_case(name))
}
