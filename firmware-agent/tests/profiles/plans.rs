//! Every built-in profile is polled in the fewest reads that its constraints allow, found here by
//! trying all of them.

use std::collections::{BTreeMap, BTreeSet};

use firmware_agent::poll_plan::{Wish, plan};
use hw_profiles::{Profile, Table, builtin};

/// Where one register stands: unit, table, first address and the one behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Span {
    station: bool,
    table: Table,
    start: u32,
    end: u32,
}

fn span(profile: &Profile, index: usize) -> Span {
    let register = &profile.registers[index];
    let start = u32::from(register.address);
    Span {
        station: register.station && profile.link.station_unit.is_some(),
        table: register.table,
        start,
        end: start + u32::from(register.count()),
    }
}

/// Whether one read may deliver everything from `start` to `end`, by the profile's constraints
/// alone.
fn is_allowed(profile: &Profile, place: Span, start: u32, end: u32) -> bool {
    let link = &profile.link;
    if end - start > u32::from(link.max_registers_per_read) {
        return false;
    }
    let spans: Vec<(Span, bool)> = (0..profile.registers.len())
        .map(|index| (span(profile, index), profile.registers[index].alone))
        .filter(|(span, _)| (span.station, span.table) == (place.station, place.table))
        .filter(|(span, _)| span.start < end && span.end > start)
        .collect();
    if spans
        .iter()
        .all(|(span, _)| (span.start, span.end) == (start, end))
    {
        return true; // one value
    }
    let mut hole = 0;
    for address in start..end {
        let mut here = spans
            .iter()
            .filter(|(span, _)| (span.start..span.end).contains(&address))
            .peekable();
        if here.peek().is_none() {
            hole += 1;
        } else if here.all(|(_, alone)| *alone) {
            return false;
        } else {
            hole = 0;
        }
        if hole > u32::from(link.max_hole_registers) {
            return false;
        }
    }
    link.block_reads
}

/// Least number of reads that deliver all of these spans, by trying every read that delivers the
/// first one that is missing.
fn fewest(profile: &Profile, missing: &[Span], known: &mut BTreeMap<Vec<Span>, usize>) -> usize {
    let Some(first) = missing.first() else {
        return 0;
    };
    if let Some(count) = known.get(missing) {
        return *count;
    }
    let here = |span: &&Span| (span.station, span.table) == (first.station, first.table);
    let ends: BTreeSet<u32> = missing.iter().filter(here).map(|span| span.end).collect();
    let mut best = usize::MAX;
    for end in ends.into_iter().filter(|end| *end >= first.end) {
        if !is_allowed(profile, *first, first.start, end) {
            continue;
        }
        let rest: Vec<Span> = missing
            .iter()
            .filter(|span| !here(span) || span.start < first.start || span.end > end)
            .copied()
            .collect();
        best = best.min(1 + fewest(profile, &rest, known));
    }
    known.insert(missing.to_vec(), best);
    best
}

#[test]
fn every_built_in_profile_is_polled_in_the_fewest_reads_that_its_constraints_allow() {
    let (mut planned, mut possible) = (0, 0);
    for profile in builtin() {
        let reads = plan(profile, &vec![Wish::Due; profile.registers.len()]);
        let covered: BTreeSet<usize> = reads.iter().flat_map(|r| r.registers.clone()).collect();
        assert_eq!(covered.len(), profile.registers.len(), "{}", profile.id);
        for read in &reads {
            let place = Span {
                station: read.station,
                table: read.table,
                start: 0,
                end: 0,
            };
            let start = u32::from(read.address);
            let end = start + u32::from(read.count);
            let allowed = is_allowed(profile, place, start, end);
            assert!(allowed, "{}: {read:?}", profile.id);
        }
        let spans: BTreeSet<Span> = (0..profile.registers.len())
            .map(|index| span(profile, index))
            .collect();
        let spans: Vec<Span> = spans.into_iter().collect();
        let least = fewest(profile, &spans, &mut BTreeMap::new());
        assert_eq!(reads.len(), least, "{}: {reads:#?}", profile.id);
        planned += reads.len();
        possible += least;
    }
    say(&format!(
        "frames of a cycle that reads everything, all {} profiles: {planned}, the minimum: {possible}",
        builtin().len()
    ));
}

#[expect(clippy::print_stdout, reason = "a test prints its figures")]
fn say(text: &str) {
    println!("{text}");
}
