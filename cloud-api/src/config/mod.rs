//! The configuration: one TOML file, checked whole before anything starts.
//! Every fault is reported at once, with line, key and remedy. Paths are relative to the file.

mod fault;
mod reader;
mod sample;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::secret::Secret;
use crate::station::UnknownStations;

pub use fault::{ConfigError, Fault};
pub use sample::sample;

use reader::{Reader, Section};

/// Port of the REST API unless configured.
const HTTP_PORT: u16 = 8_080;
/// Ports registered for MQTT and MQTT over TLS (IANA).
const MQTT_PORT: u16 = 1_883;
const MQTTS_PORT: u16 = 8_883;

/// How long certificates of charge points hold unless configured: short enough that a lost key dies, long
/// enough that a charge point that was away for a season can still come back.
const CERTIFICATE_DAYS: u32 = 365;

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the database and the server's keys live.
    pub data_dir: PathBuf,
    /// The REST API.
    pub http: Http,
    /// How gateways reach us.
    pub mqtt: Mqtt,
    /// How charge points are treated.
    pub ocpp: Ocpp,
}

/// How charge points are treated that connect by OCPP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ocpp {
    /// What becomes of one that nobody has registered.
    pub unknown_stations: UnknownStations,
    /// Whose certificates they may show, and who signs those that they ask for (security profile 3).
    pub ca: Option<CertificateAuthority>,
}

/// An authority for certificates of charge points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateAuthority {
    /// Certificates of those who may have signed, PEM; the first is that of who signs here.
    pub certificate_file: PathBuf,
    /// Key of who signs here, PEM; without it nothing is signed.
    pub key_file: Option<PathBuf>,
    /// What they revoked, PEM: a list of each.
    pub crl_file: Option<PathBuf>,
    /// How long what is signed here holds.
    pub days: u32,
}

/// How the REST API is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Address and port; port 0 takes any.
    pub listen: SocketAddr,
    /// Certificate and key for HTTPS.
    pub tls: Option<TlsFiles>,
    /// Reverse proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpAddr>,
    /// How charge points reach this server from outside: `wss://csms.example.com`.
    pub public_ws: Option<String>,
}

/// How gateways reach us.
#[derive(Debug, Clone)]
pub enum Mqtt {
    /// The broker inside this process.
    Embedded(EmbeddedBroker),
    /// A broker that runs elsewhere.
    External(ExternalBroker),
}

/// The broker inside this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedBroker {
    /// Address and port; port 0 takes any.
    pub listen: SocketAddr,
    /// Certificate and key for MQTT over TLS.
    pub tls: Option<TlsFiles>,
}

/// A broker that runs elsewhere; we are a client of it.
#[derive(Debug, Clone)]
pub struct ExternalBroker {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Our user name, with access as in `cloud-api admin mosquitto`.
    pub username: String,
    /// Our password.
    pub password: Password,
    /// Whether the connection is TLS.
    pub tls: bool,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Where a password stands; a file is read when it is needed.
#[derive(Debug, Clone)]
pub enum Password {
    /// In the configuration itself.
    Inline(Secret<String>),
    /// Alone in a file; blanks and line ends around it do not count.
    File(PathBuf),
}

/// A certificate chain and its private key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates, ours first.
    pub certificate_file: PathBuf,
    /// Private key (PKCS#8, PKCS#1 or SEC1).
    pub key_file: PathBuf,
}

impl Default for Config {
    /// Both listeners on loopback, files in `./data`.
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            http: Http {
                listen: loopback(HTTP_PORT),
                tls: None,
                proxies: Vec::new(),
                public_ws: None,
            },
            mqtt: Mqtt::Embedded(EmbeddedBroker {
                listen: loopback(MQTT_PORT),
                tls: None,
            }),
            ocpp: Ocpp {
                unknown_stations: UnknownStations::Refuse,
                ca: None,
            },
        }
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault at once.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Checks the text of a file; `path` is for messages and for what is relative to it.
    ///
    /// # Errors
    /// [`ConfigError::Faults`] with every fault at once.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let base = path.parent().unwrap_or(Path::new(""));
        reader::read(text, path, |reader, root| read_config(reader, root, base))
    }

    /// The database's file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data_dir.join("cloud.sqlite")
    }
}

impl Http {
    /// Where charge points connect, without their id; `bound` is the address that is listened on.
    #[must_use]
    pub fn ocpp_endpoint(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        match &self.public_ws {
            Some(address) => format!("{address}/ocpp/"),
            None => format!("{scheme}://{bound}/ocpp/"),
        }
    }
}

