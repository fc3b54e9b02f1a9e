//! The configuration keys that this charge point offers: those that mean something here. The others
//! of the table are not known to a central system, so that none is accepted without an effect.

use std::time::Duration;

use ocpp::v16::{
    ChargingRateUnit, ConfigurationStatus, GetConfigurationRequest, GetConfigurationResponse,
    Response,
};
use ocpp::{Payload as _, Text};
use site_model::WattHours;
use station::configuration::{Changed, Configuration, Equipment, Key, StoredValue};
use station::local_list::ListBounds;
use station::profiles::ProfileRules;
use station::queue::Tries;
use station::sampler::Wants;

use super::endpoint::Endpoint;

/// What is offered, as `GetConfiguration` lists it.
pub(super) const OFFERED: &[Key] = &[
    Key::AdditionalRootCertificateCheck,
    Key::AuthorizationKey,
    Key::CertificateSignedMaxChainSize,
    Key::CertificateStoreMaxLength,
    Key::ChargeProfileMaxStackLevel,
    Key::ChargingScheduleAllowedChargingRateUnit,
    Key::ChargingScheduleMaxPeriods,
    Key::ClockAlignedDataInterval,
    Key::ConnectorSwitch3to1PhaseSupported,
    Key::AllowOfflineTxForUnknownId,
    Key::AuthorizationCacheEnabled,
    Key::AuthorizeRemoteTxRequests,
    Key::ConnectionTimeOut,
    Key::CpoName,
    Key::GetConfigurationMaxKeys,
    Key::HeartbeatInterval,
    Key::MaxChargingProfilesInstalled,
    Key::MaxEnergyOnInvalidId,
    Key::LocalAuthListEnabled,
    Key::LocalAuthListMaxLength,
    Key::LocalAuthorizeOffline,
    Key::LocalPreAuthorize,
    Key::MeterValuesAlignedData,
    Key::MeterValuesAlignedDataMaxLength,
    Key::MeterValuesSampledData,
    Key::MeterValuesSampledDataMaxLength,
    Key::MeterValueSampleInterval,
    Key::NumberOfConnectors,
    Key::ReserveConnectorZeroSupported,
    Key::SendLocalListMaxLength,
    Key::SecurityProfile,
    Key::StopTransactionOnInvalidId,
    Key::StopTxnAlignedData,
    Key::StopTxnAlignedDataMaxLength,
    Key::StopTxnSampledData,
    Key::StopTxnSampledDataMaxLength,
    Key::SupportedFeatureProfiles,
    Key::TransactionMessageAttempts,
    Key::TransactionMessageRetryInterval,
    Key::WebSocketPingInterval,
];
/// Of the specification's feature profiles, those that are offered (`SupportedFeatureProfiles`).
const FEATURES: &[&str] = &[
    "Core",
    "FirmwareManagement",
    "LocalAuthListManagement",
    "Reservation",
    "RemoteTrigger",
    "SmartCharging",
];

/// The keys with their values.
#[derive(Debug, Clone)]
pub(super) struct Settings(Configuration);

/// What became of a wish to change a key.
#[derive(Debug)]
pub(super) enum Change {
    /// These settings hold once this is stored.
    Store(Box<Settings>, Key, StoredValue),
    /// Nothing changes.
    Refuse(ConfigurationStatus),
}

impl Settings {
    /// With what was stored; what breaks today's rules is told and left out.
    pub(super) fn new(endpoint: &Endpoint, stored: &[(String, String)]) -> (Self, Vec<String>) {
        let equipment = Equipment {
            connectors: endpoint.connectors(),
            measurands: endpoint.measurands.clone(),
            own: vec![(Key::SupportedFeatureProfiles, FEATURES.join(","))],
        };
        let stored = stored
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        let (configuration, left_out) = Configuration::new(equipment, stored);
        (Self(configuration), left_out)
    }

    pub(super) fn told(&self, request: &GetConfigurationRequest) -> GetConfigurationResponse {
        let asked = request.key.clone().unwrap_or_default();
        let (known, unknown): (Vec<_>, Vec<_>) = if asked.is_empty() {
            let all = OFFERED.iter().map(|key| Text::cut(key.name()));
            (all.collect(), Vec::new())
        } else {
            asked.into_iter().partition(|name| offered(name.as_str()))
        };
        let mut response = GetConfigurationResponse::default();
        if !known.is_empty() {
            let request = GetConfigurationRequest { key: Some(known) };
            // More than the bound can only be repetitions: those are answered with nothing.
            response = self.0.told(&request).unwrap_or_default();
        }
        if !unknown.is_empty() {
            response.unknown_key = Some(unknown);
        }
        response
    }

