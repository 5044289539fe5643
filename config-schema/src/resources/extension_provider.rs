//! `MeshConfig.extensionProviders`: services outside of the proxy that decide, trace or log.

mod access_log;
mod ext_authz;
mod tracing;

use serde::Deserialize;

use super::wire::scalar;

pub use access_log::{FileAccessLog, HttpAls, LogFormat, OtelAls, TcpAls};
pub use ext_authz::{ExtAuthzGrpc, ExtAuthzHttp, ExtAuthzRequestBody};
pub use tracing::{
    Datadog, DynatraceApi, DynatraceSampler, EmptyMessage, Lightstep, OpenCensus, OpenCensusContext, OpenTelemetry,
    OtelGrpcService, OtelHttpService, ProviderHeader, ResourceDetectors, ServiceAttributeEnrichment, SkyWalking,
    Stackdriver, StackdriverLogging, TraceContextOption, Zipkin,
};

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

/// Metrics that Prometheus fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct Prometheus {}

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
