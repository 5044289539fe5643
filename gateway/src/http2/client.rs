//! The backend's side of HTTP/2.

use std::fmt::Write;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use config_schema::snapshot::Http2KeepAlive;
use h2::SendStream;
use http::uri::PathAndQuery;
use pingora_core::connectors::http::v2::ConnectionRef;
use pingora_core::protocols::http::v2::client::Http2Session;
use pingora_core::protocols::{Digest, UniqueID};
use pingora_http::RequestHeader;
use tokio::sync::watch;

use super::connection_fields::is_connection_field;
use super::io::PingoraIo;
use crate::headers::{self, Headers};
use crate::message::{BodyLength, Frame, RequestHead, ResponseHead};
use crate::outcome::ResetReason;
use crate::upstream::UpstreamIo;

/// So many fields an answer may have.
const MAX_FIELDS: usize = 100;

/// HTTP/2 settings towards a backend.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Streams at once that we open at most.
    pub max_streams: usize,
    /// Window of a stream in bytes.
    pub stream_window: u32,
    /// Window of a connection in bytes.
    pub connection_window: u32,
    /// PING.
    pub keepalive: Option<Http2KeepAlive>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        // Envoy allows 2^31-1 streams and lets the backend's setting decide; windows large enough for fast backends.
        ClientOptions { max_streams: 1 << 30, stream_window: 1 << 20, connection_window: 1 << 22, keepalive: None }
    }
}

/// Starts HTTP/2 on a connection. Pingora's session keeps count of its streams; a task drives it until it closes, and
/// keeps `guard` until then.
pub async fn connect(
    io: UpstreamIo,
    options: &ClientOptions,
    guard: impl Send + 'static,
) -> Result<ConnectionRef, ResetReason> {
    let io = PingoraIo::new(io);
    let id = io.id();
    let (send_request, mut connection) = h2::client::Builder::new()
        .enable_push(false)
        .initial_max_send_streams(options.max_streams.min(100))
        .max_concurrent_streams(1)
        .max_header_list_size(80 * 1024)
        .initial_window_size(options.stream_window)
        .initial_connection_window_size(options.connection_window)
        .handshake::<_, Bytes>(io)
        .await
        .map_err(|_| ResetReason::ConnectionTermination)?;
    let (closed, is_closed) = watch::channel(false);
    let ping = options.keepalive.clone().and_then(|keepalive| connection.ping_pong().map(|ping| (ping, keepalive)));
    let ping_timed_out = Arc::new(AtomicBool::new(false));
    let timed_out = Arc::clone(&ping_timed_out);
    tokio::spawn(async move {
        match ping {
            // The connection's own error, if any, reaches its streams; here it only ends.
            None => drop(connection.await),
            Some((ping, keepalive)) => tokio::select! {
                _ = connection => {}
                () = keep_alive(ping, keepalive) => timed_out.store(true, std::sync::atomic::Ordering::Relaxed),
            },
        }
        let _ = closed.send(true);
        drop(guard);
    });
    let digest = Digest { ssl_digest: None, timing_digest: Vec::new(), proxy_digest: None, socket_digest: None };
    Ok(ConnectionRef::new(send_request, is_closed, ping_timed_out, id, options.max_streams, digest))
}

