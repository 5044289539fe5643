//! HTTP routing tables: hosts, routes in order, and what a route does.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Hosts and their routes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Name, unique in a snapshot.
    pub name: String,
    /// Hosts; a request goes to the most specific one and never falls back to another.
    pub virtual_hosts: Vec<VirtualHost>,
}

/// Routes of some host names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VirtualHost {
    /// `HOST:PORT`, for dumps.
    pub name: String,
    /// Exact names, `*.suffix`, or `*`. Compared without case; the port of the request's host is ignored.
    pub domains: Vec<String>,
    /// Answer plaintext requests with 301 to https (`tls.httpsRedirect`).
    pub require_tls: bool,
    /// First match wins.
    pub routes: Vec<Arc<Route>>,
}

/// The object that a piece of the snapshot came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Kind, e.g. `VirtualService`.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FieldRef {
    /// The object.
    pub object: ObjectRef,
    /// Path inside of it, such as `spec.servers[0].tls.caCertificates`.
    pub path: String,
}

/// A condition, what to do, and what to do on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Rule name, with the match's name behind a dot. Empty when unnamed (logged as `default`).
    pub name: Arc<str>,
    /// Where it came from.
    pub source: Arc<ObjectRef>,
    /// When it applies.
    pub matches: RouteMatch,
    /// What it does.
    pub action: RouteAction,
    /// Changes of the request, before it is sent on.
    pub request_headers: HeaderOps,
    /// Changes of the response, also of local replies.
    pub response_headers: HeaderOps,
    /// Cross-origin rules.
    pub cors: Option<Box<Cors>>,
    /// Injected faults.
    pub fault: Option<Box<Fault>>,
    /// What requests are called in traces, `HOST:PORT/PATH`: told to the backend in `x-envoy-decorator-operation`.
    /// Empty: nothing is told.
    #[serde(default)]
    pub operation: String,
}

/// All of it must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteMatch {
    /// Condition on the path without query.
    pub path: PathMatch,
    /// Compare `Exact` and `Prefix` without case (`ignoreUriCase`).
    pub ignore_path_case: bool,
    /// Conditions on headers; `:method`, `:authority`, `:scheme` are names too.
    pub headers: Vec<HeaderMatch>,
    /// Conditions on query parameters, undecoded, first of each name.
    pub query: Vec<QueryMatch>,
    /// Conditions on claims of the verified token.
    pub claims: Vec<ClaimMatch>,
}

/// Condition on the path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathMatch {
    /// Any path.
    #[default]
    Any,
    /// The whole path.
    Exact(String),
    /// A plain string prefix (VirtualService).
    Prefix(String),
    /// A prefix that ends at a segment border (Gateway API, Ingress).
    SegmentPrefix(String),
    /// RE2 syntax, the whole path.
    Regex(String),
}

/// Condition on a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueMatch {
    /// Any value, also an empty one.
    Present,
    /// Equal.
    Exact(String),
    /// Starts with.
    Prefix(String),
    /// RE2 syntax, the whole value.
    Regex(String),
}

/// Condition on a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderMatch {
    /// Lower-case name.
    pub name: String,
    /// Condition; of several values of one name one is enough.
    pub value: ValueMatch,
    /// `withoutHeaders`: must not hold; a missing header counts as empty, but [`ValueMatch::Present`] then asks that
    /// the header is absent.
    pub invert: bool,
}

/// Condition on a claim of the verified token (`@request.auth.claims`). Only strings and members of lists of strings
/// are compared; without a token there is no claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimMatch {
    /// Names from the outermost claim inwards.
    pub path: Vec<String>,
    /// Condition on the value.
    pub value: ValueMatch,
    /// `withoutHeaders`: must not hold.
    pub invert: bool,
}

/// Condition on a query parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryMatch {
    /// Name, case counts.
    pub name: String,
    /// Condition on the value.
    pub value: ValueMatch,
}

/// What a route does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RouteAction {
    /// Send the request to a cluster.
    Forward(Box<Forward>),
    /// Answer with a redirect.
    Redirect(Box<Redirect>),
    /// Answer.
    Direct(DirectResponse),
}

