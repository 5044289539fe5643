//! Getting a request onto a connection: one that waits in the pool, or a new one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use config_schema::snapshot::ProxyProtocolVersion;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use super::cluster::Cluster;
use super::host::Host;
use super::pool::{ConnectionGuard, H2Connection, Life, Limits, Pool, PoolKey};
use super::stream::{UpstreamIo, UpstreamStream};
use crate::http1::client::ClientConnection;
use crate::http2;
use crate::net::{Conn, DialError, DialOptions, Dialer};
use crate::outcome::ResetReason;
use crate::tls::client::Inner;

/// What a connection is asked for.
pub struct Wanted<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The endpoint.
    pub host: &'a Arc<Host>,
    /// Speak HTTP/2.
    pub http2: bool,
    /// The request's host after rewrites, for SNI.
    pub authority: &'a str,
    /// Client and our address, for a PROXY protocol header.
    pub addresses: (SocketAddr, SocketAddr),
}

/// A connection that a request has to itself (HTTP/1) or shares (HTTP/2).
pub struct Lease {
    /// To speak on.
    pub stream: UpstreamStream,
    /// Our end of the connection.
    pub local: Option<SocketAddr>,
    key: PoolKey,
    limits: Limits,
    host: Arc<Host>,
    life: Option<Life>,
}

/// Why there is no connection.
#[derive(Debug)]
pub struct ConnectFailure {
    /// As the outcome tells it.
    pub reason: ResetReason,
    /// TLS went wrong: `%UPSTREAM_TRANSPORT_FAILURE_REASON%`.
    pub transport: String,
}

impl ConnectFailure {
    pub(crate) fn new(text: impl std::fmt::Display) -> Self {
        ConnectFailure { reason: ResetReason::ConnectionFailure(text.to_string()), transport: text.to_string() }
    }

    fn overflow() -> Self {
        ConnectFailure { reason: ResetReason::Overflow, transport: String::new() }
    }
}

/// Takes a connection out of the pool or opens one.
pub async fn lease(pool: &Pool, dialer: &dyn Dialer, wanted: &Wanted<'_>) -> Result<Lease, ConnectFailure> {
    let spec = &wanted.cluster.spec;
    let server_name = server_name(wanted);
    let key = PoolKey {
        policy: wanted.cluster.pool_id,
        host: wanted.host.state.id,
        server_name: server_name.clone(),
        source: spec.proxy_protocol.map(|_| wanted.addresses.0),
        http2: wanted.http2,
    };
    let limits = Limits {
        idle: spec.pool.idle_timeout,
        max_age: spec.pool.max_connection_duration,
        max_requests: spec.pool.max_requests_per_connection,
    };
    if wanted.http2 {
        return lease_h2(pool, dialer, wanted, key, limits).await;
    }
    let now = Instant::now();
    let (connection, mut life) = match pool.take_h1(&key, &limits, now) {
        Some(found) => found,
        None => {
            let (io, life) = open(dialer, wanted, server_name.as_deref(), Inner::Http1).await?;
            (Box::new(ClientConnection::new(io)), life)
        }
    };
    life.requests += 1;
    Ok(Lease {
        stream: UpstreamStream::H1(connection),
        local: life.local,
        key,
        limits,
        host: Arc::clone(wanted.host),
        life: Some(life),
    })
}

