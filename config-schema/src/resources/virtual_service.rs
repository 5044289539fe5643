//! `networking.istio.io` VirtualService: where requests and connections for a host go.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::{Base64Bytes, Duration, Percent, StringMatch, scalar};

/// `spec` of a VirtualService.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualService {
    /// The hosts it is about; none for a delegate.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The Gateways it is bound to: `name`, `namespace/name`, `./name`, or `mesh` for sidecars. Default `mesh`.
    #[serde(default)]
    pub gateways: Vec<String>,
    /// Rules for HTTP, in order; the first that matches serves.
    #[serde(default)]
    pub http: Vec<HttpRoute>,
    /// Rules for TLS that is forwarded by SNI, in order.
    #[serde(default)]
    pub tls: Vec<TlsRoute>,
    /// Rules for bytes, in order.
    #[serde(default)]
    pub tcp: Vec<TcpRoute>,
    /// Namespaces that see it: `.`, `*`, `~` or names. Default meshConfig.defaultVirtualServiceExportTo.
    #[serde(default)]
    pub export_to: Vec<String>,
}

/// A rule for HTTP.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRoute {
    /// Name for logs.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// Alternatives of which one must hold; none means always.
    #[serde(default)]
    pub r#match: Vec<HttpMatchRequest>,
    /// Where to send it, by weight.
    #[serde(default)]
    pub route: Vec<HttpRouteDestination>,
    /// Answer with a redirect.
    pub redirect: Option<Box<HttpRedirect>>,
    /// Answer with a fixed response.
    pub direct_response: Option<Box<HttpDirectResponse>>,
    /// Take the rules of another VirtualService for what this one matches.
    pub delegate: Option<Box<Delegate>>,
    /// Change path and authority before forwarding.
    pub rewrite: Option<Box<HttpRewrite>>,
    /// Time for the whole answer, retries included; default none.
    pub timeout: Option<Duration>,
    /// When and how often to try again; default meshConfig.defaultHttpRetryPolicy, else two retries.
    pub retries: Option<Box<HttpRetry>>,
    /// Failures to inject.
    pub fault: Option<Box<HttpFaultInjection>>,
    /// A second destination that gets a copy.
    pub mirror: Option<Box<Destination>>,
    /// Further destinations that get a copy.
    #[serde(default)]
    pub mirrors: Vec<HttpMirrorPolicy>,
    /// Deprecated form of `mirrorPercentage`, in whole percent.
    #[serde(alias = "mirror_percent")]
    pub mirror_percent: Option<u32>,
    /// The share of requests that `mirror` gets; default 100.
    pub mirror_percentage: Option<Percent>,
    /// Cross-origin rules.
    pub cors_policy: Option<Box<CorsPolicy>>,
    /// Header changes for all destinations.
    pub headers: Option<Box<Headers>>,
    /// Removed from Istio's API long ago and without effect, but still found in files.
    pub websocket_upgrade: Option<bool>,
}

/// Conditions that must hold together.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpMatchRequest {
    /// Name, joined to the rule's name in logs.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// Path, without the query. A prefix is a prefix of characters.
    pub uri: Option<StringMatch>,
    /// `http` or `https`.
    pub scheme: Option<Box<StringMatch>>,
    /// Method.
    pub method: Option<Box<StringMatch>>,
    /// Host header or `:authority`, with the port if it was sent.
    pub authority: Option<Box<StringMatch>>,
    /// Headers by name in lower case; `@request.auth.claims.…` for claims of a verified token.
    #[serde(default)]
    pub headers: BTreeMap<String, StringMatch>,
    /// Headers that must not match.
    #[serde(default)]
    pub without_headers: BTreeMap<String, StringMatch>,
    /// Query parameters by name.
    #[serde(default)]
    pub query_params: BTreeMap<String, StringMatch>,
    /// The port of the Gateway's server, or the one that a workload dialled.
    #[serde(default, deserialize_with = "scalar")]
    pub port: Option<u32>,
    /// Labels of the workload that calls.
    #[serde(default)]
    pub source_labels: BTreeMap<String, String>,
    /// Namespace of the workload that calls.
    #[serde(default, deserialize_with = "scalar")]
    pub source_namespace: Option<String>,
    /// Overrides `spec.gateways` for this match.
    #[serde(default)]
    pub gateways: Vec<String>,
    /// Compare exact and prefix paths without case.
    #[serde(default)]
    pub ignore_uri_case: bool,
    /// Prefix of Envoy's per-route statistics.
    #[serde(default, deserialize_with = "scalar")]
    pub stat_prefix: Option<String>,
}