/// Sending on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Forward {
    /// Destinations by weight; one alone gets everything. A cluster that does not exist answers 503 NC.
    pub destinations: Vec<WeightedDestination>,
    /// The rule names several destinations, even if only one of them has a weight: their header changes stay lists of
    /// their own.
    #[serde(default)]
    pub weighted: bool,
    /// New path.
    pub path_rewrite: Option<PathRewrite>,
    /// New host. The one before goes into `x-envoy-original-host`.
    pub host_rewrite: Option<String>,
    /// The whole answer must have come within this long after the request. `None`: no limit.
    pub timeout: Option<Duration>,
    /// When and how often to try again. `None`: never.
    pub retry: Option<Arc<RetryPolicy>>,
    /// Copies, sent and forgotten.
    pub mirrors: Vec<Mirror>,
    /// What the consistent-hash balancer hashes, in order; all present parts are combined.
    pub hash_policy: Vec<HashPolicy>,
}

/// One destination of a route.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WeightedDestination {
    /// Cluster name.
    pub cluster: Arc<str>,
    /// Share of the sum.
    pub weight: u32,
    /// Changes of the request for this destination. Where [`Forward::weighted`] they run before the route's, else
    /// they are one list with the route's.
    pub request_headers: HeaderOps,
    /// Changes of the response of this destination.
    pub response_headers: HeaderOps,
    /// Host that the route's own changes start from. It leaves no trace of the one before.
    pub host_rewrite: Option<String>,
}

/// How to change the path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathRewrite {
    /// Replace what the route's prefix matched; for an exact match the whole path; for none, put it in front of
    /// the path without its first character; for a regex match the whole path.
    Prefix(String),
    /// Replace every occurrence of an RE2 pattern; `\1` are groups.
    Regex {
        /// Pattern.
        pattern: String,
        /// Substitution.
        substitution: String,
    },
}

/// A copy of the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mirror {
    /// Cluster name.
    pub cluster: String,
    /// How often.
    pub fraction: Fraction,
}

/// A probability in parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fraction(pub u32);

impl Fraction {
    /// Always.
    pub const ALL: Fraction = Fraction(1_000_000);

    /// From a percentage; resolution 0.0001 %.
    pub fn from_percent(percent: f64) -> Self {
        // A float-to-int `as` saturates, and the range is checked by validation.
        Fraction((percent * 10_000.0).round() as u32)
    }
}

/// Redirect of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// New path.
    pub path: RedirectPath,
    /// New host, with or without port.
    pub authority: Option<String>,
    /// New scheme.
    pub scheme: Option<String>,
    /// Port appended to the host; it replaces the port of the request's host.
    pub port: Option<u16>,
    /// 301, 302, 303, 307 or 308.
    pub code: u16,
}

/// Path of a redirect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedirectPath {
    /// The request's.
    #[default]
    Keep,
    /// Replaces the path; the query stays unless the new one has a `?`.
    Full(String),
    /// Replaces the matched prefix.
    Prefix(String),
}

/// Answer of the proxy itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectResponse {
    /// Status.
    pub status: u16,
    /// Body; sent as text/plain unless a header says otherwise.
    pub body: Option<Vec<u8>>,
}

/// Header changes. Most routes have none, and then take no room for them; what there is is read as [`HeaderLists`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderOps(Option<Box<HeaderLists>>);

/// Header changes: removals, then sets, then adds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderLists {
    /// Names to remove, lower case.
    pub remove: Vec<String>,
    /// Names to overwrite, sorted. Values may hold Envoy's `%OPERATORS%`.
    pub set: BTreeMap<String, String>,
    /// Names to append to, sorted.
    pub add: BTreeMap<String, String>,
}

static NO_CHANGES: HeaderLists = HeaderLists { remove: Vec::new(), set: BTreeMap::new(), add: BTreeMap::new() };

impl HeaderOps {
    /// Does nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl From<HeaderLists> for HeaderOps {
    fn from(lists: HeaderLists) -> Self {
        HeaderOps((lists != NO_CHANGES).then(|| Box::new(lists)))
    }
}