async fn lease_h2(
    pool: &Pool,
    dialer: &dyn Dialer,
    wanted: &Wanted<'_>,
    key: PoolKey,
    limits: Limits,
) -> Result<Lease, ConnectFailure> {
    let spec = &wanted.cluster.spec;
    let max_streams = spec.pool.max_concurrent_streams.map_or(1 << 30, |n| n as usize).max(1);
    let slot = pool.h2(&key);
    let mut connections = slot.lock().await;
    let now = Instant::now();
    if !connections.iter().any(|entry| entry.is_usable(&limits, now)) {
        let (io, life) = open(dialer, wanted, key.server_name.as_deref(), Inner::Http2).await?;
        let options = http2::client::ClientOptions {
            max_streams,
            keepalive: spec.pool.http2_keepalive.clone(),
            ..http2::client::ClientOptions::default()
        };
        let connection = http2::client::connect(io, &options)
            .await
            .map_err(|reason| ConnectFailure { reason, transport: String::new() })?;
        connections.retain(|entry| !entry.connection.is_closed());
        connections.push(H2Connection {
            connection,
            requests: Arc::new(AtomicU32::new(0)),
            host: Arc::clone(wanted.host),
            life,
            idle: limits.idle,
            expires: None,
        });
    }
    let usable = connections.iter_mut().rev().find(|entry| entry.is_usable(&limits, now));
    let entry = usable.ok_or_else(ConnectFailure::overflow)?;
    entry.requests.fetch_add(1, Ordering::Relaxed);
    entry.expires = None;
    let session = match entry.connection.spawn_stream().await {
        Ok(Some(session)) => session,
        Ok(None) => return Err(ConnectFailure::overflow()),
        Err(_) => return Err(ConnectFailure { reason: ResetReason::ConnectionTermination, transport: String::new() }),
    };
    let local = entry.life.local;
    drop(connections);
    Ok(Lease {
        stream: UpstreamStream::H2(Box::new(http2::client::H2Stream::new(session))),
        local,
        key,
        limits,
        host: Arc::clone(wanted.host),
        life: None,
    })
}

impl Lease {
    /// Gives the connection back; it is kept if it can carry another request.
    pub fn release(self, pool: &Pool) {
        if let (UpstreamStream::H1(connection), Some(life)) = (self.stream, self.life)
            && connection.is_reusable()
            && self.host.state.is_member()
        {
            pool.put_h1(self.key, self.host, connection, life, &self.limits, Instant::now());
        }
    }
}

fn server_name(wanted: &Wanted<'_>) -> Option<Arc<str>> {
    match &wanted.cluster.tls {
        Some(Ok(tls)) => tls.server_name(wanted.authority).map(Into::into),
        Some(Err(_)) | None => None,
    }
}

/// Opens a connection, with TLS if the cluster asks for it, within the connect timeout.
pub async fn open(
    dialer: &dyn Dialer,
    wanted: &Wanted<'_>,
    server_name: Option<&str>,
    inner: Inner,
) -> Result<(UpstreamIo, Life), ConnectFailure> {
    let spec = &wanted.cluster.spec;
    let guard = ConnectionGuard::try_new(&wanted.cluster.state, spec.circuit_breakers.max_connections)
        .ok_or_else(ConnectFailure::overflow)?;
    let deadline = Instant::now() + spec.pool.connect_timeout;
    let options = DialOptions { keepalive: spec.pool.tcp_keepalive.clone() };
    let dialed = timeout_at(deadline, super::address::dial(dialer, wanted.cluster, wanted.host, &options)).await;
    let (mut conn, local) = match dialed {
        Ok(Ok(dialed)) => dialed,
        Ok(Err(error)) => return Err(ConnectFailure::new(DialError::Io(error))),
        Err(_) => return Err(ConnectFailure::new(DialError::Timeout)),
    };
    if let Some(version) = spec.proxy_protocol {
        send_proxy_header(&mut conn, version, wanted.addresses).await.map_err(ConnectFailure::new)?;
    }
    let io = match wanted.cluster.tls.as_ref().filter(|_| wanted.cluster.uses_tls(wanted.host)) {
        None => UpstreamIo::Plain(conn),
        Some(_) if !wanted.cluster.uses_tls(wanted.host) => UpstreamIo::Plain(conn),
        Some(Err(reason)) => return Err(ConnectFailure::new(format!("TLS_error: {reason}"))),
        Some(Ok(tls)) => match timeout_at(deadline, tls.connect(conn, server_name, inner)).await {
            Ok(Ok(stream)) => UpstreamIo::Tls(Box::new(stream)),
            Ok(Err(error)) => return Err(ConnectFailure::new(format!("TLS_error: {error}"))),
            Err(_) => return Err(ConnectFailure::new(DialError::Timeout)),
        },
    };
    Ok((io, Life::new(Instant::now(), local, guard)))
}

async fn send_proxy_header(
    conn: &mut Conn,
    version: ProxyProtocolVersion,
    (source, destination): (SocketAddr, SocketAddr),
) -> io::Result<()> {
    let header = crate::listen::proxy_protocol::encode(version, source, destination)?;
    conn.write_all(&header).await
}
