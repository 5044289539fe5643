//! HTTP/2 connections with clients: streams side by side, each in a task of its own.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use config_schema::snapshot::HttpOptions;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use pingora_core::protocols::http::v2::server::handshake;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::HttpContext;
use super::exchange::{self, Arrived};
use super::finish;
use super::record::Connection;
use super::timers::{Alarm, Deadline};
use super::worker::Worker;
use crate::http2::gather::{Outlet, gather};
use crate::http2::io::PingoraIo;
use crate::http2::refusals::Refusals;
use crate::http2::server::{ServerStream, request_head, settings};
use crate::listen::drain::DrainSignal;
use crate::message::{RequestHead, Version};
use crate::net::Rewind;
use crate::outcome::{Outcome, ProtocolError};
use crate::tls::accept::DownstreamIo;

/// How long streams that were under way may take to end once everything else has.
const LAST_STREAMS: Duration = Duration::from_secs(3600);
/// How long to read what a client still sends after its answer, as over HTTP/1.
const LINGER: Duration = Duration::from_secs(1);

/// Serves a connection to its end.
pub async fn serve(
    worker: Arc<Worker>,
    http: Arc<HttpContext>,
    connection: Arc<Connection>,
    io: DownstreamIo,
    read_ahead: Bytes,
    mut drain: DrainSignal,
) {
    let options = worker.shared.store.load().settings.http.clone();
    let refusals = Arc::new(Refusals::default());
    let (io, outlet) = gather(Rewind::new(read_ahead, io));
    let io = PingoraIo::watched(io, Arc::clone(&refusals));
    let started = handshake(Box::new(io), Some(settings(&options)));
    let Ok(Ok(mut h2)) = tokio::time::timeout(options.request_headers_timeout.unwrap_or(LAST_STREAMS), started).await
    else {
        return;
    };
    outlet.start();
    let active = Arc::new(());
    let mut waiting = Waiting::new(&options, refusals);
    let broken = |error| {
        let outcome = Outcome::ConnectionRefused(error);
        finish::unanswered(&worker, &connection, Version::Http2, &outcome);
    };
    loop {
        let event = next(&mut waiting, &mut h2, &outlet, &mut drain).await;
        match event {
            Event::Accepted(Some(Ok((request, respond)))) => {
                waiting.accepted(&respond, &options);
                match readable(request, connection.tls.is_some()) {
                    Ok((head, body)) => {
                        spawn_stream(&worker, &http, &connection, Arc::clone(&active), head, body, respond);
                    }
                    Err(error) => {
                        broken(error);
                        h2.abrupt_shutdown(Reason::PROTOCOL_ERROR);
                    }
                }
            }
            Event::Refused => {
                broken(ProtocolError::INVALID_HEADER_FIELD_H2);
                h2.abrupt_shutdown(Reason::PROTOCOL_ERROR);
            }
            Event::Accepted(Some(Err(error))) => {
                if error.is_library() && error.reason() == Some(Reason::PROTOCOL_ERROR) {
                    broken(ProtocolError::INVALID_HEADER_FIELD_H2);
                }
                return;
            }
            Event::Accepted(None) => return,
            Event::Drain => {
                waiting.draining = true;
                h2.graceful_shutdown();
            }
            Event::Idle if Arc::strong_count(&active) > 1 => waiting.idle.set_after(options.idle_timeout),
            Event::Idle if waiting.draining => return,
            Event::Idle => {
                waiting.drain(&options);
                h2.graceful_shutdown();
            }
        }
    }
}

/// What comes next. Whatever the streams have written by then leaves together.
async fn next<S: AsyncRead + AsyncWrite + Unpin, O: AsyncWrite + Unpin>(
    waiting: &mut Waiting,
    h2: &mut h2::server::Connection<S, Bytes>,
    outlet: &Outlet<O>,
    drain: &mut DrainSignal,
) -> Event {
    poll_fn(|cx| {
        let event = waiting.poll(h2, drain, cx);
        let lost = matches!(outlet.poll_flush(cx), Poll::Ready(Err(_)));
        if lost && event.is_pending() { Poll::Ready(Event::Accepted(None)) } else { event }
    })
    .await
}

