//! One whole site: cloud, gateway and simulated hardware in a folder of their own. What the
//! scenarios and the benches stand on.

use std::time::Duration;

use anyhow::Context as _;
use demo::{
    Api, Binaries, Cloud, CloudOptions, Connector, Gateway, MqttLink, SimulatedSite, Tenant, until,
};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// Everything a scenario needs; stopped and deleted when dropped.
#[derive(Debug)]
pub struct Stage {
    pub site: SimulatedSite,
    pub gateway: Gateway,
    pub cloud: Cloud,
    pub tenant: Tenant,
    pub api: Api,
    pub binaries: Binaries,
    pub folder: tempfile::TempDir,
}

/// A session as the cloud stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSession {
    pub id: String,
    pub charge_point: String,
    pub meter_start_wh: i64,
    pub meter_stop_wh: Option<i64>,
    pub stop_reason: Option<String>,
}

impl StoredSession {
    pub fn energy_wh(&self) -> Option<u64> {
        self.meter_stop_wh
            .and_then(|stop| u64::try_from(stop - self.meter_start_wh).ok())
    }
}

impl Stage {
    /// The demo site with its embedded defaults, every charge point online.
    pub async fn up(seed: u64) -> anyhow::Result<Self> {
        Self::with_configuration(seed, |site| site.configuration()).await
    }

    /// The same with the site's part of the gateway's configuration made by `configure`.
    pub async fn with_configuration(
        seed: u64,
        configure: impl FnOnce(&SimulatedSite) -> String,
    ) -> anyhow::Result<Self> {
        Self::beside_the_cloud(seed, |site, _cloud| configure(site)).await
    }

    /// The same where the configuration names the cloud.
    pub async fn beside_the_cloud(
        seed: u64,
        configure: impl FnOnce(&SimulatedSite, &Cloud) -> String,
    ) -> anyhow::Result<Self> {
        let binaries = Binaries::beside_this_program()?;
        let folder = tempfile::tempdir()?;
        let cloud = Cloud::start(
            &binaries,
            &folder.path().join("cloud"),
            CloudOptions::default(),
        )
        .await?;
        let tenant = cloud.tenant("Scenario", 1_000_000_000)?;
        let enrolled = cloud.enrol(&tenant.site_id)?;
        let site = SimulatedSite::start(seed).await?;
        let gateway_folder = folder.path().join("gateway");
        let link = MqttLink {
            port: cloud.mqtt_port(),
        };
        Gateway::configure(&gateway_folder, &enrolled, link, &configure(&site, &cloud))?;
        let gateway = Gateway::start(&binaries, &gateway_folder).await?;
        let api = cloud.api(&tenant.key)?;
        let stage = Self {
            site,
            gateway,
            cloud,
            tenant,
            api,
            binaries,
            folder,
        };
        stage.all_online(4).await?;
        Ok(stage)
    }

    pub async fn all_online(&self, count: u64) -> anyhow::Result<()> {
        until(
            Duration::from_secs(30),
            "every charge point is online",
            async || {
                let summary = self.api.summary().await?;
                Ok(
                    (summary["online"] == count && summary["total_charge_points"] == count)
                        .then_some(()),
                )
            },
        )
        .await
        .with_context(|| self.gateway.process.last_words())
    }

    pub fn connector(&self, charge_point: &str) -> anyhow::Result<&Connector> {
        self.site.connector(charge_point)
    }

    /// First connector of a charge point as REST says it.
    pub async fn connector_status(&self, charge_point: &str) -> anyhow::Result<Value> {
        Ok(self.api.status(charge_point).await?["connectors"][0].clone())
    }

    /// Waits until REST says this status of the first connector.
    pub async fn status_becomes(
        &self,
        charge_point: &str,
        wanted: &str,
        limit: Duration,
    ) -> anyhow::Result<Value> {
        until(
            limit,
            &format!("REST says {wanted} of {charge_point}"),
            async || {
                let connector = self.connector_status(charge_point).await?;
                Ok((connector["status"] == wanted).then_some(connector))
            },
        )
        .await
        .with_context(|| self.gateway.process.last_words())
    }

    /// Waits until the gateway has told the cloud everything.
    pub async fn drained(&self, limit: Duration) -> anyhow::Result<()> {
        self.gateway
            .status_when(limit, "the cloud has every fact", |status| {
                status["cloud"]["connected_since_ms"].is_number()
                    && status["cloud"]["facts_waiting"] == 0
            })
            .await
            .with_context(|| self.gateway.process.last_words())?;
        Ok(())
    }

    /// Sessions in the cloud's database.
    pub fn stored_sessions(&self) -> anyhow::Result<Vec<StoredSession>> {
        stored_sessions(&self.cloud)
    }

    /// Energy delivered today as REST says it, exactly.
    pub async fn energy_today_wh(&self) -> anyhow::Result<u64> {
        let summary = self.api.summary().await?;
        let text = summary["energy_delivered_today_kwh"].to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        anyhow::ensure!(fraction.len() <= 3, "more than 3 decimals: {text}");
        Ok(whole.parse::<u64>()? * 1000 + format!("{fraction:0<3}").parse::<u64>()?)
    }
}

/// Sessions in a cloud's database, in order of their start.
pub fn stored_sessions(cloud: &Cloud) -> anyhow::Result<Vec<StoredSession>> {
    let database = Connection::open_with_flags(
        cloud.folder().join("data/cloud.sqlite"),
        OpenFlags::SQLITE_OPEN_READ_ONLY,
    )?;
    let mut statement = database.prepare(
        "SELECT id, charge_point_id, meter_start_wh, meter_stop_wh, stop_reason FROM sessions ORDER BY started_at_ms, id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(StoredSession {
            id: row.get(0)?,
            charge_point: row.get(1)?,
            meter_start_wh: row.get(2)?,
            meter_stop_wh: row.get(3)?,
            stop_reason: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What the meter of a connector has counted, in whole Wh.
pub fn meter_wh(connector: &Connector) -> u64 {
    connector.meter.as_ref().map_or_else(
        || connector.charger.energy_wh(),
        simulator::MeterHandle::energy_wh,
    )
}
