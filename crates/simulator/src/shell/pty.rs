//! A pseudo-terminal in raw mode that stands for a serial line; the master side is ours.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Both ends of a pseudo-terminal.
#[derive(Debug)]
pub(super) struct Pty {
    /// Where the simulator reads requests and writes answers; does not block.
    pub(super) ours: OwnedFd,
    /// What the master under test opens, as often as it likes.
    pub(super) path: PathBuf,
    /// Kept open: without it the path would hang up each time the master closes it.
    _theirs: OwnedFd,
}

impl Pty {
    /// # Errors
    /// If the system has no pseudo-terminal to give; the message says which step failed.
    pub(super) fn open() -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).map_err(|e| failed("open /dev/ptmx", e))?;
        grantpt(&ours).map_err(|e| failed("grant access to the pseudo-terminal", e))?;
        unlockpt(&ours).map_err(|e| failed("unlock the pseudo-terminal", e))?;
        let name = ptsname(&ours, Vec::new()).map_err(|e| failed("name the pseudo-terminal", e))?;
        let path = PathBuf::from(OsStr::from_bytes(name.as_bytes()));
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = open(&path, flags, Mode::empty())
            .map_err(|e| failed(&format!("open {}", path.display()), e))?;
        let mut settings = tcgetattr(&theirs).map_err(|e| failed("read line settings", e))?;
        settings.make_raw();
        tcsetattr(&theirs, OptionalActions::Now, &settings)
            .map_err(|e| failed("set raw mode", e))?;
        let flags = fcntl_getfl(&ours).map_err(|e| failed("read file flags", e))?;
        fcntl_setfl(&ours, flags | OFlags::NONBLOCK).map_err(|e| failed("set file flags", e))?;
        Ok(Self {
            ours,
            path,
            _theirs: theirs,
        })
    }
}

fn failed(step: &str, error: rustix::io::Errno) -> io::Error {
    let cause = io::Error::from(error);
    io::Error::new(cause.kind(), format!("cannot {step}: {cause}"))
}
