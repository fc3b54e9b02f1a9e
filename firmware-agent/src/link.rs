//! Opens serial lines and TCP connections, and says in sentences why one cannot be opened.

mod lock;
mod made;
mod serial;
mod tcp;

use std::future::Future;

use site_model::DeviceFault;
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use made::MadeOpener;
pub(crate) use serial::SerialOpener;
pub(crate) use tcp::TcpOpener;

/// Opens the same line again and again.
pub(crate) trait Opener: Send + Sync + 'static {
    /// What carries the bytes.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static;

    /// Opens it; an error says why not and what to do. Ends within a few seconds.
    fn open(&mut self) -> impl Future<Output = Result<Self::Stream, DeviceFault>> + Send;
}
