//! Child processes: found, started with their output in a file, stopped with a signal, never left behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal};

use crate::until;

/// Where the real binaries are.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The cloud API.
    pub cloud_api: PathBuf,
    /// The site controller: a command, so that an emulator can stand before the binary.
    pub site_controller: Vec<String>,
}

impl Binaries {
    /// Those beside the running program (`target/debug`, or `target/release`).
    ///
    /// # Errors
    /// If they have not been built, with the command that builds them.
    pub fn beside_this_program() -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("this program's own path is unknown")?;
        let mut folder = own.parent().context("this program has no folder")?;
        if folder.ends_with("deps") {
            folder = folder.parent().context("target/…/deps has no parent")?;
        }
        let find = |name: &str| {
            let path = folder.join(name);
            ensure!(
                path.exists(),
                "{} is not built: run `cargo build --bins`",
                path.display()
            );
            Ok(path)
        };
        Ok(Self {
            cloud_api: find("cloud-api")?,
            site_controller: vec![find("site-controller")?.display().to_string()],
        })
    }
}

/// A running child. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// Where this process's part of the log begins.
    log_begins: usize,
}

impl Process {
    /// Starts a command with standard output and error appended to `<folder>/<name>.log`.
    ///
    /// # Errors
    /// If the log cannot be made or the program cannot be started.
    pub fn start(name: &'static str, mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("{} cannot be written", log.display()))?;
        let log_begins = usize::try_from(file.metadata()?.len())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        Ok(Self {
            name,
            child,
            log,
            log_begins,
        })
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed so far.
    #[must_use]
    pub fn printed(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(log.get(self.log_begins..).unwrap_or_default()).into_owned()
    }

    /// Waits until it has printed a line that starts with `prefix` and returns the rest of the line.
    ///
    /// # Errors
    /// If it ends before, with its last words, or takes longer than 30 s.
    pub async fn line(&mut self, prefix: &str) -> anyhow::Result<String> {
        let began = tokio::time::Instant::now();
        loop {
            let printed = self.printed();
            let mut lines = printed.lines();
            if let Some(rest) = lines.find_map(|line| line.strip_prefix(prefix)) {
                return Ok(rest.trim().to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.last_words());
            }
            ensure!(
                began.elapsed() < Duration::from_secs(30),
                "{} did not print `{prefix}` within 30 s:\n{}",
                self.name,
                self.last_words()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The end of what it printed.
    #[must_use]
    pub fn last_words(&self) -> String {
        let printed = self.printed();
        let lines: Vec<&str> = printed.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// If it has not ended within 20 s.
    pub async fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM);
        self.ended(Duration::from_secs(20)).await
    }

    /// Sends SIGKILL and waits for the end: what a power button does.
    ///
    /// # Errors
    /// If the system does not say that it ended.
    pub async fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.ended(Duration::from_secs(20)).await
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// If it goes on longer than `limit`.
    pub async fn ended(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let name = self.name;
        let child = &mut self.child;
        until(limit, &format!("{name} ends"), || {
            let looked = child.try_wait();
            async move { Ok(looked?) }
        })
        .await
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // A process that has ended needs no signal.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
