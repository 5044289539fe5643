//! `networking.istio.io` ProxyConfig: a few settings of proxies by workload.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::{WorkloadSelector, scalar};

/// `spec` of a ProxyConfig object. Not to be confused with the mesh's
/// [`MeshProxyConfig`](super::mesh_proxy_config::MeshProxyConfig), parts of which it overrides.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyConfig {
    /// The workloads; none means all of the namespace, in the root namespace all of the mesh.
    pub selector: Option<WorkloadSelector>,
    /// Worker threads; 0 for one per core.
    pub concurrency: Option<i32>,
    /// Environment of the proxy.
    #[serde(default)]
    pub environment_variables: BTreeMap<String, String>,
    /// Image of the proxy.
    pub image: Option<ProxyImage>,
}

/// Image of the proxy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyImage {
    /// `default`, `debug` or `distroless`.
    #[serde(default, deserialize_with = "scalar")]
    pub image_type: Option<String>,
}
