//! One daemon per data directory: the directory itself is locked, which also works on a read-only
//! disk, and the kernel frees it when the process dies.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::OpenError;

/// The lock, held until dropped.
#[derive(Debug)]
pub(super) struct Hold {
    _directory: File,
}

impl Hold {
    pub(super) fn take(dir: &Path) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::Directory {
            dir: dir.to_owned(),
            source,
        };
        // The journal names who charged when: not for everybody on this machine.
        let mut folder = fs::DirBuilder::new();
        folder.recursive(true).mode(0o750);
        if let Err(error) = folder.create(dir)
            && !dir.is_dir()
        {
            return Err(unusable(error));
        }
        let directory = File::open(dir).map_err(unusable)?;
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(OpenError::Held {
                    dir: dir.to_owned(),
                    holder: holder(dir),
                });
            }
            Err(error) => return Err(unusable(io::Error::from(error))),
        }
        // Only a help for people; the lock holds without it (read-only disk).
        let _unwritten = fs::write(holder_file(dir), std::process::id().to_string());
        Ok(Self {
            _directory: directory,
        })
    }
}

fn holder_file(dir: &Path) -> PathBuf {
    dir.join("holder.pid")
}

fn holder(dir: &Path) -> String {
    fs::read_to_string(holder_file(dir))
        .ok()
        .and_then(|pid| pid.trim().parse::<u32>().ok())
        .map_or_else(
            || "another site-controller".to_owned(),
            |pid| {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                let name = name.trim();
                let name = if name.is_empty() {
                    "site-controller"
                } else {
                    name
                };
                format!("{name}, process {pid}")
            },
        )
}
