//! Configuration keys: what is told, what may change, what is refused and why.
#![expect(clippy::unwrap_used, reason = "a test says no by panicking")]

use ocpp::Text;
use ocpp::v16::{
    ConfigurationStatus, GetConfigurationRequest, GetConfigurationResponse, KeyValue, Measurand,
};
use station::configuration::{Changed, Configuration, Equipment, Key, TooManyKeys};

fn equipment() -> Equipment {
    Equipment {
        connectors: 2,
        measurands: vec![Measurand::EnergyActiveImportRegister, Measurand::Voltage],
        own: vec![
            (Key::GetConfigurationMaxKeys, "2".into()),
            (Key::AdditionalRootCertificateCheck, "true".into()),
        ],
    }
}

fn fresh() -> Configuration {
    let (configuration, left_out) = Configuration::new(equipment(), []);
    assert_eq!(left_out, Vec::<String>::new());
    configuration
}

fn ask(names: &[&str]) -> GetConfigurationRequest {
    GetConfigurationRequest {
        key: Some(names.iter().map(|name| Text::new(*name).unwrap()).collect()),
    }
}

fn key_value(name: &str, readonly: bool, value: Option<&str>) -> KeyValue {
    let mut told = KeyValue::new(Text::new(name).unwrap(), readonly);
    told.value = value.map(|value| Text::new(value).unwrap());
    told
}

#[test]
fn known_keys_are_told_and_unknown_ones_named() {
    let told = fresh()
        .told(&ask(&["heartbeatinterval", "Colour"]))
        .unwrap();
    let expected = GetConfigurationResponse {
        configuration_key: Some(vec![key_value("HeartbeatInterval", false, Some("300"))]),
        unknown_key: Some(vec![Text::new("Colour").unwrap()]),
    };
    assert_eq!(told, expected);
    let told = fresh()
        .told(&ask(&["NumberOfConnectors", "AuthorizationKey"]))
        .unwrap();
    let keys = vec![
        key_value("NumberOfConnectors", true, Some("2")),
        key_value("AuthorizationKey", false, None),
    ];
    assert_eq!(
        (told.configuration_key, told.unknown_key),
        (Some(keys), None)
    );
}

#[test]
fn no_key_asked_for_means_all_of_them() {
    for request in [GetConfigurationRequest::default(), ask(&[])] {
        let told = fresh().told(&request).unwrap();
        let keys = told.configuration_key.unwrap();
        assert_eq!(told.unknown_key, None);
        assert!(keys.len() > 40, "{}", keys.len());
        let unfilled = keys.iter().filter(|key| key.value.is_none());
        assert_eq!(
            unfilled.map(|key| key.key.as_str()).collect::<Vec<_>>(),
            ["AuthorizationKey"]
        );
    }
    assert_eq!(
        fresh().told(&ask(&["A", "B", "C"])),
        Err(TooManyKeys { asked: 3, max: 2 })
    );
}

#[test]
fn every_default_keeps_its_own_rule() {
    let told = fresh().told(&GetConfigurationRequest::default()).unwrap();
    for key in told.configuration_key.unwrap() {
        let value = key
            .value
            .as_ref()
            .map(ocpp::Text::as_str)
            .unwrap_or_default();
        if !key.readonly && key.key.as_str() != "AuthorizationKey" {
            let changed = fresh().change(key.key.as_str(), value);
            let kept = [
                ConfigurationStatus::Accepted,
                ConfigurationStatus::RebootRequired,
            ];
            assert!(kept.contains(&changed.status()), "{key:?}: {changed:?}");
        }
    }
}

#[test]
fn a_change_is_in_force_at_once_and_stored_in_one_form() {
    let mut some = fresh();
    for (name, value, stored) in [
        ("HEARTBEATINTERVAL", " 060 ", "60"),
        ("LocalPreAuthorize", "TRUE", "true"),
        (
            "MeterValuesSampledData",
            "Voltage.L1-N, Energy.Active.Import.Register ,",
            "Voltage.L1-N,Energy.Active.Import.Register",
        ),
        (
            "ConnectorPhaseRotation",
            "0.RST, 2.NotApplicable",
            "0.RST,2.NotApplicable",
        ),
        ("CpoName", "Städtische Werke", "Städtische Werke"),
        ("AuthorizationKey", "0123456789abcdef", "0123456789abcdef"),
    ] {
        let changed = some.change(name, value);
        let Changed::Now(key, kept) = &changed else {
            panic!("{name}: {changed:?}")
        };
        assert_eq!((kept.expose(), some.expose(*key)), (stored, stored));
        assert_eq!(changed.status(), ConfigurationStatus::Accepted);
    }
    assert_eq!(some.whole(Key::HeartbeatInterval), 60);
    assert!(some.flag(Key::LocalPreAuthorize));
    let words: Vec<&str> = some.words(Key::MeterValuesSampledData).collect();
    assert_eq!(words, ["Voltage.L1-N", "Energy.Active.Import.Register"]);
    assert!(!format!("{some:?}").contains("0123456789abcdef"));
}

