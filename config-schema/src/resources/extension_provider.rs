//! `MeshConfig.extensionProviders`: services outside of the proxy that decide, trace or log.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::{Duration, scalar};

/// A provider by name. Exactly one kind is set; see [`ExtensionProvider::kinds`].
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionProvider {
    /// The name that policies use.
    #[serde(default)]
    pub name: String,
    /// Decides about requests, over HTTP.
    pub envoy_ext_authz_http: Option<ExtAuthzHttp>,
    /// Decides about requests, over gRPC.
    pub envoy_ext_authz_grpc: Option<ExtAuthzGrpc>,
    /// Takes traces in Zipkin's format.
    pub zipkin: Option<Zipkin>,
    /// Deprecated.
    pub lightstep: Option<Lightstep>,
    /// Takes traces in Datadog's format.
    pub datadog: Option<Datadog>,
    /// Google Cloud.
    pub stackdriver: Option<Stackdriver>,
    /// Deprecated.
    pub opencensus: Option<OpenCensus>,
    /// Takes traces in SkyWalking's format.
    pub skywalking: Option<SkyWalking>,
    /// Takes traces in OpenTelemetry's format.
    pub opentelemetry: Option<OpenTelemetry>,
    /// Metrics that Prometheus fetches.
    pub prometheus: Option<Prometheus>,
    /// Access log in a file.
    pub envoy_file_access_log: Option<FileAccessLog>,
    /// Access log of requests over Envoy's gRPC protocol.
    pub envoy_http_als: Option<HttpAls>,
    /// Access log of connections over Envoy's gRPC protocol.
    pub envoy_tcp_als: Option<TcpAls>,
    /// Access log in OpenTelemetry's format.
    pub envoy_otel_als: Option<OtelAls>,
    /// Certificates over Envoy's gRPC protocol.
    pub sds: Option<Sds>,
}

impl ExtensionProvider {
    /// The JSON names of the kinds that are set; a valid provider has exactly one.
    #[must_use]
    pub fn kinds(&self) -> Vec<&'static str> {
        [
            ("envoyExtAuthzHttp", self.envoy_ext_authz_http.is_some()),
            ("envoyExtAuthzGrpc", self.envoy_ext_authz_grpc.is_some()),
            ("zipkin", self.zipkin.is_some()),
            ("lightstep", self.lightstep.is_some()),
            ("datadog", self.datadog.is_some()),
            ("stackdriver", self.stackdriver.is_some()),
            ("opencensus", self.opencensus.is_some()),
            ("skywalking", self.skywalking.is_some()),
            ("opentelemetry", self.opentelemetry.is_some()),
            ("prometheus", self.prometheus.is_some()),
            ("envoyFileAccessLog", self.envoy_file_access_log.is_some()),
            ("envoyHttpAls", self.envoy_http_als.is_some()),
            ("envoyTcpAls", self.envoy_tcp_als.is_some()),
            ("envoyOtelAls", self.envoy_otel_als.is_some()),
            ("sds", self.sds.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, set)| set.then_some(name))
        .collect()
    }

    /// The providers that exist without being configured.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        let named = Self { name: name.to_owned(), ..Self::default() };
        match name {
            "prometheus" => Some(Self { prometheus: Some(Prometheus {}), ..named }),
            "stackdriver" => Some(Self { stackdriver: Some(Stackdriver::default()), ..named }),
            "envoy" => Some(Self {
                envoy_file_access_log: Some(FileAccessLog {
                    path: Some("/dev/stdout".to_owned()),
                    ..FileAccessLog::default()
                }),
                ..named
            }),
            _ => None,
        }
    }
}

