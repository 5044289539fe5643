//! Our streams as Pingora's [`IO`](pingora_core::protocols::IO).
//!
//! Pingora's sessions take any stream that can also tell about its socket and its TLS. Ours keep that knowledge
//! elsewhere (`proxy::record::Connection`), so they answer with nothing.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::refusals::{FrameWatch, Refusals};

/// A stream that Pingora can drive.
pub struct PingoraIo<S> {
    inner: S,
    id: UniqueIDType,
    watch: Option<(FrameWatch, Arc<Refusals>)>,
}

/// Pingora tells connections apart by file descriptor; ours may have none, so they are numbered.
static NEXT_ID: AtomicI32 = AtomicI32::new(1);

impl<S> PingoraIo<S> {
    /// Wraps a stream.
    pub fn new(inner: S) -> Self {
        PingoraIo { inner, id: NEXT_ID.fetch_add(1, Ordering::Relaxed), watch: None }
    }

    /// Notes the requests that HTTP/2 itself refuses.
    pub fn watched(inner: S, refusals: Arc<Refusals>) -> Self {
        PingoraIo { watch: Some((FrameWatch::default(), refusals)), ..PingoraIo::new(inner) }
    }
}

impl<S> fmt::Debug for PingoraIo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.id)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PingoraIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PingoraIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let (Poll::Ready(Ok(n)), Some((watch, refusals))) = (&written, &mut self.watch) {
            watch.observe(&buf[..*n], refusals);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        if let (Poll::Ready(Ok(n)), Some((watch, refusals))) = (&written, &mut self.watch) {
            let mut left = *n;
            for buf in bufs {
                let part = left.min(buf.len());
                watch.observe(&buf[..part], refusals);
                left -= part;
            }
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[async_trait]
impl<S: AsyncWrite + Unpin + Send> Shutdown for PingoraIo<S> {
    async fn shutdown(&mut self) {
        // The connection is over either way; an error would change nothing.
        let _ = self.inner.shutdown().await;
    }
}

impl<S> UniqueID for PingoraIo<S> {
    fn id(&self) -> UniqueIDType {
        self.id
    }
}

impl<S> Ssl for PingoraIo<S> {}

impl<S> GetTimingDigest for PingoraIo<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<S> GetProxyDigest for PingoraIo<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl<S> GetSocketDigest for PingoraIo<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

#[async_trait]
impl<S: Send> Peek for PingoraIo<S> {}
