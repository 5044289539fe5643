//! Getting a request onto a connection: one that waits in the pool, one that another request gives back, or a new one.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::circuit_breaker::{ConnectionGuard, Overflows, PendingGuard};
use super::connect::{ConnectFailure, Wanted, open, server_name};
use super::ends::Ends;
use super::host::Host;
use super::pool::{Asked, H2Connection, H2Grant, Life, Limits, Pool, PoolKey, Reusable, Slot, StreamSlot};
use super::state::ClusterState;
use super::stream::UpstreamStream;
use super::waiting::{Grant, Ticket};
use crate::http1::client::ClientConnection;
use crate::http2;
use crate::net::Dialer;
use crate::outcome::ResetReason;
use crate::tls::client::Inner;

/// Connections that turn out to take no more streams (GOAWAY) are left so often for another one.
const MAX_STREAM_ATTEMPTS: u32 = 4;

/// A connection that a request has to itself (HTTP/1) or shares (HTTP/2). Dropped before the answer is complete, an
/// HTTP/1 connection is closed, and an HTTP/2 stream reset.
pub struct Lease {
    /// To speak on.
    pub stream: UpstreamStream,
    /// What is known of the connection.
    pub ends: Ends,
    // Behind the stream, so that it ends before its place is free.
    carrier: Carrier,
}

enum Carrier {
    H1 { key: PoolKey, limits: Limits, host: Arc<Host>, life: Life },
    H2 { _stream: StreamSlot },
}

/// Takes a connection out of the pool or opens one. Where neither may be done at once the request waits, as long as
/// not too many do.
pub async fn lease(pool: &Arc<Pool>, dialer: &Arc<dyn Dialer>, wanted: &Wanted<'_>) -> Result<Lease, ConnectFailure> {
    let spec = &wanted.cluster.spec;
    let request = Request {
        pool,
        dialer,
        wanted,
        key: PoolKey {
            policy: wanted.cluster.pool_id,
            host: wanted.host.state.id,
            server_name: server_name(wanted.cluster, wanted.authority),
            source: spec.proxy_protocol.map(|_| wanted.addresses.0),
            http2: wanted.http2,
        },
        limits: Limits {
            idle: spec.pool.idle_timeout,
            max_age: spec.pool.max_connection_duration,
            max_requests: spec.pool.max_requests_per_connection,
            max_streams: spec.pool.max_concurrent_streams.unwrap_or(MAX_STREAMS).clamp(1, MAX_STREAMS),
            limited: spec.circuit_breakers.max_connections.is_some(),
        },
    };
    if wanted.http2 { request.lease_h2().await } else { request.lease_h1().await }
}

/// Streams at once on a connection, if the configuration does not say: as many as the backend allows.
const MAX_STREAMS: u32 = 1 << 30;

struct Request<'a> {
    pool: &'a Arc<Pool>,
    dialer: &'a Arc<dyn Dialer>,
    wanted: &'a Wanted<'a>,
    key: PoolKey,
    limits: Limits,
}