/// An authorization service over HTTP: the request's head is sent to it, and 200 allows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtAuthzHttp {
    /// Host of the registry, as `[namespace/]host`.
    #[serde(default)]
    pub service: String,
    /// Port.
    #[serde(default)]
    pub port: u32,
    /// Time to wait for an answer; default 600 s.
    pub timeout: Option<Duration>,
    /// Stands before the path of the request.
    #[serde(default, deserialize_with = "scalar")]
    pub path_prefix: Option<String>,
    /// Let requests pass if there is no answer.
    #[serde(default)]
    pub fail_open: bool,
    /// Route again after the headers were changed.
    #[serde(default)]
    pub clear_route_cache: bool,
    /// Status if there is no answer; default 403.
    #[serde(default, deserialize_with = "scalar")]
    pub status_on_error: Option<String>,
    /// Deprecated form of `includeRequestHeadersInCheck`.
    #[serde(default)]
    pub include_headers_in_check: Vec<String>,
    /// Request headers to send; `*` may stand at one end. Host, method, path, content-length and authorization are
    /// always sent.
    #[serde(default)]
    pub include_request_headers_in_check: Vec<String>,
    /// Further headers to send.
    #[serde(default)]
    pub include_additional_headers_in_check: BTreeMap<String, String>,
    /// Send the body too.
    pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
    /// Headers of the answer that go to the backend.
    #[serde(default)]
    pub headers_to_upstream_on_allow: Vec<String>,
    /// Headers of a denial that go to the client; default all.
    #[serde(default)]
    pub headers_to_downstream_on_deny: Vec<String>,
    /// Headers of a permission that go to the client.
    #[serde(default)]
    pub headers_to_downstream_on_allow: Vec<String>,
}

/// How much of the body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtAuthzRequestBody {
    /// Most bytes; a longer body gives 413 unless a part is enough.
    #[serde(default)]
    pub max_request_bytes: u32,
    /// A part is enough.
    #[serde(default)]
    pub allow_partial_message: bool,
    /// Send it as bytes rather than as text.
    #[serde(default)]
    pub pack_as_bytes: bool,
}

/// An authorization service over gRPC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtAuthzGrpc {
    /// Host of the registry, as `[namespace/]host`.
    #[serde(default)]
    pub service: String,
    /// Port.
    #[serde(default)]
    pub port: u32,
    /// Time to wait for an answer; default 600 s.
    pub timeout: Option<Duration>,
    /// Let requests pass if there is no answer.
    #[serde(default)]
    pub fail_open: bool,
    /// Route again after the headers were changed.
    #[serde(default)]
    pub clear_route_cache: bool,
    /// Status if there is no answer; default 403.
    #[serde(default, deserialize_with = "scalar")]
    pub status_on_error: Option<String>,
    /// Send the body too.
    pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
}

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

/// Metrics that Prometheus fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct Prometheus {}

/// Access log in a file.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileAccessLog {
    /// The file; default `/dev/stdout`.
    #[serde(default, deserialize_with = "scalar")]
    pub path: Option<String>,
    /// Default Istio's text.
    pub log_format: Option<LogFormat>,
    /// Leave empty values out of JSON.
    #[serde(default)]
    pub omit_empty_values: bool,
}

/// Format of a log. In a file at most one of the two is set.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct LogFormat {
    /// A line with operators.
    pub text: Option<String>,
    /// A JSON object (in OpenTelemetry: attributes) with operators.
    pub labels: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Access log of requests over Envoy's gRPC protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "Envoy's terms")]
pub struct HttpAls {
    #[serde(default)]
    pub service: String,
    #[serde(default)]
    pub port: u32,
    #[serde(default, deserialize_with = "scalar")]
    pub log_name: Option<String>,
    #[serde(default)]
    pub filter_state_objects_to_log: Vec<String>,
    #[serde(default)]
    pub additional_request_headers_to_log: Vec<String>,
    #[serde(default)]
    pub additional_response_headers_to_log: Vec<String>,
    #[serde(default)]
    pub additional_response_trailers_to_log: Vec<String>,
}

/// Access log of connections over Envoy's gRPC protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "Envoy's terms")]
pub struct TcpAls {
    #[serde(default)]
    pub service: String,
    #[serde(default)]
    pub port: u32,
    #[serde(default, deserialize_with = "scalar")]
    pub log_name: Option<String>,
    #[serde(default)]
    pub filter_state_objects_to_log: Vec<String>,
}

/// Access log in OpenTelemetry's format.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtelAls {
    /// Host of the registry, as `[namespace/]host`.
    #[serde(default)]
    pub service: String,
    /// Port.
    #[serde(default)]
    pub port: u32,
    /// Name of the log.
    #[serde(default, deserialize_with = "scalar")]
    pub log_name: Option<String>,
    /// Body and attributes.
    pub log_format: Option<LogFormat>,
}

/// Certificates over Envoy's gRPC protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Sds {
    /// Name that `sds://` credentials use.
    #[serde(default)]
    pub name: String,
    /// Host of the registry, as `[namespace/]host`.
    #[serde(default)]
    pub service: String,
    /// Port.
    #[serde(default, deserialize_with = "scalar")]
    pub port: Option<u32>,
}
