//! Active health checks against backends in memory, in virtual time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![allow(unreachable_pub, missing_docs, dead_code, reason = "shares the fixture")]

#[path = "../../gateway/tests/balancing/fixture.rs"]
mod fixture;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use config_schema::snapshot::{EndpointAddress, HealthCheck, HealthProbe, LbPolicy, UpstreamProtocol};
use fixture::{address, equal, health_check, spec};
use gateway::config::{Runtime, Store, check_health};
use gateway::net::{Conn, DialOptions, Dialer};
use gateway::upstream::{Checked, Cluster};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// What a backend does with a connection.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Refuse,
    Silent,
    /// HTTP/1 with this status.
    Status(u16),
    /// These bytes, whatever comes.
    Text(&'static str),
    /// gRPC with this serving status.
    Grpc(u8),
    /// gRPC with this `grpc-status`.
    GrpcError(&'static str),
}

#[derive(Default)]
struct Backends {
    manners: Mutex<HashMap<String, Manner>>,
    requests: Arc<Mutex<Vec<String>>>,
    dialed: AtomicU32,
}

impl Backends {
    fn set(&self, number: usize, manner: Manner) {
        self.manners.lock().insert(address(number).to_string(), manner);
    }
}

impl Dialer for Backends {
    fn dial<'a>(
        &'a self,
        address: &'a EndpointAddress,
        _: &'a DialOptions,
    ) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<(Conn, Option<SocketAddr>)>> + Send + 'a>> {
        Box::pin(async move {
            self.dialed.fetch_add(1, Ordering::SeqCst);
            let manner = self.manners.lock().get(&address.to_string()).copied().unwrap_or(Manner::Refuse);
            let (near, far) = tokio::io::duplex(4096);
            if matches!(manner, Manner::Refuse) {
                return Err(std::io::ErrorKind::ConnectionRefused.into());
            }
            tokio::spawn(serve(far, manner, Arc::clone(&self.requests)));
            Ok((Conn::Memory(near), None))
        })
    }
}