/// A destination with its share.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HttpRouteDestination {
    /// Where to.
    pub destination: Destination,
    /// Share relative to the sum of all weights; a single destination gets everything.
    #[serde(default)]
    pub weight: i32,
    /// Header changes for this destination.
    pub headers: Option<Box<Headers>>,
}

/// A service, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct Destination {
    /// Host of the registry; a name without dots is a Service in the VirtualService's namespace.
    pub host: String,
    /// Subset of the host's DestinationRule.
    #[serde(default, deserialize_with = "scalar")]
    pub subset: Option<String>,
    /// Port; may be left out if the service has only one.
    pub port: Option<PortSelector>,
}

/// A port by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct PortSelector {
    /// The number; 0 counts as absent.
    #[serde(default)]
    pub number: u32,
}

/// Header changes of both directions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Headers {
    /// Before the request is forwarded.
    pub request: Option<HeaderOperations>,
    /// Before the response is returned.
    pub response: Option<HeaderOperations>,
}

/// Header changes: all removals, then all sets, then all adds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct HeaderOperations {
    /// Overwrite, or create.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Append.
    #[serde(default)]
    pub add: BTreeMap<String, String>,
    /// Remove.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// An answer that sends the client elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRedirect {
    /// The whole new path.
    #[serde(default, deserialize_with = "scalar")]
    pub uri: Option<String>,
    /// What replaces the matched prefix of the path.
    #[serde(default, deserialize_with = "scalar")]
    pub prefix_rewrite: Option<String>,
    /// The new host.
    #[serde(default, deserialize_with = "scalar")]
    pub authority: Option<String>,
    /// The new port. Excludes `derivePort`.
    pub port: Option<u32>,
    /// Where the new port comes from. Excludes `port`.
    pub derive_port: Option<RedirectPortSelection>,
    /// The new scheme.
    #[serde(default, deserialize_with = "scalar")]
    pub scheme: Option<String>,
    /// 301 (default), 302, 303, 307 or 308.
    #[serde(default, deserialize_with = "scalar")]
    pub redirect_code: Option<u32>,
}

/// Where the port of a redirect comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RedirectPortSelection {
    /// 80 or 443, by scheme.
    FromProtocolDefault,
    /// The port that the request came in on.
    FromRequestPort,
}

/// An answer that the proxy gives itself.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct HttpDirectResponse {
    /// Status, 200 to 599.
    pub status: u32,
    /// Body, at most 1 MiB.
    pub body: Option<HttpBody>,
}

/// A body. At most one of the two is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct HttpBody {
    /// As text.
    pub string: Option<String>,
    /// As bytes.
    pub bytes: Option<Base64Bytes>,
}

impl HttpBody {
    /// The bytes to send.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match (&self.string, &self.bytes) {
            (Some(text), _) => text.as_bytes(),
            (None, Some(bytes)) => &bytes.0,
            (None, None) => &[],
        }
    }
}

/// A VirtualService without hosts that has the rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct Delegate {
    /// Its name.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// Its namespace; default that of the root.
    #[serde(default, deserialize_with = "scalar")]
    pub namespace: Option<String>,
}

/// Changes of the request line before forwarding.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRewrite {
    /// What replaces the matched prefix, or the whole path for an exact or regex match.
    #[serde(default, deserialize_with = "scalar")]
    pub uri: Option<String>,
    /// The new host.
    #[serde(default, deserialize_with = "scalar")]
    pub authority: Option<String>,
    /// Replace parts of the path. Excludes `uri`.
    pub uri_regex_rewrite: Option<RegexRewrite>,
}

/// A replacement by regular expression.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct RegexRewrite {
    /// RE2 expression; all occurrences are replaced.
    #[serde(default, deserialize_with = "scalar")]
    pub r#match: Option<String>,
    /// Replacement, with `\1` for groups.
    #[serde(default, deserialize_with = "scalar")]
    pub rewrite: Option<String>,
}

/// When and how often to try again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRetry {
    /// Retries after the first try; 0 switches them off.
    #[serde(default)]
    pub attempts: i32,
    /// Time for each try; default the rule's timeout.
    pub per_try_timeout: Option<Duration>,
    /// Comma list of conditions and status codes.
    #[serde(default, deserialize_with = "scalar")]
    pub retry_on: Option<String>,
    /// Let a retry go to another locality.
    pub retry_remote_localities: Option<bool>,
    /// Avoid hosts that were tried; default true.
    pub retry_ignore_previous_hosts: Option<bool>,
    /// Base of the waiting time; default 25 ms.
    pub backoff: Option<Duration>,
}

/// Failures to inject.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct HttpFaultInjection {
    /// Wait before forwarding.
    pub delay: Option<FaultDelay>,
    /// Answer with an error.
    pub abort: Option<FaultAbort>,
}

