//! Frames of many streams in one write.
//!
//! The HTTP/2 library writes each frame of some size by itself and flushes behind it. Here they are gathered while the
//! connection's streams are asked in turn, and leave together when all of them have been: fewer system calls, fewer TLS
//! records, fewer packets.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So much is gathered; one TLS record holds it.
const FULL: usize = 16 * 1024;

/// A stream whose writes are gathered.
pub struct Gather<S>(Arc<Mutex<Gathered<S>>>);

/// Lets out what was gathered. Only the task that drives the connection asks, so the lock never waits.
pub struct Outlet<S>(Arc<Mutex<Gathered<S>>>);

struct Gathered<S> {
    io: S,
    waiting: BytesMut,
    /// Flushing is left to the outlet.
    gathering: bool,
}

/// A stream, and its outlet. Until [`Outlet::start`] every flush is done at once.
pub fn gather<S>(io: S) -> (Gather<S>, Outlet<S>) {
    let gathered = Arc::new(Mutex::new(Gathered { io, waiting: BytesMut::new(), gathering: false }));
    (Gather(Arc::clone(&gathered)), Outlet(gathered))
}

impl<S: AsyncWrite + Unpin> Outlet<S> {
    /// From now on what is written waits for [`Outlet::poll_flush`].
    pub fn start(&self) {
        self.0.lock().gathering = true;
    }

    /// Gets everything on its way. To be called whenever the connection has nothing more to do.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().poll_flush(cx)
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.waiting))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(n);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Takes all of the buffers in if they are small, and writes them at once if they are not.
    fn poll_take(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let size: usize = bufs.iter().map(|buf| buf.len()).sum();
        if self.waiting.len() + size > FULL {
            ready!(self.poll_drain(cx))?;
            if size > FULL / 2 {
                return Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
            }
        }
        bufs.iter().for_each(|buf| self.waiting.extend_from_slice(buf));
        Poll::Ready(Ok(size))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().io).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().poll_take(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().poll_take(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.0.lock();
        if gathered.gathering { Poll::Ready(Ok(())) } else { gathered.poll_flush(cx) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.0.lock();
        ready!(gathered.poll_drain(cx))?;
        Pin::new(&mut gathered.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// What can be read without waiting.
    fn at_hand(io: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
        let mut buffer = vec![0; 64 * 1024];
        let mut buf = ReadBuf::new(&mut buffer);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _ = Pin::new(io).poll_read(&mut cx, &mut buf);
        buf.filled().to_vec()
    }

    #[tokio::test]
    async fn small_writes_leave_together() {
        let (ours, mut theirs) = duplex(64 * 1024);
        let (mut io, outlet) = gather(ours);
        io.write_all(b"settings").await.unwrap();
        io.flush().await.unwrap();
        assert_eq!(at_hand(&mut theirs), b"settings", "before the start nothing waits");
        outlet.start();
        for part in [b"one ", b"two "] {
            io.write_all(part).await.unwrap();
            io.flush().await.unwrap();
        }
        assert_eq!(at_hand(&mut theirs), b"");
        std::future::poll_fn(|cx| outlet.poll_flush(cx)).await.unwrap();
        assert_eq!(at_hand(&mut theirs), b"one two ");
    }

    #[tokio::test]
    async fn order_is_kept_and_memory_bounded() {
        let (ours, mut theirs) = duplex(1024);
        let (mut io, outlet) = gather(ours);
        outlet.start();
        let pieces: Vec<Vec<u8>> = (0..40usize).map(|n| vec![n as u8; [10, 700, 9000, 20_000][n % 4]]).collect();
        let expected = pieces.concat();
        let writing = async {
            for piece in &pieces {
                io.write_all(piece).await.unwrap();
                assert!(outlet.0.lock().waiting.len() <= FULL);
            }
            io.shutdown().await.unwrap();
        };
        let mut read = Vec::new();
        let (_, n) = tokio::join!(writing, theirs.read_to_end(&mut read));
        assert_eq!(n.unwrap(), expected.len());
        assert!(read == expected);
    }
}
