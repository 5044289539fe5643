//! Tracing of a proxy.

use crate::resources::destination_rule::ClientTlsSettings;
use crate::resources::extension_provider::OpenCensusContext;
use crate::resources::wire::scalar;
use serde::Deserialize;
use std::collections::BTreeMap;

/// How the name of the service in traces is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TracingServiceName {
    /// `app.namespace`, by label.
    #[default]
    AppLabelAndNamespace,
    /// The canonical name.
    CanonicalNameOnly,
    /// The canonical name and the namespace.
    CanonicalNameAndNamespace,
}

/// Traces. At most one of the five receivers is set.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyTracing {
    /// In Zipkin's format.
    pub zipkin: Option<TracingAddress>,
    /// Deprecated.
    pub lightstep: Option<TracingLightstep>,
    /// In Datadog's format.
    pub datadog: Option<TracingAddress>,
    /// Google Cloud.
    pub stackdriver: Option<TracingStackdriver>,
    /// Deprecated.
    pub open_census_agent: Option<TracingOpenCensus>,
    /// Further tags.
    #[serde(default)]
    pub custom_tags: BTreeMap<String, TracingCustomTag>,
    /// Longest path in a tag; default 256.
    #[serde(default, deserialize_with = "scalar")]
    pub max_path_tag_length: Option<u32>,
    /// Share of requests traced, in percent; default 1.
    pub sampling: Option<f64>,
    /// TLS towards the receiver.
    pub tls_settings: Option<ClientTlsSettings>,
    /// Add Istio's own tags; default true.
    pub enable_istio_tags: Option<bool>,
}

/// Address of a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct TracingAddress {
    /// `host:port`.
    #[serde(default, deserialize_with = "scalar")]
    pub address: Option<String>,
}

/// Deprecated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "deprecated by Istio")]
pub struct TracingLightstep {
    #[serde(default, deserialize_with = "scalar")]
    pub address: Option<String>,
    #[serde(default, deserialize_with = "scalar")]
    pub access_token: Option<String>,
}

/// Google Cloud.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "not served")]
pub struct TracingStackdriver {
    #[serde(default)]
    pub debug: bool,
    pub max_number_of_attributes: Option<i64>,
    pub max_number_of_annotations: Option<i64>,
    pub max_number_of_message_events: Option<i64>,
}

/// Deprecated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[expect(missing_docs, reason = "deprecated by Istio")]
pub struct TracingOpenCensus {
    #[serde(default, deserialize_with = "scalar")]
    pub address: Option<String>,
    #[serde(default)]
    pub context: Vec<OpenCensusContext>,
}

/// Where the value of a tag comes from. One of the three is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct TracingCustomTag {
    /// Fixed.
    pub literal: Option<TracingLiteral>,
    /// From the proxy's environment.
    pub environment: Option<TracingNameWithDefault>,
    /// From a request header.
    pub header: Option<TracingNameWithDefault>,
}

/// A fixed text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct TracingLiteral {
    /// The text.
    #[serde(default)]
    pub value: String,
}

/// A name to look up, and what to use if there is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TracingNameWithDefault {
    /// The name.
    #[serde(default)]
    pub name: String,
    /// In place of nothing.
    #[serde(default, deserialize_with = "scalar")]
    pub default_value: Option<String>,
}
