//! Limits of connections and requests, among several workers that share a cluster: exact, and nobody waits for ever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]
#![allow(unreachable_pub, missing_docs, dead_code, reason = "shares the fixture")]

#[path = "../../gateway/tests/balancing/fixture.rs"]
mod fixture;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use config_schema::snapshot::{self, CircuitBreakers, EndpointAddress, LbPolicy, UpstreamProtocol};
use gateway::headers::Headers;
use gateway::message::{BodyLength, Frame, RequestHead, Version};
use gateway::net::{Conn, DialOptions, Dialer};
use gateway::outcome::ResetReason;
use gateway::upstream::connect::{ConnectFailure, Wanted};
use gateway::upstream::lease::{Lease, lease};
use gateway::upstream::pool::{Pool, Pools};
use gateway::upstream::{Cluster, ClusterState, Host};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

/// Backends in memory. Counts what is opened, and notes the most connections that there were at once.
struct Backends {
    http2: bool,
    state: Arc<ClusterState>,
    opened: AtomicU32,
    most: AtomicU32,
}

impl Dialer for Backends {
    fn dial<'a>(
        &'a self,
        _: &'a EndpointAddress,
        _: &'a DialOptions,
    ) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<(Conn, Option<SocketAddr>)>> + Send + 'a>> {
        Box::pin(async move {
            self.opened.fetch_add(1, Ordering::SeqCst);
            self.most.fetch_max(self.state.breakers.connections.load(Ordering::SeqCst), Ordering::SeqCst);
            let (near, far) = tokio::io::duplex(64 * 1024);
            if self.http2 {
                tokio::spawn(serve_h2(far));
            } else {
                tokio::spawn(serve_h1(far));
            }
            Ok((Conn::Memory(near), None))
        })
    }
}

async fn serve_h1(mut io: DuplexStream) {
    let mut buffer = Vec::new();
    while io.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
        while let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            buffer.drain(..end + 4);
            tokio::task::yield_now().await;
            if io.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                return;
            }
        }
    }
}

async fn serve_h2(io: DuplexStream) {
    let Ok(mut connection) = h2::server::handshake(io).await else { return };
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let answer = http::Response::builder().status(200).body(()).unwrap();
        if let Ok(mut body) = respond.send_response(answer, false) {
            let _ = body.send_data(Bytes::from_static(b"ok"), true);
        }
    }
}

/// A cluster with one endpoint and its pools.
struct Bench {
    cluster: Arc<Cluster>,
    host: Arc<Host>,
    backends: Arc<Backends>,
    pools: Arc<Pools>,
}

impl Bench {
    fn new(http2: bool, change: impl FnOnce(&mut snapshot::Cluster)) -> Self {
        let mut spec = fixture::spec(LbPolicy::RoundRobin);
        spec.protocol = if http2 { UpstreamProtocol::Http2 } else { UpstreamProtocol::Http1 };
        change(&mut spec);
        let bench = fixture::Bench::new(spec, &fixture::equal(1), 1);
        let state = Arc::clone(&bench.cluster.state);
        let backends = Backends { http2, state, opened: AtomicU32::new(0), most: AtomicU32::new(0) };
        let host = bench.host(0);
        Bench { cluster: bench.cluster, host, backends: Arc::new(backends), pools: Arc::default() }
    }

    async fn lease(&self, pool: &Arc<Pool>) -> Result<Lease, ConnectFailure> {
        let wanted = Wanted {
            cluster: &self.cluster,
            host: &self.host,
            http2: self.backends.http2,
            authority: "a.example",
            addresses: (NOBODY, NOBODY),
        };
        let dialer: Arc<dyn Dialer> = self.backends.clone();
        lease(pool, &dialer, &wanted).await
    }

    fn connections(&self) -> u32 {
        self.cluster.state.breakers.connections.load(Ordering::SeqCst)
    }

    fn opened(&self) -> u32 {
        self.backends.opened.load(Ordering::SeqCst)
    }
}

/// A request and its answer.
async fn exchange(lease: &mut Lease) -> Result<(), ResetReason> {
    let head = RequestHead {
        version: Version::Http11,
        method: Bytes::from_static(b"GET"),
        scheme: Bytes::from_static(b"http"),
        authority: Some(Bytes::from_static(b"a.example")),
        path: Bytes::from_static(b"/"),
        headers: Headers::default(),
    };
    let stream = &mut lease.stream;
    stream.start_request(&head, BodyLength::None)?;
    stream.end_request(None);
    poll_fn(|cx| {
        if let Poll::Ready(Err(reason)) = stream.poll_flush(cx) {
            return Poll::Ready(Err(reason));
        }
        stream.poll_response_head(cx)
    })
    .await?;
    loop {
        match poll_fn(|cx| stream.poll_response_frame(cx)).await? {
            Frame::End | Frame::Trailers(_) => return Ok(()),
            Frame::Data(_) => {}
        }
    }
}

