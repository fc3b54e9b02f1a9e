//! Times on the wire: RFC 3339, read leniently and written in UTC with at most milliseconds.

use std::fmt;

use serde_json::Value;

use crate::reading::{Leniency, Reading, Rule, Violation, ViolationKind};
use crate::wire::{Wire, kind_of, shown};

/// A moment of the years 0 to 9999, to the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time(i64);

/// 0000-01-01T00:00:00Z.
const EARLIEST_MS: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z.
const LATEST_MS: i64 = 253_402_300_799_999;
const DAY_MS: i64 = 86_400_000;

impl Time {
    /// Milliseconds since 1970-01-01T00:00:00Z; `None` outside the years 0 to 9999, which RFC 3339
    /// cannot write.
    #[must_use]
    pub fn from_unix_ms(ms: i64) -> Option<Self> {
        (EARLIEST_MS..=LATEST_MS).contains(&ms).then_some(Self(ms))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339; a missing zone means UTC.
    fn parse(text: &str) -> Option<(Self, Vec<Leniency>)> {
        let mut leniencies = Vec::new();
        let bytes = text.as_bytes();
        let date = number(bytes, 0..4)
            .zip(mark(bytes, 4, b"-"))
            .zip(number(bytes, 5..7))
            .zip(mark(bytes, 7, b"-"))
            .zip(number(bytes, 8..10));
        let ((((year, ()), month), ()), day) = date?;
        mark(bytes, 10, b"Tt ")?;
        let mut other_form = bytes[10] == b' ';
        let clock = number(bytes, 11..13)
            .zip(mark(bytes, 13, b":"))
            .zip(number(bytes, 14..16))
            .zip(mark(bytes, 16, b":"))
            .zip(number(bytes, 17..19));
        let ((((hour, ()), minute), ()), second) = clock?;
        let (fraction_ms, zone) = fraction(bytes.get(19..)?)?;
        let offset_minutes = match zone {
            b"Z" | b"z" => 0,
            b"" => {
                leniencies.push(Leniency::NoZone);
                0
            }
            zone => {
                other_form |= zone.len() != 6;
                offset(zone)?
            }
        };
        if other_form {
            leniencies.push(Leniency::TimeForm);
        }
        let fits = (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        if !fits {
            return None;
        }
        let clock_ms = (hour * 3600 + (minute - offset_minutes) * 60 + second) * 1000 + fraction_ms;
        let time = Self::from_unix_ms(days_since_1970(year, month, day) * DAY_MS + clock_ms)?;
        Some((time, leniencies))
    }
}

/// The digits at a place, all of them digits.
fn number(bytes: &[u8], place: std::ops::Range<usize>) -> Option<i64> {
    bytes.get(place)?.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + i64::from(byte - b'0'))
    })
}

fn mark(bytes: &[u8], place: usize, allowed: &[u8]) -> Option<()> {
    allowed.contains(bytes.get(place)?).then_some(())
}

/// Milliseconds of a fraction of a second, further digits cut, and what follows it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let length = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if length == 0 {
        return None;
    }
    let mut ms = [b'0'; 3];
    let kept = length.min(3);
    ms[..kept].copy_from_slice(&digits[..kept]);
    Some((number(&ms, 0..3)?, &digits[length..]))
}

/// Minutes of `+02:00`, and of ISO 8601's `+0200` and `+02`.
fn offset(zone: &[u8]) -> Option<i64> {
    let sign = match zone.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = number(zone, 1..3)?;
    let minutes = match &zone[3..] {
        b"" => 0,
        [b':', digits @ ..] | digits if digits.len() == 2 => number(digits, 0..2)?,
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days between 1970-01-01 and a date of the Gregorian calendar, years counted from March so that
/// the leap day is a year's last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_TO_1970_FROM_MARCH_0: i64 = 719_468;
    let year = if month > 2 { year } else { year - 1 };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - DAYS_TO_1970_FROM_MARCH_0
}

/// The date of a day: a year that is not too late, then forward.
fn date_of(days: i64) -> (i64, i64, i64) {
    let longest = if days < 0 { 365 } else { 366 };
    let mut year = 1970 + days.div_euclid(longest);
    while days_since_1970(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut left = days - days_since_1970(year, 1, 1);
    let mut month = 1;
    while left >= days_in(year, month) {
        left -= days_in(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of(self.0.div_euclid(DAY_MS));
        let ms = self.0.rem_euclid(DAY_MS);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if ms % 1000 > 0 {
            write!(f, ".{:03}", ms % 1000)?;
        }
        f.write_str("Z")
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Wire for Time {
    fn read(value: Value, _: Rule, reading: &mut Reading) -> Result<Self, Violation> {
        let Value::String(text) = value else {
            return Err(reading.violation(
                ViolationKind::Type,
                format!("must be a time, not {}", kind_of(&value)),
            ));
        };
        let (time, leniencies) = Self::parse(&text).ok_or_else(|| {
            let problem = format!("is {:?}, which is no time by RFC 3339", shown(&text));
            reading.violation(ViolationKind::Property, problem)
        })?;
        for leniency in leniencies {
            reading.tolerate(leniency);
        }
        Ok(time)
    }

    fn write(&self, out: &mut String) {
        out.push('"');
        out.push_str(&self.to_string());
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_agree_with_an_independent_calendar() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let ms = random.i64(EARLIEST_MS + DAY_MS..LATEST_MS - 2 * DAY_MS);
            let theirs = jiff::Timestamp::from_millisecond(ms).unwrap();
            let ours = Time::from_unix_ms(ms).unwrap();
            assert_eq!(Time::parse(&theirs.to_string()), Some((ours, vec![])));
            assert_eq!(ours.to_string().parse::<jiff::Timestamp>().unwrap(), theirs);
        }
    }

    #[test]
    fn zones_fractions_and_leap_seconds_are_read() {
        let ms = |text| Time::parse(text).map(|(time, _)| time.unix_ms());
        assert_eq!(ms("1970-01-01T02:00:00.0019+02:00"), Some(1));
        assert_eq!(ms("1969-12-31T23:30:00-00:30"), Some(0));
        assert_eq!(ms("1970-01-01t00:00:01z"), Some(1000));
        assert_eq!(ms("2016-12-31T23:59:60Z"), ms("2017-01-01T00:00:00Z"));
        assert_eq!(ms("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
    }

    #[test]
    fn sloppy_times_are_read_and_told() {
        let (time, told) = Time::parse("1970-01-01 00:00:01").unwrap();
        assert_eq!(time.unix_ms(), 1000);
        assert_eq!(told, [Leniency::NoZone, Leniency::TimeForm]);
        let (time, told) = Time::parse("1970-01-01T02:00:01+0200").unwrap();
        assert_eq!(time.unix_ms(), 1000);
        assert_eq!(told, [Leniency::TimeForm]);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2024",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:61Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+2",
            "2024-01-01T00:00:00+02:0",
            "2024-01-01T00:00:00ZZ",
            "2024-01-01T00:00:00é",
            "+024-01-01T00:00:00Z",
            "0000-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(Time::parse(text), None, "{text:?}");
        }
    }
}
