//! The gateway's disk is full: charging goes on, nothing new that costs money begins, and nothing is lost.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::until;
use simulator::Ev;
use site_model::{Milliamps, VehicleState};

use scenarios::{SmallDisk, Stage, leave_out, meter_wh};

const SOON: Duration = Duration::from_secs(15);
const DISK_KIB: u32 = 8 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_no_car_and_begins_no_bill_until_there_is_room() -> anyhow::Result<()> {
    let free = "authorization = \"free\"";
    let mut stage = Stage::with_configuration(61, |site| {
        let text = site.configuration();
        // The first and the third charge point stay free for all; at the others somebody pays.
        let parts: Vec<&str> = text.split(free).collect();
        let paid = "authorization = \"required\"";
        [
            parts[0], free, parts[1], paid, parts[2], free, parts[3], paid, parts[4],
        ]
        .concat()
    })
    .await?;
    stage.gateway.process.terminate().await?;
    let data = stage.gateway.folder().join("data");
    let _disk = match SmallDisk::open(&data, DISK_KIB) {
        Ok(disk) => disk,
        Err(reason) => {
            return leave_out(&format!(
                "the full disk was not tried, mounts are not allowed here ({reason:#})"
            ));
        }
    };
    stage.gateway.restart().await?;
    stage.all_online(4).await?;
    let before: Vec<u64> = stage.site.connectors.iter().map(meter_wh).collect();

    arrive(&stage, "CP-RIGHT")?;
    let started = order(
        &stage,
        &["CP-RIGHT", "1", "start-session", "--id-tag", "CARD-1"],
    )?;
    ensure!(started.0, "{}", started.1);
    charges(&stage, "CP-RIGHT").await?;
    let ballast = Ballast::load(&data)?;
    arrive(&stage, "CP-LEFT")?;
    // The space set aside takes the first of them; orders make more facts.
    let mut amps = ["10", "12"].into_iter().cycle();
    let problem = until(Duration::from_secs(30), "the disk is full", async || {
        let amps = amps.next().unwrap_or_default();
        order(&stage, &["CP-RIGHT", "1", "set-limit", "--amps", amps])?;
        let problem = &stage.gateway.status()?["storage"]["problem"];
        Ok(problem.as_str().map(str::to_owned))
    })
    .await?;
    ensure!(problem.contains("full"), "{problem}");

    // What runs goes on, what is free begins, what is safer is done.
    charges(&stage, "CP-LEFT").await?;
    let limited = order(&stage, &["CP-RIGHT", "1", "set-limit", "--amps", "8"])?;
    let right = stage.connector("CP-RIGHT")?;
    ensure!(
        limited.0 && right.charger.limit() == Milliamps(8_000),
        "{}",
        limited.1
    );
    ensure!(right.charger.state() == VehicleState::C, "CP-RIGHT stopped");
    // What costs money does not begin, and says why.
    arrive(&stage, "CP-BACK")?;
    let refused = order(
        &stage,
        &["CP-BACK", "1", "start-session", "--id-tag", "CARD-2"],
    )?;
    ensure!(
        !refused.0
            && refused.1.contains(
                "the journal cannot be written, and nothing new that costs money may begin"
            ),
        "{}",
        refused.1
    );
    ensure!(
        stage.connector("CP-BACK")?.charger.limit() == Milliamps::PAUSE,
        "CP-BACK may charge"
    );
    stage.connector("CP-RIGHT")?.charger.unplug();
    local_status(&stage, "CP-RIGHT", "Available").await?;

    ballast.take_off()?;
    stage
        .gateway
        .status_when(SOON, "the disk can be written again", |status| {
            status["storage"]["problem"].is_null() && status["storage"]["facts_waiting"] == 0
        })
        .await?;
    let started = order(
        &stage,
        &["CP-BACK", "1", "start-session", "--id-tag", "CARD-2"],
    )?;
    ensure!(started.0, "{}", started.1);
    charges(&stage, "CP-BACK").await?;
    for charge_point in ["CP-LEFT", "CP-BACK"] {
        stage.connector(charge_point)?.charger.unplug();
        local_status(&stage, charge_point, "Available").await?;
    }
    stage.drained(SOON).await?;
    let status = stage.gateway.status()?;
    ensure!(status["storage"]["facts_dropped"] == 0, "{status}");
    let sessions = stage.stored_sessions()?;
    let mut found: Vec<&str> = sessions
        .iter()
        .map(|one| one.charge_point.as_str())
        .collect();
    found.sort_unstable();
    ensure!(found == ["CP-BACK", "CP-LEFT", "CP-RIGHT"], "{sessions:?}");
    for (connector, before) in stage.site.connectors.iter().zip(before) {
        let of = sessions
            .iter()
            .find(|one| one.charge_point == connector.charge_point);
        let energy = of.map_or(Some(0), |session| session.energy_wh());
        let energy = energy.context("a session has no end")?;
        let metered = meter_wh(connector) - before;
        ensure!(
            energy.abs_diff(metered) <= 1,
            "{}: session {energy} Wh, meter {metered} Wh",
            connector.charge_point
        );
    }
    Ok(())
}

/// A file that takes every byte that becomes free, until it is taken off.
struct Ballast {
    path: PathBuf,
    filling: tokio::task::AbortHandle,
}

impl Ballast {
    fn load(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("ballast");
        let mut file = File::create(&path)?;
        let filling = tokio::spawn(async move {
            loop {
                while file.write_all(&[1; 4096]).is_ok() {}
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        Ok(Self {
            path,
            filling: filling.abort_handle(),
        })
    }

    fn take_off(self) -> anyhow::Result<()> {
        self.filling.abort();
        Ok(std::fs::remove_file(self.path)?)
    }
}

fn arrive(stage: &Stage, charge_point: &str) -> anyhow::Result<()> {
    stage.connector(charge_point)?.charger.plug_in(Ev {
        ready_after_ms: 300,
        ..Ev::three_phase_11_kw()
    });
    Ok(())
}

/// Energy flows: the car charges, and its meter has moved by some Wh.
async fn charges(stage: &Stage, charge_point: &str) -> anyhow::Result<()> {
    let connector = stage.connector(charge_point)?;
    let before = meter_wh(connector);
    until(SOON, &format!("{charge_point} charges"), async || {
        let flows =
            connector.charger.state() == VehicleState::C && meter_wh(connector) >= before + 3;
        Ok(flows.then_some(()))
    })
    .await
    .with_context(|| stage.gateway.process.last_words())
}

/// An order at the cabinet: whether it was applied, and what was said.
fn order(stage: &Stage, words: &[&str]) -> anyhow::Result<(bool, String)> {
    let output = stage.gateway.ask(&[&["command"], words].concat())?;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

async fn local_status(stage: &Stage, charge_point: &str, wanted: &str) -> anyhow::Result<()> {
    let what = format!("the cabinet says {wanted} of {charge_point}");
    let says_so = |status: &serde_json::Value| {
        let mut all = status["charge_points"].as_array().into_iter().flatten();
        all.any(|one| {
            one["charge_point_id"] == charge_point && one["connectors"][0]["status"] == wanted
        })
    };
    stage.gateway.status_when(SOON, &what, says_so).await?;
    Ok(())
}