/// Several workers, each with many requests at once, over few connections.
fn crowd(bench: &Arc<Bench>, workers: usize, tasks: usize, requests: usize) {
    let threads: Vec<_> = (0..workers)
        .map(|_| {
            let bench = Arc::clone(bench);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let pool = Pool::new(&bench.pools);
                    let all = (0..tasks).map(|_| {
                        let (bench, pool) = (Arc::clone(&bench), Arc::clone(&pool));
                        tokio::spawn(async move {
                            for _ in 0..requests {
                                let mut lease = bench.lease(&pool).await.unwrap();
                                exchange(&mut lease).await.unwrap();
                                lease.release(&pool);
                            }
                        })
                    });
                    let all: Vec<_> = all.collect();
                    for task in all {
                        tokio::time::timeout(Duration::from_secs(60), task)
                            .await
                            .expect("someone waits for ever")
                            .unwrap();
                    }
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn no_more_connections_than_allowed_among_workers() {
    for (http2, limit) in [(false, 1), (false, 3), (true, 1), (true, 2)] {
        let bench = Arc::new(Bench::new(http2, |spec| {
            spec.circuit_breakers = CircuitBreakers { max_connections: Some(limit), ..CircuitBreakers::default() };
            spec.pool.max_concurrent_streams = Some(2);
        }));
        crowd(&bench, 4, 8, 50);
        let most = bench.backends.most.load(Ordering::SeqCst);
        assert!(most <= limit, "{most} connections instead of {limit}, HTTP/2: {http2}");
        let breakers = &bench.cluster.state.breakers;
        assert_eq!(breakers.pending.load(Ordering::SeqCst), 0);
        assert_eq!(breakers.connections.load(Ordering::SeqCst), 0, "workers are gone, and their connections");
    }
}

#[test]
fn workers_without_limits_share_nothing() {
    let bench = Arc::new(Bench::new(false, |_| {}));
    crowd(&bench, 2, 4, 100);
    assert!(bench.opened() <= 8, "{} connections for 8 requests at once", bench.opened());
}

fn limited(max_connections: u32, max_pending: u32) -> impl FnOnce(&mut snapshot::Cluster) {
    move |spec| {
        spec.circuit_breakers = CircuitBreakers {
            max_connections: Some(max_connections),
            max_pending_requests: Some(max_pending),
            ..CircuitBreakers::default()
        };
    }
}

#[tokio::test(start_paused = true)]
async fn one_too_many_is_sent_away_and_the_others_take_turns() {
    let bench = Arc::new(Bench::new(false, limited(1, 1)));
    let pool = Pool::new(&bench.pools);
    let mut first = bench.lease(&pool).await.unwrap();
    let mut second = Box::pin(bench.lease(&pool));
    assert!(poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending())).await);
    let third = bench.lease(&pool).await;
    assert_eq!(third.err().map(|failure| failure.reason), Some(ResetReason::Overflow));
    let breakers = &bench.cluster.state.breakers;
    assert_eq!(breakers.overflows.pending.load(Ordering::SeqCst), 1);
    exchange(&mut first).await.unwrap();
    first.release(&pool);
    let mut second = second.await.unwrap();
    exchange(&mut second).await.unwrap();
    assert_eq!((bench.opened(), bench.connections()), (1, 1), "the same connection");
    // A connection that cannot be used again makes room for another.
    let mut third = Box::pin(bench.lease(&pool));
    assert!(poll_fn(|cx| Poll::Ready(third.as_mut().poll(cx).is_pending())).await);
    drop(second);
    third.await.unwrap();
    assert_eq!((bench.opened(), breakers.pending.load(Ordering::SeqCst)), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_waiting_is_passed_over() {
    let bench = Arc::new(Bench::new(false, limited(1, 5)));
    let pool = Pool::new(&bench.pools);
    let first = bench.lease(&pool).await.unwrap();
    let mut second = Box::pin(bench.lease(&pool));
    let mut third = Box::pin(bench.lease(&pool));
    assert!(
        poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending() && third.as_mut().poll(cx).is_pending())).await
    );
    drop(second);
    assert_eq!(bench.cluster.state.breakers.pending.load(Ordering::SeqCst), 1);
    drop(first);
    third.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_idles_elsewhere_gives_way() {
    let bench = Arc::new(Bench::new(false, limited(1, 5)));
    let (one, other) = (Pool::new(&bench.pools), Pool::new(&bench.pools));
    let mut lease = bench.lease(&one).await.unwrap();
    exchange(&mut lease).await.unwrap();
    lease.release(&one);
    assert_eq!(one.counts().0, 1);
    bench.lease(&other).await.unwrap();
    assert_eq!((one.counts().0, bench.opened()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn connections_end_with_their_last_request_or_their_time() {
    type Case = (fn(&mut snapshot::Cluster), u32);
    let cases: [Case; 5] = [
        (|spec| spec.pool.max_requests_per_connection = Some(2), 3),
        (|spec| spec.pool.max_connection_duration = Some(Duration::from_secs(25)), 2),
        (|spec| spec.pool.idle_timeout = Some(Duration::from_secs(5)), 5),
        (|spec| spec.pool.idle_timeout = Some(Duration::from_secs(15)), 1),
        (|_| {}, 1),
    ];
    for (change, expected) in cases {
        for http2 in [false, true] {
            let bench = Bench::new(http2, change);
            let pool = Pool::new(&bench.pools);
            for _ in 0..5 {
                let mut lease = bench.lease(&pool).await.unwrap();
                exchange(&mut lease).await.unwrap();
                lease.release(&pool);
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
            assert_eq!(bench.opened(), expected, "HTTP/2: {http2}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn streams_at_once_are_limited() {
    let bench = Arc::new(Bench::new(true, |spec| spec.pool.max_concurrent_streams = Some(2)));
    let pool = Pool::new(&bench.pools);
    let mut leases = Vec::new();
    for expected in [1, 1, 2, 2, 3] {
        leases.push(bench.lease(&pool).await.unwrap());
        assert_eq!(bench.opened(), expected);
    }
}
