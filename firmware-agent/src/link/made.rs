//! Streams that the caller makes: simulated lines, in simulated time.

use std::future::{Future, ready};
use std::io;

use site_model::DeviceFault;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Opener;

/// Calls a closure for each new stream.
pub(crate) struct MadeOpener<F>(pub(crate) F);

impl<F, S> Opener for MadeOpener<F>
where
    F: FnMut() -> io::Result<S> + Send + Sync + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static,
{
    type Stream = S;

    fn open(&mut self) -> impl Future<Output = Result<S, DeviceFault>> + Send {
        ready((self.0)().map_err(|error| DeviceFault {
            message: format!("The line cannot be opened: {error}."),
            remedy: "Check what stands for the line.".to_owned(),
        }))
    }
}
