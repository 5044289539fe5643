//! HTTP/1 connections with clients: one request after the other.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use config_schema::snapshot::HttpOptions;
use tokio::time::{Instant, timeout};

use super::HttpContext;
use super::exchange::{self, Arrived};
use super::finish;
use super::record::Connection;
use super::timers::Alarm;
use super::worker::Worker;
use crate::http1::request::HeadLimits;
use crate::http1::server::{Next, ServerConnection};
use crate::http1::write::NameCase;
use crate::listen::drain::DrainSignal;
use crate::message::Version;
use crate::outcome::Outcome;
use crate::tls::accept::DownstreamIo;

/// After so long without a request a connection gives its buffers back.
const RELEASE_AFTER: Duration = Duration::from_secs(1);
/// How long to wait for a client to read its last answer and close. Envoy: 1 s.
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
    let runtime = worker.shared.store.load();
    let options = &runtime.settings.http;
    let limits = HeadLimits {
        max_headers: options.max_headers,
        max_bytes: options.max_header_bytes,
        underscores: options.underscores,
    };
    let client = ServerConnection::new(io, read_ahead, limits, connection.tls.is_some(), NameCase::Lower);
    let mut client = client.leave_on(drain.token());
    let born = Instant::now();
    let mut waiting = Waiting::new(options);
    let mut alarm = Alarm::default();
    drop(runtime);
    loop {
        match poll_fn(|cx| waiting.poll(&mut client, &mut drain, &mut alarm, cx)).await {
            Waited::Request(parsed) => {
                let runtime = worker.shared.store.load();
                let too_old = runtime.settings.http.max_connection_duration.is_some_and(|max| born.elapsed() >= max);
                let close = parsed.close || drain.is_draining() || too_old;
                let arrived = Arrived { head: parsed.head, length: parsed.body, runtime: Arc::clone(&runtime), close };
                let handling = exchange::handle(&worker, &http, &connection, arrived, &mut client, &mut alarm);
                let done = Box::pin(handling).await;
                waiting.restart(&runtime.settings.http, done);
            }
            Waited::Refused(error) => {
                let runtime = worker.shared.store.load();
                Box::pin(exchange::refuse(&worker, &http, &connection, runtime, error, &mut client)).await;
                break;
            }
            Waited::Partial => {
                finish::unanswered(&worker, &connection, Version::Http11, &Outcome::DownstreamDisconnect);
                return;
            }
            Waited::Over => break,
        }
        if !client.may_continue() {
            break;
        }
    }
    close(client).await;
}

/// Closes a connection so that the client gets its last answer: our direction first, then what it still sends is read.
async fn close(mut client: ServerConnection<DownstreamIo>) {
    if client.was_aborted() {
        return;
    }
    let _ = timeout(LINGER, async {
        if poll_fn(|cx| client.poll_shutdown(cx)).await.is_ok() {
            poll_fn(|cx| client.poll_discard(cx)).await;
        }
    })
    .await;
}

/// What came where a request was awaited.
enum Waited {
    Request(Box<crate::http1::request::ParsedRequest>),
    Refused(crate::outcome::ProtocolError),
    /// The client went away inside a head.
    Partial,
    /// The connection is over.
    Over,
}

/// Waiting for a request, with its deadlines.
struct Waiting {
    idle: Option<Duration>,
    head: Option<Duration>,
    since: Instant,
    head_begun: Option<Instant>,
    released: bool,
}

impl Waiting {
    fn new(options: &HttpOptions) -> Self {
        Waiting {
            idle: options.idle_timeout,
            head: options.request_headers_timeout,
            since: Instant::now(),
            head_begun: None,
            released: false,
        }
    }

    /// A request was answered at `now`; the next one is awaited.
    fn restart(&mut self, options: &HttpOptions, now: Instant) {
        self.idle = options.idle_timeout;
        self.head = options.request_headers_timeout;
        self.since = now;
        self.head_begun = None;
        self.released = false;
    }

    fn poll(
        &mut self,
        client: &mut ServerConnection<DownstreamIo>,
        drain: &mut DrainSignal,
        alarm: &mut Alarm,
        cx: &mut Context<'_>,
    ) -> Poll<Waited> {
        match client.poll_next(cx) {
            Poll::Ready(Next::Request(parsed)) => return Poll::Ready(Waited::Request(parsed)),
            Poll::Ready(Next::Refused(error)) => return Poll::Ready(Waited::Refused(error)),
            Poll::Ready(Next::Closed { partial: true }) => return Poll::Ready(Waited::Partial),
            Poll::Ready(Next::Closed { partial: false }) => return Poll::Ready(Waited::Over),
            Poll::Pending => {}
        }
        if !client.is_inside_head() && drain.poll_draining(cx).is_ready() {
            return Poll::Ready(Waited::Over);
        }
        loop {
            let deadline = self.deadline(client);
            ready!(alarm.poll(deadline, cx));
            if client.is_inside_head() || self.released {
                return Poll::Ready(Waited::Over);
            }
            client.release_memory();
            self.released = true;
        }
    }

    /// The next thing that time brings: giving memory back, then closing; or, inside a head, its deadline.
    fn deadline(&mut self, client: &ServerConnection<DownstreamIo>) -> Option<Instant> {
        if client.is_inside_head() {
            let begun = *self.head_begun.get_or_insert_with(Instant::now);
            return self.head.map(|head| begun + head);
        }
        let idle = self.idle.map(|idle| self.since + idle);
        if self.released {
            return idle;
        }
        let release = self.since + RELEASE_AFTER;
        Some(idle.map_or(release, |idle| idle.min(release)))
    }
}
