//! One site under torture: cloud, gateway on a disk of its own, simulated hardware, cars that come and
//! go, and blows at random moments. Lanes run beside each other and share nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use demo::{Binaries, Cloud, CloudOptions, Gateway, MqttLink, SimulatedSite, until};
use scenarios::{Bay, Disk, Relay, stored_sessions};
use tokio::task::{AbortHandle, block_in_place};

use crate::books::{Balance, Journal, balance, check_database, cloud_mark, transactions};
use crate::cars::{self, Looking, Shared, lock};
use crate::control::{Control, has_lost};

/// Longest pause between two blows, and longest time that what was killed stays dead.
const PAUSE_MS: u64 = 1_800;
const DEAD_MS: u64 = 400;
/// How long the site may take to heal when the blows are over.
const HEALED_WITHIN: Duration = Duration::from_secs(120);

/// What is done to a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// `kill -9` of the daemon.
    Gateway,
    /// `kill -9` of the cloud.
    Cloud,
    /// Power cut of the gateway.
    Cut,
}

/// What a lane found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) kills_of_gateway: usize,
    pub(crate) kills_of_cloud: usize,
    pub(crate) cuts: usize,
    /// Cuts at which the writer that syncs nothing had lost something.
    pub(crate) control_lost: usize,
    pub(crate) facts: usize,
    pub(crate) balance: Balance,
}

/// A site, and what is known of it.
pub(crate) struct Lane {
    name: String,
    rng: fastrand::Rng,
    cloud: Cloud,
    gateway: Gateway,
    relay: Relay,
    /// Before the central system.
    ocpp: Relay,
    ledger: Shared,
    looking: Looking,
    cars: AbortHandle,
    control: Option<Control>,
    outcome: Outcome,
    // Unmounted after the processes are gone, before the folder is deleted: fields drop in this order.
    disk: Option<Disk>,
    _site: SimulatedSite,
    _folder: tempfile::TempDir,
}

impl Lane {
    /// Builds a site; its gateway's data lies on a disk of the bay, if there is one.
    pub(crate) async fn build(number: usize, seed: u64, bay: Option<&Bay>) -> anyhow::Result<Self> {
        let name = format!("site {number}");
        let binaries = Binaries::beside_this_program()?;
        let folder = tempfile::tempdir()?;
        let options = CloudOptions::default();
        let cloud = Cloud::start(&binaries, &folder.path().join("cloud"), options).await?;
        let tenant = cloud.tenant("Torture", 1_000_000)?;
        let enrolled = cloud.enrol(&tenant.site_id)?;
        let relay = Relay::start(SocketAddr::from(([127, 0, 0, 1], cloud.mqtt_port()))).await?;
        let ocpp = Relay::start(SocketAddr::from(([127, 0, 0, 1], cloud.http_port()))).await?;
        let mut site = SimulatedSite::start(seed).await?;
        let place = folder.path().join("gateway");
        let port = relay.port();
        let base = format!("http://127.0.0.1:{}", ocpp.port());
        let configuration = site.configuration_with_ocpp(&base);
        Gateway::configure(&place, &enrolled, MqttLink { port }, &configuration)?;
        let data = place.join("data");
        let disk = bay.map(|bay| bay.disk(&format!("disk-{number}"), &data));
        let disk = disk.transpose()?;
        let control = disk.as_ref().map(|_| Control::start(&data)).transpose()?;
        let gateway = Gateway::start(&binaries, &place).await?;
        let (ledger, looking) = (Shared::default(), Looking::default());
        let cars = cars::come_and_go(
            std::mem::take(&mut site.connectors),
            place.join("socket"),
            ledger.clone(),
            looking.clone(),
            fastrand::Rng::with_seed(seed ^ 1),
        );
        Ok(Self {
            name,
            rng: fastrand::Rng::with_seed(seed),
            cloud,
            gateway,
            relay,
            ocpp,
            ledger,
            looking,
            cars: tokio::spawn(cars).abort_handle(),
            control,
            outcome: Outcome::default(),
            disk,
            _site: site,
            _folder: folder,
        })
    }

    /// Deals the blows, lets the site heal, and balances the books.
    pub(crate) async fn run(mut self, blows: Vec<Blow>) -> anyhow::Result<Outcome> {
        let count = blows.len();
        for (number, blow) in (1..).zip(blows) {
            self.rest(PAUSE_MS).await;
            let told = match blow {
                Blow::Gateway => self.kill_gateway().await?,
                Blow::Cloud => self.kill_cloud().await?,
                Blow::Cut => self.cut().await?,
            };
            crate::say(&format!("{}, blow {number} of {count}: {told}", self.name));
        }
        self.heal().await?;
        Ok(self.outcome.clone())
    }

    async fn rest(&mut self, at_most_ms: u64) {
        let pause = Duration::from_millis(self.rng.u64(0..=at_most_ms));
        tokio::time::sleep(pause).await;
    }