/// Returns when a PING was not answered in time.
async fn keep_alive(mut ping: h2::PingPong, keepalive: Http2KeepAlive) {
    loop {
        tokio::time::sleep(keepalive.interval).await;
        let answer =
            tokio::time::timeout(keepalive.timeout.max(Duration::from_millis(1)), ping.ping(h2::Ping::opaque()));
        match answer.await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// A request on an HTTP/2 connection.
pub struct H2Stream {
    session: Http2Session,
    body: Option<SendStream<Bytes>>,
    pending: Option<Bytes>,
    end: Option<Option<Headers>>,
    response_done: bool,
    data_done: bool,
}

impl H2Stream {
    /// Opens a stream.
    pub fn new(session: Http2Session) -> Self {
        H2Stream { session, body: None, pending: None, end: None, response_done: false, data_done: false }
    }

    /// The connection it is on.
    pub fn connection(&self) -> &ConnectionRef {
        &self.session.conn
    }

    /// Sends a request's head.
    pub fn start_request(&mut self, head: &RequestHead, end: bool) -> Result<(), ResetReason> {
        // An upgrade would need an extended CONNECT (RFC 8441), which backends must offer and hardly any does.
        if head.is_upgrade() {
            return Err(ResetReason::ProtocolError);
        }
        let request = request_header(head).ok_or(ResetReason::ProtocolError)?;
        self.session.write_request_header(Box::new(request), end).map_err(|error| reason_of_no_stream(&error))?;
        self.body = if end { None } else { self.session.take_request_body_writer() };
        Ok(())
    }

    /// Room for more of the request.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ResetReason>> {
        self.poll_send(cx)
    }

    /// A piece of the request's body.
    pub fn send_data(&mut self, data: Bytes) {
        debug_assert!(self.pending.is_none(), "poll_ready must have said so");
        self.pending = Some(data);
    }

    /// The request is complete.
    pub fn end_request(&mut self, trailers: Option<Headers>) {
        if self.body.is_some() {
            self.end = Some(trailers);
        }
    }

    /// Gets what was sent so far on its way, as far as the backend's windows allow.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ResetReason>> {
        self.poll_send(cx)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ResetReason>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(Ok(())) };
        while let Some(data) = self.pending.as_mut() {
            if body.capacity() == 0 {
                body.reserve_capacity(data.len());
                match ready!(body.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Poll::Ready(Err(reset_reason(&error))),
                    None => return Poll::Ready(Err(ResetReason::ConnectionTermination)),
                }
                continue;
            }
            let piece = data.split_to(body.capacity().min(data.len()));
            let last = data.is_empty();
            let end = last && matches!(self.end, Some(None));
            if let Err(error) = body.send_data(piece, end) {
                return Poll::Ready(Err(reset_reason(&error)));
            }
            if last {
                self.pending = None;
            }
            if end {
                self.end = None;
                self.body = None;
                return Poll::Ready(Ok(()));
            }
        }
        if let Some(trailers) = self.end.take() {
            let sent = match trailers {
                Some(trailers) => body.send_trailers(headers::to_http(&trailers)),
                None => body.send_data(Bytes::new(), true),
            };
            self.body = None;
            if let Err(error) = sent {
                return Poll::Ready(Err(reset_reason(&error)));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for the head of the answer.
    pub fn poll_response_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(ResponseHead, BodyLength), ResetReason>> {
        if let Err(error) = ready!(self.session.poll_read_response_header(cx)) {
            return Poll::Ready(Err(reset_reason(&error)));
        }
        let Some(header) = self.session.response_header() else {
            return Poll::Ready(Err(ResetReason::ProtocolError));
        };
        let head = ResponseHead { status: header.status.as_u16(), headers: headers::from_http_ref(&header.headers) };
        // Envoy counts `:status` too.
        if head.headers.len() + 1 > MAX_FIELDS {
            return Poll::Ready(Err(ResetReason::RemoteReset));
        }
        let body = if self.session.response_finished() {
            self.data_done = true;
            self.response_done = true;
            BodyLength::None
        } else {
            let length = head.headers.get("content-length").and_then(|v| crate::http1::fields::decimal(v));
            length.map_or(BodyLength::Streamed, BodyLength::Exact)
        };
        Poll::Ready(Ok((head, body)))
    }

    /// The next piece of the answer's body.
    pub fn poll_response_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, ResetReason>> {
        while !self.data_done {
            match ready!(self.session.poll_read_response_body(cx)) {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => return Poll::Ready(Ok(Frame::Data(data))),
                Some(Err(error)) if is_graceful(&error) => self.data_done = true,
                Some(Err(error)) => return Poll::Ready(Err(reset_reason(&error))),
                None => self.data_done = true,
            }
        }
        if self.response_done {
            return Poll::Ready(Ok(Frame::End));
        }
        let trailers = pin!(self.session.read_trailers());
        let trailers = ready!(Future::poll(trailers, cx));
        self.response_done = true;
        Poll::Ready(match trailers {
            Ok(Some(map)) => Ok(Frame::Trailers(headers::from_http(map))),
            Ok(None) => Ok(Frame::End),
            Err(_) => Err(ResetReason::RemoteReset),
        })
    }

    /// The request and its answer are complete.
    pub fn is_complete(&self) -> bool {
        self.response_done && self.body.is_none()
    }
}

impl Drop for H2Stream {
    fn drop(&mut self) {
        if !self.is_complete()
            && let Some(body) = self.body.as_mut()
        {
            body.send_reset(h2::Reason::CANCEL);
        }
    }
}

/// RST_STREAM(NO_ERROR) after a complete answer: the backend does not want the rest of the request.
fn is_graceful(error: &h2::Error) -> bool {
    error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
}

fn reset_reason(error: &h2::Error) -> ResetReason {
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => ResetReason::RemoteRefusedStream,
        // GOAWAY names the last stream that is worked on; those behind it are told so here.
        _ if error.is_go_away() && error.is_remote() => ResetReason::RemoteRefusedStream,
        Some(h2::Reason::PROTOCOL_ERROR) if !error.is_remote() => ResetReason::ProtocolError,
        _ if error.is_reset() => ResetReason::RemoteReset,
        _ if error.is_library() && error.reason().is_some() => ResetReason::ProtocolError,
        _ => ResetReason::ConnectionTermination,
    }
}

/// Why a connection took no further stream: what a backend that speaks no HTTP/2 says may have been read before.
pub(crate) fn reason_of_no_stream(error: &pingora_core::Error) -> ResetReason {
    error.root_cause().downcast_ref::<h2::Error>().map_or(ResetReason::ConnectionTermination, reset_reason)
}

/// The head for Pingora; `None` if HTTP/2 cannot carry it.
fn request_header(head: &RequestHead) -> Option<RequestHeader> {
    let mut uri = http::Uri::builder().authority(head.authority.as_deref()?);
    // CONNECT has neither scheme nor path (RFC 9113 §8.5).
    if &head.method[..] != b"CONNECT" {
        uri = uri.scheme(&head.scheme[..]).path_and_query(path(&head.path)?);
    }
    let uri = uri.build().ok()?;
    let method = std::str::from_utf8(&head.method).ok()?;
    let mut request = RequestHeader::build_no_case(method, b"/", Some(head.headers.len())).ok()?;
    request.set_uri(uri);
    // Header operations may have set what ends at this hop.
    for (name, value) in head.headers.iter().filter(|(name, value)| !is_connection_field(name.as_bytes(), value)) {
        request.append_header(name.as_str().to_owned(), &value[..]).ok()?;
    }
    Some(request)
}

/// The path for a [`http::Uri`], which holds less than HTTP/1 clients send and Envoy passes on: what it refuses
/// (`<`, `>`, a quote in the query, a backtick in front of it, bytes that are no UTF-8) is percent-encoded, as RFC 3986 would
/// have had the client do.
fn path(path: &[u8]) -> Option<PathAndQuery> {
    PathAndQuery::try_from(path).or_else(|_| PathAndQuery::try_from(encoded(path))).ok()
}

fn encoded(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len() + 16);
    for byte in path {
        match byte {
            b'"' | b'<' | b'>' | b'`' | 0x80.. => {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
            other => out.push(char::from(*other)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_a_uri_cannot_hold_are_encoded() {
        for (given, expected) in [
            (&b"/a?b=%22&c=\xc3\xa9"[..], Some("/a?b=%22&c=\u{e9}")),
            (b"/{a}?b={\"c\"}", Some("/{a}?b={%22c%22}")),
            (b"/a`b<c>?d=<e>", Some("/a%60b%3Cc%3E?d=%3Ce%3E")),
            (b"/\xff", Some("/%FF")),
            (b"/a b", None),
            (b"a", None),
        ] {
            let found = path(given);
            assert_eq!(found.as_ref().map(PathAndQuery::as_str), expected, "{}", given.escape_ascii());
        }
    }
}
