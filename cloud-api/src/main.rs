//! The program: reads the command line, then serves, administrates or prints.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cloud_api::admin::{self, AdminArgs};
use cloud_api::config::{self, Config};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Requests make and drop many small values on all threads; the system's allocator took an eighth of
/// the server's time for it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is logged unless DYNAMO_LOG says otherwise.
const LOG: &str = "info,mqtt5=warn,rumqttc=warn";
/// Exit code of bad usage or configuration, as `clap` has it.
const USAGE: u8 = 2;

/// The Dynamo cloud: REST API, MQTT broker for gateways, and their administration.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Configuration; without one, both listeners are on loopback and files in ./data.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a commented configuration to begin with.
    SampleConfig,
    /// Print the OpenAPI document.
    Openapi,
    /// Organisations, keys, sites, gateways; also while the server runs.
    Admin(AdminArgs),
}

fn main() -> ExitCode {
    // Whoever installed one before us installed the same.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    if let Err(problem) = start_logging() {
        return fail(USAGE, &problem);
    }
    let config = match &arguments.config {
        Some(path) => Config::load(path),
        None => Ok(Config::default()),
    };
    let config = match config {
        Ok(config) => config,
        Err(error) => return fail(USAGE, &error.to_string()),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &format!("cannot start threads: {error}")),
    };
    let done = match arguments.command {
        None => runtime.block_on(cloud_api::app::run(config)),
        Some(Command::SampleConfig) => print(&config::sample()),
        Some(Command::Openapi) => print(&cloud_api::app::openapi()),
        Some(Command::Admin(arguments)) => runtime.block_on(admin::run(config, arguments)),
    };
    // Threads that are still busy do not hold up the end.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &format!("{error:#}")),
    }
}

/// Logs go to stderr; stdout is for what was asked.
fn start_logging() -> Result<(), String> {
    let wanted = std::env::var("DYNAMO_LOG").unwrap_or_else(|_| LOG.to_owned());
    let targets: Targets = wanted.parse().map_err(|_| {
        format!("DYNAMO_LOG={wanted} is no log level; use error, warn, info, debug or trace")
    })?;
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .init();
    Ok(())
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn fail(code: u8, problem: &str) -> ExitCode {
    // Nobody is left to tell where stderr is closed.
    let _unheard = writeln!(io::stderr().lock(), "{problem}");
    ExitCode::from(code)
}
