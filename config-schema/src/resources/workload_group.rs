//! `networking.istio.io` WorkloadGroup: what a set of machines outside of Kubernetes has in common.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::scalar;
use super::workload_entry::WorkloadEntry;

/// `spec` of a WorkloadGroup.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct WorkloadGroup {
    /// Labels and annotations for the entries.
    pub metadata: Option<WorkloadGroupMetadata>,
    /// What each entry begins as.
    pub template: WorkloadEntry,
    /// How its health is found out.
    pub probe: Option<ReadinessProbe>,
}

/// Labels and annotations for the entries of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct WorkloadGroupMetadata {
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// How health is found out. At most one of the four kinds is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessProbe {
    /// Seconds to wait before the first probe.
    #[serde(default, deserialize_with = "scalar")]
    pub initial_delay_seconds: Option<i32>,
    /// Seconds to wait for an answer; default 1.
    #[serde(default, deserialize_with = "scalar")]
    pub timeout_seconds: Option<i32>,
    /// Seconds between probes; default 10.
    #[serde(default, deserialize_with = "scalar")]
    pub period_seconds: Option<i32>,
    /// Successes in a row that make it ready; default 1.
    #[serde(default, deserialize_with = "scalar")]
    pub success_threshold: Option<i32>,
    /// Failures in a row that make it unready; default 3.
    #[serde(default, deserialize_with = "scalar")]
    pub failure_threshold: Option<i32>,
    /// By an HTTP request.
    pub http_get: Option<HttpHealthCheck>,
    /// By connecting.
    pub tcp_socket: Option<TcpHealthCheck>,
    /// By running a command.
    pub exec: Option<ExecHealthCheck>,
    /// By gRPC's health protocol.
    pub grpc: Option<GrpcHealthCheck>,
}

/// A probe by HTTP request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpHealthCheck {
    /// Path; default `/`.
    #[serde(default, deserialize_with = "scalar")]
    pub path: Option<String>,
    /// Port.
    pub port: u32,
    /// Host to connect to; default localhost.
    #[serde(default, deserialize_with = "scalar")]
    pub host: Option<String>,
    /// `HTTP` (default) or `HTTPS`.
    #[serde(default, deserialize_with = "scalar")]
    pub scheme: Option<String>,
    /// Further headers.
    #[serde(default)]
    pub http_headers: Vec<HttpHeader>,
}

/// A header of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct HttpHeader {
    /// Name.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// Value.
    #[serde(default, deserialize_with = "scalar")]
    pub value: Option<String>,
}

/// A probe by connecting.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TcpHealthCheck {
    /// Host to connect to; default localhost.
    #[serde(default, deserialize_with = "scalar")]
    pub host: Option<String>,
    /// Port.
    pub port: u32,
}

/// A probe by running a command.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ExecHealthCheck {
    /// The command and its arguments.
    pub command: Vec<String>,
}

/// A probe by gRPC's health protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct GrpcHealthCheck {
    /// Port.
    #[serde(default, deserialize_with = "scalar")]
    pub port: Option<u32>,
    /// Service to ask for.
    #[serde(default, deserialize_with = "scalar")]
    pub service: Option<String>,
}
