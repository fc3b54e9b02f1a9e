//! The command line's end of the local socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{Answer, Request};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "nothing answers at {} ({source}): is the daemon running? `systemctl status site-controller`. \
         Another socket is named with --socket or --config", path.display()
    )]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// We may not open it.
    #[error("{} may not be opened by this user: use sudo, or join the group of the socket", .0.display())]
    NotAllowed(PathBuf),
    /// The connection broke.
    #[error("the daemon hung up ({0}): see `journalctl -u site-controller`")]
    HungUp(io::Error),
    /// The daemon did not understand, or could not.
    #[error("{0}")]
    Refused(String),
}

/// Asks the daemon; waits at most `at_most` for its answer.
///
/// # Errors
/// [`ClientError`], as a sentence with what to do.
pub fn ask(socket: &Path, request: &Request, at_most: Duration) -> Result<Answer, ClientError> {
    let stream = UnixStream::connect(socket).map_err(|source| {
        let path = socket.to_owned();
        if source.kind() == io::ErrorKind::PermissionDenied {
            ClientError::NotAllowed(path)
        } else {
            ClientError::NoDaemon { path, source }
        }
    })?;
    let answer = exchange(stream, request, at_most).map_err(ClientError::HungUp)?;
    match answer {
        Answer::Error { message } => Err(ClientError::Refused(message)),
        Answer::Status { .. } | Answer::Command { .. } | Answer::Tag { .. } => Ok(answer),
    }
}

fn exchange(mut stream: UnixStream, request: &Request, at_most: Duration) -> io::Result<Answer> {
    stream.set_read_timeout(Some(at_most))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&answer)?)
}
