//! A connection from accept to the protocol that serves it.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use config_schema::snapshot::Bind;
use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

use super::chain::{Chain, CompiledListener, Filter, Group};
use super::drain::DrainSignal;
use super::original_dst::OriginalDestination;
use super::proxy_protocol::{self, Parsed};
use super::refused::{Refused, report_refused};
use super::sniff::{self, Beginning, ClientHello, Sniffed};
use crate::l4;
use crate::net::{Conn, Rewind};
use crate::proxy::record::{Connection, TlsInfo};
use crate::proxy::{self, HttpContext, Worker};
use crate::tls::accept::{DownstreamIo, handshake, refuse};

/// Longer than any connection lives.
const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// A connection that was accepted.
pub struct Accepted {
    /// The stream.
    pub conn: Conn,
    /// The other end.
    pub peer: SocketAddr,
    /// Our end, or where a redirected client was going.
    pub local: SocketAddr,
    /// Our end in any case.
    pub own: SocketAddr,
    /// The listener as it was then.
    pub listener: Arc<CompiledListener>,
    /// Asks the connection to end.
    pub drain: DrainSignal,
    /// Counts it among the open ones.
    pub open: OpenConnection,
}

/// Counts a connection while it lives.
#[derive(Debug)]
pub struct OpenConnection {
    gauge: IntGauge,
    counts: Vec<Arc<std::sync::atomic::AtomicUsize>>,
}

