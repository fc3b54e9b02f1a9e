//! `cargo demo`: the real binaries on a simulated site, with something to look at and to paste.

mod show;
mod traffic;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use demo::{Binaries, Cloud, CloudOptions, Gateway, MqttLink, SimulatedSite};
use tokio::signal::unix::{SignalKind, signal};

/// Starts the cloud API, one site controller and a simulated site of four chargers.
#[derive(Debug, Parser)]
#[command(name = "cargo demo --", disable_version_flag = true)]
struct Arguments {
    /// Runs one whole charging session and ends.
    #[arg(long)]
    once: bool,
    /// Port of the API; any free one if it is not given.
    #[arg(long, default_value_t = 0)]
    http_port: u16,
    /// Port of the embedded MQTT broker; any free one if it is not given.
    #[arg(long, default_value_t = 0)]
    mqtt_port: u16,
    /// Seed of the simulated site; the same seed brings the same cars.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for databases and logs, kept afterwards; a temporary one if it is not given.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Takes the binaries beside this program as they are.
    #[arg(long)]
    no_build: bool,
    /// Leaves the RS-485 line out: two chargers on Modbus TCP, for emulators that cannot set a serial line.
    #[arg(long)]
    without_line: bool,
    /// Command to start the site controller with, for instance an emulator and an ARM binary.
    #[arg(long)]
    site_controller: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            show::problem(&format!("no runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = run(&arguments) => ended,
            told = told_to_end() => told.and_then(|()| bail!("ended by a signal")),
        }
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show::problem(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// SIGTERM, or the terminal closed. Whatever was started is ended when `run` is dropped.
async fn told_to_end() -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = hung_up.recv() => {}
    }
    Ok(())
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let binaries = binaries(arguments)?;
    let temporary;
    let folder = match &arguments.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("{} cannot be made", dir.display()))?;
            dir.canonicalize()?
        }
        None => {
            temporary = tempfile::Builder::new()
                .prefix("dynamo-demo-")
                .tempdir()
                .context("no temporary folder; give one with --dir")?;
            temporary.path().to_owned()
        }
    };

    show::step("starting the cloud API");
    let options = CloudOptions {
        http_port: arguments.http_port,
        mqtt_port: arguments.mqtt_port,
        ..CloudOptions::default()
    };
    let mut cloud = Cloud::start(&binaries, &folder.join("cloud"), options).await?;
    let tenant = cloud.tenant("Demo", 1_000_000)?;
    let enrolled = cloud.enrol(&tenant.site_id)?;

    show::step("starting the simulated site and its controller");
    let mut site = SimulatedSite::start(arguments.seed).await?;
    if arguments.without_line {
        site.leave_line_out();
    }
    let gateway_folder = folder.join("gateway");
    Gateway::configure(
        &gateway_folder,
        &enrolled,
        MqttLink {
            port: cloud.mqtt_port(),
        },
        &site.configuration_with_ocpp(&cloud.base()),
    )?;
    let api = cloud.api(&tenant.key)?;
    let mut gateway = Gateway::start(&binaries, &gateway_folder).await?;

    traffic::all_online(&api, &site).await.with_context(|| {
        format!(
            "the site did not come up; the site controller said:\n{}",
            gateway.process.last_words()
        )
    })?;
    show::welcome(&cloud.base(), &tenant.key, &site, &folder);

    let ended = if arguments.once {
        traffic::one_session(&api, &site, &gateway).await
    } else {
        traffic::until_interrupted(&api, &site, &mut cloud, &mut gateway, arguments.seed).await
    };
    gateway.process.terminate().await?;
    cloud.process.terminate().await?;
    ended?;
    if arguments.dir.is_some() {
        show::step(&format!("databases and logs are in {}", folder.display()));
    }
    Ok(())
}

fn binaries(arguments: &Arguments) -> anyhow::Result<Binaries> {
    if !arguments.no_build {
        show::step("building the cloud API and the site controller (minutes the first time)");
        let mut cargo = Command::new("cargo");
        // What `cargo run` says of this program is not so of those, and some build scripts look at it.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&*name);
            }
        }
        let status = cargo
            .args(["build", "--bin", "cloud-api", "--bin", "site-controller"])
            .status()
            .context("cargo cannot be started")?;
        ensure!(status.success(), "the build failed; see above");
    }
    let mut binaries = Binaries::beside_this_program()?;
    if let Some(command) = &arguments.site_controller {
        binaries.site_controller = command.split_whitespace().map(str::to_owned).collect();
    }
    Ok(binaries)
}
