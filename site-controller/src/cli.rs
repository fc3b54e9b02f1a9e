//! The command line. Without a subcommand it is the daemon.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use site_wire::v1::Order;

/// Where the configuration is looked for.
pub const DEFAULT_CONFIG: &str = "/etc/dynamo/site-controller.toml";
/// Where the daemon listens unless configured otherwise.
pub const DEFAULT_SOCKET: &str = "/run/dynamo/site-controller.sock";

/// Runs an EV charging site: chargers in, one link to the cloud out.
#[derive(Debug, Parser)]
#[command(name = "site-controller", version)]
pub struct Cli {
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check the configuration, say what would run, and exit.
    #[arg(long)]
    pub check_config: bool,
    /// Socket of the running daemon (for status and command).
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// What to do; nothing: run the daemon.
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// What else than the daemon.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Print a commented sample of the configuration file.
    SampleConfig,
    /// Show what the site does now.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Order something and wait for its fate; exit code 0 only if it was applied.
    Command(CommandArgs),
    /// Present a tag at a connector, as a reader there would: it begins a session or ends its own.
    PresentTag(TagArgs),
}

/// A tag and where it is presented.
#[derive(Debug, Args)]
pub struct TagArgs {
    /// Charge point, as configured.
    pub charge_point: String,
    /// Connector, from 1.
    pub connector: u8,
    /// The tag, as the reader spells it.
    pub id_tag: String,
    /// Answer as JSON.
    #[arg(long)]
    pub json: bool,
}

/// An order.
#[derive(Debug, Args)]
pub struct CommandArgs {
    /// Charge point, as configured.
    pub charge_point: String,
    /// Connector, from 1.
    pub connector: u8,
    /// How long it may take.
    #[arg(long, global = true, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub timeout_s: u64,
    /// Answer as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub order: OrderArgs,
}

impl CommandArgs {
    /// How long it may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

/// What to do with a connector.
#[derive(Debug, Subcommand)]
pub enum OrderArgs {
    /// Cap the current; 0 pauses.
    SetLimit {
        /// Amperes per phase, for instance 10 or 13.5.
        #[arg(long, value_parser = milliamps)]
        amps: u32,
    },
    /// Remove that cap.
    ClearLimit,
    /// Let the connected vehicle, or the next one, charge.
    StartSession {
        /// Who pays.
        #[arg(long)]
        id_tag: String,
    },
    /// End the running session.
    StopSession,
    /// Take into operation.
    SetAvailable,
    /// Take out of operation.
    SetUnavailable,
}

impl From<&OrderArgs> for Order {
    fn from(order: &OrderArgs) -> Self {
        match order {
            OrderArgs::SetLimit { amps } => Self::SetLimit { limit_ma: *amps },
            OrderArgs::ClearLimit => Self::ClearLimit,
            OrderArgs::StartSession { id_tag } => Self::StartSession {
                id_tag: id_tag.clone(),
                parent_id_tag: None,
            },
            OrderArgs::StopSession => Self::StopSession { stop_reason: None },
            OrderArgs::SetAvailable => Self::SetAvailable,
            OrderArgs::SetUnavailable => Self::SetUnavailable,
        }
    }
}

/// Exact: 13.5 is 13 500 mA.
fn milliamps(text: &str) -> Result<u32, String> {
    crate::config::thousandths_of(text)
        .ok_or_else(|| "amperes are a positive number with at most three decimals".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_may_stand_behind_the_order() {
        let words =
            "site-controller --socket /s command CP-1 2 set-limit --amps 13.5 --timeout-s 5 --json";
        let cli = Cli::try_parse_from(words.split(' ')).unwrap();
        let Some(Task::Command(args)) = cli.task else {
            panic!("a command")
        };
        assert_eq!(
            Order::from(&args.order),
            Order::SetLimit { limit_ma: 13_500 }
        );
        assert_eq!((args.timeout(), args.json), (Duration::from_secs(5), true));
        assert_eq!(cli.socket, Some(PathBuf::from("/s")));
    }
}