async fn serve(mut io: DuplexStream, manner: Manner, requests: Arc<Mutex<Vec<String>>>) {
    let answer = match manner {
        Manner::Grpc(_) | Manner::GrpcError(_) => return serve_grpc(io, manner, requests).await,
        Manner::Refuse | Manner::Silent => String::new(),
        Manner::Status(status) => format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n"),
        Manner::Text(text) => text.to_owned(),
    };
    let mut buffer = Vec::new();
    while io.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
        // A request comes in pieces; other questions are one line.
        if buffer.starts_with(b"GET") && !buffer.ends_with(b"\r\n\r\n") {
            continue;
        }
        requests.lock().push(String::from_utf8_lossy(&std::mem::take(&mut buffer)).into_owned());
        if io.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn serve_grpc(io: DuplexStream, manner: Manner, requests: Arc<Mutex<Vec<String>>>) {
    let mut connection = h2::server::handshake(io).await.unwrap();
    while let Some(Ok((mut request, mut respond))) = connection.accept().await {
        let (uri, kind) = (request.uri().to_string(), request.headers()["content-type"].clone());
        tokio::spawn({
            let requests = Arc::clone(&requests);
            async move {
                let mut body = Vec::new();
                while let Some(Ok(data)) = request.body_mut().data().await {
                    body.extend_from_slice(&data);
                }
                requests.lock().push(format!("{uri} {} {body:?}", kind.to_str().unwrap()));
                let answer = http::Response::builder().status(200).header("content-type", "application/grpc");
                if let Manner::GrpcError(status) = manner {
                    let answer = answer.header("grpc-status", status).body(()).unwrap();
                    respond.send_response(answer, true).unwrap();
                    return;
                }
                let mut stream = respond.send_response(answer.body(()).unwrap(), false).unwrap();
                if let Manner::Grpc(status) = manner {
                    stream.send_data(Bytes::from(vec![0, 0, 0, 0, 2, 8, status]), false).unwrap();
                }
                let trailers = [("grpc-status".parse().unwrap(), "0".parse().unwrap())];
                stream.send_trailers(http::HeaderMap::from_iter(trailers)).unwrap();
            }
        });
    }
}

struct Bench {
    fixture: fixture::Bench,
    backends: Arc<Backends>,
    store: Arc<Store>,
}

impl Bench {
    /// A cluster whose `n` endpoints are checked every second.
    fn new(probe: HealthProbe, n: usize) -> Self {
        let mut checked = spec(LbPolicy::RoundRobin);
        checked.service.host = "shop.example".to_owned();
        checked.health_check = Some(HealthCheck {
            probe,
            interval: Duration::from_secs(1),
            timeout: Duration::from_millis(500),
            unhealthy_threshold: 3,
            healthy_threshold: 2,
            ..health_check()
        });
        let fixture = fixture::Bench::new(checked, &equal(n), 1);
        Bench { fixture, backends: Arc::default(), store: Arc::default() }
    }

    fn start(&self) {
        self.put_in_force(Some(&self.fixture.cluster));
        let dialer: Arc<dyn Dialer> = self.backends.clone();
        tokio::spawn(check_health(Arc::clone(&self.store), dialer));
    }

    fn put_in_force(&self, cluster: Option<&Arc<Cluster>>) {
        let mut runtime = Runtime { version: self.store.load().version + 1, ..Runtime::default() };
        runtime.clusters.extend(cluster.map(|cluster| (Arc::clone(&cluster.name), Arc::clone(cluster))));
        self.store.swap(runtime);
    }

    fn checked(&self, number: usize) -> Checked {
        self.fixture.host(number).state.checked()
    }

    /// What is thought of an endpoint after each of so many further checks.
    async fn course(&self, number: usize, checks: usize) -> Vec<bool> {
        let mut course = Vec::new();
        for _ in 0..checks {
            tokio::time::sleep(Duration::from_secs(1)).await;
            course.push(self.checked(number) == Checked::Healthy);
        }
        course
    }
}

fn http() -> HealthProbe {
    HealthProbe::Http {
        path: "/healthz?a=b".to_owned(),
        host: None,
        headers: vec![("X-Probe".to_owned(), "1".to_owned())],
        expected_statuses: vec![(200, 299)],
    }
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test(start_paused = true)]
async fn http_takes_endpoints_out_of_service_and_back() {
    let mut bench = Bench::new(http(), 2);
    (0..2).for_each(|number| bench.backends.set(number, Manner::Status(204)));
    bench.start();
    settle().await;
    assert_eq!([bench.checked(0), bench.checked(1)], [Checked::Healthy; 2], "at once");
    let request = bench.backends.requests.lock()[0].clone();
    assert!(request.starts_with("GET /healthz?a=b HTTP/1.1\r\n"), "{request}");
    for line in ["host: shop.example\r\n", "user-agent: sallyport/health-check\r\n", "x-probe: 1\r\n"] {
        assert!(request.contains(line), "{line} in {request}");
    }
    bench.backends.set(1, Manner::Status(500));
    assert_eq!(bench.course(1, 1).await, [false], "a wrong status is enough");
    assert_eq!(bench.fixture.counts(2, 10), [10, 0]);
    bench.backends.set(1, Manner::Status(200));
    assert_eq!(bench.course(1, 2).await, [false, true]);
    // The interval begins when a check has ended: one that waits for its answer until the timeout takes longer.
    for (manner, unhealthy) in [(Manner::Refuse, 4), (Manner::Silent, 2), (Manner::Text("nonsense"), 4)] {
        bench.backends.set(1, manner);
        assert_eq!(bench.course(1, 6).await.iter().filter(|healthy| !**healthy).count(), unhealthy, "{manner:?}");
        bench.backends.set(1, Manner::Status(200));
        assert!(bench.course(1, 4).await.ends_with(&[true]));
    }
    assert_eq!(bench.checked(0), Checked::Healthy, "all the time");
}

#[tokio::test(start_paused = true)]
async fn tcp_may_expect_an_answer() {
    for (send, receive, manner, expected) in [
        ("", "", Manner::Silent, true),
        ("", "", Manner::Refuse, false),
        ("PING\r\n", "PONG", Manner::Text("+PONG\r\n"), true),
        ("PING\r\n", "PONG", Manner::Text("-ERR\r\n"), false),
        ("PING\r\n", "PONG", Manner::Silent, false),
    ] {
        let bench = Bench::new(HealthProbe::Tcp { send: send.into(), receive: receive.into() }, 1);
        bench.backends.set(0, manner);
        bench.start();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.checked(0) == Checked::Healthy, expected, "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn grpc_asks_for_a_service() {
    for (manner, expected) in [
        (Manner::Grpc(1), true),
        (Manner::Grpc(2), false),
        (Manner::GrpcError("5"), false),
        (Manner::Status(200), false),
    ] {
        let bench = Bench::new(HealthProbe::Grpc { service: "s".to_owned(), authority: Some("a.b".to_owned()) }, 1);
        bench.backends.set(0, manner);
        bench.start();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.checked(0) == Checked::Healthy, expected, "{manner:?}");
        if expected {
            let request = bench.backends.requests.lock()[0].clone();
            let asked = "http://a.b/grpc.health.v1.Health/Check application/grpc [0, 0, 0, 0, 3, 10, 1, 115]";
            assert_eq!(request, asked);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn endpoints_come_and_go_and_so_does_the_check() {
    let mut bench = Bench::new(http(), 1);
    (0..3).for_each(|number| bench.backends.set(number, Manner::Status(200)));
    bench.start();
    settle().await;
    bench.fixture.cluster.update_hosts(&equal(3), bench.fixture.now);
    settle().await;
    assert_eq!((0..3).map(|number| bench.checked(number)).collect::<Vec<_>>(), [Checked::Healthy; 3]);
    // The same again: nobody is asked more often.
    bench.put_in_force(Some(&Arc::clone(&bench.fixture.cluster)));
    let before = bench.backends.dialed.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.backends.dialed.load(Ordering::SeqCst) - before, 30);
    bench.fixture.configure(spec(LbPolicy::RoundRobin));
    let cluster = Arc::clone(&bench.fixture.cluster);
    bench.put_in_force(Some(&cluster));
    settle().await;
    let before = bench.backends.dialed.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.backends.dialed.load(Ordering::SeqCst), before, "nobody is asked any more");
    assert_eq!(bench.checked(0), Checked::Never);
}

#[tokio::test(start_paused = true)]
async fn another_port_may_be_asked() {
    let mut bench = Bench::new(http(), 1);
    let mut checked = (*bench.fixture.cluster.spec).clone();
    checked.protocol = UpstreamProtocol::Http1;
    checked.health_check.as_mut().unwrap().port = Some(8080);
    bench.fixture.configure(checked);
    let own = address(0).to_string();
    bench.backends.manners.lock().insert(own.replace(":80", ":8080"), Manner::Status(200));
    bench.start();
    settle().await;
    assert_eq!(bench.checked(0), Checked::Healthy);
}
