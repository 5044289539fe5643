//! The client's side of HTTP/1: reading requests off a connection and writing answers to it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;
use tokio_util::sync::CancellationToken;

use super::body::{BodyDecoder, BodyError, Decoded};
use super::request::{self, HeadLimits, HeadScan, ParsedRequest};
use super::write::{self, Framing, NameCase, OutBuffer};
use super::{READ_LARGE, READ_SMALL, make_room};
use crate::headers::{Headers, names};
use crate::message::{BodyLength, Frame, ResponseHead, Version};
use crate::outcome::ProtocolError;
use crate::proxy::downstream::{Downstream, Gone};

/// An HTTP/1 connection with a client.
pub struct ServerConnection<S> {
    io: S,
    buffer: BytesMut,
    out: OutBuffer,
    scan: HeadScan,
    limits: HeadLimits,
    tls: bool,
    name_case: NameCase,
    current: Current,
    eof: bool,
    /// Tells that the process or the listener is leaving: answers then end their connection.
    leaving: CancellationToken,
}

/// State of the request that is being answered.
struct Current {
    decoder: BodyDecoder,
    end_reported: bool,
    framing: Framing,
    bodiless: bool,
    head_request: bool,
    upgrade: bool,
    close: bool,
    aborted: bool,
    version: Version,
}

