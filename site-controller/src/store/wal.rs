//! SQLite's write-ahead log as bytes (sqlite.org/fileformat2.html, section 4). SQLite ends a log
//! silently at the first frame that does not check: right for a commit that a power cut tore, wrong for
//! a commit that was safe and damaged later. Here the two are told apart.

/// Page size of the journal's file: SQLite's default, which every version of this program used.
pub(super) const PAGE: usize = 4_096;
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const FRAME: usize = FRAME_HEADER + PAGE;
/// The lowest bit tells the byte order of the checksums.
const MAGIC: u32 = 0x377f_0682;

/// What a log holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// Page number and where its content begins, oldest first: the good frames up to the last commit.
    pub(super) pages: Vec<(u32, usize)>,
    /// Where the content of damaged frames begins.
    pub(super) bad: Vec<usize>,
    /// Size of the database in pages after that commit; 0 without one.
    pub(super) size: u32,
    /// What is wrong with commits that were safe, for people. A torn last commit is nothing wrong: it
    /// was never told to be safe.
    pub(super) damage: Option<String>,
    /// Whether the page of each damaged frame is written again by a later good one.
    pub(super) overwritten: bool,
}

/// One frame, checked or not.
#[derive(Debug, Clone, Copy)]
struct Frame {
    page: u32,
    /// Size after the commit that it ends, 0 if it ends none of this generation.
    size: u32,
    at: usize,
    good: bool,
}

/// Looks at the log as a crash or a power cut left it.
pub(super) fn look(log: &[u8]) -> Log {
    let Some(header) = log.first_chunk::<HEADER>() else {
        return Log::default();
    };
    let big_endian = word(header, 0) & 1 == 1;
    let told = (word(header, 24), word(header, 28));
    let header_good =
        word(header, 0) & !1 == MAGIC && summed((0, 0), &header[..24], big_endian) == told;
    let frames = frames(log, header_good.then_some(told), big_endian);
    let bad = frames.iter().position(|frame| !frame.good);
    // A commit is written only after the one before it is safe. So if anything follows the commit of
    // the bad frame, that one was.
    let damaged = bad.filter(|bad| {
        let ends = frames[*bad..].iter().position(|frame| frame.size > 0);
        ends.is_some_and(|ends| bad + ends + 1 < frames.len())
    });
    let usable = match (bad, damaged) {
        (Some(bad), None) => &frames[..bad],
        (None, _) | (Some(_), Some(_)) => &frames[..],
    };
    let commit = usable
        .iter()
        .rposition(|frame| frame.good && frame.size > 0);
    let whole = &usable[..commit.map_or(0, |commit| commit + 1)];
    let good = whole.iter().filter(|frame| frame.good);
    let again = |i: usize, page| {
        let later = whole.get(i..).unwrap_or_default();
        later.iter().any(|later| later.good && later.page == page)
    };
    let mut placed = usable.iter().enumerate();
    let bad = usable.iter().filter(|frame| !frame.good);
    Log {
        pages: good.map(|frame| (frame.page, frame.at)).collect(),
        bad: bad.map(|frame| frame.at).collect(),
        size: whole.last().map_or(0, |frame| frame.size),
        damage: damaged.map(|bad| {
            let all = frames.len();
            format!("frame {} of its log, of {all}, is damaged", bad + 1)
        }),
        overwritten: placed.all(|(i, frame)| frame.good || again(i, frame.page)),
    }
}

/// The frames of this generation of the log (same salt as the header); what follows is older.
fn frames(log: &[u8], header: Option<(u32, u32)>, big_endian: bool) -> Vec<Frame> {
    let raw: Vec<&[u8]> = log[HEADER..].chunks_exact(FRAME).collect();
    let salt = |frame: &[u8]| (word(frame, 8), word(frame, 12));
    // Without its header the generation is that of the first two frames that agree.
    let pair = raw.windows(2).find(|pair| salt(pair[0]) == salt(pair[1]));
    let wanted = match (header, pair.map(|pair| pair[0]).or(raw.first().copied())) {
        (Some(_), _) => (word(log, 16), word(log, 20)),
        (None, Some(frame)) => salt(frame),
        (None, None) => return Vec::new(),
    };
    let last = raw.iter().rposition(|frame| salt(frame) == wanted);
    let raw = &raw[..last.map_or(0, |last| last + 1)];
    let mut before = header.map(|sum| [sum, sum]);
    let mut found = Vec::with_capacity(raw.len());
    for (i, frame) in raw.iter().enumerate() {
        let told = (word(frame, 16), word(frame, 20));
        let sum = |start| {
            summed(
                summed(start, &frame[..8], big_endian),
                &frame[FRAME_HEADER..],
                big_endian,
            )
        };
        // After a bad frame either its content or its checksum may be what was damaged.
        let goes_on = before.map(|[first, _]| sum(first));
        let otherwise = |[first, second]: [_; 2]| first != second && sum(second) == told;
        let sound = goes_on == Some(told) || before.is_some_and(otherwise);
        let good = salt(frame) == wanted && sound;
        // Where a torn commit left out a frame there may be one of an older generation: both words of
        // its salt differ, and the commit that it ends is not one of these.
        let older = salt(frame).0 != wanted.0 && salt(frame).1 != wanted.1;
        found.push(Frame {
            page: word(frame, 0),
            size: if older { 0 } else { word(frame, 4) },
            at: HEADER + i * FRAME + FRAME_HEADER,
            good,
        });
        before = Some([told, goes_on.unwrap_or(told)]);
    }
    found
}

/// The checksum of section 4.2, continued from `sum`.
fn summed(sum: (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let read = |bytes: &[u8], at| {
        let word = word(bytes, at);
        if big_endian { word } else { word.swap_bytes() }
    };
    bytes.chunks_exact(8).fold(sum, |(first, second), pair| {
        let first = first.wrapping_add(read(pair, 0)).wrapping_add(second);
        let second = second.wrapping_add(read(pair, 4)).wrapping_add(first);
        (first, second)
    })
}

/// A big-endian word; 0 beyond the end.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}
