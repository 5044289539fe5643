//! What a proxy runs: listeners, routes, clusters, endpoints and secrets, as plain data.
//!
//! A [`Snapshot`] is the output of `translate` and the input of the gateway's build step. It holds no
//! compiled form (no regex automata, no TLS contexts): those are the gateway's. Everything here can be
//! serialised, compared and hashed, so that a resource that did not change keeps its version.

mod cluster;
mod endpoint;
mod http;
mod listener;
mod route;
mod secret;
mod settings;
mod share;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use cluster::{
    ANY_DYNAMIC_DNS, CircuitBreakers, Cluster, ConsistentHash, Discovery, DnsLookup, HashRing, HealthCheck,
    HealthProbe, Http2KeepAlive, LEARNED_EGRESS, LbPolicy, LoadBalancer, OutlierDetection, ProxyProtocolVersion,
    RetryBudget, ServiceRef, SubjectAltName, TcpKeepalive, UpstreamPool, UpstreamProtocol, UpstreamTls,
    UpstreamTlsMode, Warmup,
};
pub use endpoint::{Endpoint, EndpointAddress, Endpoints, Health, Locality, LocalityEndpoints, Workload};
pub use http::{
    EscapedSlashesAction, ForwardClientCert, HttpOptions, PathNormalization, UnderscoresAction, XfccDetails,
};
pub use listener::{
    Bind, CertificateSource, ClientValidation, DownstreamTls, FilterChain, FilterChainMatch, ForwardDestination,
    ForwardProxy, HttpFilter, Listener, ListenerClass, NetworkFilter, TcpProxy, TlsProvider, TlsVersion, Transport,
    TrustSource, Tunnel, WeightedCluster,
};
pub use route::{
    Abort, ClaimMatch, Cors, DirectResponse, Fault, FaultDelay, FieldRef, Forward, Fraction, HashPolicy, HeaderLists,
    HeaderMatch, HeaderOps, Mirror, ObjectRef, PathMatch, PathRewrite, QueryMatch, Redirect, RedirectPath, RetryOn,
    RetryPolicy, Route, RouteAction, RouteMatch, RouteTable, ValueMatch, VirtualHost, WeightedDestination,
};
pub use secret::{Secret, TlsCertificate, TrustBundle};
pub use settings::{AccessLog, AccessLogEncoding, Drain, MeshIdentity, Node, ProxySettings};

/// The whole configuration of one proxy.
///
/// Maps are keyed by resource name. Values are shared: two snapshots that agree on a resource share it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Who this proxy is.
    pub node: Node,
    /// What holds for every listener.
    pub settings: ProxySettings,
    /// Sockets to serve, by name (`ADDRESS_PORT`).
    pub listeners: BTreeMap<String, Arc<Listener>>,
    /// Routing tables, by the name that an [`HttpFilter`] gives (`http.80`, `https.443.NAME.GATEWAY.NAMESPACE`).
    pub route_tables: BTreeMap<String, Arc<RouteTable>>,
    /// Upstream clusters, by Istio's cluster name (`outbound|PORT|SUBSET|HOST`).
    pub clusters: BTreeMap<String, Arc<Cluster>>,
    /// Endpoints of the clusters whose discovery is [`Discovery::Endpoints`], by cluster name.
    pub endpoints: BTreeMap<String, Arc<Endpoints>>,
    /// Certificates, keys and trust bundles, by the name that [`CertificateSource`] and [`ClientValidation`] give.
    pub secrets: BTreeMap<String, Arc<Secret>>,
    /// PEM files that servers and clusters read, by path, with the fields that name them.
    pub files: BTreeMap<String, Vec<FieldRef>>,
    /// Addresses of the cluster's Pods, Services and Nodes. Names that clients choose ([`Discovery::DynamicDns`]) may
    /// not lead there.
    pub cluster_addresses: Arc<BTreeSet<IpAddr>>,
}
