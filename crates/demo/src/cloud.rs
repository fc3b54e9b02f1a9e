//! The cloud API as a process of its own, and its administration.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{Api, Binaries, Credential, Process};

/// How to start the cloud.
#[derive(Debug, Clone, Default)]
pub struct CloudOptions {
    /// Where the API listens, without encryption; this machine's loopback if absent.
    pub address: Option<Ipv4Addr>,
    /// Port of the API; 0 takes any.
    pub http_port: u16,
    /// Port of the embedded broker; 0 takes any.
    pub mqtt_port: u16,
    /// TOML of `[mqtt]` in the place of the embedded broker's.
    pub external_broker: Option<String>,
    /// Words before the program, for instance `faketime -f +1h`.
    pub wrapper: Vec<String>,
    /// Encryption of the API, if it is encrypted.
    pub tls: Option<CloudTls>,
}

/// Encryption of the API, and certificates of charge points.
#[derive(Debug, Clone)]
pub struct CloudTls {
    /// Where `server.pem` and `server.key` lie, and `root.pem`, whose certificates the API's clients trust.
    pub folder: PathBuf,
    /// TOML of `ca` in `[ocpp]`; its paths are relative to that folder.
    pub ca: String,
}

impl CloudOptions {
    fn address(&self) -> Ipv4Addr {
        self.address.unwrap_or(Ipv4Addr::LOCALHOST)
    }

    fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }
}

/// A running cloud.
#[derive(Debug)]
pub struct Cloud {
    /// The process.
    pub process: Process,
    binary: PathBuf,
    folder: PathBuf,
    options: CloudOptions,
}

/// An organisation with a key that may do everything, and one site.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its identity.
    pub organisation_id: String,
    /// Its key with every scope.
    pub key: String,
    /// Its site.
    pub site_id: String,
}

/// A gateway's identity and credential.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// Its identity.
    pub gateway_id: String,
    /// Its MQTT password.
    pub password: String,
}

impl Cloud {
    /// Starts it with its files in `folder`, and waits until it listens.
    ///
    /// # Errors
    /// If it ends or says nothing: with its last words.
    pub async fn start(
        binaries: &Binaries,
        folder: &Path,
        options: CloudOptions,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        write_config(folder, &options)?;
        let binary = binaries.cloud_api.clone();
        let process = Process::start("cloud-api", serve(&binary, folder, &options), folder)?;
        let mut cloud = Self {
            process,
            binary,
            folder: folder.to_owned(),
            options,
        };
        cloud.learn_ports().await?;
        Ok(cloud)
    }

