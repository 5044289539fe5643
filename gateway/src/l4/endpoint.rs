//! The connection to an endpoint: the endpoint's own, or a tunnel through it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::copy::Socket;
use super::tunnel::TunnelIo;
use crate::tls::accept::DownstreamIo;
use crate::upstream::UpstreamIo;
use crate::upstream::ends::Ends;
use crate::upstream::pool::Life;

/// Where a client's bytes go.
pub(super) enum EndpointIo {
    /// To the endpoint.
    Direct(UpstreamIo, Life),
    /// Through the endpoint, an HTTP proxy.
    Tunnel(Box<TunnelIo>),
}

impl EndpointIo {
    /// Our end of the connection.
    pub(super) fn ends(&self) -> &Ends {
        match self {
            EndpointIo::Direct(_, life) => &life.ends,
            EndpointIo::Tunnel(tunnel) => tunnel.ends(),
        }
    }
}

macro_rules! each {
    ($self:ident, $io:ident => $body:expr) => {
        match $self.get_mut() {
            EndpointIo::Direct($io, _) => $body,
            EndpointIo::Tunnel($io) => $body,
        }
    };
}

impl AsyncRead for EndpointIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for EndpointIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_shutdown(cx))
    }
}

impl Socket for EndpointIo {
    fn plain_socket(&self) -> Option<&TcpStream> {
        match self {
            EndpointIo::Direct(io, _) => io.plain_socket(),
            EndpointIo::Tunnel(_) => None,
        }
    }
}

impl Socket for DownstreamIo {
    fn plain_socket(&self) -> Option<&TcpStream> {
        DownstreamIo::plain_socket(self)
    }
}