impl Password {
    /// The password itself.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn read(&self) -> Result<Secret<String>, String> {
        match self {
            Self::Inline(password) => Ok(password.clone()),
            Self::File(path) => match std::fs::read_to_string(path) {
                Ok(text) if text.trim().is_empty() => Err(format!("{} is empty", path.display())),
                Ok(text) => Ok(Secret::new(text.trim().to_owned())),
                Err(error) => Err(format!("cannot read {}: {error}", path.display())),
            },
        }
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn read_config(reader: &Reader<'_>, mut root: Section<'_>, base: &Path) -> Option<Config> {
    let defaults = Config::default();
    let data_dir = match reader.text(&mut root, "data_dir") {
        Some(text) => base.join(text),
        None => base.join(defaults.data_dir),
    };
    let http = match reader.section(&mut root, "http") {
        Some(section) => read_http(reader, section, base),
        None => Some(defaults.http),
    };
    let mqtt = match reader.section(&mut root, "mqtt") {
        Some(section) => read_mqtt(reader, section, base),
        None => Some(defaults.mqtt),
    };
    let ocpp = match reader.section(&mut root, "ocpp") {
        Some(section) => read_ocpp(reader, section, base, http.as_ref()),
        None => Some(defaults.ocpp),
    };
    reader.finish(root);
    Some(Config {
        data_dir,
        http: http?,
        mqtt: mqtt?,
        ocpp: ocpp?,
    })
}

fn read_http(reader: &Reader<'_>, mut section: Section<'_>, base: &Path) -> Option<Http> {
    let listen = read_listen(reader, &mut section, loopback(HTTP_PORT));
    let tls = read_tls(reader, &mut section, base);
    let allow_plain = reader.flag(&mut section, "allow_plain").unwrap_or(false);
    let proxies = read_proxies(reader, &mut section);
    let public_ws = read_public_ws(reader, &mut section);
    if let (Some(listen), Encryption::None, false) = (listen, &tls, allow_plain)
        && !listen.ip().is_loopback()
    {
        let remedy = "plain HTTP would show every API key to the network: add [http.tls], or set \
                      allow_plain = true behind a proxy that ends TLS";
        reader.fault(&section, "listen", remedy);
    }
    reader.finish(section);
    Some(Http {
        listen: listen?,
        tls: tls.files()?,
        proxies,
        public_ws,
    })
}

fn read_ocpp(
    reader: &Reader<'_>,
    mut section: Section<'_>,
    base: &Path,
    http: Option<&Http>,
) -> Option<Ocpp> {
    let word = reader.text(&mut section, "unknown_stations");
    let unknown_stations = match word.as_deref() {
        None | Some("refuse") => Some(UnknownStations::Refuse),
        Some("hold") => Some(UnknownStations::Hold),
        Some(_) => {
            let remedy = "is neither \"refuse\" nor \"hold\"";
            reader.fault(&section, "unknown_stations", remedy);
            None
        }
    };
    let ca = reader.section(&mut section, "ca");
    if ca.is_some() && http.is_some_and(|http| http.tls.is_none()) {
        let remedy = "has no use without [http.tls]: certificates are shown to who ends TLS";
        reader.fault(&section, "ca", remedy);
    }
    let ca = ca.map(|ca| read_ca(reader, ca, base));
    reader.finish(section);
    Some(Ocpp {
        unknown_stations: unknown_stations?,
        ca: match ca {
            Some(ca) => Some(ca?),
            None => None,
        },
    })
}

fn read_ca(
    reader: &Reader<'_>,
    mut section: Section<'_>,
    base: &Path,
) -> Option<CertificateAuthority> {
    let what = "the authority's certificate in PEM";
    let certificate = reader.required_text(&mut section, "certificate_file", what);
    let key = reader.text(&mut section, "key_file");
    let crl = reader.text(&mut section, "crl_file");
    let days = reader.days(&mut section, "days");
    reader.finish(section);
    Some(CertificateAuthority {
        certificate_file: base.join(certificate?),
        key_file: key.map(|path| base.join(path)),
        crl_file: crl.map(|path| base.join(path)),
        days: days.unwrap_or(CERTIFICATE_DAYS),
    })
}

fn read_mqtt(reader: &Reader<'_>, mut section: Section<'_>, base: &Path) -> Option<Mqtt> {
    let embedded = reader.section(&mut section, "embedded");
    let external = reader.section(&mut section, "external");
    let mqtt = match (embedded, external) {
        (Some(embedded), None) => read_embedded(reader, embedded, base).map(Mqtt::Embedded),
        (None, Some(external)) => read_external(reader, external, base).map(Mqtt::External),
        (Some(_), Some(_)) => {
            let remedy = "is given together with mqtt.embedded: keep the one broker that gateways connect to";
            reader.fault(&section, "external", remedy);
            None
        }
        (None, None) => {
            let remedy = "names no broker: add embedded = { listen = \"127.0.0.1:1883\" } or external = { … }";
            reader.fault(&section, "", remedy);
            None
        }
    };
    reader.finish(section);
    mqtt
}

fn read_embedded(
    reader: &Reader<'_>,
    mut section: Section<'_>,
    base: &Path,
) -> Option<EmbeddedBroker> {
    let listen = read_listen(reader, &mut section, loopback(MQTT_PORT));
    let tls = read_tls(reader, &mut section, base);
    let allow_plain = reader.flag(&mut section, "allow_plain").unwrap_or(false);
    if let (Some(listen), Encryption::None, false) = (listen, &tls, allow_plain)
        && !listen.ip().is_loopback()
    {
        let remedy = "plain MQTT would show every gateway's password to the network: add tls = { … }, \
                      or set allow_plain = true inside a network that you trust";
        reader.fault(&section, "listen", remedy);
    }
    reader.finish(section);
    Some(EmbeddedBroker {
        listen: listen?,
        tls: tls.files()?,
    })
}

fn read_external(
    reader: &Reader<'_>,
    mut section: Section<'_>,
    base: &Path,
) -> Option<ExternalBroker> {
    let host = reader.required_text(&mut section, "host", "the broker's name or address");
    let port = reader.port(&mut section, "port");
    let username = reader.required_text(&mut section, "username", "our user at the broker");
    let password = read_password(reader, &mut section, base);
    let tls = reader.flag(&mut section, "tls");
    let ca_file = reader
        .text(&mut section, "ca_file")
        .map(|path| base.join(path));
    if tls == Some(false) && ca_file.is_some() {
        reader.fault(
            &section,
            "ca_file",
            "has no use with tls = false: remove one of the two",
        );
    }
    reader.finish(section);
    let host = host?;
    let tls = tls.unwrap_or_else(|| !is_loopback(&host));
    Some(ExternalBroker {
        port: port.unwrap_or(if tls { MQTTS_PORT } else { MQTT_PORT }),
        host,
        username: username?,
        password: password?,
        tls,
        ca_file,
    })
}

fn read_password(reader: &Reader<'_>, section: &mut Section<'_>, base: &Path) -> Option<Password> {
    let file = reader.text(section, "password_file");
    let inline = reader.text(section, "password");
    match (file, inline) {
        (Some(file), None) => Some(Password::File(base.join(file))),
        (None, Some(inline)) => Some(Password::Inline(Secret::new(inline))),
        (Some(_), Some(_)) => {
            reader.fault(
                section,
                "password",
                "is given together with password_file: keep one",
            );
            None
        }
        (None, None) => {
            reader.fault(section, "", "has no password: add password_file = \"…\"");
            None
        }
    }
}

/// What `tls` says: nothing, two files, or something at fault that was reported.
enum Encryption {
    None,
    Files(TlsFiles),
    Faulty,
}

impl Encryption {
    /// `None` if it was at fault.
    fn files(self) -> Option<Option<TlsFiles>> {
        match self {
            Self::None => Some(None),
            Self::Files(files) => Some(Some(files)),
            Self::Faulty => None,
        }
    }
}

fn read_tls(reader: &Reader<'_>, section: &mut Section<'_>, base: &Path) -> Encryption {
    if !section.has("tls") {
        reader.known(section, "tls");
        return Encryption::None;
    }
    let Some(mut tls) = reader.section(section, "tls") else {
        return Encryption::Faulty;
    };
    let certificate = reader.required_text(&mut tls, "certificate_file", "certificates in PEM");
    let key = reader.required_text(&mut tls, "key_file", "the private key in PEM");
    reader.finish(tls);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Encryption::Files(TlsFiles {
            certificate_file: base.join(certificate),
            key_file: base.join(key),
        }),
        (None, _) | (_, None) => Encryption::Faulty,
    }
}

