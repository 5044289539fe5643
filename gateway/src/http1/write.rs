//! Writing HTTP/1 heads and bodies.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use crate::headers::Headers;
use crate::message::{RequestHead, ResponseHead, reason};

/// Pieces up to this size are copied behind each other, so that a head and a small body leave in one write.
const COPY_LIMIT: usize = 16 * 1024;
/// Writers stop taking in more than this until some of it has left.
const HIGH_WATERMARK: usize = 64 * 1024;

/// Bytes on their way out.
#[derive(Debug, Default)]
pub struct OutBuffer {
    small: BytesMut,
    queue: VecDeque<Bytes>,
    queued: usize,
}

impl OutBuffer {
    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.small.is_empty() && self.queue.is_empty()
    }

    /// So much waits that no more should be put in.
    pub fn is_full(&self) -> bool {
        self.small.len() + self.queued >= HIGH_WATERMARK
    }

    /// Puts in a head, behind everything before it.
    pub fn push_head(&mut self, write: impl FnOnce(&mut BytesMut)) {
        if self.queue.is_empty() {
            write(&mut self.small);
            return;
        }
        let mut head = BytesMut::new();
        write(&mut head);
        self.queued += head.len();
        self.queue.push_back(head.freeze());
    }

    /// Puts in a piece of a body.
    pub fn push(&mut self, data: Bytes) {
        if self.queue.is_empty() && (data.len() <= COPY_LIMIT && self.small.len() <= HIGH_WATERMARK) {
            self.small.extend_from_slice(&data);
        } else if !data.is_empty() {
            self.queued += data.len();
            self.queue.push_back(data);
        }
    }

    /// Writes until nothing waits or the stream is full.
    pub fn poll_write<S: AsyncWrite + Unpin>(&mut self, io: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let n = if self.queue.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(cx, &self.small))?
            } else {
                let mut slices = [IoSlice::new(&[]); 8];
                let mut used = 0;
                if !self.small.is_empty() {
                    slices[0] = IoSlice::new(&self.small);
                    used = 1;
                }
                for (slot, piece) in slices[used..].iter_mut().zip(&self.queue) {
                    *slot = IoSlice::new(piece);
                    used += 1;
                }
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices[..used]))?
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.consume(n);
        }
        Poll::Ready(Ok(()))
    }

    fn consume(&mut self, mut n: usize) {
        let from_small = n.min(self.small.len());
        self.small.advance(from_small);
        n -= from_small;
        while n > 0 {
            let Some(front) = self.queue.front_mut() else { return };
            let part = n.min(front.len());
            front.advance(part);
            self.queued -= part;
            n -= part;
            if front.is_empty() {
                self.queue.pop_front();
            }
        }
    }

    /// Gives memory back while the connection idles.
    pub fn shrink(&mut self) {
        if self.is_empty() {
            *self = OutBuffer::default();
        }
    }
}

fn put_fields(out: &mut BytesMut, headers: &Headers, case: NameCase) {
    for (name, value) in headers.iter() {
        match case {
            NameCase::Lower => out.extend_from_slice(name.as_bytes()),
            NameCase::Proper => put_proper(out, name.as_bytes()),
        }
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

/// How field names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameCase {
    /// As they are kept: lower case (Envoy's default).
    Lower,
    /// Each word with a capital.
    Proper,
}

fn put_proper(out: &mut BytesMut, name: &[u8]) {
    let start = out.len();
    out.extend_from_slice(name);
    let mut capital = true;
    for byte in &mut out[start..] {
        if capital {
            byte.make_ascii_uppercase();
        }
        capital = *byte == b'-';
    }
}

/// Request line, host, fields and the empty line.
pub fn request_head(out: &mut BytesMut, head: &RequestHead, case: NameCase) {
    out.reserve(head.headers.byte_size() + head.path.len() + 128);
    out.extend_from_slice(&head.method);
    out.extend_from_slice(b" ");
    out.extend_from_slice(&head.path);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if let Some(authority) = &head.authority {
        out.extend_from_slice(if case == NameCase::Lower { b"host: " } else { b"Host: " });
        out.extend_from_slice(authority);
        out.extend_from_slice(b"\r\n");
    }
    put_fields(out, &head.headers, case);
    out.extend_from_slice(b"\r\n");
}

/// Status line, fields and the empty line.
pub fn response_head(out: &mut BytesMut, head: &ResponseHead, case: NameCase) {
    out.reserve(head.headers.byte_size() + 64);
    out.extend_from_slice(b"HTTP/1.1 ");
    let status = head.status;
    let digits = [b'0' + (status / 100 % 10) as u8, b'0' + (status / 10 % 10) as u8, b'0' + (status % 10) as u8];
    out.extend_from_slice(&digits);
    out.extend_from_slice(b" ");
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    put_fields(out, &head.headers, case);
    out.extend_from_slice(b"\r\n");
}

/// How the body that follows is framed on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// As it is: a length was announced, or the connection's end ends it.
    Plain,
    /// In chunks.
    Chunked,
}

/// A piece of a body, never empty.
pub fn body(out: &mut OutBuffer, data: Bytes, framing: Framing) {
    match framing {
        Framing::Plain => out.push(data),
        Framing::Chunked => {
            let size = format!("{:x}\r\n", data.len());
            out.push(Bytes::from(size));
            out.push(data);
            out.push(Bytes::from_static(b"\r\n"));
        }
    }
}

/// The end of a body.
pub fn end(out: &mut OutBuffer, framing: Framing) {
    if framing == Framing::Chunked {
        out.push(Bytes::from_static(b"0\r\n\r\n"));
    }
}
