//! CONNECT at a forward proxy: a tunnel to a destination of the registry.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use config_schema::snapshot::{Forward, LEARNED_EGRESS};
use tokio::io::AsyncWrite;
use tokio_util::io::poll_read_buf;

use super::body::Piece;
use super::downstream::{Downstream, Gone};
use super::exchange::Exchange;
use super::forward::now;
use super::forward_proxy::{Denied, ForwardPolicy};
use super::timeouts::Timeouts;
use super::timers::Deadline;
use crate::dns::client_host;
use crate::listen::sniff::{Sniffed, client_hello};
use crate::message::{BodyLength, ResponseHead};
use crate::outcome::{Outcome, ResetReason};
use crate::upstream::connect::{ConnectFailure, Wanted, open_bytes};
use crate::upstream::pool::Life;
use crate::upstream::{ActiveGuard, Cluster, Host, Observed, UpstreamIo};

/// Read ahead of a slow client by so much.
const BUFFER: usize = 64 * 1024;

/// How a tunnel ended.
enum Ended {
    /// The endpoint has closed it.
    Complete,
    /// The endpoint's connection broke.
    Broken,
    /// The client is gone.
    Gone(Gone),
    /// Nothing came for too long.
    Idle,
    /// What the client sends is for somebody else.
    Denied(Denied),
}

impl<D: Downstream> Exchange<'_, D> {
    /// Serves a CONNECT.
    pub(super) async fn serve_connect(&mut self, policy: &ForwardPolicy) -> Outcome {
        let (cluster, name) = match policy.connect(self.request.authority_str()) {
            Ok((destination, name)) => (Arc::clone(&destination.cluster), name),
            Err(denied) => match self.learned_destination(denied) {
                Some(learned) => learned,
                None => return self.deny(denied).await,
            },
        };
        self.record.upstream_cluster = Arc::clone(&cluster);
        let Some(cluster) = self.runtime.clusters.get(&*cluster).cloned() else {
            return self.reply(Outcome::ClusterNotFound, |_| {}).await;
        };
        let forward = Forward::default();
        let timeouts = Timeouts::new(&self.request, &forward);
        let mut forwarding = self.plan(&cluster, &forward, timeouts);
        let host = match self.choose(&mut forwarding).await {
            Ok(host) => host,
            Err(outcome) => return outcome,
        };
        self.record.attempts = 1;
        self.record.upstream = Some(Arc::clone(&host));
        let _active = ActiveGuard::new(&host.state);
        let worker = Arc::clone(self.worker);
        let connection = Arc::clone(&self.record.connection);
        let connecting = connect(&worker, &cluster, &host, &name, (connection.peer, connection.local));
        let (io, life) = match Box::pin(self.meanwhile(&mut forwarding, connecting)).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(failure)) => {
                if failure.reason != ResetReason::Overflow {
                    cluster.observe(&host, Observed::from_reset(&failure.reason), now);
                }
                self.record.upstream_transport_failure = failure.transport;
                let outcome = Outcome::UpstreamReset { reason: failure.reason, retried: false };
                return self.reply(outcome, |_| {}).await;
            }
            Err(outcome) => return outcome,
        };
        cluster.observe(&host, Observed::Opened, now);
        self.record.upstream_ends = life.ends.clone();
        self.answer_connect();
        let tunnel = Tunnel::new(io, ServerNameCheck::new(name));
        let ended = self.run_tunnel(tunnel, cluster.spec.pool.tcp_idle_timeout).await;
        drop(life);
        self.end_tunnel(ended)
    }

    /// Refuses a destination.
    pub(super) async fn deny(&mut self, denied: Denied) -> Outcome {
        self.reply(Outcome::Forbidden(denied.details()), |_| {}).await
    }

    /// Where a tunnel to an unknown host goes while those are learned, and the name that it is for.
    fn learned_destination(&self, denied: Denied) -> Option<(Arc<str>, String)> {
        let asked = client_host::parse(self.request.authority_str()).ok()?;
        let learning = denied.is_unknown() && self.http.learning.is_some();
        learning.then(|| (Arc::from(LEARNED_EGRESS), asked.name))
    }

    /// The tunnel stands.
    fn answer_connect(&mut self) {
        let mut head = ResponseHead::new(200);
        self.record.response_code = 200;
        self.record.response_duration = Some(self.started.elapsed());
        self.record.details = Outcome::ViaUpstream.details();
        self.finish_response_head(&mut head);
        // Behind the tunnel the connection ends, but the head does not say so: its end is the tunnel's.
        self.close = true;
        self.response = Some(head.headers.clone());
        self.down.start_response(head, BodyLength::UntilClose, true);
    }

    async fn run_tunnel(&mut self, mut tunnel: Tunnel, idle_after: Option<Duration>) -> Ended {
        let mut idle = Deadline::default();
        idle.set_after(idle_after);
        let mut seen = (0, 0);
        poll_fn(|cx| {
            let ended = self.poll_tunnel(&mut tunnel, cx);
            if ended.is_ready() {
                return ended;
            }
            let moved = (self.body.received, self.record.bytes_sent);
            if moved != seen {
                seen = moved;
                idle.set_after(idle_after);
            }
            idle.poll(cx).map(|()| Ended::Idle)
        })
        .await
    }

    fn poll_tunnel(&mut self, tunnel: &mut Tunnel, cx: &mut Context<'_>) -> Poll<Ended> {
        if let Some(ended) = self.poll_upwards(tunnel, cx) {
            return Poll::Ready(ended);
        }
        while !tunnel.answered {
            match self.down.poll_ready(cx) {
                Poll::Pending => break,
                Poll::Ready(Err(gone)) => return Poll::Ready(Ended::Gone(gone)),
                Poll::Ready(Ok(())) => {}
            }
            tunnel.incoming.reserve(BUFFER);
            match poll_read_buf(Pin::new(&mut tunnel.io), cx, &mut tunnel.incoming) {
                Poll::Pending => break,
                Poll::Ready(Err(_)) => return Poll::Ready(Ended::Broken),
                Poll::Ready(Ok(0)) => {
                    tunnel.answered = true;
                    self.down.end_response(None);
                }
                Poll::Ready(Ok(n)) => {
                    self.record.bytes_sent += n as u64;
                    self.down.send_data(tunnel.incoming.split().freeze());
                }
            }
        }
        match self.down.poll_flush(cx) {
            Poll::Ready(Err(gone)) => Poll::Ready(Ended::Gone(gone)),
            Poll::Ready(Ok(())) if tunnel.answered => Poll::Ready(Ended::Complete),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// Moves on what the client sends.
    fn poll_upwards(&mut self, tunnel: &mut Tunnel, cx: &mut Context<'_>) -> Option<Ended> {
        loop {
            while !tunnel.outgoing.is_empty() {
                match Pin::new(&mut tunnel.io).poll_write(cx, &tunnel.outgoing) {
                    Poll::Pending => return None,
                    Poll::Ready(Ok(n)) if n > 0 => tunnel.outgoing.advance(n),
                    Poll::Ready(_) => return Some(Ended::Broken),
                }
            }
            if tunnel.asked {
                // The other direction may still have much to say.
                let _ = Pin::new(&mut tunnel.io).poll_shutdown(cx);
                return None;
            }
            match self.body.poll_piece(self.down, &mut self.grpc_web, cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(Piece::Data(data))) => match tunnel.check.pass(data) {
                    Ok(data) => tunnel.outgoing = data,
                    Err(denied) => return Some(Ended::Denied(denied)),
                },
                Poll::Ready(Ok(Piece::End(_)) | Err(Gone::Disconnected)) => {
                    tunnel.outgoing = tunnel.check.rest();
                    tunnel.asked = true;
                }
                Poll::Ready(Err(gone)) => return Some(Ended::Gone(gone)),
            }
        }
        // An error shows with the next write.
        let _ = Pin::new(&mut tunnel.io).poll_flush(cx);
        None
    }

    fn end_tunnel(&mut self, ended: Ended) -> Outcome {
        let outcome = match ended {
            Ended::Complete => return Outcome::ViaUpstream,
            Ended::Broken => Outcome::UpstreamResetAfterStart(ResetReason::ConnectionTermination),
            Ended::Gone(Gone::Reset) => Outcome::DownstreamReset,
            Ended::Gone(Gone::Disconnected) => Outcome::DownstreamDisconnect,
            Ended::Gone(Gone::Malformed(error)) => Outcome::Protocol(error),
            Ended::Gone(Gone::TooSlow) => Outcome::RequestTimeout,
            Ended::Idle => Outcome::StreamIdleTimeout,
            Ended::Denied(denied) => Outcome::Forbidden(denied.details()),
        };
        self.down.abort_response();
        if let Some(flag) = outcome.flag() {
            self.record.flags.raise(flag);
        }
        self.record.details = outcome.details();
        outcome
    }
}

