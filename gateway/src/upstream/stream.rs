//! The backend's side of one request, whatever the HTTP version.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::headers::Headers;
use crate::http1::client::ClientConnection;
use crate::http2::client::H2Stream;
use crate::message::{BodyLength, Frame, RequestHead, ResponseHead, Version};
use crate::net::Conn;
use crate::outcome::ResetReason;

/// A connection to an endpoint, with or without TLS.
#[derive(Debug)]
pub enum UpstreamIo {
    /// As it is.
    Plain(Conn),
    /// TLS.
    Tls(Box<tokio_rustls::client::TlsStream<Conn>>),
}

macro_rules! each {
    ($self:ident, $io:ident => $body:expr) => {
        match $self.get_mut() {
            UpstreamIo::Plain($io) => $body,
            UpstreamIo::Tls($io) => $body,
        }
    };
}

impl UpstreamIo {
    /// The socket, if its bytes are the application's own.
    pub fn plain_socket(&self) -> Option<&TcpStream> {
        match self {
            UpstreamIo::Plain(Conn::Tcp(socket)) => Some(socket),
            UpstreamIo::Plain(Conn::Unix(_) | Conn::Memory(_)) | UpstreamIo::Tls(_) => None,
        }
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            UpstreamIo::Plain(io) => io.is_write_vectored(),
            UpstreamIo::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_shutdown(cx))
    }
}

/// A request on its way to a backend.
pub enum UpstreamStream {
    /// Over HTTP/1.
    H1(Box<ClientConnection<UpstreamIo>>),
    /// Over HTTP/2.
    H2(Box<H2Stream>),
}

impl UpstreamStream {
    /// What is spoken.
    pub fn version(&self) -> Version {
        match self {
            UpstreamStream::H1(_) => Version::Http11,
            UpstreamStream::H2(_) => Version::Http2,
        }
    }

    /// Puts a request's head in the way.
    pub fn start_request(&mut self, head: &RequestHead, body: BodyLength) -> Result<(), ResetReason> {
        match self {
            UpstreamStream::H1(stream) => {
                stream.start_request(head, body, crate::http1::write::NameCase::Lower);
                Ok(())
            }
            UpstreamStream::H2(stream) => stream.start_request(head, body.is_none()),
        }
    }

    /// Room for more of the request.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ResetReason>> {
        match self {
            UpstreamStream::H1(stream) => stream.poll_ready(cx),
            UpstreamStream::H2(stream) => stream.poll_ready(cx),
        }
    }

    /// A piece of the request's body, never empty.
    pub fn send_data(&mut self, data: Bytes) {
        match self {
            UpstreamStream::H1(stream) => stream.send_data(data),
            UpstreamStream::H2(stream) => stream.send_data(data),
        }
    }

    /// The request is complete.
    pub fn end_request(&mut self, trailers: Option<Headers>) {
        match self {
            UpstreamStream::H1(stream) => stream.end_request(),
            UpstreamStream::H2(stream) => stream.end_request(trailers),
        }
    }

    /// Gets what was sent so far on its way.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ResetReason>> {
        match self {
            UpstreamStream::H1(stream) => stream.poll_flush(cx),
            UpstreamStream::H2(stream) => stream.poll_flush(cx),
        }
    }

    /// Waits for the head of the answer.
    pub fn poll_response_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(ResponseHead, BodyLength), ResetReason>> {
        match self {
            UpstreamStream::H1(stream) => stream.poll_response_head(cx),
            UpstreamStream::H2(stream) => stream.poll_response_head(cx),
        }
    }

    /// The next piece of the answer's body.
    pub fn poll_response_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, ResetReason>> {
        match self {
            UpstreamStream::H1(stream) => stream.poll_response_frame(cx),
            UpstreamStream::H2(stream) => stream.poll_response_frame(cx),
        }
    }
}
