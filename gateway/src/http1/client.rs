//! The backend's side of HTTP/1.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use super::body::{BodyDecoder, Decoded};
use super::request::HeadScan;
use super::response::{self, MAX_HEAD, ParsedResponse, RequestKind};
use super::write::{self, Framing, NameCase, OutBuffer};
use super::{READ_LARGE, READ_SMALL, make_room};
use crate::message::{BodyLength, Frame, RequestHead, ResponseHead};
use crate::outcome::ResetReason;

/// An HTTP/1 connection to a backend.
pub struct ClientConnection<S> {
    io: S,
    buffer: BytesMut,
    out: OutBuffer,
    scan: HeadScan,
    kind: RequestKind,
    request_framing: Framing,
    request_ended: bool,
    decoder: BodyDecoder,
    head_read: bool,
    close: bool,
    /// Something went wrong or was left unfinished: never use it again.
    broken: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientConnection<S> {
    /// Speaks HTTP/1 on `io`.
    pub fn new(io: S) -> Self {
        ClientConnection {
            io,
            buffer: BytesMut::new(),
            out: OutBuffer::default(),
            scan: HeadScan::default(),
            kind: RequestKind::default(),
            request_framing: Framing::Plain,
            request_ended: true,
            decoder: BodyDecoder::Done,
            head_read: true,
            close: false,
            broken: false,
        }
    }

    /// The stream.
    pub fn io(&self) -> &S {
        &self.io
    }

    /// Puts a request's head in the way. `body` tells how its body is framed.
    pub fn start_request(&mut self, head: &RequestHead, body: BodyLength, case: NameCase) {
        self.kind = RequestKind {
            head: head.is_head(),
            upgrade: body == BodyLength::UntilClose,
            connect: &head.method[..] == b"CONNECT",
        };
        self.request_framing = if body == BodyLength::Streamed { Framing::Chunked } else { Framing::Plain };
        self.request_ended = false;
        self.decoder = BodyDecoder::Done;
        self.head_read = false;
        self.close = false;
        self.out.push_head(|out| write::request_head(out, head, case));
    }

    /// Room for more of the request.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ResetReason>> {
        if !self.out.is_full() {
            return Poll::Ready(Ok(()));
        }
        self.poll_flush(cx)
    }

    /// A piece of the request's body, never empty.
    pub fn send_data(&mut self, data: Bytes) {
        write::body(&mut self.out, data, self.request_framing);
    }

    /// The request is complete.
    pub fn end_request(&mut self) {
        self.request_ended = true;
        write::end(&mut self.out, self.request_framing);
    }

    /// Closes our direction of an upgraded connection.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.out.poll_write(&mut self.io, cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Gets what was sent so far on its way.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ResetReason>> {
        let written = match ready!(self.out.poll_write(&mut self.io, cx)) {
            Ok(()) => ready!(Pin::new(&mut self.io).poll_flush(cx)),
            Err(error) => Err(error),
        };
        Poll::Ready(written.map_err(|_| {
            self.broken = true;
            ResetReason::ConnectionTermination
        }))
    }

    /// Waits for the head of the answer; informational ones come one by one.
    pub fn poll_response_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(ResponseHead, BodyLength), ResetReason>> {
        loop {
            self.scan.skip_blank_lines(&mut self.buffer);
            if let Some(end) = self.scan.find_end(&self.buffer) {
                let head = self.buffer.split_to(end);
                return Poll::Ready(self.take_head(head));
            }
            if self.buffer.len() > MAX_HEAD || is_other_protocol(&self.buffer) {
                self.broken = true;
                return Poll::Ready(Err(ResetReason::ProtocolError));
            }
            ready!(self.poll_fill(cx, READ_SMALL))?;
        }
    }

    fn take_head(&mut self, head: BytesMut) -> Result<(ResponseHead, BodyLength), ResetReason> {
        let Ok(ParsedResponse { head, body, close }) = response::parse(head, self.kind) else {
            self.broken = true;
            return Err(ResetReason::ProtocolError);
        };
        if !head.is_informational() {
            self.head_read = true;
            self.decoder = BodyDecoder::new(body);
            self.close = close;
        }
        Ok((head, body))
    }

    /// The next piece of the answer's body.
    pub fn poll_response_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, ResetReason>> {
        loop {
            match self.decoder.decode(&mut self.buffer) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Ok(Frame::Data(data))),
                Ok(Decoded::End) => return Poll::Ready(Ok(Frame::End)),
                Ok(Decoded::NeedMore) => {}
                Err(_) => {
                    self.broken = true;
                    return Poll::Ready(Err(ResetReason::ProtocolError));
                }
            }
            let room = match self.decoder {
                BodyDecoder::Length(left) | BodyDecoder::ChunkData(left) if left <= READ_SMALL as u64 => READ_SMALL,
                BodyDecoder::Length(_) | BodyDecoder::ChunkData(_) | BodyDecoder::UntilClose => READ_LARGE,
                BodyDecoder::Done | BodyDecoder::ChunkSize | BodyDecoder::ChunkEnd | BodyDecoder::Trailers { .. } => {
                    READ_SMALL
                }
            };
            match ready!(self.poll_fill(cx, room)) {
                Err(_) if self.decoder.ends_with_connection() => {
                    self.decoder = BodyDecoder::Done;
                    self.broken = true;
                }
                Err(reason) => return Poll::Ready(Err(reason)),
                Ok(()) => {}
            }
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<Result<(), ResetReason>> {
        make_room(&mut self.buffer, room);
        match ready!(poll_read_buf(Pin::new(&mut self.io), cx, &mut self.buffer)) {
            Ok(n) if n > 0 => Poll::Ready(Ok(())),
            Ok(_) | Err(_) => {
                self.broken = true;
                Poll::Ready(Err(ResetReason::ConnectionTermination))
            }
        }
    }

    /// After an answer: whether the connection can carry another request.
    pub fn is_reusable(&self) -> bool {
        !self.broken
            && !self.close
            && self.request_ended
            && self.head_read
            && self.decoder.is_done()
            && self.buffer.is_empty()
            && self.out.is_empty()
    }

    /// While idle: whether the backend has closed it or sent something unasked.
    pub fn is_dead(&mut self, cx: &mut Context<'_>) -> bool {
        self.buffer.reserve(1);
        poll_read_buf(Pin::new(&mut self.io), cx, &mut self.buffer).is_ready()
    }

    /// Gives memory back while the connection idles.
    pub fn release_memory(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        self.out.shrink();
    }
}

/// Whether the first bytes cannot be the start of an HTTP/1 answer, so that nobody waits for a line end in vain.
fn is_other_protocol(buffer: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    let n = buffer.len().min(START.len());
    buffer[..n] != START[..n]
}
