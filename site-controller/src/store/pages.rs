//! Rows of a damaged file, page by page, without its trees (sqlite.org/fileformat2.html, sections 1.6
//! and 2.1). A row counts only if its checksum is right, so nothing else of a page need be believed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::sum;
use super::wal::{PAGE, word};

/// First byte of a page that holds rows of a table.
const LEAF: u8 = 0x0d;
/// Where the first page's tree begins.
const FIRST_PAGE_HEADER: usize = 100;
/// A longer record is none of ours.
const RECORD_MAX: usize = 1 << 20;

/// A row whose checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// Of the journal.
    Fact { sequence: u64, envelope: String },
    /// Of a checkpoint, perhaps of an older one.
    Checkpoint {
        made_at: u64,
        position: u64,
        envelope: String,
    },
}

/// Every row that any page still holds.
pub(super) fn scan(file: &File, row: &mut impl FnMut(Row)) -> io::Result<()> {
    let pages = file.metadata()?.len() / PAGE as u64;
    let mut page = [0; PAGE];
    for number in 0..pages {
        // A page that the disk cannot read is as good as damaged.
        if file.read_exact_at(&mut page, number * PAGE as u64).is_err() {
            continue;
        }
        let start = if number == 0 { FIRST_PAGE_HEADER } else { 0 };
        scan_page(file, &page, start, row);
    }
    Ok(())
}

/// Every row of one page whose tree begins at `start`; long rows go on in the file.
pub(super) fn scan_page(file: &File, page: &[u8], start: usize, row: &mut impl FnMut(Row)) {
    if page.get(start) != Some(&LEAF) {
        return;
    }
    let cells = usize::from(half(page, start + 3));
    for cell in 0..cells.min(PAGE / 4) {
        let at = usize::from(half(page, start + 8 + 2 * cell));
        if let Some(found) = page.get(at..).and_then(|cell| read_cell(file, cell)) {
            row(found);
        }
    }
}

fn read_cell(file: &File, cell: &[u8]) -> Option<Row> {
    let (length, after) = varint(cell)?;
    let (key, cell) = varint(after)?;
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= RECORD_MAX)?;
    let record = record(file, cell, length)?;
    read_record(key, &record)
}

/// The record of a cell, with what lies on overflow pages (section 1.6: usable size less 35 fits).
fn record(file: &File, cell: &[u8], length: usize) -> Option<Vec<u8>> {
    const FITS: usize = PAGE - 35;
    const LEAST: usize = (PAGE - 12) * 32 / 255 - 23;
    if length <= FITS {
        return cell.get(..length).map(<[u8]>::to_vec);
    }
    let wanted = LEAST + (length - LEAST) % (PAGE - 4);
    let local = if wanted <= FITS { wanted } else { LEAST };
    let mut record = cell.get(..local)?.to_vec();
    let mut next = word(cell.get(local..local + 4)?, 0);
    let mut page = [0; PAGE];
    while record.len() < length {
        let at = u64::from(next.checked_sub(1)?) * PAGE as u64;
        file.read_exact_at(&mut page, at).ok()?;
        let part = (length - record.len()).min(PAGE - 4);
        record.extend_from_slice(&page[4..4 + part]);
        next = word(&page, 0);
    }
    Some(record)
}

/// Columns: key (told apart from the record), envelope, and what the table has beside it.
fn read_record(key: u64, record: &[u8]) -> Option<Row> {
    let (header, mut types) = varint(record)?;
    let header = usize::try_from(header).ok()?;
    let mut columns = Vec::new();
    let header_end = record.len().checked_sub(header)?;
    while types.len() > header_end {
        let (kind, rest) = varint(types)?;
        columns.push(kind);
        types = rest;
    }
    let [0, text, numbers @ ..] = &columns[..] else {
        return None;
    };
    let length = usize::try_from(text.checked_sub(13)? / 2).ok()?;
    let body = record.get(header..)?;
    let envelope = std::str::from_utf8(body.get(..length)?).ok()?;
    let body = &body[length..];
    match numbers {
        [crc] => {
            let (crc, _) = integer(*crc, body)?;
            (crc == sum::of_fact(key, envelope)).then(|| Row::Fact {
                sequence: key,
                envelope: envelope.to_owned(),
            })
        }
        [made_at, crc] => {
            let (made_at, body) = integer(*made_at, body)?;
            let (crc, _) = integer(*crc, body)?;
            let made_at = u64::try_from(made_at).ok()?;
            (crc == sum::of_checkpoint(made_at, key, envelope)).then(|| Row::Checkpoint {
                made_at,
                position: key,
                envelope: envelope.to_owned(),
            })
        }
        _ => None,
    }
}

/// A number of a serial type that is not negative, and what follows it.
fn integer(kind: u64, body: &[u8]) -> Option<(i64, &[u8])> {
    let length = match kind {
        8 => return Some((0, body)),
        9 => return Some((1, body)),
        1..=4 => usize::try_from(kind).ok()?,
        5 => 6,
        6 => 8,
        _ => return None,
    };
    let bytes = body.get(..length)?;
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let start = if negative { -1 } else { 0 };
    let value = bytes
        .iter()
        .fold(start, |value: i64, byte| (value << 8) | i64::from(*byte));
    Some((value, &body[length..]))
}

/// A variable-length integer, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (i, byte) in bytes.iter().enumerate().take(9) {
        if i == 8 {
            return Some(((value << 8) | u64::from(*byte), &bytes[9..]));
        }
        value = (value << 7) | u64::from(*byte & 0x7f);
        if *byte < 0x80 {
            return Some((value, &bytes[i + 1..]));
        }
    }
    None
}

fn half(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..at + 2)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u16::from_be_bytes)
}
