//! Where access logs go.

use crate::resources::wire::scalar;
use serde::Deserialize;

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
