//! Chores of the repository. `cargo xtask` lists them.

mod makers;
mod named_tests;
mod ocpp;
mod profile;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Chores of the repository", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Checks what no compiler checks: dependency directions, lints, profiles with frames, banned words.
    Tidy,
    /// Writes the generated files that are committed: OpenAPI document, profile schema, list of devices, sample configurations.
    Generate,
    /// Writes the messages of `crates/ocpp`; formats them with rustfmt.
    Ocpp {
        /// Folder of the Python package `ocpp` 2.1.0, which holds `v16/schemas` and `v201/schemas`.
        schemas: PathBuf,
    },
    /// Device profiles.
    Profile {
        #[command(subcommand)]
        chore: ProfileChore,
    },
    /// Runs the seeded world for as many seeds as wanted, a simulated day each; a night of it finds more than CI.
    Simulate {
        /// How many days.
        #[arg(long, default_value_t = 2_000)]
        seeds: u64,
        /// The first seed; a failing one says its own.
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Prints the figures; builds with `--release` and profile `gateway` first, which takes minutes.
    Bench {
        /// Only the figures whose name contains this: rest, line, modbus, latency, gateway.
        only: Option<String>,
    },
    /// `kill -9` and power cuts over the real binaries during sessions; fails if anything is lost,
    /// doubled or damaged. Power cuts need root: loop mounts of XFS and ext4.
    Torture {
        /// Kills, of the daemon and of the cloud.
        #[arg(long, default_value_t = 500)]
        kills: u32,
        /// Power cuts of the gateway.
        #[arg(long, default_value_t = 200)]
        cuts: u32,
        /// Sites beside each other.
        #[arg(long, default_value_t = 3)]
        sites: u32,
        /// Seed of the moments; any, and printed, if absent.
        #[arg(long)]
        seed: Option<u64>,
        /// With the binaries that ship.
        #[arg(long)]
        release: bool,
    },
}

#[derive(Subcommand)]
enum ProfileChore {
    /// Checks profiles with the frames beside them, tells every fault at once, and prints the facts
    /// as they were understood.
    Check {
        /// For instance `hw-profiles/chargers/acme-ac22.toml`.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Tidy => tidy::run(root()),
        Chore::Generate => generate(),
        Chore::Ocpp { schemas } => ocpp::run(root(), &schemas),
        Chore::Profile {
            chore: ProfileChore::Check { files },
        } => profile::check(&files),
        Chore::Simulate { seeds, from } => simulate(seeds, from),
        Chore::Bench { only } => bench(only.as_deref()),
        Chore::Torture {
            kills,
            cuts,
            sites,
            seed,
            release,
        } => {
            let mut words = vec![
                format!("--kills={kills}"),
                format!("--cuts={cuts}"),
                format!("--sites={sites}"),
            ];
            words.extend(seed.map(|seed| format!("--seed={seed}")));
            torture(&words, release)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Each committed generated file, and the target and words whose output it is. A test of each crate
/// fails when its file is out of date.
const GENERATED: [(&str, [&str; 2], &[&str]); 5] = [
    ("docs/devices.md", ["--example", "device-list"], &[]),
    ("docs/openapi.json", ["--bin", "cloud-api"], &["openapi"]),
    (
        "docs/sample/cloud-api.toml",
        ["--bin", "cloud-api"],
        &["sample-config"],
    ),
    (
        "docs/sample/site-controller.toml",
        ["--bin", "site-controller"],
        &["sample-config"],
    ),
    (
        "docs/schemas/profile.schema.json",
        ["--example", "profile-schema"],
        &[],
    ),
];

fn generate() -> anyhow::Result<()> {
    for (file, target, words) in GENERATED {
        let output = cargo()
            .args(["run", "--quiet"])
            .args(target)
            .arg("--")
            .args(words)
            .stderr(std::process::Stdio::inherit())
            .output()
            .with_context(|| format!("cargo could not be started for {file}"))?;
        ensure!(
            output.status.success(),
            "`{}` failed; {file} is unchanged",
            target[1]
        );
        let path = root().join(file);
        std::fs::write(&path, output.stdout)
            .with_context(|| format!("{file} cannot be written"))?;
        complain(&format!("wrote {file}"));
    }
    Ok(())
}

fn bench(only: Option<&str>) -> anyhow::Result<()> {
    if only.is_none_or(|word| word == "flash") {
        bench_flash()?;
        if only.is_some() {
            return Ok(());
        }
    }
    let builds: [&[&str]; 2] = [
        &[
            "build",
            "--release",
            "--bin",
            "cloud-api",
            "--bin",
            "site-controller",
            "--bin",
            "bench",
        ],
        &["build", "--profile", "gateway", "--bin", "site-controller"],
    ];
    for arguments in builds {
        let status = cargo().args(arguments).status()?;
        ensure!(status.success(), "`cargo {}` failed", arguments.join(" "));
    }
    let status = Command::new(root().join("target/release/bench"))
        .args(only)
        .status()?;
    ensure!(
        status.success(),
        "a figure was not reached, or could not be measured"
    );
    Ok(())
}

/// A day of the journal with a moved clock: the tables of central systems are the gateway's own, so it
/// is a test of its crate.
fn bench_flash() -> anyhow::Result<()> {
    let test = ["test", "--quiet", "-p", "site-controller", "--lib"];
    let status = cargo()
        .args(test)
        .args(["a_day_of_32_connectors", "--", "--nocapture"])
        .status()?;
    ensure!(status.success(), "the day wrote more than it may");
    Ok(())
}

fn torture(words: &[String], release: bool) -> anyhow::Result<()> {
    let mut build = cargo();
    build.args(["build", "--bin", "cloud-api", "--bin", "site-controller"]);
    build.args(["--bin", "torture"]);
    if release {
        build.arg("--release");
    }
    ensure!(build.status()?.success(), "`cargo build` failed");
    let profile = if release { "release" } else { "debug" };
    let program = root().join("target").join(profile).join("torture");
    let status = Command::new(program).args(words).status()?;
    ensure!(
        status.success(),
        "something was lost, doubled, wrong or damaged"
    );
    Ok(())
}

fn simulate(seeds: u64, from: u64) -> anyhow::Result<()> {
    let status = cargo()
        .args(["test", "--quiet", "--test", "world", "--"])
        .args(["a_day_with_every_fault", "--nocapture"])
        .env("SIMULATE_SEEDS", seeds.to_string())
        .env("SIMULATE_FROM", from.to_string())
        .status()?;
    ensure!(status.success(), "a seed failed; it is named above");
    Ok(())
}

/// Cargo, without what `cargo run` says of this program: some build scripts look at it, and would
/// compile again.
fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&*name);
        }
    }
    cargo.current_dir(root());
    cargo
}

fn root() -> &'static Path {
    static ROOT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    ROOT.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.parent()
            .map_or_else(|| here.to_path_buf(), Path::to_path_buf)
    })
}

#[expect(clippy::print_stderr, reason = "a chore speaks to whoever typed it")]
fn complain(text: &str) {
    eprintln!("{text}");
}
