//! Broker and cloud in network namespaces of their own: late, narrow and lossy wires, and wires pulled out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::{Api, Binaries, Cloud, CloudOptions, Gateway, MqttLink, SimulatedSite, until};
use simulator::Ev;

use crate::peers::Mosquitto;
use scenarios::{Relay, Wire, Wires, leave_out, meter_wh, stored_sessions};

const BROKER_PORT: u16 = 1883;
/// One in twenty packets, either way.
const LOSS: u32 = 50;
const LATE: Duration = Duration::from_millis(150);
/// The broker's will fires after one and a half keep-alives of 30 s.
const OFFLINE_WITHIN: Duration = Duration::from_secs(60);
/// One keep-alive, then a new connection.
const BACK_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_bad_wires_and_none_sessions_arrive_once_and_live_state_comes_back()
-> anyhow::Result<()> {
    let wires = match Wires::open() {
        Ok(wires) => wires,
        Err(reason) => {
            return leave_out(&format!(
                "broker and cloud in network namespaces of their own were not tried, this machine does not allow them ({reason:#})"
            ));
        }
    };
    let world = World::up(&wires).await?;
    let (site, api) = (&world.site, &world.api);
    wires.lose(LOSS, LOSS)?;
    world.relay.delay(LATE).await;
    let (left, right) = (site.connector("CP-LEFT")?, site.connector("CP-RIGHT")?);
    let before = [meter_wh(left), meter_wh(right)];
    let car = || Ev {
        ready_after_ms: 300,
        ..Ev::three_phase_11_kw()
    };
    left.charger.plug_in(car());
    status_becomes(api, "CP-LEFT", "Charging", BACK_WITHIN).await?;

    // The site is cut off: seen in bounded time. Meanwhile one car leaves, and another comes and stays.
    wires.pull_out(Wire::Site)?;
    flowed(left, before[0] + 10).await?;
    left.charger.unplug();
    right.charger.plug_in(car());
    until(
        OFFLINE_WITHIN,
        "REST says that the site is offline",
        async || Ok((api.summary().await?["offline"] == 4).then_some(())),
    )
    .await?;
    wires.lose(LOSS, LOSS)?;
    status_becomes(api, "CP-LEFT", "Available", BACK_WITHIN).await?;
    status_becomes(api, "CP-RIGHT", "Charging", BACK_WITHIN).await?;

    // The cloud is cut off from the broker while a session ends.
    wires.pull_out(Wire::Cloud)?;
    flowed(right, before[1] + 10).await?;
    right.charger.unplug();
    let gone = |status: &serde_json::Value| {
        let mut all = status["charge_points"].as_array().into_iter().flatten();
        all.all(|one| one["connectors"][0]["status"] == "Available")
    };
    world
        .gateway
        .status_when(BACK_WITHIN, "both left", gone)
        .await?;
    wires.lose(LOSS, LOSS)?;
    status_becomes(api, "CP-RIGHT", "Available", BACK_WITHIN).await?;
    world
        .gateway
        .status_when(BACK_WITHIN, "the cloud has every fact", |status| {
            status["cloud"]["connected_since_ms"].is_number()
                && status["cloud"]["facts_waiting"] == 0
        })
        .await?;
    let sessions = stored_sessions(&world.cloud)?;
    ensure!(sessions.len() == 2, "{sessions:?}");
    for (connector, before) in [left, right].into_iter().zip(before) {
        let session = sessions
            .iter()
            .find(|session| session.charge_point == connector.charge_point)
            .context("no session")?;
        let energy = session.energy_wh().context("no end")?;
        let metered = meter_wh(connector) - before;
        ensure!(
            energy.abs_diff(metered) <= 1,
            "session {energy} Wh, meter {metered} Wh"
        );
    }
    Ok(())
}

struct World {
    api: Api,
    cloud: Cloud,
    gateway: Gateway,
    relay: Relay,
    site: SimulatedSite,
    _broker: Mosquitto,
    _folder: tempfile::TempDir,
}

impl World {
    async fn up(wires: &Wires) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let binaries = Binaries::beside_this_program()?;
        let cloud_folder = folder.path().join("cloud");
        let mut first = Cloud::start(&binaries, &cloud_folder, CloudOptions::default()).await?;
        let tenant = first.tenant("Namespaces", 1_000_000)?;
        let enrolled = first.enrol(&tenant.site_id)?;
        let access = folder.path().join("access");
        let shown = access.display().to_string();
        let written = first.admin_output(&["mosquitto", "--out", &shown])?;
        ensure!(written.status.success(), "access files");
        first.process.terminate().await?;
        let broker = Mosquitto::start_at(
            &folder.path().join("broker"),
            &access,
            SocketAddr::from(([0, 0, 0, 0], BROKER_PORT)),
            wires.at_broker(),
        )?;
        let external = format!(
            "external = {{ host = \"{}\", port = {BROKER_PORT}, tls = false, username = \"ingest\", password_file = \"{shown}/ingest.password\" }}",
            wires.broker_from_cloud()
        );
        let options = CloudOptions {
            address: Some(wires.cloud()),
            external_broker: Some(external),
            wrapper: wires.at_cloud(),
            ..CloudOptions::default()
        };
        let cloud = Cloud::start(&binaries, &cloud_folder, options).await?;
        let broker_here = SocketAddr::new(IpAddr::V4(wires.broker_from_site()), BROKER_PORT);
        let relay = Relay::start(broker_here).await?;
        let site = SimulatedSite::start(62).await?;
        let place = folder.path().join("gateway");
        let port = relay.port();
        Gateway::configure(&place, &enrolled, MqttLink { port }, &site.configuration())?;
        let gateway = Gateway::start(&binaries, &place).await?;
        let api = cloud.api(&tenant.key)?;
        until(BACK_WITHIN, "every charge point is online", async || {
            Ok((api.summary().await?["online"] == 4).then_some(()))
        })
        .await
        .with_context(|| gateway.process.last_words())?;
        Ok(Self {
            api,
            cloud,
            gateway,
            relay,
            site,
            _broker: broker,
            _folder: folder,
        })
    }
}

async fn status_becomes(
    api: &Api,
    charge_point: &str,
    wanted: &str,
    limit: Duration,
) -> anyhow::Result<()> {
    until(
        limit,
        &format!("REST says {wanted} of {charge_point}"),
        async || {
            let status = api.status(charge_point).await?;
            Ok((status["connectors"][0]["status"] == wanted).then_some(()))
        },
    )
    .await
}

async fn flowed(connector: &demo::Connector, until_wh: u64) -> anyhow::Result<()> {
    until(Duration::from_secs(20), "energy has flowed", async || {
        Ok((meter_wh(connector) >= until_wh).then_some(()))
    })
    .await
}