/// A delay.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultDelay {
    /// How long.
    pub fixed_delay: Option<Duration>,
    /// Not implemented by Istio.
    pub exponential_delay: Option<Duration>,
    /// The share of requests; default none.
    pub percentage: Option<Percent>,
    /// Deprecated form of `percentage`.
    #[serde(default, deserialize_with = "scalar")]
    pub percent: Option<i32>,
}

/// An injected error. At most one kind is set.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultAbort {
    /// HTTP status, 200 to 599.
    pub http_status: Option<i32>,
    /// gRPC status by name, such as `UNAVAILABLE`.
    pub grpc_status: Option<String>,
    /// Not implemented by Istio.
    pub http2_error: Option<String>,
    /// The share of requests; default none.
    pub percentage: Option<Percent>,
}

/// A destination that gets a copy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HttpMirrorPolicy {
    /// Where to.
    pub destination: Destination,
    /// The share of requests; default 100.
    pub percentage: Option<Percent>,
}

/// Cross-origin rules.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CorsPolicy {
    /// Deprecated: origins by exact name, or `*`.
    #[serde(default)]
    pub allow_origin: Vec<String>,
    /// Origins allowed.
    #[serde(default)]
    pub allow_origins: Vec<StringMatch>,
    /// Methods allowed.
    #[serde(default)]
    pub allow_methods: Vec<String>,
    /// Request headers allowed.
    #[serde(default)]
    pub allow_headers: Vec<String>,
    /// Response headers that scripts may read.
    #[serde(default)]
    pub expose_headers: Vec<String>,
    /// How long a preflight answer may be cached.
    pub max_age: Option<Duration>,
    /// Whether credentials may be sent.
    pub allow_credentials: Option<bool>,
    /// What becomes of preflights with an origin that is not allowed.
    #[serde(default)]
    pub unmatched_preflights: UnmatchedPreflights,
}

/// What becomes of preflights that match no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnmatchedPreflights {
    /// Same as `Forward`.
    #[default]
    Unspecified,
    /// They go to the backend.
    Forward,
    /// They are answered without permission.
    Ignore,
}

/// A rule for TLS that is forwarded by SNI.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TlsRoute {
    /// Alternatives of which one must hold.
    pub r#match: Vec<TlsMatchAttributes>,
    /// Where to send it, by weight.
    #[serde(default)]
    pub route: Vec<RouteDestination>,
}

/// Conditions on a TLS connection that must hold together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsMatchAttributes {
    /// Server names, possibly with a wildcard first label.
    pub sni_hosts: Vec<String>,
    /// Destination addresses (CIDR).
    #[serde(default)]
    pub destination_subnets: Vec<String>,
    /// The port of the Gateway's server, or the one that a workload dialled.
    #[serde(default, deserialize_with = "scalar")]
    pub port: Option<u32>,
    /// Labels of the workload that calls.
    #[serde(default)]
    pub source_labels: BTreeMap<String, String>,
    /// Overrides `spec.gateways` for this match.
    #[serde(default)]
    pub gateways: Vec<String>,
    /// Namespace of the workload that calls.
    #[serde(default, deserialize_with = "scalar")]
    pub source_namespace: Option<String>,
}

/// A rule for bytes.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct TcpRoute {
    /// Alternatives of which one must hold; none means always.
    #[serde(default)]
    pub r#match: Vec<L4MatchAttributes>,
    /// Where to send it, by weight.
    #[serde(default)]
    pub route: Vec<RouteDestination>,
}

/// Conditions on a connection that must hold together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct L4MatchAttributes {
    /// Destination addresses (CIDR).
    #[serde(default)]
    pub destination_subnets: Vec<String>,
    /// The port of the Gateway's server, or the one that a workload dialled.
    #[serde(default, deserialize_with = "scalar")]
    pub port: Option<u32>,
    /// Source addresses (CIDR).
    #[serde(default, deserialize_with = "scalar")]
    pub source_subnet: Option<String>,
    /// Labels of the workload that calls.
    #[serde(default)]
    pub source_labels: BTreeMap<String, String>,
    /// Overrides `spec.gateways` for this match.
    #[serde(default)]
    pub gateways: Vec<String>,
    /// Namespace of the workload that calls.
    #[serde(default, deserialize_with = "scalar")]
    pub source_namespace: Option<String>,
}

/// A destination of connections with its share.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RouteDestination {
    /// Where to.
    pub destination: Destination,
    /// Share relative to the sum of all weights; a single destination gets everything.
    #[serde(default)]
    pub weight: i32,
}
