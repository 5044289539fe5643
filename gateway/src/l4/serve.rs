//! A TCP connection from the client to an endpoint.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use rand::Rng;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::TcpContext;
use super::copy::Direction;
use crate::config::Runtime;
use crate::format::Scope;
use crate::headers::Headers;
use crate::listen::drain::DrainSignal;
use crate::message::{RequestHead, Version};
use crate::outcome::Flag;
use crate::proxy::Worker;
use crate::proxy::record::{Connection, Record};
use crate::tls::accept::DownstreamIo;
use crate::tls::client::Inner;
use crate::upstream::connect::{ConnectFailure, Wanted, open};
use crate::upstream::lb::PickContext;
use crate::upstream::pool::Life;
use crate::upstream::{ActiveGuard, Cluster, Host, Observed, UpstreamIo};

/// Endpoints that are tried before a connection is given up.
const CONNECT_ATTEMPTS: usize = 1;

/// Serves a connection to its end.
pub async fn serve(
    worker: Arc<Worker>,
    tcp: Arc<TcpContext>,
    connection: Arc<Connection>,
    mut io: DownstreamIo,
    read_ahead: Bytes,
    _drain: DrainSignal,
) {
    let runtime = worker.shared.store.load();
    let mut session = Session {
        record: Record::new(Arc::clone(&connection), worker.shared.clock.now()),
        started: Instant::now(),
        worker,
        runtime,
        tcp,
        connection,
    };
    let cluster = session.choose_cluster();
    session.run(cluster.as_deref(), &mut io, &read_ahead).await;
    session.finish(cluster.as_deref());
}

struct Session {
    worker: Arc<Worker>,
    runtime: Arc<Runtime>,
    tcp: Arc<TcpContext>,
    connection: Arc<Connection>,
    record: Record,
    started: Instant,
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

    async fn run(&mut self, cluster: Option<&Cluster>, io: &mut DownstreamIo, read_ahead: &[u8]) {
        let Some(cluster) = cluster else {
            self.record.flags.raise(Flag::NoClusterFound);
            return;
        };
        let mut failed = None;
        for _ in 0..CONNECT_ATTEMPTS {
            let Some(host) = self.pick(cluster) else {
                self.record.flags.raise(Flag::NoHealthyUpstream);
                return;
            };
            self.record.attempts += 1;
            self.record.upstream = Some(Arc::clone(&host));
            let active = ActiveGuard::new(&host.state);
            match self.connect(cluster, &host).await {
                Ok((mut upstream, life)) => {
                    self.record.upstream_local_address = life.local;
                    self.copy(cluster, io, &mut upstream, read_ahead).await;
                    drop((active, life));
                    return;
                }
                Err(failure) => {
                    cluster.observe(&host, Observed::ConnectFailure);
                    failed = Some(failure);
                }
            }
        }
        if let Some(failure) = failed {
            self.record.flags.raise(failure.reason.flag());
            self.record.flags.raise(Flag::UpstreamRetryLimitExceeded);
            self.record.upstream_transport_failure = failure.transport;
        }
    }

    fn pick(&self, cluster: &Cluster) -> Option<Arc<Host>> {
        let mut rng = self.worker.rng.lock();
        let hash = crate::proxy::connection_hash(&self.tcp.spec.hash_policy, self.connection.peer.ip());
        let now = Instant::now().into_std();
        cluster.pick(&mut PickContext { now, rng: &mut *rng, hash, tried: &[], reselect: 0 })
    }

    async fn connect(&self, cluster: &Cluster, host: &Arc<Host>) -> Result<(UpstreamIo, Life), ConnectFailure> {
        let shared = &self.worker.shared;
        let server_name = match &cluster.tls {
            Some(Ok(tls)) => tls.server_name(""),
            Some(Err(_)) | None => None,
        };
        let wanted = Wanted {
            cluster,
            host,
            http2: false,
            authority: "",
            addresses: (self.connection.peer, self.connection.local),
        };
        open(shared.dialer.as_ref(), &wanted, server_name.as_deref(), Inner::Bytes).await
    }

    /// Copies until both directions have ended, one has failed, or nothing has moved for too long.
    async fn copy(&mut self, cluster: &Cluster, down: &mut DownstreamIo, up: &mut UpstreamIo, read_ahead: &[u8]) {
        let node = Arc::clone(&self.runtime.node);
        self.worker.metrics.tcp_opened(&self.record, Some(cluster), &node);
        let mut sent = Direction::with_prefix(read_ahead);
        let mut received = Direction::default();
        let idle = self.tcp.spec.idle_timeout.or(cluster.spec.pool.tcp_idle_timeout);
        let mut timer = crate::proxy::Deadline::default();
        timer.set_after(idle);
        let mut seen = (0, 0);
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
            timer.poll(cx)
        })
        .await;
        // What failed has said so to the other side by closing.
        let _ = down.shutdown().await;
        self.record.bytes_received = sent.bytes;
        self.record.bytes_sent = received.bytes;
        self.worker.metrics.tcp_bytes(&self.record, Some(cluster), &node, received.bytes, sent.bytes);
        self.worker.metrics.tcp_closed(&self.record, Some(cluster), &node);
    }

    fn finish(&mut self, _cluster: Option<&Cluster>) {
        self.record.duration = Some(Instant::now() - self.started);
        let Some(log) = &self.runtime.access_log else { return };
        let request = RequestHead {
            version: Version::Http11,
            method: Bytes::new(),
            scheme: Bytes::new(),
            authority: None,
            path: Bytes::new(),
            headers: Headers::default(),
        };
        log.write(&Scope { request: &request, response: None, trailers: None, record: &self.record });
    }
}
