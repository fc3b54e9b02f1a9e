//! A stretch of network between two ends, in this process: passes bytes on, late if wanted, or stands
//! still from one byte to the next as a pulled cable does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{RwLock, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// Pieces of bytes under way in one direction; beyond it the sender is not read.
const UNDER_WAY_MAX: usize = 256;

/// A relay before one server. Ends when dropped.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    /// Where connections go.
    target: SocketAddr,
    /// Whoever passes bytes on holds it for reading; `false`: nothing passes.
    open: RwLock<bool>,
    delay: RwLock<Duration>,
    /// A new number ends the connections that there are.
    epoch: watch::Sender<u64>,
}

impl Relay {
    /// Before the server at `target`, on any port of this machine.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no port for a relay")?;
        let shared = Arc::new(Shared {
            target,
            open: RwLock::new(true),
            delay: RwLock::new(Duration::ZERO),
            epoch: watch::channel(0).0,
        });
        let port = listener.local_addr()?.port();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self {
            port,
            shared,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From the return on not one byte passes, either way; connections stay as they are.
    pub async fn freeze(&self) {
        *self.shared.open.write().await = false;
    }

    /// Ends the connections that there are, and lets new ones through.
    pub async fn renew(&self) {
        self.shared.epoch.send_modify(|epoch| *epoch += 1);
        *self.shared.open.write().await = true;
    }

    /// From now on bytes arrive this much later, either way.
    pub async fn delay(&self, by: Duration) {
        *self.shared.delay.write().await = by;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.epoch.send_modify(|epoch| *epoch += 1);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((near, _)) = listener.accept().await {
        let epoch = shared.epoch.subscribe();
        tokio::spawn(carry(near, Arc::clone(&shared), epoch));
    }
}

async fn carry(near: TcpStream, shared: Arc<Shared>, mut epoch: watch::Receiver<u64>) {
    if !*shared.open.read().await {
        // A pulled cable answers nothing: the connection hangs until it is plugged in again.
        let _shared_gone = epoch.changed().await;
        return;
    }
    let Ok(far) = TcpStream::connect(shared.target).await else {
        return;
    };
    // Small messages are not to wait for each other here.
    let _slower = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = pass(near_in, far_out, &shared) => {}
        () = pass(far_in, near_out, &shared) => {}
        _ = epoch.changed() => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) {
    let (sender, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY_MAX);
    let take = async move {
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let count = from.read(&mut bytes).await.unwrap_or(0);
            let due = Instant::now() + *shared.delay.read().await;
            let piece = (due, bytes[..count].to_vec());
            if count == 0 || sender.send(piece).await.is_err() {
                break;
            }
        }
        // What is under way still arrives: the other half ends when it is through.
        drop(sender);
        std::future::pending::<()>().await;
    };
    let give = async {
        while let Some((due, piece)) = under_way.recv().await {
            sleep_until(due).await;
            let open = shared.open.read().await;
            if !*open {
                drop(open);
                std::future::pending::<()>().await;
            } else if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = take => {}
        () = give => {}
    }
}
