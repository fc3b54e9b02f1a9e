//! An old copy of the gateway's journal is put back, as a backup or a cloned disk does: the daemon begins a
//! new journal at once, and each session is in the cloud once.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use demo::until;
use rusqlite::{Connection, OpenFlags};
use simulator::Ev;

use crate::backlog::{copy, leave, visit};
use scenarios::{Stage, StoredSession, meter_wh};

const SOON: Duration = Duration::from_secs(20);

/// Sessions end and begin after the copy was made, and one runs on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_the_journal_gives_way_and_each_session_is_in_the_cloud_once()
-> anyhow::Result<()> {
    let mut stage = Stage::up(66).await?;
    let before: Vec<u64> = stage.site.connectors.iter().map(meter_wh).collect();
    let [left, right, front] = ["CP-LEFT", "CP-RIGHT", "CP-FRONT"];
    // One runs while the copy is made and ends afterwards; one goes on through all of it.
    visit(&stage, left, start_of(&stage, &before, left)).await?;
    visit(&stage, front, start_of(&stage, &before, front)).await?;
    stage.drained(SOON).await?;
    let backup = back_up(&mut stage).await?;
    leave(&stage, left).await?;
    // Another car comes to the same place, and one to another.
    let middle = meter_wh(stage.connector(left)?);
    visit(&stage, left, middle).await?;
    visit(&stage, right, start_of(&stage, &before, right)).await?;
    stage.drained(SOON).await?;
    let told = stage.stored_sessions()?;
    ensure!(told.len() == 4, "{told:?}");

    put_back(&mut stage, &backup, async |_| Ok(())).await?;
    for name in [left, right, front] {
        // What the old copy showed before it gave way may still be there for a moment.
        let running = |session: &str| {
            told.iter().any(|one| {
                one.id == session && one.charge_point == name && one.meter_stop_wh.is_none()
            })
        };
        let what = format!("{name} charges in the session that the cloud knew");
        let known = until(SOON, &what, async || {
            let now = stage.status_becomes(name, "Charging", SOON).await?;
            let session = now["active_session_id"].as_str().unwrap_or_default();
            ensure!(running(session), "{now}");
            Ok(Some(()))
        });
        known.await?;
    }
    for name in [left, right, front] {
        leave(&stage, name).await?;
    }
    // Whoever comes then is told under numbers that the old journal had used.
    let last = meter_wh(stage.connector(right)?);
    visit(&stage, right, last).await?;
    leave(&stage, right).await?;
    stage.drained(SOON).await?;
    let sessions = stage.stored_sessions()?;
    ensure!(sessions.len() == 5, "{sessions:?}");
    let ids = |sessions: &[StoredSession]| -> Vec<String> {
        sessions.iter().map(|one| one.id.clone()).collect()
    };
    ensure!(ids(&sessions)[..4] == ids(&told)[..], "{sessions:?}");
    balanced(&stage, &sessions, &before)?;
    reported(&stage, "the cloud already has facts up to")
}

/// The copy is written on for longer than what was lost before the cloud is heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_that_was_written_on_without_the_cloud_gives_way_as_well() -> anyhow::Result<()>
{
    let mut stage = Stage::up(67).await?;
    let before: Vec<u64> = stage.site.connectors.iter().map(meter_wh).collect();
    let [left, right] = ["CP-LEFT", "CP-RIGHT"];
    visit(&stage, left, start_of(&stage, &before, left)).await?;
    stage.drained(SOON).await?;
    let backup = back_up(&mut stage).await?;
    leave(&stage, left).await?;
    stage.drained(SOON).await?;

    put_back(&mut stage, &backup, async |stage| {
        for _ in 0..2 {
            come_and_go(stage, right).await?;
        }
        Ok(())
    })
    .await?;
    stage.drained(SOON).await?;
    let sessions = stage.stored_sessions()?;
    ensure!(sessions.len() == 3, "{sessions:?}");
    balanced(&stage, &sessions, &before)?;
    reported(&stage, "the cloud has another fact")
}

fn start_of(stage: &Stage, before: &[u64], charge_point: &str) -> u64 {
    let mut connectors = stage.site.connectors.iter().zip(before);
    let found = connectors.find(|(one, _)| one.charge_point == charge_point);
    found.map_or(0, |(_, before)| *before)
}

