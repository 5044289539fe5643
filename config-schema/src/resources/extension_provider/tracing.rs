//! Collectors of traces.

use crate::resources::wire::{Duration, scalar};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Traces in Zipkin's format.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Zipkin {
    /// Host of the registry, as `[namespace/]host`.
    #[serde(default)]
    pub service: String,
    /// Port.
    #[serde(default)]
    pub port: u32,
    /// Longest path in a tag; default 256.
    #[serde(default, deserialize_with = "scalar")]
    pub max_tag_length: Option<u32>,
    /// IDs of 64 bits.
    #[serde(default)]
    pub enable_64bit_trace_id: bool,
    /// Path; default `/api/v2/spans`.
    #[serde(default, deserialize_with = "scalar")]
    pub path: Option<String>,
    /// Headers of the context.
    #[serde(default)]
    pub trace_context_option: TraceContextOption,
    /// Time to wait for an answer; default 5 s.
    pub timeout: Option<Duration>,
    /// Further headers.
    #[serde(default)]
    pub headers: Vec<ProviderHeader>,
}

/// Headers of a trace's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[expect(non_camel_case_types, reason = "the wire names are not derivable otherwise")]
pub enum TraceContextOption {
    /// B3.
    #[default]
    USE_B3,
    /// B3, else W3C; both are passed on.
    USE_B3_WITH_W3C_PROPAGATION,
}

/// A header for a provider. One of `value` and `envName` is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderHeader {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Value.
    pub value: Option<String>,
    /// Value from the proxy's environment.
    pub env_name: Option<String>,
}

/// Deprecated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "deprecated by Istio")]
pub struct Lightstep {
    #[serde(default)]
    pub service: String,
    #[serde(default)]
    pub port: u32,
    #[serde(default, deserialize_with = "scalar")]
    pub access_token: Option<String>,
    #[serde(default, deserialize_with = "scalar")]
    pub max_tag_length: Option<u32>,
}

/// Traces in Datadog's format.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Datadog {
    /// Host of the registry, as `[namespace/]host`.
    #[serde(default)]
    pub service: String,
    /// Port.
    #[serde(default)]
    pub port: u32,
    /// Longest path in a tag; default 256.
    #[serde(default, deserialize_with = "scalar")]
    pub max_tag_length: Option<u32>,
}

/// Traces in SkyWalking's format.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SkyWalking {
    /// Host of the registry, as `[namespace/]host`.
    #[serde(default)]
    pub service: String,
    /// Port.
    #[serde(default)]
    pub port: u32,
    /// Token to authenticate with.
    #[serde(default, deserialize_with = "scalar")]
    pub access_token: Option<String>,
}

/// Google Cloud.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "not served")]
pub struct Stackdriver {
    #[serde(default)]
    pub debug: bool,
    pub max_number_of_attributes: Option<i64>,
    pub max_number_of_annotations: Option<i64>,
    pub max_number_of_message_events: Option<i64>,
    #[serde(default, deserialize_with = "scalar")]
    pub max_tag_length: Option<u32>,
    pub logging: Option<StackdriverLogging>,
}

/// Google Cloud's logs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct StackdriverLogging {
    /// Labels as CEL expressions.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Deprecated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "deprecated by Istio")]
pub struct OpenCensus {
    #[serde(default)]
    pub service: String,
    #[serde(default)]
    pub port: u32,
    #[serde(default)]
    pub context: Vec<OpenCensusContext>,
    #[serde(default, deserialize_with = "scalar")]
    pub max_tag_length: Option<u32>,
}

/// Headers of OpenCensus' context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "deprecated by Istio")]
pub enum OpenCensusContext {
    Unspecified,
    #[serde(rename = "W3C_TRACE_CONTEXT")]
    W3cTraceContext,
    GrpcBin,
    CloudTraceContext,
    B3,
}

/// Traces in OpenTelemetry's format. At most one of `http` and `grpc` is set; without `http` it is gRPC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenTelemetry {
    /// Host of the registry, as `[namespace/]host`.
    #[serde(default)]
    pub service: String,
    /// Port.
    #[serde(default)]
    pub port: u32,
    /// Longest path in a tag; default 256.
    #[serde(default, deserialize_with = "scalar")]
    pub max_tag_length: Option<u32>,
    /// Over HTTP.
    pub http: Option<OtelHttpService>,
    /// Over gRPC.
    pub grpc: Option<OtelGrpcService>,
    /// Where attributes of the proxy come from.
    pub resource_detectors: Option<ResourceDetectors>,
    /// Where the service's name comes from.
    #[serde(default)]
    pub service_attribute_enrichment: ServiceAttributeEnrichment,
    /// Dynatrace's way to sample.
    pub dynatrace_sampler: Option<DynatraceSampler>,
}

/// A service over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct OtelHttpService {
    /// Path.
    #[serde(default, deserialize_with = "scalar")]
    pub path: Option<String>,
    /// Time to wait for an answer.
    pub timeout: Option<Duration>,
    /// Further headers.
    #[serde(default)]
    pub headers: Vec<ProviderHeader>,
}

/// A service over gRPC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtelGrpcService {
    /// Time to wait for an answer.
    pub timeout: Option<Duration>,
    /// Further headers.
    #[serde(default)]
    pub initial_metadata: Vec<ProviderHeader>,
}

/// Where attributes of the proxy come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ResourceDetectors {
    /// The environment variable `OTEL_RESOURCE_ATTRIBUTES`.
    pub environment: Option<EmptyMessage>,
    /// Dynatrace's files.
    pub dynatrace: Option<EmptyMessage>,
}

/// A message without fields, whose presence says everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct EmptyMessage {}

/// Where the service's name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceAttributeEnrichment {
    /// Istio's canonical service.
    #[default]
    IstioCanonical,
    /// OpenTelemetry's rules for Kubernetes.
    OtelSemanticConventions,
}

/// Dynatrace's way to sample.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "Dynatrace's terms")]
pub struct DynatraceSampler {
    #[serde(default)]
    pub tenant: String,
    #[serde(default)]
    pub cluster_id: i32,
    #[serde(default, deserialize_with = "scalar")]
    pub root_spans_per_minute: Option<u32>,
    pub http_service: Option<DynatraceApi>,
}

/// Dynatrace's API.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[expect(missing_docs, reason = "as elsewhere")]
pub struct DynatraceApi {
    #[serde(default)]
    pub service: String,
    #[serde(default)]
    pub port: u32,
    pub http: Option<OtelHttpService>,
}
