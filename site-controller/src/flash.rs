//! What the daemon used of the flash: bytes written since its start and in the last 24 hours.

use std::collections::VecDeque;

use site_model::Monotonic;

const HOUR_MS: u64 = 3_600_000;
/// Looks in a day.
const HOURS: usize = 24;

/// Bytes that this process caused to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// Since its start.
    pub(crate) in_all: u64,
    /// In the last 24 hours, told to the hour; all of it before the first day is over.
    pub(crate) last_day: u64,
}

/// Looks once an hour how much was written; remembers a day of them.
#[derive(Debug, Default)]
pub(crate) struct FlashUse {
    /// Totals at the full hours of the last day, the oldest first.
    hourly: VecDeque<u64>,
    hours: u64,
}

impl FlashUse {
    /// Looks if an hour is over.
    pub(crate) fn look(&mut self, now: Monotonic) {
        let hours = now.0 / HOUR_MS;
        if hours > self.hours {
            self.hours = hours;
            self.note(bytes_written());
        }
    }

    /// As of now.
    pub(crate) fn written(&self) -> Written {
        self.of(bytes_written())
    }

    fn note(&mut self, in_all: u64) {
        if self.hourly.len() == HOURS {
            self.hourly.pop_front();
        }
        self.hourly.push_back(in_all);
    }

    fn of(&self, in_all: u64) -> Written {
        let a_day_ago = match self.hourly.front() {
            Some(oldest) if self.hourly.len() == HOURS => *oldest,
            Some(_) | None => 0,
        };
        Written {
            in_all,
            last_day: in_all.saturating_sub(a_day_ago),
        }
    }
}

/// What this process caused to be written to storage (proc(5), `/proc/pid/io`); 0 where the system does not tell.
pub(crate) fn bytes_written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines()
        .find_map(|line| line.strip_prefix("write_bytes: "))
        .and_then(|bytes| bytes.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_is_all_there_is_until_a_day_is_over() {
        let mut flash = FlashUse::default();
        for hour in 1..=30 {
            flash.note(hour * 100);
            let last_day = if hour < 24 { hour * 100 } else { 23 * 100 };
            let written = Written {
                in_all: hour * 100 + 7,
                last_day: last_day + 7,
            };
            assert_eq!(flash.of(hour * 100 + 7), written, "hour {hour}");
        }
    }

    #[test]
    fn it_looks_once_an_hour() {
        let mut flash = FlashUse::default();
        for second in 0..2 * HOUR_MS / 1_000 + 10 {
            flash.look(Monotonic(second * 1_000));
        }
        assert_eq!(flash.hourly.len(), 2);
    }
}
