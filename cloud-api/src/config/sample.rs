//! The commented sample: what stands in it uncommented are the defaults.

use super::{Config, Mqtt};

/// The sample as `cloud-api sample-config` prints it and `docs/sample/cloud-api.toml` holds it.
///
/// # Panics
/// Never: the default broker is the embedded one.
#[must_use]
pub fn sample() -> String {
    let Config {
        data_dir,
        http,
        mqtt,
        ocpp: _,
    } = Config::default();
    let Mqtt::Embedded(embedded) = mqtt else {
        unreachable!("the default broker is the embedded one");
    };
    SAMPLE
        .replace("{data_dir}", &data_dir.display().to_string())
        .replace("{http.listen}", &http.listen.to_string())
        .replace("{mqtt.listen}", &embedded.listen.to_string())
}

const SAMPLE: &str = r#"# cloud-api: the REST API and what gateways connect to.
# Start it with `cloud-api --config cloud-api.toml`. Everything here has the value that holds when it
# is left out; without any file the same server starts with its files in ./data.
# Paths are relative to this file. Logs go to stderr, as much as DYNAMO_LOG says (error … trace).

# The database (cloud.sqlite) and the server's keys (readable by the owner only). Back it up whole:
# without hashing.key no API key and no gateway password is recognised any more.
data_dir = "{data_dir}"

[http]
# IP address and port; port 0 takes any. The bound address is printed on stdout.
listen = "{http.listen}"
# Anywhere but on loopback HTTPS is needed, with files in PEM …
# tls = { certificate_file = "server.pem", key_file = "server.key" }
# … unless a reverse proxy in front of this server ends TLS:
# allow_plain = true
# Addresses of such proxies, whose X-Forwarded-For is believed when login attempts are counted:
# proxies = ["192.0.2.10"]
# How charge points reach this server from outside, as registering one answers it:
# public_ws = "wss://csms.example.com"

# Charge points that connect by OCPP.
[ocpp]
# One that nobody has registered is refused; "hold" lets it connect and tells it to wait, until it is
# registered. Nothing that it tells meanwhile is kept.
unknown_stations = "refuse"
# OCPP security profile 3, with http.tls: charge points may show certificates of these authorities instead
# of a password. The common name is the charge point's id; O is the organisation's name, or O or OU its
# id. With key_file the first of them signs what charge points ask for, for so many days (365 if left out).
# crl_file holds a revocation list of each. These files and those of http.tls are taken again within
# seconds when they change, and nobody is cut off.
# ca = { certificate_file = "ca.pem", key_file = "ca.key", crl_file = "revoked.pem", days = 365 }

# Exactly one of the two brokers.
[mqtt]
# The broker inside this process: every gateway has its own credential and sees its own topics only.
embedded = { listen = "{mqtt.listen}" }
# For gateways anywhere but on this machine, MQTT over TLS:
# embedded = { listen = "0.0.0.0:8883", tls = { certificate_file = "server.pem", key_file = "server.key" } }
# A broker that runs elsewhere (`cloud-api admin mosquitto --out DIR` writes its access files). TLS is
# the default unless the host is this machine; ca_file replaces the system's certificates.
# external = { host = "mqtt.example.com", port = 8883, username = "ingest", password_file = "ingest.password", ca_file = "ca.pem" }
"#;