impl Request<'_> {
    fn state(&self) -> &Arc<ClusterState> {
        &self.wanted.cluster.state
    }

    fn pend(&self) -> Result<PendingGuard, ConnectFailure> {
        PendingGuard::try_new(self.state(), &self.wanted.cluster.spec.circuit_breakers)
            .ok_or_else(ConnectFailure::overflow)
    }

    /// The permit to open a connection, or a place in the line of those who wait for one.
    fn permit(&self) -> Result<ConnectionGuard, Ticket> {
        let (state, host) = (self.state(), &self.wanted.host.state);
        let limit = self.wanted.cluster.spec.circuit_breakers.max_connections;
        if let Some(guard) = ConnectionGuard::try_for_requests(state, host, limit) {
            return Ok(guard);
        }
        Overflows::count(&state.breakers.overflows.connections);
        let ticket = state.waiting.enter(state, host, limit, self.pool.place(&self.key));
        // What has become free since is not missed; what idles is closed in favour of those who wait.
        self.pool.close_idle(state);
        state.waiting.grant_permits(state, host.id);
        Err(ticket)
    }

    async fn lease_h1(self) -> Result<Lease, ConnectFailure> {
        if let Some(kept) = self.pool.take(&self.key, &self.limits, Instant::now()) {
            return Ok(self.lease_of(kept));
        }
        let _pending = self.pend()?;
        let guard = match self.permit() {
            Ok(guard) => guard,
            Err(mut ticket) => match ticket.wait().await {
                Some(Grant::Permit(guard)) => guard,
                Some(Grant::Connection(kept)) => return Ok(self.lease_of(*kept)),
                None => return Err(ConnectFailure::overflow()),
            },
        };
        let (io, ends) = open(self.dialer.as_ref(), self.wanted, self.key.server_name.as_deref(), Inner::Http1).await?;
        let life = Life::new(Instant::now(), ends, guard);
        let connection = Box::new(ClientConnection::new(io));
        let host = Arc::clone(self.wanted.host);
        Ok(self.lease_of(Reusable { connection, host, life }))
    }

    fn lease_of(self, kept: Reusable) -> Lease {
        let Reusable { connection, host, mut life } = kept;
        life.requests += 1;
        Lease {
            stream: UpstreamStream::H1(connection),
            ends: life.ends.clone(),
            carrier: Carrier::H1 { key: self.key, limits: self.limits, host, life },
        }
    }

    async fn lease_h2(self) -> Result<Lease, ConnectFailure> {
        let slot = self.pool.slot(&self.key);
        for _ in 0..MAX_STREAM_ATTEMPTS {
            let mut stream = self.stream_slot(&slot).await?;
            let connection = Arc::clone(&stream.connection);
            stream.set_opened();
            let refusal = match connection.connection.spawn_stream().await {
                Ok(Some(session)) => {
                    return Ok(Lease {
                        stream: UpstreamStream::H2(Box::new(http2::client::H2Stream::new(session))),
                        ends: connection.ends.clone(),
                        carrier: Carrier::H2 { _stream: stream },
                    });
                }
                Ok(None) => ResetReason::ConnectionTermination,
                Err(error) => http2::client::reason_of_no_stream(&error),
            };
            stream.drain();
            if refusal == ResetReason::ProtocolError {
                // What speaks no HTTP/2 does not do so on another connection either.
                return Err(ConnectFailure { reason: refusal, transport: String::new() });
            }
        }
        Err(ConnectFailure::terminated())
    }

    /// A stream on a connection that is there, or will be.
    async fn stream_slot(&self, slot: &Arc<Slot>) -> Result<StreamSlot, ConnectFailure> {
        let mut pending = None;
        loop {
            let asked = slot.ask(Instant::now(), || {
                if pending.is_none() {
                    pending = Some(self.pend()?);
                }
                Ok(())
            })?;
            let (mut place, more) = match asked {
                Asked::Stream(stream) => return Ok(stream),
                Asked::Wait(place, more) => (place, more),
            };
            let ticket = match more.then(|| self.permit()) {
                None => None,
                Some(Ok(guard)) => {
                    self.connect_h2(slot, guard);
                    None
                }
                Some(Err(ticket)) => Some(ticket),
            };
            let grant = match ticket {
                None => place.wait().await,
                Some(mut ticket) => tokio::select! {
                    biased;
                    grant = place.wait() => grant,
                    permit = ticket.wait() => {
                        if let Some(Grant::Permit(guard)) = permit {
                            self.connect_h2(slot, guard);
                        }
                        drop(ticket);
                        place.wait().await
                    }
                },
            };
            match grant {
                H2Grant::Stream(stream) => return Ok(stream),
                H2Grant::Failed(failure) => return Err(failure),
                H2Grant::Look => {}
            }
        }
    }

    /// Opens a connection for everyone in line, whatever becomes of this request.
    fn connect_h2(&self, slot: &Arc<Slot>, guard: ConnectionGuard) {
        let opening = slot.opening(self.limits.max_requests.unwrap_or(MAX_STREAMS).min(self.limits.max_streams));
        let connecting = Connecting {
            dialer: Arc::clone(self.dialer),
            cluster: Arc::clone(self.wanted.cluster),
            host: Arc::clone(self.wanted.host),
            server_name: self.key.server_name.clone(),
            addresses: self.wanted.addresses,
            limits: self.limits,
        };
        tokio::spawn(async move { opening.end(connecting.run(guard).await) });
    }
}

/// An HTTP/2 connection in the making.
struct Connecting {
    dialer: Arc<dyn Dialer>,
    cluster: Arc<super::Cluster>,
    host: Arc<Host>,
    server_name: Option<Arc<str>>,
    addresses: (SocketAddr, SocketAddr),
    limits: Limits,
}

impl Connecting {
    async fn run(self, guard: ConnectionGuard) -> Result<H2Connection, ConnectFailure> {
        let wanted =
            Wanted { cluster: &self.cluster, host: &self.host, http2: true, authority: "", addresses: self.addresses };
        let (io, ends) = open(self.dialer.as_ref(), &wanted, self.server_name.as_deref(), Inner::Http2).await?;
        let options = http2::client::ClientOptions {
            max_streams: self.limits.max_streams as usize,
            keepalive: self.cluster.spec.pool.http2_keepalive.clone(),
            ..http2::client::ClientOptions::default()
        };
        let connection = http2::client::connect(io, &options, guard)
            .await
            .map_err(|reason| ConnectFailure { reason, transport: String::new() })?;
        let now = Instant::now();
        Ok(H2Connection::new(connection, ends, &self.host, &self.cluster.state, self.limits, now))
    }
}

impl Lease {
    /// Gives the connection back; it is kept if it can carry another request.
    pub fn release(self, pool: &Pool) {
        let Lease { stream, carrier, .. } = self;
        if let (UpstreamStream::H1(connection), Carrier::H1 { key, limits, host, life }) = (stream, carrier)
            && connection.is_reusable()
        {
            pool.put(key, Reusable { connection, host, life }, &limits, Instant::now());
        }
    }
}
