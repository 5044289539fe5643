//! Istio's standard metrics.

use std::collections::HashMap;
use std::sync::Arc;

use config_schema::snapshot::{Node, Workload};
use parking_lot::Mutex;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};
use rustc_hash::FxBuildHasher;

use super::cardinality::Combinations;
use super::egress::Egress;
use super::process::ProcessMetrics;
use crate::message::RequestHead;
use crate::outcome::Flags;
use crate::proxy::record::Record;
use crate::upstream::Cluster;

/// Labels of HTTP metrics, in Istio's order.
const LABELS: &[&str] = &[
    "reporter",
    "source_workload",
    "source_canonical_service",
    "source_canonical_revision",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_service_name",
    "destination_service_namespace",
    "destination_cluster",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
];

/// TCP metrics lack what only HTTP has.
const HTTP_ONLY: &[&str] = &["response_code", "grpc_response_status"];

/// Milliseconds, as Envoy's default histogram.
const DURATION_BUCKETS: &[f64] = &[
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1_000.0,
    2_500.0,
    5_000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// Bytes, by the same steps.
const SIZE_BUCKETS: &[f64] = DURATION_BUCKETS;

/// All metrics of a process.
pub struct Observer {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    request_bytes: HistogramVec,
    response_bytes: HistogramVec,
    tcp_sent: IntCounterVec,
    tcp_received: IntCounterVec,
    tcp_opened: IntCounterVec,
    tcp_closed: IntCounterVec,
    combinations: Combinations,
    /// What left the mesh here, and what did not.
    pub egress: Egress,
    /// What is not about requests.
    pub process: ProcessMetrics,
}

impl Observer {
    /// Registers all metrics in a registry of their own.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let tcp_labels: Vec<&str> = LABELS.iter().copied().filter(|label| !HTTP_ONLY.contains(label)).collect();
        let counter = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let histogram = |name: &str, help: &str, buckets: &[f64]| -> Result<HistogramVec, prometheus::Error> {
            let metric = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), LABELS)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        Ok(Observer {
            requests: counter("istio_requests_total", "HTTP requests", LABELS)?,
            durations: histogram(
                "istio_request_duration_milliseconds",
                "Duration of HTTP requests in milliseconds",
                DURATION_BUCKETS,
            )?,
            request_bytes: histogram("istio_request_bytes", "Size of HTTP request bodies in bytes", SIZE_BUCKETS)?,
            response_bytes: histogram("istio_response_bytes", "Size of HTTP response bodies in bytes", SIZE_BUCKETS)?,
            tcp_sent: counter("istio_tcp_sent_bytes_total", "Bytes sent to TCP clients", &tcp_labels)?,
            tcp_received: counter("istio_tcp_received_bytes_total", "Bytes received from TCP clients", &tcp_labels)?,
            tcp_opened: counter("istio_tcp_connections_opened_total", "TCP connections opened", &tcp_labels)?,
            tcp_closed: counter("istio_tcp_connections_closed_total", "TCP connections closed", &tcp_labels)?,
            process: ProcessMetrics::new(&registry)?,
            egress: Egress::new(&registry)?,
            combinations: Combinations::default(),
            registry,
        })
    }

    /// The registry, to be scraped.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

/// What tells one series from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    cluster: usize,
    workload: usize,
    code: u16,
    grpc_status: Option<u16>,
    flags: Flags,
    protocol: Protocol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Protocol {
    Http,
    Grpc,
    Tcp,
}

/// Handles of one series.
struct HttpSeries {
    requests: IntCounter,
    durations: Histogram,
    request_bytes: Histogram,
    response_bytes: Histogram,
    /// Keeps what `Key` points at alive, so that no other object can take its address.
    _pinned: (Option<Arc<str>>, Option<Arc<Workload>>),
}

/// Series that a worker keeps at hand at most.
const KNOWN_SERIES: usize = 4096;

/// The series that a worker has used: looking one up by 25 labels costs more than the rest of a request's accounting.
pub struct WorkerMetrics {
    observer: Arc<Observer>,
    http: Mutex<HashMap<Key, HttpSeries, FxBuildHasher>>,
}

impl WorkerMetrics {
    /// For one worker.
    pub fn new(observer: &Arc<Observer>) -> Self {
        WorkerMetrics { observer: Arc::clone(observer), http: Mutex::default() }
    }

