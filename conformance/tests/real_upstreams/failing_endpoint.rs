//! One endpoint of three fails for a while, under load: what clients see of it stays within what the policy promises.
//!
//! `PLOT=FILE` draws it (docs/failing-endpoint.svg).

mod plot;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::gateway::Gateway;
use crate::{backends, client};
use plot::Series;

const ADDRESSES: [&str; 3] = ["127.0.3.1:17200", "127.0.3.2:17200", "127.0.3.3:17200"];
const CLIENTS: u32 = 8;
/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(4);
/// How long the load lasts, and when the endpoint fails.
const DURATION: Duration = Duration::from_secs(6);
const FAILS: std::ops::Range<Duration> = Duration::from_secs(1)..Duration::from_millis(3500);
/// What is counted together.
const BUCKET: Duration = Duration::from_millis(100);
const BUCKETS: usize = 60;

/// A policy and how many requests may fail under it, of so many that were sent while the endpoint failed.
struct Policy {
    name: &'static str,
    traffic: &'static str,
    retries: &'static str,
    most_failures: fn(u32) -> u32,
}

/// Ejections last 1 s, then 2 s: an endpoint that fails for 2.5 s is ejected twice.
const EJECTIONS: u32 = 2;
const CONSECUTIVE: u32 = 5;

const POLICIES: [Policy; 3] = [
    Policy { name: "no policy", traffic: "{}", retries: "{attempts: 0}", most_failures: |sent| sent * 2 / 5 },
    Policy {
        name: "outlier detection",
        traffic: "{outlierDetection: {consecutive5xxErrors: 5, interval: 100ms, baseEjectionTime: 1s, maxEjectionPercent: 50}}",
        retries: "{attempts: 0}",
        // Those that make it an outlier, each time, and those that were on their way then.
        most_failures: |_| EJECTIONS * (CONSECUTIVE + CLIENTS),
    },
    Policy {
        name: "outlier detection and retries",
        traffic: "{outlierDetection: {consecutive5xxErrors: 5, interval: 100ms, baseEjectionTime: 1s, maxEjectionPercent: 50}}",
        retries: "{attempts: 2, retryOn: 5xx}",
        // Retries go to an endpoint that has not been tried.
        most_failures: |_| 0,
    },
];

pub(crate) async fn run() -> anyhow::Result<()> {
    let failing = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicU32::new(0));
    let mut servers = Vec::new();
    for (n, address) in ADDRESSES.into_iter().enumerate() {
        let (failing, asked) = (Arc::clone(&failing), Arc::clone(&asked));
        let weak = n == 2;
        let server =
            backends::serve(address, move |stream| serve(stream, weak, Arc::clone(&failing), Arc::clone(&asked)));
        servers.push(server.await?);
    }
    let mut plots = Vec::new();
    for policy in &POLICIES {
        asked.store(0, Ordering::Relaxed);
        let gateway = Gateway::start(&config(policy)).await?;
        let series = load(policy.name, &failing, &asked).await?;
        let metrics = client::get(15090, "localhost", "/stats/prometheus").await?.body;
        let told =
            metrics.lines().any(|line| line.starts_with("sallyport_cluster_ejections_total{") && !line.ends_with(" 0"));
        ensure!(told == policy.traffic.contains("outlier"), "{}: ejections in the metrics: {told}", policy.name);
        if let Some(error) = gateway.process.stop().await {
            anyhow::bail!("{error}");
        }
        let (sent, failed) = (series.sent_while(&FAILS), series.failed());
        println!(
            "  {}: {failed} failed of {sent} sent while the endpoint failed, {} of all reached it",
            policy.name,
            series.weak()
        );
        let most = (policy.most_failures)(sent);
        ensure!(failed <= most, "{}: {failed} requests failed, {most} may", policy.name);
        ensure!(series.recovers(), "{}: the endpoint gets no requests again", policy.name);
        plots.push(series);
    }
    ensure!(plots[0].failed() > plots[0].sent_while(&FAILS) / 5, "the endpoint did not fail");
    if let Some(path) = std::env::var_os("PLOT") {
        std::fs::write(path, plot::draw(&plots, &FAILS))?;
    }
    Ok(())
}

/// Load from several clients; the endpoint fails in the middle of it.
async fn load(name: &'static str, failing: &AtomicBool, asked: &AtomicU32) -> anyhow::Result<Series> {
    let series = Arc::new(Series::new(name));
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(client(began, Arc::clone(&series)));
    }
    for bucket in 0..BUCKETS {
        let now = BUCKET * u32::try_from(bucket).unwrap_or(u32::MAX);
        failing.store(FAILS.contains(&now), Ordering::Relaxed);
        let before = asked.load(Ordering::Relaxed);
        tokio::time::sleep_until(began + now + BUCKET).await;
        series.weak_asked(bucket, asked.load(Ordering::Relaxed) - before);
    }
    failing.store(false, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Arc::into_inner(series).context("a client is still there")
}

async fn client(began: Instant, series: Arc<Series>) -> anyhow::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect("127.0.0.1:8080").await?);
    while began.elapsed() < DURATION {
        let at = began.elapsed();
        stream.get_mut().write_all(b"GET / HTTP/1.1\r\nhost: shop.example.com\r\n\r\n").await?;
        let (mut line, mut length, mut status) = (String::new(), 0, String::new());
        loop {
            line.clear();
            ensure!(stream.read_line(&mut line).await? > 0, "the gateway closed the connection");
            if status.is_empty() {
                status = line.split(' ').nth(1).unwrap_or_default().to_owned();
            } else if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            } else if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        series.answered(at, status == "200");
        sleep(PAUSE).await;
    }
    Ok(())
}

async fn serve(stream: TcpStream, weak: bool, failing: Arc<AtomicBool>, asked: Arc<AtomicU32>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
            return;
        }
        if line != "\r\n" {
            continue;
        }
        let fails = weak && failing.load(Ordering::Relaxed);
        asked.fetch_add(u32::from(weak), Ordering::Relaxed);
        let answer = if fails {
            "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
        } else {
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
        };
        if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn config(policy: &Policy) -> String {
    let endpoints = ADDRESSES.map(|a| format!("{{address: {}}}", a.trim_end_matches(":17200"))).join(", ");
    let Policy { traffic, retries, .. } = policy;
    format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: door, namespace: istio-system}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - {{port: {{number: 8080, name: http, protocol: HTTP}}, hosts: ['*']}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: shop, namespace: default}}
spec:
  hosts: [shop.example.com]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 17200}}]
  endpoints: [{endpoints}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: shop, namespace: default}}
spec: {{host: shop.example.com, trafficPolicy: {traffic}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: shop, namespace: default}}
spec:
  hosts: [shop.example.com]
  gateways: [istio-system/door]
  http:
  - retries: {retries}
    route: [{{destination: {{host: shop.example.com, port: {{number: 80}}}}}}]
"
    )
}
