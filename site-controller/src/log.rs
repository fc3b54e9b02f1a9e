//! Logs go to standard error: sentences with fields. The level comes from `DYNAMO_LOG`.

use std::io::IsTerminal as _;

use tracing::Level;

/// Starts logging.
///
/// # Errors
/// A sentence when `DYNAMO_LOG` is no level, or logging was started already.
pub fn start() -> Result<(), String> {
    let wanted = std::env::var("DYNAMO_LOG").unwrap_or_else(|_| "info".to_owned());
    let level: Level = wanted
        .parse()
        .map_err(|_| format!("DYNAMO_LOG is `{wanted}`: set error, warn, info, debug or trace"))?;
    let terminal = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(terminal);
    // journald has its own clock.
    let started = if std::env::var_os("JOURNAL_STREAM").is_some() {
        logs.without_time().try_init()
    } else {
        logs.try_init()
    };
    started.map_err(|error| format!("logging cannot be started: {error}"))
}