    async fn kill_gateway(&mut self) -> anyhow::Result<String> {
        let looking = self.looking.clone().lock_owned().await;
        self.gateway.process.kill().await?;
        let safe = self.one_more_death();
        let read = block_in_place(|| Journal::read(&self.data()));
        let there = self.note_journal(read, safe, None);
        self.outcome.kills_of_gateway += 1;
        self.rest(DEAD_MS).await;
        self.gateway.restart().await?;
        drop(looking);
        Ok(format!(
            "daemon killed; {there} facts, {safe} had to be there"
        ))
    }

    async fn kill_cloud(&mut self) -> anyhow::Result<String> {
        self.cloud.process.kill().await?;
        let file = self.cloud.folder().join("data/cloud.sqlite");
        if let Err(problem) = block_in_place(|| check_database(&file)) {
            let damage = &mut self.outcome.balance.damage;
            damage.damaged.push(format!("{problem:#}"));
        }
        self.outcome.kills_of_cloud += 1;
        self.rest(DEAD_MS).await;
        self.cloud.restart().await?;
        Ok("cloud killed".to_owned())
    }

    /// The power goes while nobody is being told anything: what was told before has to be there.
    async fn cut(&mut self) -> anyhow::Result<String> {
        let looking = self.looking.clone().lock_owned().await;
        self.relay.freeze().await;
        self.ocpp.freeze().await;
        let written = self.control.as_ref().map_or(0, Control::written);
        let disk = self.disk.as_mut().context("a cut needs a disk")?;
        let cut = disk.cut()?;
        self.gateway.process.kill().await?;
        if let Some(control) = self.control.take() {
            block_in_place(|| control.stop())?;
        }
        let safe = self.one_more_death();
        let (data, beside) = (self.data(), self.gateway.folder().join("before"));
        let disk = self.disk.as_mut().context("a cut needs a disk")?;
        disk.back(cut, &beside).await?;
        let kept = block_in_place(|| Journal::read(&beside))?;
        let mark = cloud_mark(self.cloud.folder(), &kept.id)?;
        let read = block_in_place(|| Journal::read(&data));
        let there = self.note_journal(read, safe.max(mark), Some(&kept));
        let lost = has_lost(&data, written);
        self.outcome.control_lost += usize::from(lost);
        self.outcome.cuts += 1;
        self.disk
            .as_ref()
            .context("a cut needs a disk")?
            .forget(&beside)
            .await?;
        self.control = Some(Control::start(&data)?);
        self.relay.renew().await;
        self.ocpp.renew().await;
        self.gateway.restart().await?;
        drop(looking);
        let control = if lost { "lost rows" } else { "lost nothing" };
        Ok(format!(
            "power cut; {there} facts, {} had to be there, {} were on their way; the writer without sync {control}",
            safe.max(mark),
            kept.facts.len().saturating_sub(there),
        ))
    }

    fn one_more_death(&self) -> u64 {
        let mut ledger = lock(&self.ledger);
        ledger.deaths += 1;
        ledger.safe
    }

    fn note_journal(
        &mut self,
        read: anyhow::Result<Journal>,
        safe: u64,
        kept: Option<&Journal>,
    ) -> usize {
        let damage = &mut self.outcome.balance.damage;
        match read {
            Ok(journal) => {
                damage.add(journal.after_a_cut(kept.unwrap_or(&journal), safe));
                journal.facts.len()
            }
            Err(problem) => {
                damage.damaged.push(format!("{problem:#}"));
                0
            }
        }
    }

    /// No more blows: everybody leaves, the cloud hears everything, the books are balanced.
    async fn heal(&mut self) -> anyhow::Result<()> {
        lock(&self.ledger).closing = true;
        let ledger = self.ledger.clone();
        until(HEALED_WITHIN, "the last car is gone", async || {
            Ok(lock(&ledger).empty.then_some(()))
        })
        .await
        .with_context(|| self.gateway.process.last_words())?;
        self.gateway
            .status_when(HEALED_WITHIN, "everything is told", |status| {
                let mut stations = status["charge_points"].as_array().into_iter().flatten();
                status["cloud"]["connected_since_ms"].is_number()
                    && status["cloud"]["facts_waiting"] == 0
                    && stations.all(|station| station["ocpp"]["waiting"] == 0)
            })
            .await
            .with_context(|| self.gateway.process.last_words())?;
        self.gateway.process.terminate().await?;
        let journal = Journal::read(&self.data())?;
        let cloud = stored_sessions(&self.cloud)?;
        self.outcome.facts = journal.facts.len();
        let told = transactions(self.cloud.folder())?;
        let found = balance(&lock(&self.ledger), &journal, &cloud, told)?;
        let earlier = std::mem::replace(&mut self.outcome.balance, found);
        self.outcome.balance.damage.add(earlier.damage);
        Ok(())
    }

    fn data(&self) -> PathBuf {
        let place: &Path = self.gateway.folder();
        place.join("data")
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.cars.abort();
        if let Some(control) = self.control.take() {
            // What it wrote is of no use any more.
            let _unused = control.stop();
        }
    }
}
