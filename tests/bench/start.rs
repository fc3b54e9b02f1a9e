//! How long after its start the gateway asks its first device, with a new journal and with one of 30 days,
//! both as a power cut leaves them.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use demo::{Binaries, Enrolled, Gateway, MqttLink, Process};
use futures_util::future::select_all;
use scenarios::month::{self, Days};
use site_model::WallTime;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use crate::{Figure, median};

const CHARGE_POINTS: usize = 32;
const CHARGERS_PER_BUS: usize = 4;
const SESSIONS_PER_DAY: u32 = 50;
const STARTS: usize = 7;
const FIRST_POLL_MAX_MS: f64 = 500.0;
/// Then something else is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn figures() -> anyhow::Result<Vec<Figure>> {
    let binaries = Binaries::beside_this_program()?;
    let mut fresh = first_polls(&binaries, 0).await?;
    let mut month = first_polls(&binaries, 30).await?;
    let longest = month.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        Figure::report(
            "start to first poll, new journal, median",
            format!("{:.0} ms", median(&mut fresh)),
        ),
        Figure::report(
            "start to first poll, journal of 30 days, median",
            format!("{:.0} ms", median(&mut month)),
        ),
        Figure::at_most(
            "start to first poll, journal of 30 days, longest of 7",
            longest,
            FIRST_POLL_MAX_MS,
            "ms",
        ),
    ])
}

async fn first_polls(binaries: &Binaries, days: u32) -> anyhow::Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    if days > 0 {
        let now = jiff::Timestamp::now().as_millisecond();
        let charge_points: Vec<String> = (1..=CHARGE_POINTS).map(charge_point).collect();
        let days = Days {
            charge_points: &charge_points,
            days,
            sessions_per_day: SESSIONS_PER_DAY,
            until: WallTime(now),
            seed: 30,
        };
        month::record(&folder.join("data"), &days).await?;
    }
    let mut found = Vec::new();
    for _ in 0..STARTS {
        // New ports: what the last one sent before it was killed still waits at the old ones.
        let mut buses = Vec::new();
        for _ in 0..CHARGE_POINTS / CHARGERS_PER_BUS {
            buses.push(TcpListener::bind(("127.0.0.1", 0)).await?);
        }
        let enrolled = Enrolled {
            gateway_id: "gw_bench".to_owned(),
            password: "nobody listens".to_owned(),
        };
        // No cloud: nothing but the journal is to be waited for.
        Gateway::configure(folder, &enrolled, MqttLink { port: 9 }, &site(&buses)?)?;
        let mut command = Command::new(&binaries.site_controller[0]);
        command
            .arg("--config")
            .arg(folder.join("site-controller.toml"));
        let began = Instant::now();
        let mut process = Process::start("site-controller", command, folder)?;
        let asked = timeout(PATIENCE, first_request(&buses)).await;
        let asked = asked.with_context(|| process.last_words())??;
        found.push((asked - began).as_secs_f64() * 1_000.0);
        process.kill().await?;
    }
    Ok(found)
}

/// When the first byte of a request arrived at any of the buses.
async fn first_request(buses: &[TcpListener]) -> anyhow::Result<Instant> {
    let firsts = buses.iter().map(|bus| {
        Box::pin(async move {
            let (mut stream, _) = bus.accept().await?;
            stream.read_u8().await?;
            Ok(Instant::now())
        })
    });
    select_all(firsts).await.0
}

fn site(buses: &[TcpListener]) -> anyhow::Result<String> {
    let (mut lines, mut points) = (String::new(), String::new());
    for (number, bus) in buses.iter().enumerate() {
        let port = bus.local_addr()?.port();
        lines += &format!(
            "[[bus]]\nname = \"bus-{number}\"\ntcp = {{ host = \"127.0.0.1\", port = {port} }}\n"
        );
        for unit in 1..=CHARGERS_PER_BUS {
            let charger = number * CHARGERS_PER_BUS + unit;
            lines += &format!(
                "[[bus.device]]\nid = \"charger-{charger}\"\nprofile = \"bender-cc612\"\nunit = {unit}\n"
            );
            points += &format!(
                "\n[[charge_point]]\nid = \"{}\"\n[[charge_point.connector]]\nid = 1\ntype = \"Type2\"\ndevice = \"charger-{charger}\"\nmax_current_a = 16\nphases = 3\nauthorization = \"free\"\n",
                charge_point(charger)
            );
        }
    }
    Ok(lines + &points)
}

fn charge_point(number: usize) -> String {
    format!("CP-{number:02}")
}
