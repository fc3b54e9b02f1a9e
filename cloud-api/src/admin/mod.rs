//! `cloud-api admin …`: what the operator does on the database file, also while the server runs.

mod gateway;
mod installer;
mod key;
mod org;
mod site;
mod user;

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use anyhow::ensure;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::id::{OrganisationId, SiteId};
use crate::secret::ServerSecrets;

/// Options of every administrative command.
#[derive(Debug, Args)]
pub struct AdminArgs {
    /// Print one JSON object instead of sentences.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Organisations and what they pay for.
    #[command(subcommand)]
    Org(org::OrgCommand),
    /// People who work for an organisation.
    #[command(subcommand)]
    User(user::UserCommand),
    /// API keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// People who install and commission sites.
    #[command(subcommand)]
    Installer(installer::InstallerCommand),
    /// Sites.
    #[command(subcommand)]
    Site(site::SiteCommand),
    /// Gateways: the boxes on the sites.
    #[command(subcommand)]
    Gateway(gateway::GatewayCommand),
    /// Write the access files of an external Mosquitto.
    Mosquitto {
        /// Directory to write to; made if missing.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// What a command did, for people and for programs.
#[derive(Debug)]
struct Report {
    text: String,
    json: Value,
}

/// What commands work on.
#[derive(Debug)]
struct Desk {
    config: Config,
    db: Db,
    secrets: ServerSecrets,
    clock: Clock,
}

impl Desk {
    /// Opens the database. Only what begins a new one may make its files: any other command on a
    /// directory without them is a mistake in the place.
    fn open(config: Config, begins: bool) -> anyhow::Result<Self> {
        let database = config.database();
        ensure!(
            begins || database.exists(),
            "there is no database {}; say where it is with --config FILE, or begin one with `cloud-api admin org create`",
            database.display()
        );
        make_data_dir(&config)?;
        Ok(Self {
            secrets: ServerSecrets::load_or_create(&config.data_dir)?,
            db: Db::open(&database)?,
            clock: Clock::system(),
            config,
        })
    }
}

impl AdminCommand {
    /// Whether it makes sense on a database that is not there yet.
    fn begins(&self) -> bool {
        match self {
            Self::Org(command) => matches!(command, org::OrgCommand::Create { .. }),
            Self::Installer(installer::InstallerCommand::Create { .. }) => true,
            Self::User(_)
            | Self::Key(_)
            | Self::Site(_)
            | Self::Gateway(_)
            | Self::Mosquitto { .. } => false,
        }
    }
}

/// Runs one command and prints what it did.
///
/// # Errors
/// A sentence that says what to do.
pub async fn run(config: Config, args: AdminArgs) -> anyhow::Result<()> {
    let desk = Desk::open(config, args.command.begins())?;
    let result = perform(&desk, args.command).await;
    desk.db.close().await;
    let report = result?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", report.json)?;
    } else {
        writeln!(out, "{}", report.text.trim_end())?;
    }
    Ok(())
}

async fn perform(desk: &Desk, command: AdminCommand) -> anyhow::Result<Report> {
    match command {
        AdminCommand::Org(command) => org::run(desk, command).await,
        AdminCommand::User(command) => user::run(desk, command).await,
        AdminCommand::Key(command) => key::run(desk, command).await,
        AdminCommand::Installer(command) => installer::run(desk, command).await,
        AdminCommand::Site(command) => site::run(desk, command).await,
        AdminCommand::Gateway(command) => gateway::run(desk, command).await,
        AdminCommand::Mosquitto { out } => gateway::write_mosquitto_files(desk, &out).await,
    }
}

/// Makes the data directory, for its owner only.
///
/// # Errors
/// A sentence that names it.
pub fn make_data_dir(config: &Config) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.data_dir);
    made.map_err(|error| {
        let shown = config.data_dir.display();
        anyhow::anyhow!("cannot make the directory {shown}: {error}; set data_dir to one that this program may write")
    })
}

fn organisation_id(text: &str) -> Result<OrganisationId, String> {
    let remedy = "an organisation's id is org_…; `cloud-api admin org list` shows all";
    OrganisationId::parse(text).ok_or_else(|| remedy.to_owned())
}

fn site_id(text: &str) -> Result<SiteId, String> {
    let remedy = "a site's id is site_…; `cloud-api admin site list` shows all";
    SiteId::parse(text).ok_or_else(|| remedy.to_owned())
}

fn email(text: &str) -> Result<crate::email::Email, String> {
    let remedy = "an e-mail address is name@domain, at most 254 characters, without blanks";
    crate::email::Email::parse(text).ok_or_else(|| remedy.to_owned())
}

/// One line for each, or a sentence where there are none.
fn lines<T>(all: &[T], none: &str, show: impl Fn(&T) -> String) -> String {
    if all.is_empty() {
        return none.to_owned();
    }
    all.iter().map(show).collect::<Vec<_>>().join("\n")
}
