//! The limit: a server on the same WebSocket library and with the same buffers, that sends back every
//! text and does nothing else.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::station::small_buffers;

/// Word that makes this program the echo server.
pub(crate) const ECHO: &str = "--ocpp-echo";

/// Serves without end, and says where.
pub(crate) async fn serve_echo() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    crate::say(&listener.local_addr()?.to_string());
    loop {
        let (stream, _peer) = listener.accept().await?;
        // A peer that is gone ends only its own connection.
        tokio::spawn(async move { echo(stream).await.ok() });
    }
}

async fn echo(stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let config = Some(small_buffers());
    let mut socket = tokio_tungstenite::accept_async_with_config(stream, config).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

/// The echo server as a process of its own; it ends with this value.
#[derive(Debug)]
pub(super) struct Echo {
    process: Child,
    pub(super) address: String,
}

impl Echo {
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(ECHO)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().context("the echo has no output")?;
        let mut echo = Self {
            process,
            address: String::new(),
        };
        BufReader::new(output).read_line(&mut echo.address)?;
        echo.address.truncate(echo.address.trim_end().len());
        Ok(echo)
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
