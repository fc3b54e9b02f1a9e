//! Logs go to standard error: sentences with fields. The level comes from `DYNAMO_LOG`. The last lines are
//! remembered for diagnostics, from `info` up whatever the level is: those hold no secret.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

/// Lines that are remembered.
const LINES_MAX: usize = 300;
/// Longer ones are cut.
const LINE_MAX_BYTES: usize = 400;

/// The last lines, the oldest first.
#[derive(Debug)]
struct Recent(Mutex<VecDeque<String>>);

static RECENT: Recent = Recent(Mutex::new(VecDeque::new()));

impl Recent {
    fn lines(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        // No code under this lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for &Recent {
    /// One event, as the formatter writes it: whole.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let kept = &event[..event.len().min(LINE_MAX_BYTES)];
        let mut lines = self.lines();
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(kept).trim_end().to_owned());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The last lines of the log, the oldest first; each begins with its time (RFC 3339).
#[must_use]
pub fn recent() -> Vec<String> {
    RECENT.lines().iter().cloned().collect()
}

/// Starts logging.
///
/// # Errors
/// A sentence when `DYNAMO_LOG` is no level, or logging was started already.
pub fn start() -> Result<(), String> {
    let wanted = std::env::var("DYNAMO_LOG").unwrap_or_else(|_| "info".to_owned());
    let level: Level = wanted
        .parse()
        .map_err(|_| format!("DYNAMO_LOG is `{wanted}`: set error, warn, info, debug or trace"))?;
    let shown = fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    let filter = LevelFilter::from_level(level);
    // journald has its own clock.
    let shown = if std::env::var_os("JOURNAL_STREAM").is_some() {
        shown.without_time().with_filter(filter).boxed()
    } else {
        shown.with_filter(filter).boxed()
    };
    let remembered = fmt::layer()
        .with_writer(|| &RECENT)
        .with_target(false)
        .with_ansi(false)
        .with_filter(LevelFilter::INFO);
    let started = registry().with(shown).with(remembered).try_init();
    started.map_err(|error| format!("logging cannot be started: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_the_last_lines_are_remembered_and_long_ones_are_cut() {
        let recent = Recent(Mutex::new(VecDeque::new()));
        for number in 0..=LINES_MAX {
            (&recent)
                .write_all(format!("line {number}\n").as_bytes())
                .unwrap();
        }
        (&recent)
            .write_all(&vec![b'a'; 2 * LINE_MAX_BYTES])
            .unwrap();
        let lines = recent.lines();
        assert_eq!((lines.len(), lines[0].as_str()), (LINES_MAX, "line 2"));
        assert_eq!(lines[LINES_MAX - 1].len(), LINE_MAX_BYTES);
    }
}
