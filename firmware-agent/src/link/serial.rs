//! Serial ports.

use std::io;
use std::path::{Path, PathBuf};

use hw_profiles::{Parity, SerialLine};
use site_model::DeviceFault;
use tokio_serial::{DataBits, ErrorKind, FlowControl, SerialStream, StopBits};

use super::Opener;
use super::lock::LineLock;

/// Opens one serial port. The lock is kept from the first opening until this is dropped, so that
/// an adapter that comes back is still ours.
#[derive(Debug)]
pub(crate) struct SerialOpener {
    path: PathBuf,
    line: SerialLine,
    lock: Option<LineLock>,
}

impl SerialOpener {
    pub(crate) fn new(path: PathBuf, line: SerialLine) -> Self {
        Self {
            path,
            line,
            lock: None,
        }
    }

    /// What the next opening opens. The lock stays while the port is the same.
    pub(crate) fn set(&mut self, path: &Path, line: SerialLine) {
        path.clone_into(&mut self.path);
        self.line = line;
    }
}

impl Opener for SerialOpener {
    type Stream = SerialStream;

    // Opening a terminal does not wait for anything.
    async fn open(&mut self) -> Result<SerialStream, DeviceFault> {
        open(&self.path, self.line, &mut self.lock)
    }
}

fn open(
    path: &Path,
    line: SerialLine,
    lock: &mut Option<LineLock>,
) -> Result<SerialStream, DeviceFault> {
    let shown = path.display();
    let device = std::fs::canonicalize(path)
        .map_err(|error| unopenable(path, error.kind(), &error.to_string()))?;
    if lock.as_ref().is_none_or(|lock| !lock.is_for(&device)) {
        *lock = None;
        *lock = Some(LineLock::take(&device).map_err(|holder| DeviceFault {
            message: format!("{shown} is in use by {holder}."),
            remedy: "Stop that program, or use another port.".to_owned(),
        })?);
    }
    let parity = match line.parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    };
    let stop_bits = if line.stop_bits == 2 {
        StopBits::Two
    } else {
        StopBits::One
    };
    let builder = tokio_serial::new(device.to_string_lossy(), line.baud)
        .data_bits(DataBits::Eight)
        .parity(parity)
        .stop_bits(stop_bits)
        .flow_control(FlowControl::None);
    SerialStream::open(&builder).map_err(|error| match error.kind() {
        ErrorKind::Io(kind) => unopenable(path, kind, &error.to_string()),
        ErrorKind::NoDevice => DeviceFault {
            message: format!("{shown} is in use by another program."),
            remedy: format!("Stop that program; `fuser {shown}` names it."),
        },
        ErrorKind::InvalidInput | ErrorKind::Unknown => DeviceFault {
            message: format!("{shown} cannot be set to {} Bd: {error}.", line.baud),
            remedy: "Check that it is a serial port and that it knows these line settings."
                .to_owned(),
        },
    })
}

fn unopenable(path: &Path, kind: io::ErrorKind, error: &str) -> DeviceFault {
    let shown = path.display();
    let (message, remedy) = if kind == io::ErrorKind::NotFound {
        (
            format!("{shown} does not exist: is the adapter plugged in?"),
            "Plug it in; `ls /dev/serial/by-id` shows what is there.",
        )
    } else if kind == io::ErrorKind::PermissionDenied {
        (
            format!("{shown} may not be opened by this user."),
            "Add the user to the group `dialout` and log in again.",
        )
    } else {
        (
            format!("{shown} cannot be opened: {error}."),
            "Check the adapter.",
        )
    };
    DeviceFault {
        message,
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_adapter_is_told_as_such() {
        let line = SerialLine {
            baud: 9_600,
            parity: Parity::None,
            stop_bits: 1,
        };
        let fault = open(Path::new("/dev/no-such-adapter"), line, &mut None).unwrap_err();
        assert_eq!(
            fault.message,
            "/dev/no-such-adapter does not exist: is the adapter plugged in?"
        );
    }
}
