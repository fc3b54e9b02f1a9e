//! One user per serial line, who is known by name.
//!
//! A lock file as FHS 3.0 section 5.9 describes (`LCK..ttyUSB0`, process id in ten characters), but
//! held by `flock`: what a killed process leaves behind locks nobody out.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Where lock files live on Debian; anybody may write there.
const LOCK_DIR: &str = "/run/lock";

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct LineLock {
    device: PathBuf,
    _file: File,
}

impl LineLock {
    /// Locks a port by the path of its device node.
    ///
    /// # Errors
    /// Who holds it, in words.
    pub(crate) fn take(device: &Path) -> Result<Self, String> {
        let name = device
            .strip_prefix("/dev")
            .unwrap_or(device)
            .to_string_lossy()
            .replace('/', "_");
        let name = format!("LCK..{name}");
        let mut file = open(&Path::new(LOCK_DIR).join(&name))
            .or_else(|_| open(&std::env::temp_dir().join(&name)))
            .map_err(|error| {
                format!("an unknown program (no lock file can be written: {error})")
            })?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(holder(&mut file));
        }
        // A lock without the holder's name is still a lock.
        let _unnamed = sign(&mut file);
        Ok(Self {
            device: device.to_owned(),
            _file: file,
        })
    }

    pub(crate) fn is_for(&self, device: &Path) -> bool {
        self.device == device
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn sign(file: &mut File) -> io::Result<()> {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{:>10}\n{program}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    let mut lines = text.lines().map(str::trim);
    match (read, lines.next(), lines.next()) {
        (Ok(_), Some(pid), Some(program)) if !pid.is_empty() => {
            format!("{program} (process {pid})")
        }
        (Ok(_), Some(pid), None) if !pid.is_empty() => format!("process {pid}"),
        (Ok(_) | Err(_), _, _) => "another program".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loser_learns_who_holds_the_line_and_the_winner_can_let_go() {
        let device = PathBuf::from(format!("/dev/test-{}-lock", std::process::id()));
        let lock = LineLock::take(&device).unwrap();
        assert!(lock.is_for(&device));
        let holder = LineLock::take(&device).unwrap_err();
        assert!(
            holder.contains(&format!("(process {})", std::process::id())),
            "{holder}"
        );
        drop(lock);
        assert!(LineLock::take(&device).is_ok());
    }
}
