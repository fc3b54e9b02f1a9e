//! Space set aside for billing facts: a file of fixed size beside the journal, given back to the disk
//! when it is full, so that what runs can still be recorded.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use super::file::LOG_MAX_FRAMES;

/// 200 sessions of 16 facts (start, end, authorization, limits, statuses, 8 meter readings) of
/// 400 bytes in the file, and its log as long as it grows before it is written back.
const BYTES: u64 = 200 * 16 * 400 + LOG_MAX_FRAMES as u64 * 4_120;

/// The file that holds the space.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub(super) fn beside(journal: &Path) -> Self {
        Self {
            path: journal.with_file_name("journal.reserve"),
        }
    }

    /// Sets the space aside; does nothing where that is done already.
    pub(super) fn fill(&self) -> io::Result<()> {
        if fs::metadata(&self.path).is_ok_and(|file| file.len() >= BYTES) {
            return Ok(());
        }
        let file: File = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)?;
        fallocate(&file, FallocateFlags::empty(), 0, BYTES).map_err(|error| {
            let _kept = fs::remove_file(&self.path);
            io::Error::from(error)
        })
    }

    /// Gives the space back. Whether there was any.
    pub(super) fn release(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }
}
