//! `telemetry.istio.io` Telemetry: metrics, logs and traces by workload.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::{Duration, PolicyTargetReference, WorkloadSelector, scalar};

/// `spec` of a Telemetry.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Telemetry {
    /// The workloads; none means all of the namespace, in the root namespace all of the mesh.
    pub selector: Option<WorkloadSelector>,
    /// The object it is attached to.
    pub target_ref: Option<PolicyTargetReference>,
    /// The objects it is attached to.
    #[serde(default)]
    pub target_refs: Vec<PolicyTargetReference>,
    /// Traces.
    #[serde(default)]
    pub tracing: Vec<Tracing>,
    /// Metrics.
    #[serde(default)]
    pub metrics: Vec<Metrics>,
    /// Access logs.
    #[serde(default)]
    pub access_logging: Vec<AccessLogging>,
}

/// Which side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkloadMode {
    /// Both.
    #[default]
    ClientAndServer,
    /// The one that calls.
    Client,
    /// The one that is called.
    Server,
}

/// A provider by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct ProviderRef {
    /// Name of one of meshConfig.extensionProviders.
    pub name: String,
}

/// Which side of a connection is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct ModeSelector {
    /// Default both.
    #[serde(default)]
    pub mode: WorkloadMode,
}

/// Traces.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tracing {
    /// Which side.
    pub r#match: Option<ModeSelector>,
    /// Where spans go; default meshConfig.defaultProviders.
    #[serde(default)]
    pub providers: Vec<ProviderRef>,
    /// Share of requests traced, in percent; default 1.
    pub random_sampling_percentage: Option<f64>,
    /// Report no spans.
    pub disable_span_reporting: Option<bool>,
    /// Do not pass the context on.
    pub disable_context_propagation: Option<bool>,
    /// Further tags.
    #[serde(default)]
    pub custom_tags: BTreeMap<String, CustomTag>,
    /// Let the request ID decide what is sampled.
    pub use_request_id_for_trace_sampling: Option<bool>,
    /// Add Istio's own tags; default true.
    pub enable_istio_tags: Option<bool>,
}

/// Where the value of a tag comes from. At most one is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct CustomTag {
    /// Fixed.
    pub literal: Option<Literal>,
    /// From the proxy's environment.
    pub environment: Option<NameWithDefault>,
    /// From a request header.
    pub header: Option<NameWithDefault>,
    /// By an access log format.
    pub formatter: Option<Literal>,
}

/// A fixed text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct Literal {
    /// The text.
    pub value: String,
}

/// A name to look up, and what to use if there is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NameWithDefault {
    /// The name.
    pub name: String,
    /// In place of nothing.
    #[serde(default, deserialize_with = "scalar")]
    pub default_value: Option<String>,
}

/// Metrics.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Where they go; default meshConfig.defaultProviders.
    #[serde(default)]
    pub providers: Vec<ProviderRef>,
    /// Changes, in order.
    #[serde(default)]
    pub overrides: Vec<MetricsOverrides>,
    /// Time between reports of TCP metrics; default 5 s.
    pub reporting_interval: Option<Duration>,
}

/// A change of metrics.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricsOverrides {
    /// Which metrics; default all.
    pub r#match: Option<MetricSelector>,
    /// Switch them off.
    pub disabled: Option<bool>,
    /// Labels to set or remove.
    #[serde(default)]
    pub tag_overrides: BTreeMap<String, TagOverride>,
}

/// Metrics by name. At most one of `metric` and `customMetric` is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricSelector {
    /// One of Istio's.
    pub metric: Option<IstioMetric>,
    /// Another one.
    pub custom_metric: Option<String>,
    /// Which side.
    #[serde(default)]
    pub mode: WorkloadMode,
}

/// Istio's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum IstioMetric {
    AllMetrics,
    RequestCount,
    RequestDuration,
    RequestSize,
    ResponseSize,
    TcpOpenedConnections,
    TcpClosedConnections,
    TcpSentBytes,
    TcpReceivedBytes,
    GrpcRequestMessages,
    GrpcResponseMessages,
}

/// A change of a label.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct TagOverride {
    /// Set or remove; default set.
    #[serde(default)]
    pub operation: TagOperation,
    /// CEL expression for the value.
    #[serde(default, deserialize_with = "scalar")]
    pub value: Option<String>,
}

/// What is done to a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TagOperation {
    /// It is set.
    #[default]
    Upsert,
    /// It is removed.
    Remove,
}

/// Access logs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AccessLogging {
    /// Which side.
    pub r#match: Option<ModeSelector>,
    /// Where lines go; default meshConfig.defaultProviders.
    #[serde(default)]
    pub providers: Vec<ProviderRef>,
    /// Switch them off.
    pub disabled: Option<bool>,
    /// Which requests are logged; default all.
    pub filter: Option<AccessLogFilter>,
}

/// Which requests are logged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AccessLogFilter {
    /// CEL expression over Envoy's attributes.
    #[serde(default, deserialize_with = "scalar")]
    pub expression: Option<String>,
}
