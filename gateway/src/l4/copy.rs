//! Copying between two streams, both directions at once, each ended by itself (half-close).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

/// Read ahead of a slow reader by so much.
const BUFFER: usize = 64 * 1024;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Direction {
    buffer: BytesMut,
    read_done: bool,
    done: bool,
    /// Bytes read so far.
    pub bytes: u64,
}

impl Direction {
    /// Starts with bytes that were read before.
    pub(super) fn with_prefix(prefix: &[u8]) -> Self {
        Direction { buffer: BytesMut::from(prefix), bytes: prefix.len() as u64, ..Direction::default() }
    }

    /// Nothing more will be copied.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Copies as far as it goes; ready at the end of the stream, which is passed on.
    pub(super) fn poll<R, W>(&mut self, from: &mut R, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while !self.done {
            if !self.buffer.is_empty() {
                let n = ready!(Pin::new(&mut *to).poll_write(cx, &self.buffer))?;
                if n == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.buffer.advance(n);
                continue;
            }
            if self.read_done {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.done = true;
                break;
            }
            self.buffer.reserve(BUFFER);
            match poll_read_buf(Pin::new(&mut *from), cx, &mut self.buffer)? {
                Poll::Ready(0) => self.read_done = true,
                Poll::Ready(n) => self.bytes += n as u64,
                Poll::Pending => {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
