//! Bytes through an HTTP proxy: the endpoint is asked for a tunnel (`trafficPolicy.tunnel`), and the bodies of that
//! request and its answer are the connection.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use config_schema::snapshot::Tunnel;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::headers::{Headers, names};
use crate::message::{BodyLength, Frame, RequestHead, Version};
use crate::net::Dialer;
use crate::outcome::ResetReason;
use crate::upstream::UpstreamStream;
use crate::upstream::connect::{ConnectFailure, Wanted};
use crate::upstream::ends::Ends;
use crate::upstream::lease::{Lease, lease};
use crate::upstream::pool::Pool;

/// A tunnel: what is written is the request's body, what is read the answer's.
pub(super) struct TunnelIo {
    lease: Lease,
    /// Our direction ends with the connection's, not with a frame.
    connect: bool,
    unread: Bytes,
    ended: bool,
    shut: bool,
}

/// Asks for a tunnel and waits until it stands, within the cluster's connect timeout.
pub(super) async fn open(
    pool: &Arc<Pool>,
    dialer: &Arc<dyn Dialer>,
    wanted: &Wanted<'_>,
    tunnel: &Tunnel,
) -> Result<TunnelIo, ConnectFailure> {
    let lease = lease(pool, dialer, wanted).await?;
    let mut io = TunnelIo { lease, connect: !tunnel.post, unread: Bytes::new(), ended: false, shut: false };
    let (head, body) = request(tunnel, wanted.http2);
    let answered = timeout(wanted.cluster.spec.pool.connect_timeout, io.ask(&head, body)).await;
    match answered.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
        Ok(()) => Ok(io),
        Err(why) => {
            let target = format!("{}:{}", tunnel.target_host, tunnel.target_port);
            Err(ConnectFailure::new(format!("tunnel to {target}: {why}")))
        }
    }
}

/// CONNECT (RFC 9110 §9.3.6), or a POST whose body does not end.
fn request(tunnel: &Tunnel, http2: bool) -> (RequestHead, BodyLength) {
    let target = Bytes::from(format!("{}:{}", tunnel.target_host, tunnel.target_port));
    let mut headers = Headers::default();
    let (method, path, body) = match tunnel.post {
        true => ("POST", Bytes::from_static(b"/"), BodyLength::Streamed),
        false => ("CONNECT", target.clone(), BodyLength::UntilClose),
    };
    if tunnel.post && !http2 {
        headers.append(names::TRANSFER_ENCODING, Bytes::from_static(b"chunked"));
    }
    let head = RequestHead {
        version: if http2 { Version::Http2 } else { Version::Http11 },
        method: Bytes::from_static(method.as_bytes()),
        scheme: Bytes::from_static(b"http"),
        authority: Some(target),
        path,
        headers,
    };
    (head, body)
}

impl TunnelIo {
    /// Our end of the connection to the proxy.
    pub(super) fn ends(&self) -> &Ends {
        &self.lease.ends
    }

    async fn ask(&mut self, head: &RequestHead, body: BodyLength) -> Result<(), String> {
        let stream = &mut self.lease.stream;
        let failed = |reason: ResetReason| reason.name().to_owned();
        stream.start_request(head, body).map_err(failed)?;
        loop {
            let head = poll_fn(|cx| {
                if let Poll::Ready(Err(reason)) = stream.poll_flush(cx) {
                    return Poll::Ready(Err(reason));
                }
                stream.poll_response_head(cx)
            });
            let (head, _) = head.await.map_err(failed)?;
            match head.status {
                _ if head.is_informational() => {}
                200..=299 => return Ok(()),
                status => return Err(format!("the proxy answered {status}")),
            }
        }
    }
}

fn broken(reason: &ResetReason) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, reason.name())
}

impl AsyncRead for TunnelIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() && !self.ended {
            match ready!(self.lease.stream.poll_response_frame(cx)) {
                Ok(Frame::Data(data)) => self.unread = data,
                Ok(Frame::Trailers(_) | Frame::End) => self.ended = true,
                Err(reason) => return Poll::Ready(Err(broken(&reason))),
            }
        }
        let n = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..n]);
        self.unread.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TunnelIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(self.lease.stream.poll_ready(cx)) {
            Ok(()) => {
                self.lease.stream.send_data(Bytes::copy_from_slice(buf));
                Poll::Ready(Ok(buf.len()))
            }
            Err(reason) => Poll::Ready(Err(broken(&reason))),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(ready!(self.lease.stream.poll_flush(cx)).map_err(|reason| broken(&reason)))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connect = self.connect;
        if let (true, UpstreamStream::H1(stream)) = (connect, &mut self.lease.stream) {
            return stream.poll_close(cx);
        }
        if !self.shut {
            self.shut = true;
            self.lease.stream.end_request(None);
        }
        self.poll_flush(cx)
    }
}
