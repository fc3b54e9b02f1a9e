//! `site-controller`: the daemon, and the commands of the person at the cabinet.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use site_controller::cli::{
    Cli, CommandArgs, DEFAULT_CONFIG, DEFAULT_SOCKET, OrderArgs, TagArgs, Task,
};
use site_controller::config::{self, Plan};
use site_controller::local::{self, Answer, Request};
use site_controller::{app, log, runtime};

/// One sentence on standard error.
const FAILURE: u8 = 1;
/// Bad usage or configuration.
const BAD_CONFIG: u8 = 2;
/// A tag may be judged by its central system.
const TAG_WITHIN: Duration = Duration::from_secs(60);
/// The daemon answers a status request at once.
const STATUS_WITHIN: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = cli.config.clone().unwrap_or_else(|| DEFAULT_CONFIG.into());
    let ended = match &cli.task {
        None => daemon(&config, cli.check_config),
        Some(Task::SampleConfig) => {
            print(&config::sample());
            Ok(())
        }
        Some(Task::Status { json }) => socket(&cli).and_then(|socket| status(&socket, *json)),
        Some(Task::Command(args)) => socket(&cli).and_then(|socket| command(&socket, args)),
        Some(Task::PresentTag(args)) => socket(&cli).and_then(|socket| present(&socket, args)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            complain(&message);
            ExitCode::from(code)
        }
    }
}

type Ended = Result<(), (u8, String)>;

fn failure(error: impl std::fmt::Display) -> (u8, String) {
    (FAILURE, error.to_string())
}

fn daemon(config: &Path, check_only: bool) -> Ended {
    let load = || Plan::load(config).map_err(|faults| (BAD_CONFIG, faults.to_string()));
    let mut plan = load()?;
    if check_only {
        print(&config::summary(&plan));
        return Ok(());
    }
    log::start().map_err(|error| (BAD_CONFIG, error))?;
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        return Err(failure("another TLS provider is installed already"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failure)?;
    loop {
        match runtime.block_on(app::run(plan)).map_err(failure)? {
            runtime::Ended::Yes | runtime::Ended::No => return Ok(()),
            runtime::Ended::Again => plan = load()?,
        }
    }
}

/// Named, configured, or the usual one. A file that was named must tell it.
fn socket(cli: &Cli) -> Result<PathBuf, (u8, String)> {
    if let Some(socket) = &cli.socket {
        return Ok(socket.clone());
    }
    match &cli.config {
        Some(file) => Plan::socket_of(file).ok_or_else(|| {
            let message = format!(
                "{}: gateway.socket cannot be read there. Check the file with --check-config, or name the socket with --socket",
                file.display()
            );
            (BAD_CONFIG, message)
        }),
        None => {
            let usual = Plan::socket_of(Path::new(DEFAULT_CONFIG));
            Ok(usual.unwrap_or_else(|| DEFAULT_SOCKET.into()))
        }
    }
}

fn status(socket: &Path, json: bool) -> Ended {
    let answer = local::ask(socket, &Request::Status {}, STATUS_WITHIN).map_err(failure)?;
    let Answer::Status { status } = answer else {
        return Err(failure(
            "the daemon answered something else: is it of another version?",
        ));
    };
    if json {
        print_json(&status)
    } else {
        print(&local::render(&status));
        Ok(())
    }
}

fn present(socket: &Path, args: &TagArgs) -> Ended {
    let request = Request::PresentTag {
        charge_point_id: args.charge_point.clone(),
        connector_id: args.connector,
        id_tag: args.id_tag.clone(),
    };
    let answer = local::ask(socket, &request, TAG_WITHIN).map_err(failure)?;
    let Answer::Tag { outcome, reason } = &answer else {
        return Err(failure(
            "the daemon answered something else: is it of another version?",
        ));
    };
    let sentence = local::tag_sentence(outcome, reason.as_deref());
    let refused = outcome == "refused";
    if args.json {
        print_json(&answer)?;
    } else if !refused {
        print(&format!("{sentence}\n"));
    }
    if refused {
        Err(failure(sentence))
    } else {
        Ok(())
    }
}

fn command(socket: &Path, args: &CommandArgs) -> Ended {
    let timeout = args.timeout();
    let request = Request::Command {
        charge_point_id: args.charge_point.clone(),
        connector_id: args.connector,
        order: (&args.order).into(),
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        command_id: None,
    };
    let answer = local::ask(socket, &request, timeout + STATUS_WITHIN).map_err(failure)?;
    let Answer::Command {
        outcome, reason, ..
    } = &answer
    else {
        return Err(failure(
            "the daemon answered something else: is it of another version?",
        ));
    };
    let sentence = local::outcome_sentence(outcome, reason.as_deref());
    let applied = outcome == "applied";
    if args.json {
        print_json(&answer)?;
    } else if applied {
        print(&format!("{sentence}\n"));
        print(&limit_in_force(socket, args).unwrap_or_default());
    }
    if applied {
        Ok(())
    } else {
        Err(failure(sentence))
    }
}

/// After an order about the limit, what it comes to; nothing else is worth failing for then.
fn limit_in_force(socket: &Path, args: &CommandArgs) -> Option<String> {
    match args.order {
        OrderArgs::SetLimit { .. } | OrderArgs::ClearLimit => {}
        OrderArgs::StartSession { .. }
        | OrderArgs::StopSession
        | OrderArgs::SetAvailable
        | OrderArgs::SetUnavailable => return None,
    }
    let answer = local::ask(socket, &Request::Status {}, STATUS_WITHIN).ok()?;
    let Answer::Status { status } = answer else {
        return None;
    };
    let sentence = local::limit_sentence(&status, &args.charge_point, args.connector)?;
    Some(format!("{sentence}\n"))
}

fn print_json(value: &impl serde::Serialize) -> Ended {
    let line = serde_json::to_string(value).map_err(failure)?;
    print(&format!("{line}\n"));
    Ok(())
}

/// A reader that went away (`| head`) is no failure.
fn print(text: &str) {
    use std::io::Write as _;
    let _gone = std::io::stdout().write_all(text.as_bytes());
}

fn complain(message: &str) {
    use std::io::Write as _;
    let _gone = writeln!(std::io::stderr(), "{message}");
}