const REFUSALS: &[(&str, &str, &str)] = &[
    ("NumberOfConnectors", "3", "is read-only"),
    (
        "HeartbeatInterval",
        "0",
        "must be a whole number from 1 to 86400",
    ),
    (
        "HeartbeatInterval",
        "86401",
        "must be a whole number from 1 to 86400",
    ),
    (
        "HeartbeatInterval",
        "+5",
        "must be a whole number from 1 to 86400",
    ),
    (
        "HeartbeatInterval",
        "-5",
        "must be a whole number from 1 to 86400",
    ),
    ("LocalPreAuthorize", "yes", "must be true or false"),
    (
        "MeterValuesSampledData",
        "SoC",
        "must hold what the meter can tell, and SoC is not",
    ),
    (
        "MeterValuesSampledData",
        "Voltage.L9",
        "must hold measurands of OCPP 1.6",
    ),
    (
        "ConnectorPhaseRotation",
        "3.RST",
        "must be like 0.RST,1.RTS with existing connectors",
    ),
    (
        "ConnectorPhaseRotation",
        "RST",
        "must be like 0.RST,1.RTS with existing connectors",
    ),
    (
        "AuthorizationKey",
        "0123456789abcde",
        "must be 16 to 40 printable ASCII characters",
    ),
    (
        "AuthorizationKey",
        "0123456789abcdef with a blank",
        "must be 16 to 40 printable ASCII characters",
    ),
    ("SecurityProfile", "4", "must be a whole number from 0 to 3"),
    ("CpoName", "a\nb", "must be at most 50 printable characters"),
];

#[test]
fn refusals_say_why() {
    let mut some = fresh();
    for (name, value, why) in REFUSALS {
        assert_eq!(
            some.change(name, value),
            Changed::Rejected((*why).into()),
            "{name}={value}"
        );
    }
    let most = vec!["Voltage"; 20].join(",");
    assert_eq!(
        fresh().change("StopTxnSampledData", &most).status(),
        ConfigurationStatus::Accepted
    );
    let long = vec!["Voltage"; 21].join(",");
    let changed = some.change("StopTxnSampledData", &long);
    assert_eq!(
        changed,
        Changed::Rejected("must have at most 20 elements".into())
    );
    assert_eq!(
        some.change("Colour", "red").status(),
        ConfigurationStatus::NotSupported
    );
    assert_eq!(some, fresh(), "a refusal changes nothing");
}

#[test]
fn what_needs_a_restart_is_told_but_not_yet_in_force() {
    let (mut some, _) = Configuration::new(equipment(), [("SecurityProfile", "1")]);
    assert_eq!(
        some.change("SecurityProfile", "0"),
        Changed::Rejected("is not lowered from afar".into())
    );
    let changed = some.change("SecurityProfile", "2");
    assert_eq!(changed.status(), ConfigurationStatus::RebootRequired);
    assert_eq!(some.whole(Key::SecurityProfile), 1);
    let told = some
        .told(&ask(&["SecurityProfile"]))
        .unwrap()
        .configuration_key
        .unwrap();
    assert_eq!(told, [key_value("SecurityProfile", false, Some("2"))]);
    let (after, _) = Configuration::new(equipment(), [("SecurityProfile", "2")]);
    assert_eq!(after.whole(Key::SecurityProfile), 2);
}

#[test]
fn stored_values_that_break_todays_rules_are_left_out_and_told() {
    let stored = [
        ("HeartbeatInterval", "0"),
        ("Colour", "red"),
        ("NumberOfConnectors", "9"),
        ("ResetRetries", "2"),
    ];
    let (some, left_out) = Configuration::new(equipment(), stored);
    assert_eq!(
        left_out,
        [
            "HeartbeatInterval: must be a whole number from 1 to 86400",
            "Colour: there is no such key",
            "NumberOfConnectors: is read-only",
        ]
    );
    assert_eq!(some.whole(Key::HeartbeatInterval), 300);
    assert_eq!(some.whole(Key::NumberOfConnectors), 2);
    assert_eq!(some.whole(Key::ResetRetries), 2);
}
