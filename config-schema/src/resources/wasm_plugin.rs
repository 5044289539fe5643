//! `extensions.istio.io` WasmPlugin: WebAssembly in the proxy. Read in order to refuse it by name.

use serde::Deserialize;

use super::wire::{PolicyTargetReference, WorkloadSelector, scalar};

/// `spec` of a WasmPlugin.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WasmPlugin {
    /// The workloads; none means all of the namespace, in the root namespace all of the mesh.
    pub selector: Option<WorkloadSelector>,
    /// The object it is attached to.
    pub target_ref: Option<PolicyTargetReference>,
    /// The objects it is attached to.
    #[serde(default)]
    pub target_refs: Vec<PolicyTargetReference>,
    /// Where the module is: `oci://`, `file://`, `http://`, `https://`.
    pub url: String,
    /// Hex SHA-256 of the module.
    #[serde(default, deserialize_with = "scalar")]
    pub sha256: Option<String>,
    /// When an image is pulled again.
    pub image_pull_policy: Option<PullPolicy>,
    /// Secret to pull it with.
    #[serde(default, deserialize_with = "scalar")]
    pub image_pull_secret: Option<String>,
    /// Public key that must have signed it.
    #[serde(default, deserialize_with = "scalar")]
    pub verification_key: Option<String>,
    /// Configuration of the module.
    pub plugin_config: Option<serde_json::Value>,
    /// Name that the module is given.
    #[serde(default, deserialize_with = "scalar")]
    pub plugin_name: Option<String>,
    /// Where in the chain.
    pub phase: Option<PluginPhase>,
    /// Order within the phase.
    pub priority: Option<i32>,
    /// What happens if the module cannot be loaded.
    pub fail_strategy: Option<FailStrategy>,
    /// Environment of the module.
    pub vm_config: Option<VmConfig>,
    /// Traffic that it sees; default all.
    #[serde(default)]
    pub r#match: Vec<TrafficSelector>,
    /// HTTP or network filter.
    pub r#type: Option<PluginType>,
}

/// When an image is pulled again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[expect(missing_docs, reason = "Kubernetes' terms")]
pub enum PullPolicy {
    #[serde(rename = "UNSPECIFIED_POLICY")]
    UnspecifiedPolicy,
    IfNotPresent,
    Always,
}

/// Where in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Istio's terms")]
pub enum PluginPhase {
    UnspecifiedPhase,
    Authn,
    Authz,
    Stats,
}

/// HTTP or network filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Istio's terms")]
pub enum PluginType {
    UnspecifiedPluginType,
    Http,
    Network,
}

/// What happens if the module cannot be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Istio's terms")]
pub enum FailStrategy {
    FailClose,
    FailOpen,
    FailReload,
}

/// Environment of the module.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct VmConfig {
    /// Variables.
    #[serde(default)]
    pub env: Vec<EnvVar>,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Name.
    pub name: String,
    /// Where the value comes from; default `value`.
    #[serde(default)]
    pub value_from: EnvValueSource,
    /// The value.
    #[serde(default, deserialize_with = "scalar")]
    pub value: Option<String>,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EnvValueSource {
    /// `value`.
    #[default]
    Inline,
    /// The proxy's environment.
    Host,
}

/// Traffic by side and port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct TrafficSelector {
    /// Which side; default both.
    pub mode: Option<TrafficSelectorMode>,
    /// Ports; default all.
    #[serde(default)]
    pub ports: Vec<SelectorPort>,
}

/// Which side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Istio's terms")]
pub enum TrafficSelectorMode {
    Undefined,
    Client,
    Server,
    ClientAndServer,
}

/// A port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub struct SelectorPort {
    /// The number.
    pub number: u32,
}