/// What came where a request was awaited.
#[derive(Debug)]
pub enum Next {
    /// A request.
    Request(Box<ParsedRequest>),
    /// Something that is refused.
    Refused(ProtocolError),
    /// The end of the connection; `partial` if it came inside a head.
    Closed {
        /// Bytes of a head had come.
        partial: bool,
    },
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ServerConnection<S> {
    /// Speaks HTTP/1 on `io`. `read_ahead` is what has been read of it already.
    pub fn new(io: S, read_ahead: Bytes, limits: HeadLimits, tls: bool, name_case: NameCase) -> Self {
        ServerConnection {
            io,
            buffer: BytesMut::from(read_ahead),
            out: OutBuffer::default(),
            scan: HeadScan::default(),
            limits,
            tls,
            name_case,
            current: Current {
                decoder: BodyDecoder::Done,
                end_reported: true,
                framing: Framing::Plain,
                bodiless: false,
                head_request: false,
                upgrade: false,
                close: false,
                aborted: false,
                version: Version::Http11,
            },
            eof: false,
            leaving: CancellationToken::new(),
        }
    }

    /// Ends the connection behind any answer that begins after the token has been cancelled, and says so in the answer.
    #[must_use]
    pub fn leave_on(mut self, leaving: CancellationToken) -> Self {
        self.leaving = leaving;
        self
    }

    /// Waits for the next request.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            // Before anything else: what begins otherwise is another protocol, which may well have an empty line in it.
            self.scan.skip_blank_lines(&mut self.buffer);
            if self.buffer.first().is_some_and(|first| !request::may_start(*first)) {
                return Poll::Ready(self.refuse_at_once());
            }
            if let Some(end) = self.scan.find_end(&self.buffer) {
                return Poll::Ready(self.take_request(end));
            }
            if self.scan.first_line(&self.buffer).is_some_and(|line| !request::is_request_line(line)) {
                return Poll::Ready(self.refuse_at_once());
            }
            if self.buffer.len() > self.limits.max_bytes + READ_SMALL {
                return Poll::Ready(Next::Refused(ProtocolError::HEADERS_TOO_LARGE));
            }
            match ready!(self.poll_fill(cx, READ_SMALL)) {
                Ok(0) | Err(_) => return Poll::Ready(Next::Closed { partial: !self.buffer.is_empty() }),
                Ok(_) => {}
            }
        }
    }

    /// What has come will not become a request.
    fn refuse_at_once(&mut self) -> Next {
        self.begin();
        self.current.close = true;
        Next::Refused(ProtocolError::CODEC)
    }

    /// Part of a head has come.
    pub fn is_inside_head(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Gives memory back while the connection idles.
    pub fn release_memory(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        self.out.shrink();
    }

    /// After an answer: whether another request may follow.
    pub fn may_continue(&self) -> bool {
        !self.current.close && !self.current.aborted && self.current.decoder.is_done() && !self.eof
    }

    /// The last answer was broken off: the client must not take the end of the connection for its end.
    pub fn was_aborted(&self) -> bool {
        self.current.aborted
    }

    /// Ends the connection: sends what waits, then closes our direction.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.out.poll_write(&mut self.io, cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Reads and drops what still comes, so that closing does not destroy the answer on its way.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.buffer.clear();
            match ready!(self.poll_fill(cx, READ_SMALL)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        make_room(&mut self.buffer, room);
        let n = ready!(poll_read_buf(Pin::new(&mut self.io), cx, &mut self.buffer))?;
        self.eof |= n == 0;
        Poll::Ready(Ok(n))
    }

    /// Forgets the request before.
    fn begin(&mut self) {
        self.current = Current {
            decoder: BodyDecoder::Done,
            end_reported: false,
            framing: Framing::Plain,
            bodiless: false,
            head_request: false,
            upgrade: false,
            close: false,
            aborted: false,
            version: Version::Http11,
        };
    }

    fn take_request(&mut self, end: usize) -> Next {
        let head = self.buffer.split_to(end);
        self.begin();
        match request::parse(head, &self.limits, self.tls) {
            Err(error) => {
                self.current.close = true;
                Next::Refused(error)
            }
            Ok(parsed) => {
                self.current.decoder = BodyDecoder::new(parsed.body);
                self.current.upgrade = parsed.body == BodyLength::UntilClose;
                self.current.head_request = parsed.head.is_head();
                self.current.close = parsed.close;
                self.current.version = parsed.head.version;
                Next::Request(Box::new(parsed))
            }
        }
    }

    fn poll_more_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let room = match self.current.decoder {
            BodyDecoder::Length(left) | BodyDecoder::ChunkData(left) if left > READ_SMALL as u64 => READ_LARGE,
            BodyDecoder::UntilClose => READ_LARGE,
            BodyDecoder::Length(_)
            | BodyDecoder::ChunkData(_)
            | BodyDecoder::Done
            | BodyDecoder::ChunkSize
            | BodyDecoder::ChunkEnd
            | BodyDecoder::Trailers { .. } => READ_SMALL,
        };
        match ready!(self.poll_fill(cx, room)) {
            Ok(0) | Err(_) => Poll::Ready(Err(Gone::Disconnected)),
            Ok(_) => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Downstream for ServerConnection<S> {
    fn version(&self) -> Version {
        self.current.version
    }

    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, Gone>> {
        loop {
            match self.current.decoder.decode(&mut self.buffer) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Ok(Frame::Data(data))),
                Ok(Decoded::End) => {
                    self.current.end_reported = true;
                    return Poll::Ready(Ok(Frame::End));
                }
                Ok(Decoded::NeedMore) => ready!(self.poll_more_body(cx))?,
                Err(error) => {
                    self.current.close = true;
                    return Poll::Ready(Err(Gone::Malformed(match error {
                        BodyError::Framing => ProtocolError::BODY,
                        BodyError::InvalidCharacters => ProtocolError::INVALID_CHARACTERS,
                    })));
                }
            }
        }
    }

    fn request_is_complete(&self) -> bool {
        self.current.decoder.is_done()
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        if self.eof {
            return Poll::Ready(Gone::Disconnected);
        }
        // A client may send its next request ahead, but not without bound.
        if self.buffer.len() >= READ_LARGE {
            return Poll::Pending;
        }
        loop {
            match ready!(self.poll_fill(cx, READ_SMALL)) {
                Ok(0) | Err(_) => return Poll::Ready(Gone::Disconnected),
                Ok(_) if self.buffer.len() >= READ_LARGE => return Poll::Pending,
                Ok(_) => {}
            }
        }
    }

    fn send_informational(&mut self, head: &ResponseHead) {
        self.out.push_head(|out| write::response_head(out, head, self.name_case));
    }

    fn start_response(&mut self, mut head: ResponseHead, body: BodyLength, close: bool) {
        self.current.close |= close || self.leaving.is_cancelled();
        self.current.bodiless = self.current.head_request || matches!(head.status, 100..=199 | 204 | 304);
        self.current.framing = Framing::Plain;
        if head.status == 101 || body == BodyLength::UntilClose {
            // The connection is handed over, to another protocol or to a tunnel.
            self.current.bodiless = false;
        } else {
            head.headers.remove("connection");
            head.headers.remove("transfer-encoding");
            if body == BodyLength::Streamed && !matches!(head.status, 100..=199 | 204 | 304) {
                self.current.framing = Framing::Chunked;
                head.headers.append(names::TRANSFER_ENCODING, Bytes::from_static(b"chunked"));
            }
            if self.current.close {
                head.headers.append(names::CONNECTION, Bytes::from_static(b"close"));
            }
        }
        let case = self.name_case;
        self.out.push_head(|out| write::response_head(out, &head, case));
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if !self.out.is_full() {
            return Poll::Ready(Ok(()));
        }
        self.poll_flush(cx)
    }

    fn send_data(&mut self, data: Bytes) {
        if !self.current.bodiless {
            write::body(&mut self.out, data, self.current.framing);
        }
    }

    fn end_response(&mut self, _trailers: Option<Headers>) {
        // An HTTP/1 client does not get trailers: it would have to announce them with `te`, and Envoy drops them.
        if !self.current.bodiless {
            write::end(&mut self.out, self.current.framing);
        }
    }

    fn abort_response(&mut self) {
        self.current.aborted = true;
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let written = ready!(self.out.poll_write(&mut self.io, cx))
            .and(Ok(ready!(Pin::new(&mut self.io).poll_flush(cx))))
            .and_then(|flushed| flushed);
        Poll::Ready(written.map_err(|_| Gone::Disconnected))
    }
}
