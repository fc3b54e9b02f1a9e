//! The daemon's end of the local socket.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::protocol::{Answer, LINE_MAX_BYTES, Request, Wanted};
use crate::runtime::{LocalOrder, LocalRequest, LocalTag};

/// Connections at once; the next waits in the system's queue.
const CONNECTIONS_MAX: usize = 8;
/// A connection that says nothing for this long is closed.
const SILENT_MAX: Duration = Duration::from_secs(60);
/// The core answers a status request at once; if not, this is worth saying.
const CORE_ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// A tag is judged by its central system, and then by the site.
const TAG_ANSWERED_WITHIN: Duration = Duration::from_secs(45);
/// Owner and group.
const MODE: u32 = 0o660;

/// Why nobody can ask.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another daemon answers there.
    #[error("{} is served by another daemon already: give this one another gateway.socket", .0.display())]
    Taken(PathBuf),
    /// The path is unusable.
    #[error("cannot listen on {}: {source}. Check gateway.socket", path.display())]
    Unusable {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The listening socket; its file goes with it.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Takes the path; what a dead daemon left there is removed.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn bind(path: &Path) -> Result<Self, ListenError> {
        let unusable = |source| ListenError::Unusable {
            path: path.to_owned(),
            source,
        };
        if UnixStream::connect(path).await.is_ok() {
            return Err(ListenError::Taken(path.to_owned()));
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(unusable)?;
        }
        let left_behind = std::fs::symlink_metadata(path);
        if left_behind.is_ok_and(|file| file.file_type().is_socket()) {
            std::fs::remove_file(path).map_err(unusable)?;
        }
        let listener = UnixListener::bind(path).map_err(unusable)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE)).map_err(unusable)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serves until told to stop.
    pub async fn run(self, requests: mpsc::Sender<LocalRequest>, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (requests, stop) = (requests.clone(), stop.clone());
                    tokio::spawn(async move {
                        tokio::select! {
                            () = stop.cancelled() => {}
                            served = serve(stream, requests) => if let Err(error) = served {
                                tracing::debug!(%error, "A local connection ended");
                            },
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "A local connection was not accepted");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Another start removes it too.
        let _left = std::fs::remove_file(&self.path);
    }
}

async fn serve(stream: UnixStream, requests: mpsc::Sender<LocalRequest>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let line = match timeout(SILENT_MAX, line(&mut read)).await {
            Ok(line) => line?,
            Err(_silent) => return Ok(()),
        };
        if line.is_empty() {
            return Ok(());
        }
        let answer = answer(&line, &requests).await;
        send(&mut write, &answer).await?;
    }
}

/// One line, empty at the end. A longer one than allowed ends the connection.
async fn line(read: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let most = u64::try_from(LINE_MAX_BYTES).unwrap_or(u64::MAX);
    read.take(most).read_until(b'\n', &mut line).await?;
    if line.len() == LINE_MAX_BYTES {
        return Err(io::Error::other("a line is too long"));
    }
    Ok(line)
}

async fn answer(line: &[u8], requests: &mpsc::Sender<LocalRequest>) -> Answer {
    let order = serde_json::from_slice::<Request>(line)
        .map_err(|error| format!("the request is not understood: {error}"))
        .and_then(Wanted::try_from);
    let answered = match order {
        Ok(Wanted::Status) => status(requests).await,
        Ok(Wanted::Order(order)) => command(order, requests).await,
        Ok(Wanted::Tag(tag)) => present(tag, requests).await,
        Err(message) => Err(message),
    };
    answered.unwrap_or_else(|message| Answer::Error { message })
}

async fn status(requests: &mpsc::Sender<LocalRequest>) -> Result<Answer, String> {
    let (reply, report) = oneshot::channel();
    ask_core(requests, LocalRequest::Status(reply)).await?;
    match timeout(CORE_ANSWERS_WITHIN, report).await {
        Ok(Ok(report)) => Ok(Answer::Status {
            status: Box::new(report),
        }),
        Ok(Err(_)) | Err(_) => Err(core_silent()),
    }
}

async fn command(
    order: LocalOrder,
    requests: &mpsc::Sender<LocalRequest>,
) -> Result<Answer, String> {
    let (reply, fate) = oneshot::channel();
    let at_most = order.timeout + CORE_ANSWERS_WITHIN;
    ask_core(requests, LocalRequest::Command { order, reply }).await?;
    match timeout(at_most, fate).await {
        Ok(Ok((id, outcome))) => Ok(Answer::fate(&id, outcome)),
        Ok(Err(_)) | Err(_) => Err(core_silent()),
    }
}

async fn present(tag: LocalTag, requests: &mpsc::Sender<LocalRequest>) -> Result<Answer, String> {
    let (reply, shown) = oneshot::channel();
    ask_core(requests, LocalRequest::Present { tag, reply }).await?;
    match timeout(TAG_ANSWERED_WITHIN, shown).await {
        Ok(Ok(shown)) => Ok(Answer::shown(shown)),
        Ok(Err(_)) | Err(_) => Err(core_silent()),
    }
}

async fn ask_core(
    requests: &mpsc::Sender<LocalRequest>,
    request: LocalRequest,
) -> Result<(), String> {
    requests
        .send_timeout(request, CORE_ANSWERS_WITHIN)
        .await
        .map_err(|_| core_silent())
}

fn core_silent() -> String {
    "the daemon is stopping, or its core did not answer in time".to_owned()
}

async fn send(write: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer).map_err(io::Error::other)?;
    line.push(b'\n');
    timeout(SILENT_MAX, write.write_all(&line))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