    pub(super) fn change(&self, name: &str, value: &str) -> Change {
        if !offered(name) {
            return Change::Refuse(ConfigurationStatus::NotSupported);
        }
        let mut changed = self.clone();
        match changed.0.change(name, value) {
            // What waits for a restart waits for that of the link: the task carries it out.
            Changed::Now(key, stored) | Changed::AfterRestart(key, stored) => {
                Change::Store(Box::new(changed), key, stored)
            }
            refused @ (Changed::Rejected(_) | Changed::NotSupported) => {
                Change::Refuse(refused.status())
            }
        }
    }

    /// What profiles may be; fixed, and told by the keys of Smart Charging.
    pub(super) fn profile_rules(&self) -> ProfileRules {
        let number = |key| self.0.whole(key);
        let most = |key| usize::try_from(number(key)).unwrap_or(usize::MAX);
        let known = [
            ("Current", ChargingRateUnit::A),
            ("Power", ChargingRateUnit::W),
        ];
        let units = self.0.words(Key::ChargingScheduleAllowedChargingRateUnit);
        let unit = |word| known.iter().find(|(name, _)| *name == word);
        ProfileRules {
            connectors: u8::try_from(number(Key::NumberOfConnectors)).unwrap_or(u8::MAX),
            stack_level_max: i64::from(number(Key::ChargeProfileMaxStackLevel)),
            periods_max: most(Key::ChargingScheduleMaxPeriods),
            installed_max: most(Key::MaxChargingProfilesInstalled),
            units: units.filter_map(|word| Some(unit(word)?.1)).collect(),
        }
    }

    /// Every key with its value, as a central system reads them: without passwords.
    pub(super) fn as_told(&self) -> serde_json::Value {
        Response::from(self.told(&GetConfigurationRequest::default())).to_value()
    }

    /// `CpoName`
    pub(super) fn operator(&self) -> &str {
        self.0.expose(Key::CpoName)
    }

    /// The profile in force, which only the link knows.
    pub(super) fn set_security_profile(&mut self, profile: u8) {
        self.0.settle(Key::SecurityProfile, profile.to_string());
    }

    pub(super) fn heartbeat(&self) -> Duration {
        self.seconds(Key::HeartbeatInterval)
    }

    /// The interval that a boot notification was answered with holds until it is changed.
    pub(super) fn set_heartbeat(&mut self, interval: Duration) {
        let seconds = interval.as_secs().to_string();
        // Within the bounds of the key, so it is always taken.
        let _now = self.0.change(Key::HeartbeatInterval.name(), &seconds);
    }

    /// The keys themselves.
    pub(super) fn keys(&self) -> &Configuration {
        &self.0
    }

    /// Whether there is a local list, and how long it may be.
    pub(super) fn local_list(&self) -> (bool, ListBounds) {
        let whole = |key| usize::try_from(self.0.whole(key)).unwrap_or(usize::MAX);
        let bounds = ListBounds {
            tags_max: whole(Key::LocalAuthListMaxLength),
            message_max: whole(Key::SendLocalListMaxLength),
        };
        (self.0.flag(Key::LocalAuthListEnabled), bounds)
    }

    /// A remote start is treated as if its tag were presented.
    pub(super) fn judges_remote_starts(&self) -> bool {
        self.0.flag(Key::AuthorizeRemoteTxRequests)
    }

    /// How long an authorised vehicle is waited for.
    pub(super) fn connection_timeout(&self) -> Duration {
        self.seconds(Key::ConnectionTimeOut)
    }

    /// What is to be told of the meters.
    pub(super) fn meter_values(&self) -> Wants {
        Wants::of(&self.0)
    }

    /// Absent: no pings.
    pub(super) fn ping(&self) -> Option<Duration> {
        let every = self.seconds(Key::WebSocketPingInterval);
        (!every.is_zero()).then_some(every)
    }

    pub(super) fn tries(&self) -> Tries {
        Tries {
            attempts: self.0.whole(Key::TransactionMessageAttempts),
            interval: self.seconds(Key::TransactionMessageRetryInterval),
        }
    }

    /// What a session may take whose tag is not accepted.
    pub(super) fn energy_on_invalid_tag(&self) -> WattHours {
        WattHours(u64::from(self.0.whole(Key::MaxEnergyOnInvalidId)))
    }

    pub(super) fn stops_on_invalid_tag(&self) -> bool {
        self.0.flag(Key::StopTransactionOnInvalidId)
    }

    fn seconds(&self, key: Key) -> Duration {
        Duration::from_secs(u64::from(self.0.whole(key)))
    }
}

fn offered(name: &str) -> bool {
    OFFERED
        .iter()
        .any(|key| key.name().eq_ignore_ascii_case(name))
}
