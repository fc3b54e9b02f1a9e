//! What the bench tool's scan prints is pasted into a site's configuration as it is.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use demo::Binaries;
use hw_profiles::{Parity, SerialLine, find};
use simulator::{ChargerOptions, MeterOf, RtuLine, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_scan_prints_is_a_configuration_that_the_site_controller_accepts()
-> anyhow::Result<()> {
    let binaries = Binaries::beside_this_program()?;
    // A pseudo-terminal carries neither speed nor parity: the first setting that is tried is right.
    let settings = SerialLine {
        baud: 9_600,
        parity: Parity::None,
        stop_bits: 1,
    };
    let world = World::new(17);
    let line = RtuLine::start(&world, settings, true, 5)?;
    let driver = tokio::spawn(simulator::run(world.clone()));
    let profile =
        |id: &str| Ok::<_, anyhow::Error>(Arc::new(find(id).context("no profile")?.clone()));
    let options = ChargerOptions::default;
    let left = world.add_charger("left", profile("heidelberg-energy-control")?, options());
    let right = world.add_charger("right", profile("abb-terra-ac")?, options());
    let meter = world.add_meter("grid", profile("eastron-sdm630")?, MeterOf::Grid, 1_000);
    line.add(1, &left);
    line.add(4, &right);
    line.add(2, &meter);

    let scanned = scan(&binaries, line.path()).await?;
    let (block, way) = (text(&scanned.stdout), text(&scanned.stderr));
    ensure!(scanned.status.success(), "{way}");
    ensure!(way.contains("% of the time was waiting"), "{way}");
    ensure!(
        left.writes().is_empty() && right.writes().is_empty(),
        "a scan never writes"
    );
    driver.abort();

    let folder = tempfile::tempdir()?;
    let configuration = folder.path().join("site.toml");
    std::fs::write(&configuration, whole(&block))?;
    let checked = Command::new(&binaries.site_controller[0])
        .arg("--config")
        .arg(&configuration)
        .arg("--check-config")
        .output()?;
    ensure!(
        checked.status.success(),
        "{}\n{block}",
        text(&checked.stderr)
    );
    let shown = text(&checked.stdout);
    for device in ["charger-1", "charger-4", "meter-2"] {
        ensure!(shown.contains(device), "{device}: {shown}\n{block}");
    }
    Ok(())
}

async fn scan(binaries: &Binaries, line: &Path) -> anyhow::Result<Output> {
    let folder = binaries.cloud_api.parent().context("no folder")?;
    let mut command = Command::new(folder.join("firmware-agent"));
    command
        .args(["scan", "--units", "1-5", "--serial"])
        .arg(line);
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

/// The block with what a site needs besides: the gateway, the broker, and who uses the devices.
fn whole(block: &str) -> String {
    let mut text = format!(
        "[gateway]\nid = \"gw_01jd0example\"\ndata_dir = \"data\"\nsocket = \"socket\"\n\
         [mqtt]\nhost = \"127.0.0.1\"\npassword = \"secret\"\n{block}"
    );
    for (id, device) in [("CP-LEFT", "charger-1"), ("CP-RIGHT", "charger-4")] {
        text += &format!(
            "[[charge_point]]\nid = \"{id}\"\n[[charge_point.connector]]\nid = 1\ntype = \"Type2\"\n\
             device = \"{device}\"\nmax_current_a = 16\nphases = 3\nauthorization = \"free\"\n"
        );
    }
    // The first charger counts apparent energy only: it has the meter.
    text.replace(
        "device = \"charger-1\"\n",
        "device = \"charger-1\"\nmeter = \"meter-2\"\n",
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
