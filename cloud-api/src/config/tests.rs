//! Good configurations, and bad ones with every fault they must report.

use std::path::Path;

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("/etc/dynamo/c.toml")).map_err(|error| error.to_string())
}

fn same(left: &Config, right: &Config) -> bool {
    format!("{left:?}") == format!("{right:?}")
}

#[test]
fn the_committed_sample_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sample/cloud-api.toml");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == sample(),
        "stale; run: cargo run -p cloud-api -- sample-config > docs/sample/cloud-api.toml"
    );
}

#[test]
fn the_sample_says_the_defaults_and_so_does_an_empty_file() {
    let mut defaults = Config::default();
    defaults.data_dir = Path::new("/etc/dynamo").join(defaults.data_dir);
    assert!(same(&parse(&sample()).unwrap(), &defaults));
    assert!(same(&parse("").unwrap(), &defaults));
}

#[test]
fn every_commented_line_of_the_sample_is_valid_too() {
    let lines: Vec<String> = sample().lines().map(str::to_owned).collect();
    let starts = |line: &str, key: &str| line.starts_with(&format!("# {key} = "));
    let mut tried = 0;
    for (index, line) in lines.iter().enumerate() {
        let keys = [
            "tls",
            "allow_plain",
            "proxies",
            "ca",
            "embedded",
            "external",
        ];
        if !keys.iter().any(|key| starts(line, key)) {
            continue;
        }
        let replaces_broker = starts(line, "embedded") || starts(line, "external");
        let mut changed = lines.clone();
        changed.retain(|line| !(replaces_broker && line.starts_with("embedded")));
        let place = changed.iter().position(|l| l == line).unwrap_or(index);
        changed[place] = line.trim_start_matches("# ").to_owned();
        if starts(line, "ca") {
            let tls = changed.iter().position(|line| starts(line, "tls")).unwrap();
            changed[tls] = changed[tls].trim_start_matches("# ").to_owned();
        }
        parse(&changed.join("\n")).unwrap();
        tried += 1;
    }
    assert_eq!(tried, 6);
}

#[test]
fn everything_can_be_configured() {
    let config = parse(
        r#"
        data_dir = "/srv/dynamo"
        [http]
        listen = "[::]:443"
        tls = { certificate_file = "tls/a.pem", key_file = "/k.pem" }
        proxies = ["192.0.2.10", "::ffff:192.0.2.11"]
        [ocpp]
        unknown_stations = "hold"
        ca = { certificate_file = "ca.pem", key_file = "/ca.key", crl_file = "crl.pem", days = 30 }
        [mqtt]
        external = { host = "mqtt.example.com", username = "ingest", password = "hunter2", ca_file = "ca.pem" }
        "#,
    )
    .unwrap();
    assert_eq!(config.data_dir, Path::new("/srv/dynamo"));
    assert_eq!(config.database(), Path::new("/srv/dynamo/cloud.sqlite"));
    let tls = TlsFiles {
        certificate_file: "/etc/dynamo/tls/a.pem".into(),
        key_file: "/k.pem".into(),
    };
    let http = Http {
        listen: "[::]:443".parse().unwrap(),
        tls: Some(tls),
        proxies: vec!["192.0.2.10".parse().unwrap(), "192.0.2.11".parse().unwrap()],
        public_ws: None,
    };
    assert_eq!(config.http, http);
    let ocpp = Ocpp {
        unknown_stations: UnknownStations::Hold,
        ca: Some(CertificateAuthority {
            certificate_file: "/etc/dynamo/ca.pem".into(),
            key_file: Some("/ca.key".into()),
            crl_file: Some("/etc/dynamo/crl.pem".into()),
            days: 30,
        }),
    };
    assert_eq!(config.ocpp, ocpp);
    assert_eq!(
        format!("{:?}", config.mqtt),
        "External(ExternalBroker { host: \"mqtt.example.com\", port: 8883, username: \"ingest\", \
         password: Inline([secret]), tls: true, ca_file: Some(\"/etc/dynamo/ca.pem\") })"
    );
}