impl Deref for HeaderOps {
    type Target = HeaderLists;

    fn deref(&self) -> &HeaderLists {
        self.0.as_deref().unwrap_or(&NO_CHANGES)
    }
}

impl Serialize for HeaderOps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for HeaderOps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        HeaderLists::deserialize(deserializer).map(Self::from)
    }
}

/// Cross-origin rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    /// Origins that are allowed.
    pub allow_origins: Vec<ValueMatch>,
    /// Value of access-control-allow-methods.
    pub allow_methods: Option<String>,
    /// Value of access-control-allow-headers.
    pub allow_headers: Option<String>,
    /// Value of access-control-expose-headers.
    pub expose_headers: Option<String>,
    /// Value of access-control-max-age, seconds.
    pub max_age: Option<String>,
    /// Send access-control-allow-credentials: true.
    pub allow_credentials: Option<bool>,
    /// Send preflights of other origins to the backend; else answer them with 200 without allow-origin.
    pub forward_unmatched_preflights: bool,
}

/// Injected faults; delay and abort are drawn independently.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Wait first.
    pub delay: Option<FaultDelay>,
    /// Then answer.
    pub abort: Option<Abort>,
}

/// An injected delay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultDelay {
    /// How long.
    pub fixed: Duration,
    /// How often.
    pub fraction: Fraction,
}

/// An injected answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Abort {
    /// HTTP status, if it is one.
    pub http_status: Option<u16>,
    /// gRPC status, if it is one.
    pub grpc_status: Option<u32>,
    /// How often.
    pub fraction: Fraction,
}

/// When and how often to try again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Tries beyond the first.
    pub attempts: u32,
    /// Limit of one try. `None`: the route's timeout.
    pub per_try_timeout: Option<Duration>,
    /// What to retry.
    pub retry_on: RetryOn,
    /// Statuses to retry when `retry_on.retriable_status_codes`.
    pub status_codes: Vec<u16>,
    /// Do not choose an endpoint again that has been tried for this request.
    pub avoid_previous_hosts: bool,
    /// How often to choose again for that.
    pub host_selection_attempts: u32,
    /// Other priorities (localities) get retries after this many (`retryRemoteLocalities`).
    pub previous_priorities: bool,
    /// First back-off; it doubles, jittered, up to ten times as much.
    pub base_interval: Duration,
}

/// What to retry, by Envoy's names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryOn {
    /// `5xx`
    pub server_error: bool,
    /// `gateway-error`: 502, 503, 504
    pub gateway_error: bool,
    /// `reset`
    pub reset: bool,
    /// `reset-before-request`
    pub reset_before_request: bool,
    /// `connect-failure`
    pub connect_failure: bool,
    /// `envoy-ratelimited`
    pub ratelimited: bool,
    /// `retriable-4xx`: 409
    pub retriable_4xx: bool,
    /// `refused-stream`
    pub refused_stream: bool,
    /// `retriable-status-codes`
    pub retriable_status_codes: bool,
    /// `http3-post-connect-failure`
    pub http3_post_connect_failure: bool,
    /// gRPC `cancelled`
    pub cancelled: bool,
    /// gRPC `deadline-exceeded`
    pub deadline_exceeded: bool,
    /// gRPC `internal`
    pub internal: bool,
    /// gRPC `resource-exhausted`
    pub resource_exhausted: bool,
    /// gRPC `unavailable`
    pub unavailable: bool,
}

/// A part of the consistent-hash key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HashPolicy {
    /// Value of a header.
    Header(String),
    /// Value of a cookie; made when it is absent and `ttl` is given.
    Cookie {
        /// Name.
        name: String,
        /// Path attribute.
        path: String,
        /// Life; zero makes a session cookie; `None` makes none.
        ttl: Option<Duration>,
        /// Further attributes.
        attributes: Vec<(String, String)>,
    },
    /// The client's address.
    SourceIp,
    /// Value of a query parameter.
    QueryParameter(String),
}
