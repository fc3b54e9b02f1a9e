//! Central systems in the configuration.

use std::path::Path;

use site_model::CentralSystem;

use super::super::*;
use crate::secret::Secret;
use crate::uplink::Tls;

#[test]
fn each_charge_point_gets_its_central_system_and_its_password() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("left"), "p4ssw0rd\n").unwrap();
    let own = with_ocpp(
        "",
        "{ password_file = \"left\", url = \"wss://other.example/\" }",
    );
    let plan = Plan::parse(&own, folder.path()).unwrap();
    let [station] = &plan.stations[..] else {
        panic!("{:?}", plan.stations)
    };
    assert_eq!(station.address(), "wss://other.example:443/CP-LEFT");
    assert_eq!(station.tls, Tls::SystemRoots);
    assert_eq!(station.password, Some(Secret::new("p4ssw0rd")));
    let shown = summary(&plan);
    assert!(
        shown.contains(
            "  OCPP      wss://other.example:443/CP-LEFT\n            TLS, system's roots, with a password\n"
        ),
        "{shown}"
    );

    let common = "url = \"wss://csms.example/ocpp/1.6\"\nca_file = \"ca.pem\"";
    let plan = Plan::parse(&with_ocpp(common, ""), folder.path()).unwrap();
    let station = &plan.stations[0];
    assert_eq!(station.address(), "wss://csms.example:443/ocpp/1.6/CP-LEFT");
    assert_eq!(station.tls, Tls::CaFile(folder.path().join("ca.pem")));
    assert_eq!(station.password, None);

    let plan = Plan::parse(&with_ocpp("", ""), folder.path()).unwrap();
    assert!(plan.stations.is_empty());
    assert_eq!(plan.site.charge_points[0].central_system, None);
}

#[test]
fn a_charge_point_tells_what_one_of_its_devices_has_a_register_for() {
    use ::ocpp::v16::Measurand as M;
    let common = "url = \"wss://csms.example\"";
    let plan = Plan::parse(&with_ocpp(common, ""), Path::new("/nowhere")).unwrap();
    let mut told = plan.stations[0].measurands.clone();
    told.sort_by_key(|measurand| measurand.as_str());
    let known = [
        M::CurrentImport,
        M::CurrentOffered,
        M::EnergyActiveExportRegister,
        M::EnergyActiveImportRegister,
        M::Frequency,
        M::PowerActiveImport,
        M::PowerOffered,
        M::Voltage,
    ];
    assert_eq!(told, known);
}

#[test]
fn whose_a_central_system_is_is_said_where_its_address_is() {
    let (shared, own) = ("url = \"wss://a.example\"", "url = \"wss://b.example\"");
    let cases = [
        (
            shared.to_owned(),
            String::new(),
            "wss://a.example:443",
            false,
        ),
        (
            format!("{shared}\nexternal = true"),
            String::new(),
            "wss://a.example:443",
            true,
        ),
        (
            format!("{shared}\nexternal = true"),
            format!("{{ {own} }}"),
            "wss://b.example:443",
            false,
        ),
        (
            shared.to_owned(),
            format!("{{ {own}, external = true }}"),
            "wss://b.example:443",
            true,
        ),
    ];
    for (common, own, address, external) in cases {
        let plan = Plan::parse(&with_ocpp(&common, &own), Path::new("/nowhere")).unwrap();
        let expected = CentralSystem {
            address: format!("{address}/CP-LEFT"),
            external,
        };
        assert_eq!(plan.site.charge_points[0].central_system, Some(expected));
    }
}

#[test]
fn what_cannot_connect_or_would_travel_readable_is_told() {
    let cases = [
        (
            "url = \"ws://csms.example/\"",
            "",
            "ocpp.url",
            "passwords and tags would travel readable",
        ),
        (
            "url = \"http://csms.example/\"",
            "",
            "ocpp.url",
            "`http://csms.example/` is not valid",
        ),
        (
            "",
            "{ password_file = \"absent\" }",
            "charge_point[0].ocpp",
            "there is no central system for it",
        ),
        (
            "url = \"ws://127.0.0.1:9/\"",
            "{ external = true }",
            "charge_point[0].ocpp.external",
            "it says of an address that is not given here whose it is",
        ),
        (
            "url = \"ws://127.0.0.1:9/\"",
            "{ password_file = \"absent\" }",
            "charge_point[0].ocpp.password_file",
            "/nowhere/absent cannot be read: No such file or directory (os error 2)",
        ),
    ];
    for (common, own, key, problem) in cases {
        let faults = Plan::parse(&with_ocpp(common, own), Path::new("/nowhere")).unwrap_err();
        let found: Vec<(&str, &str)> = faults
            .iter()
            .map(|fault| (fault.place.key.as_str(), fault.problem.as_str()))
            .collect();
        assert_eq!(found, [(key, problem)]);
    }
    let plain = "url = \"ws://csms.example/\"\nplain = true";
    let plan = Plan::parse(&with_ocpp(plain, ""), Path::new("/nowhere")).unwrap();
    assert_eq!(plan.stations[0].tls, Tls::Off);
}

#[test]
fn connectors_of_a_central_system_are_numbered_from_1_without_a_gap() {
    let common = "url = \"ws://127.0.0.1:9/\"";
    let text = with_ocpp(common, "");
    let number = "# From 1.\nid = 1\n";
    assert!(text.contains(number), "{text}");
    let plan = Plan::parse(&text, Path::new("/nowhere")).unwrap();
    let told: Vec<(u8, i64)> = plan.stations[0]
        .electrics
        .iter()
        .map(|electrics| (electrics.phases, electrics.max.0))
        .collect();
    assert_eq!(told, [(3, 160)]);
    let gap = text.replacen(number, &number.replace("id = 1", "id = 2"), 1);
    let faults = Plan::parse(&gap, Path::new("/nowhere")).unwrap_err();
    let found: Vec<(&str, &str)> = faults
        .iter()
        .map(|fault| (fault.place.key.as_str(), fault.remedy.as_str()))
        .collect();
    assert_eq!(found, [("charge_point[0].connector[0].id", "Use 1")]);
}

/// The sample with these lines in `[ocpp]` and this as `ocpp` of its charge point.
fn with_ocpp(common: &str, own: &str) -> String {
    let own = if own.is_empty() {
        String::new()
    } else {
        format!("ocpp = {own}\n")
    };
    sample()
        .replace("\n[ocpp]\n", &format!("\n[ocpp]\n{common}\n"))
        .replace("id = \"CP-LEFT\"\n", &format!("id = \"CP-LEFT\"\n{own}"))
}
