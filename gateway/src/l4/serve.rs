//! A TCP connection from the client to an endpoint.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use config_schema::snapshot::{Node, UpstreamProtocol};
use rand::Rng;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::TcpContext;
use super::copy::Direction;
use super::endpoint::EndpointIo;
use super::tunnel;
use crate::config::Runtime;
use crate::dns::{client_host, preferred_family};
use crate::format::Scope;
use crate::message::{RequestHead, Version};
use crate::observe::egress::{Passage, Spoken};
use crate::outcome::{Flag, ResetReason};
use crate::proxy::Worker;
use crate::proxy::egress::{is_by_name, source};
use crate::proxy::record::{Connection, Record};
use crate::tls::accept::DownstreamIo;
use crate::upstream::choose::{Asked, NoEndpoint};
use crate::upstream::connect::{ConnectFailure, Wanted, open_bytes};
use crate::upstream::lb::PickContext;
use crate::upstream::{ActiveGuard, Cluster, Host, Observed};

/// Endpoints that are tried before a connection is given up.
const CONNECT_ATTEMPTS: usize = 1;

/// How often the bytes of a connection that lasts are counted (Istio: `tcp_reporting_duration`).
const REPORT_AFTER: Duration = Duration::from_secs(15);

/// A connection whose endpoint has been connected to, or could not be.
pub struct Opened {
    session: Session,
    upstream: Option<Upstream>,
}

/// An endpoint, connected.
struct Upstream {
    cluster: Arc<Cluster>,
    io: EndpointIo,
    _active: ActiveGuard,
}

/// Chooses an endpoint and connects to it. Nothing of the client is needed for that: where TLS is terminated it
/// happens beside the handshake, and bytes of a server that speaks first are there when the handshake is done.
pub async fn open(worker: Arc<Worker>, tcp: Arc<TcpContext>, connection: Arc<Connection>) -> Opened {
    let runtime = worker.shared.store.load();
    let mut session = Session {
        record: Record::new(Arc::clone(&connection), worker.shared.clock.now()),
        started: Instant::now(),
        worker,
        runtime,
        tcp,
        connection,
        refused: false,
        connected: false,
    };
    let cluster = session.choose_cluster();
    let upstream = session.open(cluster).await;
    session.connected = upstream.is_some();
    Opened { session, upstream }
}

impl Opened {
    /// There is an endpoint to serve the client with.
    pub fn is_connected(&self) -> bool {
        self.upstream.is_some()
    }

    /// Copies bytes until the connection ends. `connection` is what is known once TLS is done.
    pub async fn serve(mut self, connection: Arc<Connection>, mut io: DownstreamIo, read_ahead: Bytes) {
        self.session.record.connection = connection;
        if let Some(upstream) = self.upstream.take() {
            self.session.copy(upstream, &mut io, &read_ahead).await;
        }
        self.session.finish();
    }

    /// The client did not get through its handshake.
    pub fn abandon(mut self) {
        self.session.finish();
    }
}

struct Session {
    worker: Arc<Worker>,
    runtime: Arc<Runtime>,
    tcp: Arc<TcpContext>,
    connection: Arc<Connection>,
    record: Record,
    started: Instant,
    /// The destination is forbidden.
    refused: bool,
    connected: bool,
}

impl Session {
    /// Draws one of the clusters by weight.
    fn choose_cluster(&mut self) -> Option<Arc<Cluster>> {
        let total: u64 = self.tcp.spec.clusters.iter().map(|c| u64::from(c.weight)).sum();
        let mut draw = if total == 0 { 0 } else { self.worker.rng.lock().next_u64() % total };
        let chosen =
            self.tcp.spec.clusters.iter().find(|candidate| match draw.checked_sub(u64::from(candidate.weight)) {
                None => true,
                Some(rest) => {
                    draw = rest;
                    false
                }
            });
        let name = &chosen.or(self.tcp.spec.clusters.first())?.cluster;
        self.record.upstream_cluster = name.as_str().into();
        self.runtime.clusters.get(name.as_str()).cloned()
    }