/// What a connection waits for.
struct Waiting {
    idle: Deadline,
    age: Deadline,
    draining: bool,
    last_stream: u32,
    refusals: Arc<Refusals>,
}

impl Waiting {
    fn new(options: &HttpOptions, refusals: Arc<Refusals>) -> Self {
        let (mut idle, mut age) = (Deadline::default(), Deadline::default());
        idle.set_after(options.idle_timeout);
        age.set_after(options.max_connection_duration);
        Waiting { idle, age, draining: false, last_stream: 0, refusals }
    }

    /// Nothing has come for long: the client gets some time to close.
    fn drain(&mut self, options: &HttpOptions) {
        self.draining = true;
        self.idle.set(Instant::now() + options.drain_timeout);
    }

    fn accepted(&mut self, respond: &SendResponse<Bytes>, options: &HttpOptions) {
        self.idle.set_after(options.idle_timeout);
        self.last_stream = respond.stream_id().as_u32();
    }

    fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        h2: &mut h2::server::Connection<S, Bytes>,
        drain: &mut DrainSignal,
        cx: &mut Context<'_>,
    ) -> Poll<Event> {
        if let Poll::Ready(next) = h2.poll_accept(cx) {
            return Poll::Ready(Event::Accepted(next));
        }
        if self.refusals.take().is_some_and(|stream| stream > self.last_stream) {
            return Poll::Ready(Event::Refused);
        }
        if !self.draining && (drain.poll_draining(cx).is_ready() || self.age.poll(cx).is_ready()) {
            return Poll::Ready(Event::Drain);
        }
        self.idle.poll(cx).map(|()| Event::Idle)
    }
}

/// A request as h2 hands it over, or the end of the connection.
type Next = Option<Result<(http::Request<RecvStream>, SendResponse<Bytes>), h2::Error>>;

#[allow(clippy::large_enum_variant, reason = "there is one at a time, on the stack, and it is mostly the large one")]
enum Event {
    Accepted(Next),
    Refused,
    Drain,
    Idle,
}

/// What HTTP/2 lets through and Envoy does not.
fn readable(request: http::Request<RecvStream>, tls: bool) -> Result<(RequestHead, RecvStream), ProtocolError> {
    let (parts, body) = request.into_parts();
    // RFC 9113 §8.3.1: no user information.
    let is_authority = |host: &[u8]| !host.is_empty() && !host.contains(&b'@');
    let host = parts.headers.get(http::header::HOST).is_none_or(|host| is_authority(host.as_bytes()));
    let lengths = parts.headers.get_all(http::header::CONTENT_LENGTH).iter().count();
    let head = request_head(parts, tls);
    let Some(authority) = &head.authority else { return Err(ProtocolError::MESSAGING_RULE_H2) };
    if !host || !is_authority(authority) || lengths > 1 {
        return Err(ProtocolError::INVALID_HEADER_FIELD_H2);
    }
    let asterisk = &head.method[..] == b"OPTIONS" && &head.path[..] == b"*";
    if head.path.first().is_some_and(|first| *first != b'/') && !asterisk {
        return Err(ProtocolError::MESSAGING_RULE_H2);
    }
    // RFC 9113 §8.2.2: nothing else may stand there.
    if head.headers.get("te").is_some_and(|te| &te[..] != b"trailers") {
        return Err(ProtocolError::INVALID_HEADER_FIELD_H2);
    }
    Ok((head, body))
}

fn spawn_stream(
    worker: &Arc<Worker>,
    http: &Arc<HttpContext>,
    connection: &Arc<Connection>,
    active: Arc<()>,
    head: RequestHead,
    body: RecvStream,
    respond: SendResponse<Bytes>,
) {
    let (worker, http, connection) = (Arc::clone(worker), Arc::clone(http), Arc::clone(connection));
    let runtime = worker.shared.store.load();
    tokio::spawn(async move {
        let _active = active;
        let mut stream = ServerStream::new(body, respond, head.is_head());
        let length = stream.body_length(&head);
        let arrived = Arrived { head, length, runtime, close: false };
        exchange::handle(&worker, &http, &connection, arrived, &mut stream, &mut Alarm::default()).await;
        // Whatever comes of it, the stream ends.
        let _ = tokio::time::timeout(LINGER, poll_fn(|cx| stream.poll_discard(cx))).await;
    });
}