    /// Starts it again after it ended, on the ports it had.
    ///
    /// # Errors
    /// If it ends or says nothing: with its last words.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        write_config(&self.folder, &self.options)?;
        self.process = Process::start(
            "cloud-api",
            serve(&self.binary, &self.folder, &self.options),
            &self.folder,
        )?;
        self.learn_ports().await
    }

    async fn learn_ports(&mut self) -> anyhow::Result<()> {
        let scheme = self.options.scheme();
        let announced = format!("HTTP listening on {scheme}://{}:", self.options.address());
        let http = self.process.line(&announced).await?;
        self.options.http_port = http.parse().context("the HTTP port is no number")?;
        if self.options.external_broker.is_none() {
            let mqtt = self
                .process
                .line("MQTT listening on mqtt://127.0.0.1:")
                .await?;
            self.options.mqtt_port = mqtt.parse().context("the MQTT port is no number")?;
        }
        Ok(())
    }

    /// Address of the API, without a path.
    #[must_use]
    pub fn base(&self) -> String {
        let (address, port) = (self.options.address(), self.options.http_port);
        format!("{}://{address}:{port}", self.options.scheme())
    }

    /// Port of the API.
    #[must_use]
    pub fn http_port(&self) -> u16 {
        self.options.http_port
    }

    /// Port of the embedded broker.
    #[must_use]
    pub fn mqtt_port(&self) -> u16 {
        self.options.mqtt_port
    }

    /// Its data folder's parent.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Words put before the program at the next start.
    pub fn set_wrapper(&mut self, wrapper: Vec<String>) {
        self.options.wrapper = wrapper;
    }

    /// The API for a holder of `key`.
    ///
    /// # Errors
    /// If the HTTP client cannot be made.
    pub fn api(&self, key: &str) -> anyhow::Result<Api> {
        let credential = Credential::Bearer(key.to_owned());
        match &self.options.tls {
            None => Api::new(&self.base(), credential),
            Some(tls) => {
                let root = fs::read(tls.folder.join("root.pem"))?;
                Api::trusting(&self.base(), credential, &root)
            }
        }
    }

    /// Runs `cloud-api admin …` and returns its whole output.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn admin_output(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        admin_output(&self.binary, &self.folder, arguments)
    }

    /// Runs `cloud-api admin --json …` and returns its answer.
    ///
    /// # Errors
    /// If it fails, with what it said.
    pub fn admin(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.admin_output(&[&["--json"], arguments].concat())?;
        ensure!(
            output.status.success(),
            "cloud-api admin {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Makes an organisation, a key with every scope, and a site.
    ///
    /// # Errors
    /// If an administration command fails.
    pub fn tenant(&self, name: &str, hourly_limit: u32) -> anyhow::Result<Tenant> {
        let limit = hourly_limit.to_string();
        let made = self.admin(&[
            "org",
            "create",
            "--name",
            name,
            "--tier",
            "enterprise",
            "--hourly-limit",
            &limit,
        ])?;
        let organisation_id = text(&made, "organisation_id")?;
        let key = self.admin(&[
            "key",
            "create",
            "--organisation",
            &organisation_id,
            "--name",
            "every scope",
            "--all-scopes",
        ])?;
        let site = self.admin(&[
            "site",
            "create",
            "--organisation",
            &organisation_id,
            "--name",
            "Demo site",
            "--max-power-kw",
            "88",
        ])?;
        Ok(Tenant {
            key: text(&key, "key")?,
            site_id: text(&site, "site_id")?,
            organisation_id,
        })
    }

    /// Makes a gateway on a site.
    ///
    /// # Errors
    /// If the administration command fails.
    pub fn enrol(&self, site_id: &str) -> anyhow::Result<Enrolled> {
        let made = self.admin(&["gateway", "create", "--site", site_id, "--name", "cabinet"])?;
        Ok(Enrolled {
            gateway_id: text(&made, "gateway_id")?,
            password: text(&made, "password")?,
        })
    }
}

fn text(answer: &Value, field: &str) -> anyhow::Result<String> {
    let found = answer[field]
        .as_str()
        .with_context(|| format!("`{field}` is missing in {answer}"))?;
    Ok(found.to_owned())
}

fn admin_output(binary: &Path, folder: &Path, arguments: &[&str]) -> anyhow::Result<Output> {
    Command::new(binary)
        .arg("--config")
        .arg(folder.join("cloud-api.toml"))
        .arg("admin")
        .args(arguments)
        .output()
        .context("cloud-api cannot be started")
}

fn write_config(folder: &Path, options: &CloudOptions) -> anyhow::Result<()> {
    let data = folder.join("data");
    let mqtt = options.external_broker.clone().unwrap_or_else(|| {
        format!(
            "embedded = {{ listen = \"127.0.0.1:{}\" }}",
            options.mqtt_port
        )
    });
    let plain = options.address.map_or("", |_| "allow_plain = true\n");
    let tls = options.tls.as_ref().map_or(String::new(), tls_config);
    let text = format!(
        "data_dir = {:?}\n\n[http]\nlisten = \"{}:{}\"\n{plain}{tls}\n[mqtt]\n{mqtt}\n",
        data.display().to_string(),
        options.address(),
        options.http_port
    );
    let path = folder.join("cloud-api.toml");
    fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// The rest of `[http]`, and `[ocpp]`.
fn tls_config(tls: &CloudTls) -> String {
    let folder = tls.folder.display();
    let ca = tls.ca.replace("file = \"", &format!("file = \"{folder}/"));
    format!(
        "tls = {{ certificate_file = \"{folder}/server.pem\", key_file = \"{folder}/server.key\" }}\n\n\
         [ocpp]\nca = {{ {ca} }}\n"
    )
}

fn serve(binary: &Path, folder: &Path, options: &CloudOptions) -> Command {
    let mut words: Vec<String> = options.wrapper.clone();
    words.push(binary.display().to_string());
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .arg("--config")
        .arg(folder.join("cloud-api.toml"));
    command
}
