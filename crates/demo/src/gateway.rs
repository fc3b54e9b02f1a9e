//! The site controller as a process of its own, and its local socket.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::site::OCPP_PASSWORD_FILE;
use crate::{Binaries, Enrolled, Process, until};

/// Where the gateway finds its broker.
#[derive(Debug, Clone, Copy)]
pub struct MqttLink {
    /// Port on this machine.
    pub port: u16,
}

/// A running site controller.
#[derive(Debug)]
pub struct Gateway {
    /// The process.
    pub process: Process,
    words: Vec<String>,
    folder: PathBuf,
}

impl Gateway {
    /// Writes the configuration: identity and broker, then `site` (buses, charge points, meters, OCPP).
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn configure(
        folder: &Path,
        enrolled: &Enrolled,
        link: MqttLink,
        site: &str,
    ) -> anyhow::Result<()> {
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let shown = folder.display();
        let text = format!(
            "[gateway]\nid = \"{id}\"\ndata_dir = \"{shown}/data\"\nsocket = \"{shown}/socket\"\n\n\
             [mqtt]\nhost = \"127.0.0.1\"\nport = {port}\npassword = \"{password}\"\n\n{site}",
            id = enrolled.gateway_id,
            port = link.port,
            password = enrolled.password,
        );
        // What a charge point behind a gateway shows its central system is its gateway's password.
        let password = folder.join(OCPP_PASSWORD_FILE);
        fs::write(&password, &enrolled.password)
            .with_context(|| format!("{} cannot be written", password.display()))?;
        let path = folder.join("site-controller.toml");
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Starts it with the configuration in `folder`, and waits until it answers on its socket.
    ///
    /// # Errors
    /// If it ends or does not answer: with its last words.
    pub async fn start(binaries: &Binaries, folder: &Path) -> anyhow::Result<Self> {
        let words = binaries.site_controller.clone();
        let process = Process::start("site-controller", run(&words, folder), folder)?;
        let mut gateway = Self {
            process,
            words,
            folder: folder.to_owned(),
        };
        gateway.answers().await?;
        Ok(gateway)
    }

    /// Starts it again after it ended.
    ///
    /// # Errors
    /// If it ends or does not answer: with its last words.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.process = Process::start(
            "site-controller",
            run(&self.words, &self.folder),
            &self.folder,
        )?;
        self.answers().await
    }

    async fn answers(&mut self) -> anyhow::Result<()> {
        let began = tokio::time::Instant::now();
        loop {
            if self.status().is_ok() {
                return Ok(());
            }
            if !self.process.is_running() || began.elapsed() > Duration::from_secs(30) {
                anyhow::bail!(
                    "site-controller does not answer:\n{}",
                    self.process.last_words()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Runs `site-controller …` against this one's socket.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn ask(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(&self.words[0]);
        command
            .args(&self.words[1..])
            .arg("--socket")
            .arg(self.folder.join("socket"))
            .args(arguments);
        command
            .output()
            .context("site-controller cannot be started")
    }

    /// `site-controller status --json`.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn status(&self) -> anyhow::Result<Value> {
        let output = self.ask(&["status", "--json"])?;
        anyhow::ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Waits until a status passes.
    ///
    /// # Errors
    /// After `limit`.
    pub async fn status_when(
        &self,
        limit: Duration,
        what: &str,
        mut passes: impl FnMut(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        until(limit, what, || {
            let status = self
                .status()
                .map(|status| passes(&status).then_some(status));
            async move { status }
        })
        .await
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn run(words: &[String], folder: &Path) -> Command {
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .arg("--config")
        .arg(folder.join("site-controller.toml"));
    command
}
