//! What the HTTP library refuses before any route is asked (a request that is no HTTP, a head that
//! is too large) it answers bare. On its way out such an answer is completed: an id, and a body.

use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::Clock;

use super::error::{ApiError, Detail, Style};
use super::request_id::RequestIds;

static IDS: LazyLock<RequestIds> = LazyLock::new(RequestIds::new);

/// A connection that completes the library's refusals.
#[derive(Debug)]
pub struct CompleteRefusals<S> {
    stream: S,
    /// What is written instead of a refusal, as far as the stream did not take it yet.
    instead: Vec<u8>,
}

impl<S> CompleteRefusals<S> {
    /// Watches what is written to this connection.
    pub const fn new(stream: S) -> Self {
        Self {
            stream,
            instead: Vec::new(),
        }
    }
}

impl<S: AsyncWrite + Unpin> CompleteRefusals<S> {
    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let written = ready!(stream.poll_write(context, &self.instead))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.instead.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CompleteRefusals<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CompleteRefusals<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(context))?;
        match refusal(bytes) {
            Some(error) => {
                self.instead = completed(&error);
                Poll::Ready(Ok(bytes.len()))
            }
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The error that a bare refusal stands for. Every answer of ours carries a request id, so an
/// empty 4xx without one is the library's.
fn refusal(bytes: &[u8]) -> Option<ApiError> {
    let status = bytes.strip_prefix(b"HTTP/1.1 4")?;
    let head = std::str::from_utf8(status.strip_suffix(b"\r\n\r\n")?).ok()?;
    if head.contains("\r\n\r\n")
        || !head.contains("\r\ncontent-length: 0")
        || head.contains("\r\nx-request-id:")
    {
        return None;
    }
    let (field, fault) = match head.get(..2)? {
        "31" => ("headers", "are too large or too many"),
        "14" => ("path", "is too long"),
        _ => ("request", "is no valid HTTP/1.1"),
    };
    Some(ApiError::invalid_request(vec![Detail::new(field, fault)]))
}

/// The whole answer. The connection ends with it: what follows on it cannot be understood.
fn completed(error: &ApiError) -> Vec<u8> {
    let id = IDS.next(Clock::system().now());
    let id = id.as_str();
    let body = error.body(Style::Flat, id);
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\nx-request-id: {id}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        error.status(),
        body.len(),
    );
    [head.into_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_refusal_is_one() {
        let is_one = |text: &str| refusal(text.as_bytes()).is_some();
        assert!(is_one(
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: x\r\n\r\n"
        ));
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nx-request-id: req_1\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nwhole",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "{\"error\":\"HTTP/1.1 400\"}",
            "",
        ] {
            assert!(!is_one(other), "{other:?}");
        }
    }
}
