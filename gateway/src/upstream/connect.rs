//! Opening connections to endpoints.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use config_schema::snapshot::ProxyProtocolVersion;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use super::circuit_breaker::{ConnectionGuard, Overflows, PendingGuard};
use super::cluster::Cluster;
use super::ends::{Ends, Opening};
use super::host::Host;
use super::pool::Life;
use super::stream::UpstreamIo;
use crate::net::{Conn, DialError, DialOptions, Dialer};
use crate::outcome::ResetReason;
use crate::tls::client::Inner;

/// What a connection is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The cluster.
    pub cluster: &'a Arc<Cluster>,
    /// The endpoint.
    pub host: &'a Arc<Host>,
    /// Speak HTTP/2.
    pub http2: bool,
    /// The request's host after rewrites, for SNI.
    pub authority: &'a str,
    /// Client and our address, for a PROXY protocol header.
    pub addresses: (SocketAddr, SocketAddr),
}

/// Why there is no connection.
#[derive(Debug, Clone)]
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

    fn timeout() -> Self {
        ConnectFailure { reason: ResetReason::ConnectionTimeout, transport: DialError::Timeout.to_string() }
    }

    /// A limit of the cluster is reached.
    pub fn overflow() -> Self {
        ConnectFailure { reason: ResetReason::Overflow, transport: String::new() }
    }

    /// The attempt was given up on our side.
    pub(super) fn abandoned() -> Self {
        ConnectFailure::new("abandoned")
    }

    /// The connection ended as soon as it was used.
    pub(super) fn terminated() -> Self {
        ConnectFailure { reason: ResetReason::ConnectionTermination, transport: String::new() }
    }
}

/// SNI for a request, where TLS is spoken and the configuration can be used.
pub(super) fn server_name(cluster: &Cluster, authority: &str) -> Option<Arc<str>> {
    match &cluster.tls {
        Some(Ok(tls)) => tls.server_name(authority).map(Into::into),
        Some(Err(_)) | None => None,
    }
}

/// Opens a connection for bytes. Unlike requests, nobody waits here for others to close theirs: at the limit of
/// connections the client is sent away.
pub async fn open_bytes(dialer: &dyn Dialer, wanted: &Wanted<'_>) -> Result<(UpstreamIo, Life), ConnectFailure> {
    let cluster = wanted.cluster;
    let limits = &cluster.spec.circuit_breakers;
    let Some(guard) = ConnectionGuard::try_new(&cluster.state, &wanted.host.state, limits.max_connections) else {
        Overflows::count(&cluster.state.breakers.overflows.connections);
        return Err(ConnectFailure::overflow());
    };
    let _pending = PendingGuard::try_new(&cluster.state, limits).ok_or_else(ConnectFailure::overflow)?;
    let server_name = server_name(cluster, wanted.authority);
    let (io, ends) = open(dialer, wanted, server_name.as_deref(), Inner::Bytes).await?;
    Ok((io, Life::new(Instant::now(), ends, guard)))
}

/// Opens a connection, with TLS if the cluster asks for it, within the connect timeout. It is not counted.
pub(super) async fn open(
    dialer: &dyn Dialer,
    wanted: &Wanted<'_>,
    server_name: Option<&str>,
    inner: Inner,
) -> Result<(UpstreamIo, Ends), ConnectFailure> {
    let spec = &wanted.cluster.spec;
    let begun = Instant::now();
    let deadline = begun + spec.pool.connect_timeout;
    let options = DialOptions { keepalive: spec.pool.tcp_keepalive.clone() };
    let dialed = timeout_at(deadline, super::address::dial(dialer, wanted.cluster, wanted.host, &options)).await;
    let super::address::Dialled { mut conn, local, remote } = match dialed {
        Ok(Ok(dialed)) => dialed,
        Ok(Err(error)) => return Err(ConnectFailure::new(DialError::Io(error))),
        Err(_) => return Err(ConnectFailure::timeout()),
    };
    let connected = Instant::now();
    if let Some(version) = spec.proxy_protocol {
        send_proxy_header(&mut conn, version, wanted.addresses).await.map_err(ConnectFailure::new)?;
    }
    let mut tls_known = None;
    let io = match wanted.cluster.tls.as_ref().filter(|_| wanted.cluster.uses_tls(wanted.host)) {
        None => UpstreamIo::Plain(conn),
        Some(Err(reason)) => return Err(ConnectFailure::new(format!("TLS_error: {reason}"))),
        Some(Ok(tls)) => match timeout_at(deadline, tls.connect(conn, server_name, inner)).await {
            Ok(Ok((stream, known))) => {
                tls_known = Some(Arc::new(known));
                UpstreamIo::Tls(Box::new(stream))
            }
            Ok(Err(error)) => return Err(ConnectFailure::new(format!("TLS_error: {error}"))),
            Err(_) => return Err(ConnectFailure::timeout()),
        },
    };
    let secured = tls_known.is_some().then(Instant::now);
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let opening = Some(Arc::new(Opening { id, remote, begun, connected, secured }));
    Ok((io, Ends { local, tls: tls_known, opening }))
}

/// Numbers connections.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

async fn send_proxy_header(
    conn: &mut Conn,
    version: ProxyProtocolVersion,
    (source, destination): (SocketAddr, SocketAddr),
) -> io::Result<()> {
    let header = crate::listen::proxy_protocol::encode(version, source, destination)?;
    conn.write_all(&header).await
}
