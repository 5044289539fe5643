//! `networking.istio.io` EnvoyFilter: changes of Envoy's own configuration. Read in order to say what it asks for and
//! what to use instead; never applied.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::{LabelsSelector, PolicyTargetReference, scalar};

/// `spec` of an EnvoyFilter.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyFilter {
    /// The workloads.
    pub workload_selector: Option<LabelsSelector>,
    /// The objects it is attached to.
    #[serde(default)]
    pub target_refs: Vec<PolicyTargetReference>,
    /// The patches.
    #[serde(default)]
    pub config_patches: Vec<EnvoyConfigObjectPatch>,
    /// Order among filters.
    #[serde(default, deserialize_with = "scalar")]
    pub priority: Option<i32>,
}

/// A patch.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyConfigObjectPatch {
    /// What it changes.
    #[serde(default)]
    pub apply_to: ApplyTo,
    /// Where.
    pub r#match: Option<EnvoyConfigObjectMatch>,
    /// How.
    pub patch: Option<Patch>,
}

/// What a patch changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Envoy's terms")]
pub enum ApplyTo {
    #[default]
    Invalid,
    Listener,
    FilterChain,
    NetworkFilter,
    HttpFilter,
    RouteConfiguration,
    VirtualHost,
    HttpRoute,
    Cluster,
    ExtensionConfig,
    Bootstrap,
    ListenerFilter,
}

/// Where a patch applies. At most one of the four kinds is set.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvoyConfigObjectMatch {
    /// The kind of proxy.
    pub context: Option<PatchContext>,
    /// The version of the proxy.
    pub proxy: Option<ProxyMatch>,
    /// A listener.
    pub listener: Option<ListenerMatch>,
    /// A route table.
    pub route_configuration: Option<RouteConfigurationMatch>,
    /// A cluster.
    pub cluster: Option<ClusterMatch>,
    /// A waypoint.
    pub waypoint: Option<WaypointMatch>,
}

/// The kind of proxy a patch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Istio's terms")]
pub enum PatchContext {
    Any,
    SidecarInbound,
    SidecarOutbound,
    Gateway,
    Waypoint,
}

/// Properties of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyMatch {
    /// Expression for the version.
    #[serde(default, deserialize_with = "scalar")]
    pub proxy_version: Option<String>,
    /// Its metadata.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// Properties of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerMatch {
    /// Port.
    #[serde(default, deserialize_with = "scalar")]
    pub port_number: Option<u32>,
    /// Name of the port.
    #[serde(default, deserialize_with = "scalar")]
    pub port_name: Option<String>,
    /// A filter chain.
    pub filter_chain: Option<FilterChainMatch>,
    /// A listener filter.
    #[serde(default, deserialize_with = "scalar")]
    pub listener_filter: Option<String>,
    /// Name.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
}

/// Properties of a filter chain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterChainMatch {
    /// Name.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// SNI.
    #[serde(default, deserialize_with = "scalar")]
    pub sni: Option<String>,
    /// `raw_buffer` or `tls`.
    #[serde(default, deserialize_with = "scalar")]
    pub transport_protocol: Option<String>,
    /// ALPN, comma list.
    #[serde(default, deserialize_with = "scalar")]
    pub application_protocols: Option<String>,
    /// A network filter.
    pub filter: Option<FilterMatch>,
    /// Port dialled.
    #[serde(default, deserialize_with = "scalar")]
    pub destination_port: Option<u32>,
}

/// A filter, and one inside of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterMatch {
    /// Name.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// The one inside.
    pub sub_filter: Option<NameMatch>,
}

/// Something by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct NameMatch {
    /// Name.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
}

/// Properties of a route table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteConfigurationMatch {
    /// Port.
    #[serde(default, deserialize_with = "scalar")]
    pub port_number: Option<u32>,
    /// Name of the port.
    #[serde(default, deserialize_with = "scalar")]
    pub port_name: Option<String>,
    /// Gateway, as `namespace/name`.
    #[serde(default, deserialize_with = "scalar")]
    pub gateway: Option<String>,
    /// A virtual host.
    pub vhost: Option<VirtualHostMatch>,
    /// Name.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
}

/// Properties of a virtual host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualHostMatch {
    /// Name.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// A route.
    pub route: Option<RouteMatch>,
    /// A domain.
    #[serde(default, deserialize_with = "scalar")]
    pub domain_name: Option<String>,
}

/// Properties of a route.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct RouteMatch {
    /// Name.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
    /// What it does.
    pub action: Option<RouteAction>,
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Envoy's terms")]
pub enum RouteAction {
    Any,
    Route,
    Redirect,
    DirectResponse,
}

/// Properties of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterMatch {
    /// Port.
    #[serde(default, deserialize_with = "scalar")]
    pub port_number: Option<u32>,
    /// Host.
    #[serde(default, deserialize_with = "scalar")]
    pub service: Option<String>,
    /// Subset.
    #[serde(default, deserialize_with = "scalar")]
    pub subset: Option<String>,
    /// Name.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
}

/// Properties of a waypoint's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaypointMatch {
    /// Port.
    #[serde(default, deserialize_with = "scalar")]
    pub port_number: Option<u32>,
    /// A filter.
    pub filter: Option<FilterMatch>,
    /// A route.
    pub route: Option<NameMatch>,
}

/// How something is changed.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    /// The operation.
    #[serde(default)]
    pub operation: PatchOperation,
    /// What is put in.
    pub value: Option<serde_json::Value>,
    /// Where among other filters.
    #[serde(default)]
    pub filter_class: FilterClass,
}

/// The operation of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Istio's terms")]
pub enum PatchOperation {
    #[default]
    Invalid,
    Merge,
    Add,
    Remove,
    InsertBefore,
    InsertAfter,
    InsertFirst,
    Replace,
    MergeAndReplaceList,
}

/// Where a filter stands among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Istio's terms")]
pub enum FilterClass {
    #[default]
    Unspecified,
    Authn,
    Authz,
    Stats,
}
