//! `scan` and `identify`: shows the way, and prints what goes into the site's configuration.

use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use firmware_agent::BusLink;
use firmware_agent::client::Client;
use firmware_agent::scan::{self, Scan, Step, Thoroughness, Units};
use hw_profiles::builtin;
use tokio::time::Instant;

use super::args::Line;
use super::block;
use super::{say, told};

/// Where the output is no terminal, the time that is left is told so often.
const LINE_EVERY: Duration = Duration::from_secs(10);
const BAR: usize = 24;

pub(super) async fn scan_line(
    line: &Line,
    units: Option<(u8, u8)>,
    timeout_ms: Option<u64>,
    every_setting: bool,
) -> Result<()> {
    let named = line.link(None)?;
    let (links, usual_timeout) = match &named {
        BusLink::Serial { path, .. } if line.is_open() => {
            (scan::serial_links(path, builtin()), 100)
        }
        BusLink::Serial { .. } => (vec![named.clone()], 100),
        BusLink::Tcp { .. } => (vec![named.clone()], 300),
    };
    let how = Thoroughness {
        units: units.map_or_else(Units::default, |(first, last)| Units::between(first, last)),
        timeout: Duration::from_millis(timeout_ms.unwrap_or(usual_timeout)),
        every_setting,
    };
    let mut client = Client::open(links[0].clone()).await.map_err(told)?;
    let mut scan = Scan::new(links, builtin().to_vec(), how);
    let mut show = Show::default();
    let mut tell = |step: Step<'_>| show.step(step);
    let ended = tokio::select! {
        ended = scan.run(&mut client, &mut tell) => Some(ended),
        stopped = tokio::signal::ctrl_c() => {
            stopped?;
            None
        }
    };
    show.clear();
    let (took, effort) = scan.effort();
    complain(&format!(
        "{} questions in {:.1} s; {} % of the time was waiting where nobody answered.",
        effort.requests,
        took.as_secs_f64(),
        share(effort.waiting, took)
    ));
    for (link, unit) in scan.garbled() {
        complain(&format!(
            "Unit {unit} at {}: something was heard that nobody can read. Two devices with this unit, \
             noise, or missing termination?",
            block::link(link)
        ));
    }
    let interrupted = ended.is_none();
    let failed = ended.and_then(Result::err);
    if !scan.found().is_empty() {
        if interrupted {
            complain("Interrupted: this is what was found so far.");
        }
        say(&block::configuration(scan.found()));
    }
    match failed {
        Some(fault) => Err(told(fault)),
        None if scan.found().is_empty() && interrupted => {
            bail!("Interrupted before anybody answered.")
        }
        None if scan.found().is_empty() => bail!(
            "Nobody answered. Check power, wiring (A and B swapped?) and, on a serial line, \
             termination; --units 1-247 asks every unit, a longer --timeout-ms helps with slow devices."
        ),
        None => Ok(()),
    }
}

/// Hundredths.
fn share(part: Duration, whole: Duration) -> u128 {
    100 * part.as_millis() / whole.as_millis().max(1)
}

pub(super) async fn identify(line: &Line, unit: u8) -> Result<()> {
    let link = line.link(None)?;
    let mut client = Client::open(link.clone()).await.map_err(told)?;
    let timeout = Duration::from_millis(1_000);
    match scan::identify(&mut client, unit, builtin(), timeout).await {
        Some(found) => {
            say(&format!("unit {unit}: {}", block::models(&found)));
            for remark in block::remarks(&found) {
                say(&format!("  {remark}"));
            }
            Ok(())
        }
        None => Err(anyhow!(
            "Unit {unit} does not answer on {}. `firmware-agent scan` tries other units and line settings.",
            block::link(&link)
        )),
    }
}

/// The way of a scan: one line that changes on a terminal, plain lines elsewhere.
#[derive(Debug, Default)]
struct Show {
    /// The longest time that was ever told to be left.
    longest: Duration,
    told_at: Option<Instant>,
    drawn: bool,
}

impl Show {
    fn step(&mut self, step: Step<'_>) {
        let terminal = std::io::stderr().is_terminal();
        match step {
            Step::Settings(link) if !terminal => {
                complain(&format!("Asking on {}", block::link(link)));
            }
            Step::Settings(_) => {}
            Step::Asking { link, unit, left } => {
                self.longest = self.longest.max(left);
                if terminal {
                    self.draw(&format!(
                        "{} {}, unit {unit}, about {} s left",
                        bar(left, self.longest),
                        block::link(link),
                        left.as_secs()
                    ));
                } else if self.told_at.is_none_or(|then| then.elapsed() >= LINE_EVERY) {
                    self.told_at = Some(Instant::now());
                    complain(&format!("  at most {} s left", left.as_secs()));
                }
            }
            Step::Answers(unit) => self.line(&format!("  unit {unit} answers")),
            Step::Garbled(unit) => self.line(&format!("  unit {unit}: unreadable frames")),
            Step::Identified(found) => {
                self.line(&format!("  unit {}: {}", found.unit, block::models(found)))
            }
        }
    }

    fn line(&mut self, text: &str) {
        self.clear();
        complain(text);
    }

    #[expect(clippy::print_stderr, reason = "a command line tool")]
    fn draw(&mut self, text: &str) {
        // Back to the first column, then clear the rest of the line (ECMA-48).
        eprint!("\r{text}\x1b[K");
        self.drawn = std::io::stderr().flush().is_ok();
    }

    #[expect(clippy::print_stderr, reason = "a command line tool")]
    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            eprint!("\r\x1b[K");
        }
    }
}

fn bar(left: Duration, longest: Duration) -> String {
    let done = longest.saturating_sub(left).as_millis();
    let filled = usize::try_from(done * 24 / longest.as_millis().max(1)).unwrap_or(BAR);
    let filled = filled.min(BAR);
    format!("[{}{}]", "#".repeat(filled), ".".repeat(BAR - filled))
}

#[expect(clippy::print_stderr, reason = "a command line tool")]
fn complain(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_as_time_runs_out() {
        let of_12 = |left| bar(Duration::from_secs(left), Duration::from_secs(12));
        assert_eq!(of_12(12), "[........................]");
        assert_eq!(of_12(3), "[##################......]");
        assert_eq!(of_12(0), "[########################]");
        assert_eq!(share(Duration::from_secs(1), Duration::from_secs(3)), 33);
    }
}