async fn connect(
    worker: &super::Worker,
    cluster: &Arc<Cluster>,
    host: &Arc<Host>,
    name: &str,
    addresses: (std::net::SocketAddr, std::net::SocketAddr),
) -> Result<(UpstreamIo, Life), ConnectFailure> {
    let wanted = Wanted { cluster, host, http2: false, authority: name, addresses };
    open_bytes(worker.shared.dialer.as_ref(), &wanted).await
}

/// Both directions of a tunnel.
struct Tunnel {
    io: UpstreamIo,
    check: ServerNameCheck,
    outgoing: Bytes,
    incoming: BytesMut,
    /// The client has said everything.
    asked: bool,
    /// The endpoint has said everything.
    answered: bool,
}

impl Tunnel {
    fn new(io: UpstreamIo, check: ServerNameCheck) -> Self {
        Tunnel { io, check, outgoing: Bytes::new(), incoming: BytesMut::new(), asked: false, answered: false }
    }
}

/// Holds what a client sends until it is known whether it is TLS, and for whom: a tunnel to one host that carries TLS
/// for another (domain fronting) is closed before the endpoint has seen a byte of it.
#[derive(Debug)]
struct ServerNameCheck {
    name: String,
    held: BytesMut,
    decided: bool,
}

impl ServerNameCheck {
    fn new(name: String) -> Self {
        ServerNameCheck { name, held: BytesMut::new(), decided: false }
    }

    /// What may be sent on now.
    fn pass(&mut self, data: Bytes) -> Result<Bytes, Denied> {
        if self.decided {
            return Ok(data);
        }
        self.held.extend_from_slice(&data);
        match client_hello(&self.held) {
            Sniffed::NeedMore => return Ok(Bytes::new()),
            Sniffed::BrokenTls => return Err(Denied::BrokenTls),
            Sniffed::Tls(hello) => {
                let fits = |asked: &str| asked.strip_suffix('.').unwrap_or(asked).eq_ignore_ascii_case(&self.name);
                if !hello.server_name.as_deref().is_none_or(fits) {
                    return Err(Denied::ServerName);
                }
            }
            Sniffed::Raw => {}
        }
        self.decided = true;
        Ok(self.rest())
    }

    /// What is held, at the end.
    fn rest(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
