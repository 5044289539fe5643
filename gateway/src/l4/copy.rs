//! Copying between two streams, both directions at once, each ended by itself (half-close).
//!
//! Few bytes go through a buffer that all connections of a thread share: an idle connection holds no memory for them.
//! Where many bytes come at once and both ends are plain sockets, they stay in the kernel ([`Pipe`]).

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::splice::Pipe;

/// Read at once, and ahead of a slow reader, by so much.
const BUFFER: usize = 64 * 1024;

/// What makes a pipe worth its system calls and file descriptors: so many bytes between two waits.
const BULK: u64 = 32 * 1024;

thread_local! {
    static BUFFERS: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// One end of a connection.
pub(super) trait Socket {
    /// The socket, if its bytes are passed on as they are.
    fn plain_socket(&self) -> Option<&TcpStream>;
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Direction {
    /// Read, and not taken by the writer yet.
    rest: BytesMut,
    pipe: Option<Pipe>,
    /// There can be no pipe: the kernel refused.
    no_pipe: bool,
    /// Bytes since the reader last had nothing.
    burst: u64,
    read_done: bool,
    done: bool,
    /// Bytes read so far.
    pub bytes: u64,
}

impl Direction {
    /// Starts with bytes that were read before.
    pub(super) fn with_prefix(prefix: &[u8]) -> Self {
        Direction { rest: BytesMut::from(prefix), bytes: prefix.len() as u64, ..Direction::default() }
    }

    /// Nothing more will be copied.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Copies as far as it goes; ready at the end of the stream, which is passed on.
    pub(super) fn poll<R, W>(&mut self, from: &mut R, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Socket + Unpin,
        W: AsyncWrite + Socket + Unpin,
    {
        while !self.done {
            ready!(self.poll_write_rest(to, cx))?;
            if self.read_done {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.done = true;
                break;
            }
            let sockets = from.plain_socket().zip(to.plain_socket());
            let read = match (sockets.filter(|_| self.wants_pipe()), &mut self.pipe) {
                (Some((from, _)), Some(pipe)) => pipe.poll_fill(from, cx),
                (Some(_) | None, _) => self.poll_copy(from, to, cx),
            };
            match read? {
                Poll::Ready(0) => self.read_done = true,
                Poll::Ready(n) => {
                    self.bytes += n as u64;
                    self.burst += n as u64;
                }
                Poll::Pending => {
                    self.rest_from_bulk();
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what was read before.
    fn poll_write_rest<W>(&mut self, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Socket + Unpin,
    {
        while !self.rest.is_empty() {
            let n = ready!(Pin::new(&mut *to).poll_write(cx, &self.rest))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.rest.advance(n);
            if self.rest.is_empty() {
                self.rest = BytesMut::new();
            }
        }
        match (&mut self.pipe, to.plain_socket()) {
            (Some(pipe), Some(to)) => pipe.poll_drain(to, cx),
            (Some(_) | None, _) => Poll::Ready(Ok(())),
        }
    }

    /// Whether it is a pipe's turn; makes it then.
    fn wants_pipe(&mut self) -> bool {
        if self.pipe.is_none() && !self.no_pipe && self.burst >= BULK {
            self.pipe = Pipe::new().ok();
            self.no_pipe = self.pipe.is_none();
        }
        self.pipe.is_some()
    }

    /// Ready with what was read; what of it the writer did not take is in `rest`.
    fn poll_copy<R, W>(&mut self, from: &mut R, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        BUFFERS.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            ready!(Pin::new(from).poll_read(cx, &mut read))?;
            let read = read.filled();
            if read.is_empty() {
                return Poll::Ready(Ok(0));
            }
            let written = match Pin::new(to).poll_write(cx, read)? {
                Poll::Ready(n) => n,
                Poll::Pending => 0,
            };
            self.rest.extend_from_slice(read.get(written..).unwrap_or_default());
            Poll::Ready(Ok(read.len()))
        })
    }

    /// The reader has nothing: a pipe that has carried little goes.
    fn rest_from_bulk(&mut self) {
        if self.burst < BULK {
            self.pipe = None;
        }
        self.burst = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A socket whose bytes may be passed on in the kernel, or not.
    struct Tcp(TcpStream, bool);

    impl Socket for Tcp {
        fn plain_socket(&self) -> Option<&TcpStream> {
            self.1.then_some(&self.0)
        }
    }

    impl AsyncRead for Tcp {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Tcp {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, buf)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|n| (n % 251) as u8 ^ (n / 251) as u8).collect()
    }

    async fn everything_arrives(kernel: bool) {
        let (client, ours) = pair().await;
        let (theirs, server) = pair().await;
        let (mut down, mut up) = (Tcp(ours, kernel), Tcp(theirs, kernel));
        let copying = async {
            let (mut sent, mut received) = (Direction::with_prefix(b"prefix"), Direction::default());
            let mut pipes = 0;
            poll_fn(|cx| {
                let up_done = sent.poll(&mut down, &mut up, cx)?;
                let down_done = received.poll(&mut up, &mut down, cx)?;
                pipes += usize::from(sent.pipe.is_some()) + usize::from(received.pipe.is_some());
                if up_done.is_ready() && down_done.is_ready() {
                    Poll::Ready(Ok::<_, io::Error>(()))
                } else {
                    Poll::Pending
                }
            })
            .await
            .unwrap();
            (sent.bytes, received.bytes, pipes)
        };
        let (mut client_read, mut client_write) = client.into_split();
        let (mut server_read, mut server_write) = server.into_split();
        let (asked, answered) = (bytes(5_000_000), bytes(3_000_000));
        let asking = async {
            client_write.write_all(&asked).await.unwrap();
            client_write.shutdown().await.unwrap();
        };
        // The server answers once it has seen the end of what was asked.
        let serving = async {
            let mut seen = Vec::new();
            let mut chunk = vec![0; 100_000];
            loop {
                match server_read.read(&mut chunk).await.unwrap() {
                    0 => break,
                    n => seen.extend_from_slice(&chunk[..n]),
                }
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
            assert!(seen.strip_prefix(b"prefix").unwrap() == asked);
            server_write.write_all(&answered).await.unwrap();
            server_write.shutdown().await.unwrap();
        };
        let reading = async {
            let mut seen = Vec::new();
            client_read.read_to_end(&mut seen).await.unwrap();
            assert!(seen == answered);
        };
        let ((sent, received, pipes), (), (), ()) = tokio::join!(copying, asking, serving, reading);
        assert_eq!((sent, received), (5_000_006, 3_000_000));
        assert_eq!(pipes > 0, kernel);
    }

    #[tokio::test]
    async fn everything_arrives_through_buffers() {
        everything_arrives(false).await;
    }

    #[tokio::test]
    async fn everything_arrives_through_the_kernel() {
        everything_arrives(true).await;
    }

    #[tokio::test]
    async fn a_pipe_that_has_little_to_carry_goes() {
        let (mut client, ours) = pair().await;
        let (theirs, mut server) = pair().await;
        let (mut down, mut up) = (Tcp(ours, true), Tcp(theirs, true));
        let mut sent = Direction { pipe: Some(Pipe::new().unwrap()), ..Direction::default() };
        client.write_all(b"little").await.unwrap();
        let mut seen = [0; 6];
        tokio::select! {
            _ = poll_fn(|cx| sent.poll(&mut down, &mut up, cx)) => unreachable!("the stream has not ended"),
            read = server.read_exact(&mut seen) => assert_eq!(read.unwrap(), 6),
        }
        assert_eq!(&seen, b"little");
        let _ = poll_fn(|cx| Poll::Ready(sent.poll(&mut down, &mut up, cx).is_ready())).await;
        assert!(sent.pipe.is_none());
        assert_eq!(sent.bytes, 6);
    }
}