    /// Counts a request.
    pub fn request(&self, record: &Record, request: &RequestHead, cluster: Option<&Cluster>, node: &Node) {
        let workload = record.upstream.as_ref().map(|host| &host.spec.workload);
        let key = Key {
            cluster: cluster.map_or(0, |c| c.name.as_ptr() as usize),
            workload: workload.map_or(0, |w| Arc::as_ptr(w) as usize),
            code: record.response_code,
            grpc_status: record.grpc_status,
            flags: record.flags,
            protocol: if request.is_grpc() { Protocol::Grpc } else { Protocol::Http },
        };
        let mut known = self.http.lock();
        if !known.contains_key(&key) {
            if known.len() >= KNOWN_SERIES {
                known.clear();
            }
            let series = self.open_series(record, cluster, workload, node, &key);
            known.insert(key.clone(), series);
        }
        let Some(series) = known.get(&key) else { return };
        series.requests.inc();
        series.durations.observe(record.duration.unwrap_or_default().as_secs_f64() * 1000.0);
        series.request_bytes.observe(record.bytes_received as f64);
        series.response_bytes.observe(record.bytes_sent as f64);
    }

    fn open_series(
        &self,
        record: &Record,
        cluster: Option<&Cluster>,
        workload: Option<&Arc<Workload>>,
        node: &Node,
        key: &Key,
    ) -> HttpSeries {
        let observer = &self.observer;
        let labels = labels(record, cluster, workload, node, key, observer.combinations.admit());
        let values: Vec<&str> = labels.iter().map(String::as_str).collect();
        HttpSeries {
            requests: observer.requests.with_label_values(&values),
            durations: observer.durations.with_label_values(&values),
            request_bytes: observer.request_bytes.with_label_values(&values),
            response_bytes: observer.response_bytes.with_label_values(&values),
            _pinned: (cluster.map(|c| Arc::clone(&c.name)), workload.cloned()),
        }
    }

    /// Counts the opening of a TCP connection.
    pub fn tcp_opened(&self, record: &Record, cluster: Option<&Cluster>, node: &Node) {
        self.observer.tcp_opened.with_label_values(&tcp_values(record, cluster, node)).inc();
    }

    /// Counts what went over a TCP connection since the last time.
    pub fn tcp_bytes(&self, record: &Record, cluster: Option<&Cluster>, node: &Node, sent: u64, received: u64) {
        let values = tcp_values(record, cluster, node);
        self.observer.tcp_sent.with_label_values(&values).inc_by(sent);
        self.observer.tcp_received.with_label_values(&values).inc_by(received);
    }

    /// Counts the end of a TCP connection.
    pub fn tcp_closed(&self, record: &Record, cluster: Option<&Cluster>, node: &Node) {
        self.observer.tcp_closed.with_label_values(&tcp_values(record, cluster, node)).inc();
    }
}

fn tcp_values(record: &Record, cluster: Option<&Cluster>, node: &Node) -> Vec<String> {
    let workload = record.upstream.as_ref().map(|host| &host.spec.workload);
    let key = Key { cluster: 0, workload: 0, code: 0, grpc_status: None, flags: record.flags, protocol: Protocol::Tcp };
    let all = labels(record, cluster, workload, node, &key, true);
    LABELS.iter().zip(all).filter(|(label, _)| !HTTP_ONLY.contains(label)).map(|(_, value)| value).collect()
}

/// Values in the order of [`LABELS`]; destinations are told apart only if `apart`.
fn labels(
    record: &Record,
    cluster: Option<&Cluster>,
    workload: Option<&Arc<Workload>>,
    node: &Node,
    key: &Key,
    apart: bool,
) -> Vec<String> {
    let unknown = || "unknown".to_owned();
    let or_unknown = |text: &str| if text.is_empty() { unknown() } else { text.to_owned() };
    let source = &node.workload;
    let service = cluster.map(|c| &c.spec.service).filter(|_| apart);
    let destination =
        |get: fn(&Workload) -> &str| workload.filter(|_| apart).map_or_else(unknown, |w| or_unknown(get(w)));
    let protocol = match key.protocol {
        Protocol::Grpc => "grpc",
        Protocol::Tcp => "tcp",
        Protocol::Http => "http",
    };
    vec![
        "source".to_owned(),
        or_unknown(&source.name),
        or_unknown(&source.canonical_service),
        or_unknown(&source.canonical_revision),
        or_unknown(&source.namespace),
        unknown(),
        or_unknown(&source.app),
        or_unknown(&source.version),
        or_unknown(&source.cluster),
        destination(|w| &w.name),
        destination(|w| &w.namespace),
        unknown(),
        destination(|w| &w.app),
        destination(|w| &w.version),
        service.map_or_else(unknown, |s| or_unknown(&s.host)),
        destination(|w| &w.canonical_service),
        destination(|w| &w.canonical_revision),
        service.map_or_else(unknown, |s| or_unknown(&s.name)),
        service.map_or_else(unknown, |s| or_unknown(&s.namespace)),
        destination(|w| &w.cluster),
        protocol.to_owned(),
        key.code.to_string(),
        key.grpc_status.map(|code| code.to_string()).unwrap_or_default(),
        record.flags.to_string(),
        unknown(),
    ]
}