    async fn open(&mut self, cluster: Option<Arc<Cluster>>) -> Option<Upstream> {
        let Some(cluster) = cluster else {
            self.record.flags.raise(Flag::NoClusterFound);
            return None;
        };
        let mut failed = None;
        for _ in 0..CONNECT_ATTEMPTS {
            let Some(host) = self.choose(&cluster).await else {
                self.record.flags.raise(Flag::NoHealthyUpstream);
                return None;
            };
            self.record.attempts += 1;
            self.record.upstream_before.extend(self.record.upstream.replace(Arc::clone(&host)));
            let active = ActiveGuard::new(&host.state);
            match self.connect(&cluster, &host).await {
                Ok(io) => {
                    cluster.observe(&host, Observed::Opened, now);
                    self.record.upstream_ends = io.ends().clone();
                    return Some(Upstream { cluster, io, _active: active });
                }
                // Nobody was asked: the limit is ours.
                Err(failure) if failure.reason == ResetReason::Overflow => {
                    self.record.flags.raise(Flag::UpstreamOverflow);
                    return None;
                }
                Err(failure) => {
                    cluster.observe(&host, Observed::ConnectFailure, now);
                    failed = Some(failure);
                }
            }
        }
        if let Some(failure) = failed {
            self.record.flags.raise(failure.reason.flag());
            self.record.flags.raise(Flag::UpstreamRetryLimitExceeded);
            self.record.upstream_transport_failure = failure.transport;
        }
        None
    }

    /// The endpoint; for names that DNS has not answered yet, or that the client's SNI says, it is waited for.
    async fn choose(&mut self, cluster: &Cluster) -> Option<Arc<Host>> {
        if cluster.is_dynamic() {
            let shared = Arc::clone(&self.worker.shared);
            let family = preferred_family(self.runtime.node.address);
            let default_port = cluster.is_learning().then_some(443);
            let asked = Asked { authority: &self.connection.server_name, default_port };
            let chosen = Box::pin(cluster.dynamic_endpoint(&shared.dns, family, asked)).await;
            return chosen
                .map_err(|none| {
                    self.refused = matches!(none, NoEndpoint::Forbidden(_));
                    self.record.connection_termination_details = none.outcome().details();
                })
                .ok();
        }
        if cluster.awaits_answers() {
            Box::pin(cluster.first_answers()).await;
        }
        self.pick(cluster)
    }

    fn pick(&self, cluster: &Cluster) -> Option<Arc<Host>> {
        let mut rng = self.worker.rng.lock();
        let hash = crate::proxy::connection_hash(&self.tcp.spec.hash_policy, self.connection.peer.ip());
        let mut context =
            PickContext { now: now(), rng: &mut *rng, hash, tried: &[], reselect: 0, leave_tried_priorities: false };
        cluster.pick_for(self.connection.dialled, &mut context)
    }

    /// Connects, directly or through the tunnel that is asked for.
    async fn connect(&self, cluster: &Arc<Cluster>, host: &Arc<Host>) -> Result<EndpointIo, ConnectFailure> {
        let dialer = &self.worker.shared.dialer;
        let tunnel = self.tcp.spec.tunnel.as_ref();
        let wanted = Wanted {
            cluster,
            host,
            http2: tunnel.is_some() && cluster.spec.protocol == UpstreamProtocol::Http2,
            authority: "",
            addresses: (self.connection.peer, self.connection.local),
        };
        if let Some(tunnel) = tunnel {
            let tunnel = Box::pin(tunnel::open(&self.worker.pool, dialer, &wanted, tunnel)).await?;
            return Ok(EndpointIo::Tunnel(Box::new(tunnel)));
        }
        let (io, life) = open_bytes(dialer.as_ref(), &wanted).await?;
        Ok(EndpointIo::Direct(io, life))
    }