fn read_listen(
    reader: &Reader<'_>,
    section: &mut Section<'_>,
    default: SocketAddr,
) -> Option<SocketAddr> {
    let Some(text) = reader.text(section, "listen") else {
        return (!section.has("listen")).then_some(default);
    };
    let listen = text.parse().ok();
    if listen.is_none() {
        let remedy =
            format!("`{text}` is no IP address with port; write for instance \"{default}\"");
        reader.fault(section, "listen", &remedy);
    }
    listen
}

fn read_proxies(reader: &Reader<'_>, section: &mut Section<'_>) -> Vec<IpAddr> {
    let texts = reader.texts(section, "proxies");
    let mut proxies = Vec::with_capacity(texts.len());
    for text in texts {
        match text.parse::<IpAddr>() {
            Ok(address) => proxies.push(address.to_canonical()),
            Err(_) => {
                let remedy =
                    format!("`{text}` is no IP address; write for instance [\"192.0.2.10\"]");
                reader.fault(section, "proxies", &remedy);
            }
        }
    }
    proxies
}

fn read_public_ws(reader: &Reader<'_>, section: &mut Section<'_>) -> Option<String> {
    let text = reader.text(section, "public_ws")?;
    let text = text.trim_end_matches('/');
    let rest = text
        .strip_prefix("wss://")
        .or_else(|| text.strip_prefix("ws://"));
    let plain = |c: char| c.is_ascii_graphic() && !"?#@".contains(c);
    if !rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(plain)) {
        let remedy = "is no WebSocket address; write for instance \"wss://csms.example.com\"";
        reader.fault(section, "public_ws", remedy);
        return None;
    }
    Some(text.to_owned())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
