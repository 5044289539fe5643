//! A byte stream that can be looked at before it is read.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// A connection: real TCP, a pipe in memory, or TLS on top of either.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Any connection.
pub type BoxedStream = Box<dyn Stream>;

/// A connection to a gateway that was made just now.
pub struct Dialled {
    /// The client's end.
    pub stream: BoxedStream,
    /// The client's address, by which the gateway's access log knows the connection.
    pub from: SocketAddr,
}

/// A connection whose first bytes can be looked at and are read again afterwards.
#[derive(Debug)]
pub struct Peek<S> {
    inner: S,
    ahead: Vec<u8>,
}

impl<S: Stream> Peek<S> {
    /// Wraps a connection; nothing is read yet.
    pub fn new(inner: S) -> Self {
        Self { inner, ahead: Vec::new() }
    }

    /// What has been looked at and not yet read.
    pub fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Reads further ahead; 0 means that the other side has closed.
    pub async fn look(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 4096];
        let n = self.inner.read(&mut chunk).await?;
        self.ahead.extend_from_slice(&chunk[..n]);
        Ok(n)
    }
}

impl<S: Stream> AsyncRead for Peek<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let n = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..n]);
        self.ahead.drain(..n);
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Peek<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