    /// Copies until both directions have ended, one has failed, or nothing has moved for too long.
    async fn copy(&mut self, upstream: Upstream, down: &mut DownstreamIo, read_ahead: &[u8]) {
        let Upstream { cluster, io: mut up, _active } = upstream;
        let (cluster, up) = (&*cluster, &mut up);
        let node = Arc::clone(&self.runtime.node);
        self.worker.metrics.tcp_opened(&self.record, Some(cluster), &node);
        let mut sent = Direction::with_prefix(read_ahead);
        let mut received = Direction::default();
        let idle = self.tcp.spec.idle_timeout.or(cluster.spec.pool.tcp_idle_timeout);
        let mut timer = crate::proxy::Deadline::default();
        timer.set_after(idle);
        let mut age = crate::proxy::Deadline::default();
        age.set_after(self.tcp.spec.max_connection_duration);
        let mut seen = (0, 0);
        let mut report = crate::proxy::Deadline::default();
        report.set_after(Some(REPORT_AFTER));
        let mut reported = (0, 0);
        poll_fn(|cx| {
            // The stream is split by turns: each direction reads one and writes the other.
            let up_done = sent.poll(down, up, cx);
            let down_done = received.poll(up, down, cx);
            if matches!(up_done, Poll::Ready(Err(_))) || matches!(down_done, Poll::Ready(Err(_))) {
                return Poll::Ready(());
            }
            if sent.is_done() && received.is_done() {
                return Poll::Ready(());
            }
            if seen != (sent.bytes, received.bytes) {
                seen = (sent.bytes, received.bytes);
                timer.set_after(idle);
            }
            if age.poll(cx).is_ready() {
                return Poll::Ready(());
            }
            while report.poll(cx).is_ready() {
                report.set_after(Some(REPORT_AFTER));
                self.report_bytes(cluster, &node, &mut reported, (sent.bytes, received.bytes));
            }
            timer.poll(cx)
        })
        .await;
        // What failed has said so to the other side by closing.
        let _ = down.shutdown().await;
        self.record.bytes_received = sent.bytes;
        self.record.bytes_sent = received.bytes;
        self.report_bytes(cluster, &node, &mut reported, (sent.bytes, received.bytes));
        self.worker.metrics.tcp_closed(&self.record, Some(cluster), &node);
    }

    /// Counts what has moved since the last time: a connection that lasts shows in the metrics before its end.
    fn report_bytes(&self, cluster: &Cluster, node: &Node, reported: &mut (u64, u64), moved: (u64, u64)) {
        let (received, sent) = (moved.1 - reported.1, moved.0 - reported.0);
        self.worker.metrics.tcp_bytes(&self.record, Some(cluster), node, received, sent);
        *reported = moved;
    }

    fn finish(&mut self) {
        self.record.duration = Some(Instant::now() - self.started);
        self.report_egress();
        let Some(log) = &self.runtime.access_log else { return };
        let request = RequestHead::unread(Version::Http11);
        let around = self.worker.around(None, &self.runtime);
        log.write(&Scope { request: &request, response: None, trailers: None, record: &self.record, around });
    }

    /// Tells the report of egress of a connection to a host outside of the mesh.
    fn report_egress(&self) {
        let cluster = self.runtime.clusters.get(&*self.record.upstream_cluster);
        let Some(cluster) = cluster.filter(|cluster| cluster.spec.external) else { return };
        let connection = &self.record.connection;
        let source = source(connection);
        let service = &cluster.spec.service;
        let by_name = is_by_name(cluster);
        let passage = Passage {
            host: if by_name { &connection.server_name } else { &service.host },
            port: Some(if cluster.is_learning() { 443 } else { service.port }),
            spoken: if connection.server_name.is_empty() { Spoken::Tcp } else { Spoken::Tls },
            source: &source,
            now: self.worker.shared.clock.now(),
        };
        let egress = &self.worker.shared.observer.egress;
        if cluster.is_learning()
            && let Ok(asked) = client_host::parse(&connection.server_name)
        {
            egress.learn(&Passage { host: &asked.name, ..passage }, 443);
        }
        if self.refused {
            egress.refused(&passage, &self.record.connection_termination_details);
        } else if self.connected {
            egress.left(&passage, self.record.bytes_received, self.record.bytes_sent);
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