impl OpenConnection {
    /// Counts in a metric and in the counters of limits.
    pub fn new(gauge: IntGauge, counts: Vec<Arc<std::sync::atomic::AtomicUsize>>) -> Self {
        gauge.inc();
        for count in &counts {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        OpenConnection { gauge, counts }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.gauge.dec();
        for count in &self.counts {
            count.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

/// Why a connection was closed before it was served; the words are metric labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rejected {
    ProxyProtocol,
    Detection,
    NoChain,
    Handshake,
    NoUpstream,
    Closed,
}

impl Rejected {
    fn as_str(self) -> &'static str {
        match self {
            Rejected::ProxyProtocol => "proxy_protocol",
            Rejected::Detection => "detection_timeout",
            Rejected::NoChain => "no_filter_chain",
            Rejected::Handshake => "tls_handshake",
            Rejected::NoUpstream => "no_upstream",
            Rejected::Closed => "closed_by_client",
        }
    }
}

/// What is known once TLS is done.
struct Established {
    io: DownstreamIo,
    connection: Arc<Connection>,
    served: Served,
    read_ahead: Bytes,
}

/// Who serves a connection.
enum Served {
    Http1(Arc<HttpContext>),
    Http2(Arc<HttpContext>),
    Tcp(Box<l4::Opened>),
}

/// Serves a connection to its end.
pub async fn serve(worker: Arc<Worker>, accepted: Accepted) {
    let listener = Arc::clone(&accepted.listener);
    let Accepted { conn, peer, local, own, drain, open, .. } = accepted;
    let established = Box::pin(establish(&worker, &listener, conn, (peer, local, own))).await;
    let established = match established {
        Ok(established) => established,
        Err(rejected) => {
            let metrics = &worker.shared.observer.process.rejected;
            metrics.with_label_values(&[&listener.spec.name, rejected.as_str()]).inc();
            return;
        }
    };
    drop(listener);
    let Established { io, connection, served, read_ahead } = established;
    match served {
        Served::Http2(http) => Box::pin(proxy::http2::serve(worker, http, connection, io, read_ahead, drain)).await,
        Served::Http1(http) => Box::pin(proxy::http1::serve(worker, http, connection, io, read_ahead, drain)).await,
        Served::Tcp(opened) => Box::pin(opened.serve(connection, io, read_ahead)).await,
    }
    drop(open);
}

/// What is known of a connection before it is served.
struct Begun {
    id: u64,
    peer: SocketAddr,
    local: SocketAddr,
    own: SocketAddr,
    accepted: Instant,
    server_name: String,
}

impl Begun {
    fn connection(&self, worker: &Worker, listener: &CompiledListener, tls: Option<TlsInfo>) -> Arc<Connection> {
        Arc::new(Connection {
            id: self.id,
            peer: self.peer,
            peer_ip: Bytes::from(self.peer.ip().to_string()),
            local: self.local,
            own: self.own,
            dialled: (listener.spec.bind == Bind::Redirected).then_some(self.local),
            server_name: self.server_name.clone(),
            tls,
            hostname: Arc::clone(&worker.shared.hostname),
            listener: Arc::from(listener.spec.name.as_str()),
            accepted: self.accepted,
        })
    }
}

async fn establish(
    worker: &Arc<Worker>,
    listener: &CompiledListener,
    mut conn: Conn,
    (mut peer, mut local, own): (SocketAddr, SocketAddr, SocketAddr),
) -> Result<Established, Rejected> {
    let accepted = Instant::now();
    let deadline = accepted + listener.spec.detection_timeout.unwrap_or(NO_LIMIT);
    let mut buffer = BytesMut::new();
    let redirected = listener.spec.bind == Bind::Redirected;
    let by_header = redirected && worker.shared.original_dst == OriginalDestination::ProxyProtocol;
    if listener.spec.proxy_protocol || by_header {
        let header = read_proxy_header(&mut conn, &mut buffer, deadline).await?;
        if let Some((source, destination)) = header {
            peer = source;
            local = destination;
        }
    }
    let refuse = |beginning| {
        report_refused(worker, listener, &Refused { peer, local, own, accepted, beginning });
        Rejected::NoChain
    };
    let group = listener.group(local).ok_or_else(|| refuse(&Beginning::Raw))?;
    let beginning = match inspect(&mut conn, &mut buffer, group, deadline).await {
        // Istio's sidecars take it for bytes.
        Err(Rejected::Detection) if redirected => Beginning::Raw,
        inspected => inspected?,
    };
    let found = listener.find(group, &beginning).or_else(|| listener.learn(&beginning));
    let chain = found.ok_or_else(|| refuse(&beginning))?;
    let hello = match beginning {
        Beginning::Tls(hello) => Some(hello),
        Beginning::Http | Beginning::Raw => None,
    };
    let server_name = hello.as_ref().and_then(|hello| hello.server_name.clone()).unwrap_or_default();
    let stream = Rewind::new(buffer.freeze(), conn);
    let begun = Begun { id: worker.shared.next_connection_id(), peer, local, own, accepted, server_name };
    let connection = |tls| begun.connection(worker, listener, tls);
    let handshake = terminate(worker, listener, chain, hello, stream, deadline);
    match &chain.filter {
        Filter::Http(http) => {
            let (mut io, tls) = handshake.await?;
            let (http2, read_ahead) = match tls.as_ref().and_then(|tls| tls.alpn.as_deref()) {
                Some(b"h2") => (true, Bytes::new()),
                _ => detect_http2(&mut io).await?,
            };
            let http = Arc::clone(http);
            let served = if http2 { Served::Http2(http) } else { Served::Http1(http) };
            Ok(Established { io, connection: connection(tls), served, read_ahead })
        }
        Filter::Tcp(tcp) => {
            let opening = l4::open(Arc::clone(worker), Arc::clone(tcp), connection(None));
            let (opened, (io, tls)) = open_beside(opening, handshake).await?;
            let served = Served::Tcp(Box::new(opened));
            Ok(Established { io, connection: connection(tls), served, read_ahead: Bytes::new() })
        }
    }
}

/// Connects to an endpoint while the handshake goes on. Whichever fails ends both.
async fn open_beside<T>(
    opening: impl Future<Output = l4::Opened>,
    handshake: impl Future<Output = Result<T, Rejected>>,
) -> Result<(l4::Opened, T), Rejected> {
    let (mut opening, mut handshake) = (pin!(opening), pin!(handshake));
    let (mut opened, mut shaken) = (None, None);
    loop {
        tokio::select! {
            biased;
            done = &mut opening, if opened.is_none() => opened = Some(done),
            done = &mut handshake, if shaken.is_none() => shaken = Some(done),
        }
        match (opened.take(), shaken.take()) {
            (Some(opened), Some(Ok(shaken))) => return Ok((opened, shaken)),
            (Some(opened), Some(Err(rejected))) => {
                opened.abandon();
                return Err(rejected);
            }
            (Some(failed), None) if !failed.is_connected() => {
                failed.abandon();
                return Err(Rejected::NoUpstream);
            }
            (None, Some(Err(rejected))) => return Err(rejected),
            waiting => (opened, shaken) = waiting,
        }
    }
}

async fn terminate(
    worker: &Worker,
    listener: &CompiledListener,
    chain: &Chain,
    hello: Option<ClientHello>,
    stream: Rewind<Conn>,
    deadline: Instant,
) -> Result<(DownstreamIo, Option<TlsInfo>), Rejected> {
    let Some(tls) = &chain.tls else { return Ok((DownstreamIo::Plain(stream), None)) };
    let Some(hello) = hello else {
        let _ = timeout_at(deadline, refuse(stream)).await;
        return Err(Rejected::Handshake);
    };
    let handshakes = &worker.shared.observer.process.handshakes;
    match timeout_at(deadline, handshake(tls, &hello, stream)).await {
        Ok(Ok((io, info))) => {
            handshakes.with_label_values(&[&listener.spec.name, info.version]).inc();
            Ok((io, Some(info)))
        }
        Ok(Err(error)) => {
            handshakes.with_label_values(&[&listener.spec.name, "failed"]).inc();
            tracing::debug!(listener = %listener.spec.name, chain = %chain.name, %error, "TLS handshake failed");
            Err(Rejected::Handshake)
        }
        Err(_) => Err(Rejected::Detection),
    }
}

/// Reads more into `buffer`; an end or an error of the connection is [`Rejected::Closed`].
async fn read_more(conn: &mut Conn, buffer: &mut BytesMut, deadline: Instant) -> Result<(), Rejected> {
    buffer.reserve(2048);
    match timeout_at(deadline, conn.read_buf(buffer)).await {
        Ok(Ok(n)) if n > 0 => Ok(()),
        Ok(_) => Err(Rejected::Closed),
        Err(_) => Err(Rejected::Detection),
    }
}

async fn read_proxy_header(
    conn: &mut Conn,
    buffer: &mut BytesMut,
    deadline: Instant,
) -> Result<Option<(SocketAddr, SocketAddr)>, Rejected> {
    loop {
        match proxy_protocol::parse(buffer) {
            Parsed::Header(header) => {
                bytes::Buf::advance(buffer, header.length);
                return Ok(header.addresses);
            }
            Parsed::Invalid => return Err(Rejected::ProxyProtocol),
            Parsed::NeedMore => read_more(conn, buffer, deadline).await?,
        }
    }
}

/// Looks at what the client begins with, as far as the chains ask for it.
async fn inspect(
    conn: &mut Conn,
    buffer: &mut BytesMut,
    group: &Group,
    deadline: Instant,
) -> Result<Beginning, Rejected> {
    if group.inspects_tls {
        loop {
            match sniff::client_hello(buffer) {
                Sniffed::Tls(hello) => return Ok(Beginning::Tls(hello)),
                Sniffed::Raw | Sniffed::BrokenTls => break,
                Sniffed::NeedMore => read_more(conn, buffer, deadline).await?,
            }
        }
    }
    if !group.inspects_http {
        return Ok(Beginning::Raw);
    }
    loop {
        match sniff::http_request(buffer) {
            Some(true) => return Ok(Beginning::Http),
            Some(false) => return Ok(Beginning::Raw),
            None => read_more(conn, buffer, deadline).await?,
        }
    }
}

/// Tells HTTP/2 with prior knowledge from HTTP/1; what was read for it is handed on. There is no deadline: an idle
/// connection that has not spoken yet is as good as one that has.
async fn detect_http2(io: &mut DownstreamIo) -> Result<(bool, Bytes), Rejected> {
    // Small: a connection that says nothing should cost nothing. Most first requests fit all the same.
    let mut buffer = BytesMut::with_capacity(1024);
    loop {
        match sniff::http2_preface(&buffer) {
            Some(http2) if !buffer.is_empty() => return Ok((http2, buffer.freeze())),
            Some(_) | None => {}
        }
        if read_some(io, &mut buffer).await == 0 {
            return if buffer.is_empty() { Err(Rejected::Closed) } else { Ok((false, buffer.freeze())) };
        }
    }
}

async fn read_some<S: AsyncRead + Unpin>(io: &mut S, buffer: &mut BytesMut) -> usize {
    io.read_buf(buffer).await.unwrap_or(0)
}