#[test]
fn a_broker_on_this_machine_is_reached_without_tls_unless_asked_for() {
    let broker = |text: &str| {
        let text =
            format!("[mqtt]\nexternal = {{ username = \"u\", password_file = \"p\", {text} }}");
        match parse(&text).unwrap().mqtt {
            Mqtt::External(broker) => (broker.tls, broker.port),
            Mqtt::Embedded(_) => panic!("external was configured"),
        }
    };
    assert_eq!(broker(r#"host = "localhost""#), (false, 1_883));
    assert_eq!(broker(r#"host = "127.0.0.2""#), (false, 1_883));
    assert_eq!(broker(r#"host = "127.0.0.1", tls = true"#), (true, 8_883));
    assert_eq!(broker(r#"host = "10.0.0.1""#), (true, 8_883));
    assert_eq!(
        broker(r#"host = "10.0.0.1", tls = false, port = 7"#),
        (false, 7)
    );
}

#[test]
fn all_faults_are_told_at_once_with_line_key_and_remedy() {
    let error = parse(
        r#"data_dri = "x"
[http]
listen = "localhost:8080"
allow_plain = "yes"
proxies = ["10.0.0.0/8"]
[http.tls]
certificate_file = ""
keyfile = "b"
[mqtt.external]
host = 7
port = 0
username = "ingest"
password = "a"
password_file = "b"
tls = false
ca_file = "c"
"#,
    )
    .unwrap_err();
    let expected = [
        "/etc/dynamo/c.toml:1: data_dri: is unknown; known here: data_dir, http, mqtt, ocpp",
        "/etc/dynamo/c.toml:3: http.listen: `localhost:8080` is no IP address with port; write for instance \"127.0.0.1:8080\"",
        "/etc/dynamo/c.toml:4: http.allow_plain: must be true or false",
        "/etc/dynamo/c.toml:5: http.proxies: `10.0.0.0/8` is no IP address; write for instance [\"192.0.2.10\"]",
        "/etc/dynamo/c.toml:6: http.tls: needs key_file = \"…\", the private key in PEM",
        "/etc/dynamo/c.toml:7: http.tls.certificate_file: is empty; it holds certificates in PEM",
        "/etc/dynamo/c.toml:8: http.tls.keyfile: is unknown; known here: certificate_file, key_file",
        "/etc/dynamo/c.toml:10: mqtt.external.host: must be a text in quotes",
        "/etc/dynamo/c.toml:11: mqtt.external.port: must be a number from 1 to 65535",
        "/etc/dynamo/c.toml:13: mqtt.external.password: is given together with password_file: keep one",
        "/etc/dynamo/c.toml:16: mqtt.external.ca_file: has no use with tls = false: remove one of the two",
    ];
    assert_eq!(error.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn charge_points_are_told_where_they_connect_and_unknown_ones_are_refused_or_held() {
    let bound = "127.0.0.1:4711".parse().unwrap();
    let config = parse("").unwrap();
    assert_eq!(config.ocpp.unknown_stations, UnknownStations::Refuse);
    assert_eq!(
        config.http.ocpp_endpoint(bound),
        "ws://127.0.0.1:4711/ocpp/"
    );
    let text =
        "[ocpp]\nunknown_stations = \"hold\"\n[http]\npublic_ws = \"wss://csms.example.com/\"";
    let config = parse(text).unwrap();
    assert_eq!(config.ocpp.unknown_stations, UnknownStations::Hold);
    let endpoint = config.http.ocpp_endpoint(bound);
    assert_eq!(endpoint, "wss://csms.example.com/ocpp/");
    let wrong = "[ocpp]\nunknown_stations = \"maybe\"\n[http]\npublic_ws = \"https://x\"";
    let expected = [
        "/etc/dynamo/c.toml:4: http.public_ws: is no WebSocket address; write for instance \"wss://csms.example.com\"",
        "/etc/dynamo/c.toml:2: ocpp.unknown_stations: is neither \"refuse\" nor \"hold\"",
    ];
    let mut told: Vec<_> = parse(wrong)
        .unwrap_err()
        .lines()
        .map(str::to_owned)
        .collect();
    let mut expected = expected.map(str::to_owned).to_vec();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}

#[test]
fn plain_beyond_loopback_is_refused_unless_allowed() {
    let text = |more: &str| {
        format!(
            "[http]\nlisten = \"0.0.0.0:80\"\n{more}\n[mqtt]\nembedded = {{ listen = \"0.0.0.0:1883\", {more} }}"
        )
    };
    let error = parse(&text("")).unwrap_err();
    let expected = [
        "/etc/dynamo/c.toml:2: http.listen: plain HTTP would show every API key to the network: add [http.tls], or set allow_plain = true behind a proxy that ends TLS",
        "/etc/dynamo/c.toml:5: mqtt.embedded.listen: plain MQTT would show every gateway's password to the network: add tls = { … }, or set allow_plain = true inside a network that you trust",
    ];
    assert_eq!(error.lines().collect::<Vec<_>>(), expected);
    assert!(parse(&text("allow_plain = true")).is_ok());
    assert!(parse(&text(r#"tls = { certificate_file = "a", key_file = "b" }"#)).is_ok());
}

#[test]
fn there_is_exactly_one_broker() {
    let none = parse("\n[mqtt]\n").unwrap_err();
    assert_eq!(
        none,
        "/etc/dynamo/c.toml:2: mqtt: names no broker: add embedded = { listen = \"127.0.0.1:1883\" } or external = { … }"
    );
    let both = parse("[mqtt]\nembedded = {}\nexternal = {}").unwrap_err();
    assert_eq!(
        both,
        "/etc/dynamo/c.toml:3: mqtt.external: is given together with mqtt.embedded: keep the one broker that gateways connect to"
    );
    let number = parse("mqtt = 5").unwrap_err();
    assert_eq!(number, "/etc/dynamo/c.toml:1: mqtt: must be a table, { … }");
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let error = parse("data_dir = \"x\"\n[http\n").unwrap_err();
    assert!(error.starts_with("/etc/dynamo/c.toml:2: "), "{error}");
}

#[test]
fn a_missing_file_is_told_with_the_way_to_a_new_one() {
    let error = Config::load(Path::new("/nonexistent/c.toml"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "cannot read the configuration /nonexistent/c.toml: No such file or directory (os error 2); \
         `cloud-api sample-config` prints one to begin with"
    );
}

#[test]
fn a_password_file_may_end_with_a_line_and_must_not_be_empty() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p");
    std::fs::write(&path, "hunter2\n").unwrap();
    assert_eq!(
        Password::File(path.clone()).read().unwrap().expose(),
        "hunter2"
    );
    std::fs::write(&path, " \n").unwrap();
    assert_eq!(
        Password::File(path.clone()).read().unwrap_err(),
        format!("{} is empty", path.display())
    );
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        Password::File(path.clone()).read().unwrap_err(),
        format!(
            "cannot read {}: No such file or directory (os error 2)",
            path.display()
        )
    );
}

#[test]
fn an_authority_needs_its_certificate_days_that_can_be_and_tls() {
    let error = parse("[ocpp]\nca = { key_file = \"k\", days = 0 }\n").unwrap_err();
    for told in [
        "ocpp.ca: has no use without [http.tls]: certificates are shown to who ends TLS",
        "ocpp.ca: needs certificate_file = \"…\", the authority's certificate in PEM",
        "ocpp.ca.days: must be a number from 1 to 3650",
    ] {
        assert!(error.contains(told), "{told} is not in {error}");
    }
}
