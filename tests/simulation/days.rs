//! Days on which clocks do strange things, and ordinary ones. All lie after any build of the program.

/// Midnights UTC, in ms since 1970.
const DAYS: [i64; 6] = [
    // 2034-03-26, summer time begins in Europe; and 2034-10-29, it ends.
    2_026_944_000_000,
    2_045_692_800_000,
    // 2036-02-29, and New Year's Eve of a year that could end with a leap second.
    2_087_856_000_000,
    2_114_294_400_000,
    // Ordinary days.
    2_050_000_000_000 - 2_050_000_000_000 % 86_400_000,
    2_060_000_000_000 - 2_060_000_000_000 % 86_400_000,
];

/// When a world begins: at some hour of one of the days.
pub(crate) fn of(rng: &mut fastrand::Rng) -> i64 {
    DAYS[rng.usize(0..DAYS.len())] + rng.i64(0..86_400_000)
}