async fn back_up(stage: &mut Stage) -> anyhow::Result<std::path::PathBuf> {
    stage.gateway.process.terminate().await?;
    let backup = stage.folder.path().join("backup");
    copy(&stage.gateway.folder().join("data"), &backup)?;
    stage.gateway.restart().await?;
    stage.all_online(4).await?;
    Ok(backup)
}

/// Puts the copy back and waits until a new journal has begun; what happens before the cloud is there
/// is up to the caller.
async fn put_back(
    stage: &mut Stage,
    backup: &std::path::Path,
    alone: impl AsyncFnOnce(&Stage) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let data = stage.gateway.folder().join("data");
    stage.gateway.process.kill().await?;
    stage.cloud.process.terminate().await?;
    std::fs::remove_dir_all(&data)?;
    copy(backup, &data)?;
    stage.gateway.restart().await?;
    alone(stage).await?;
    stage.cloud.restart().await?;
    let begun = stage
        .gateway
        .status_when(
            Duration::from_secs(60),
            "a new journal has begun",
            |status| {
                let notices = status["storage"]["notices"]
                    .as_array()
                    .into_iter()
                    .flatten();
                let mut texts = notices.filter_map(serde_json::Value::as_str);
                texts.any(|text| text.contains("and a new one was begun"))
            },
        )
        .await;
    begun.with_context(|| stage.gateway.process.last_words())?;
    stage.all_online(4).await
}

/// While the cloud is away.
async fn come_and_go(stage: &Stage, charge_point: &str) -> anyhow::Result<()> {
    let connector = stage.connector(charge_point)?;
    for (status, plugged) in [("Charging", true), ("Available", false)] {
        if plugged {
            connector.charger.plug_in(Ev {
                ready_after_ms: 300,
                ..Ev::three_phase_11_kw()
            });
        } else {
            connector.charger.unplug();
        }
        let what = format!("the cabinet says {status} of {charge_point}");
        let shown = stage.gateway.status_when(SOON, &what, |told| {
            let all = told["charge_points"].as_array().into_iter().flatten();
            let mut here = all.filter(|one| one["charge_point_id"] == charge_point);
            here.any(|one| one["connectors"][0]["status"] == status)
        });
        shown.await?;
    }
    Ok(())
}

/// Every session has ended, none overlaps another, and together they are what the meter counted.
fn balanced(stage: &Stage, sessions: &[StoredSession], before: &[u64]) -> anyhow::Result<()> {
    for (connector, before) in stage.site.connectors.iter().zip(before) {
        let here = sessions
            .iter()
            .filter(|one| one.charge_point == connector.charge_point);
        let mut last = 0;
        let (mut energy, mut count) = (0, 0);
        for one in here {
            let flowed = one.energy_wh().with_context(|| format!("{one:?} runs"))?;
            ensure!(one.meter_start_wh >= last, "overlap: {sessions:?}");
            last = one.meter_stop_wh.unwrap_or(0);
            energy += flowed;
            count += 1;
        }
        let metered = meter_wh(connector) - before;
        ensure!(
            energy.abs_diff(metered) <= count,
            "{}: {energy} Wh, meter {metered} Wh, {sessions:?}",
            connector.charge_point
        );
    }
    Ok(())
}

/// The cloud keeps why a new journal began, and the old one lies beside it.
fn reported(stage: &Stage, why: &str) -> anyhow::Result<()> {
    let database = Connection::open_with_flags(
        stage.cloud.folder().join("data/cloud.sqlite"),
        OpenFlags::SQLITE_OPEN_READ_ONLY,
    )?;
    let mut problems = database.prepare("SELECT problem, lost_facts FROM salvaged_journals")?;
    let rows = problems.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let told: Vec<(String, i64)> = rows.collect::<Result<_, _>>()?;
    ensure!(
        told.len() == 1 && told[0].0.starts_with(why) && told[0].1 == 0,
        "{told:?}"
    );
    let mut kept = std::fs::read_dir(stage.gateway.folder().join("data"))?;
    let kept = kept.any(|entry| {
        entry.is_ok_and(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("journal.superseded-")
        })
    });
    ensure!(kept, "the copy is not there");
    Ok(())
}
