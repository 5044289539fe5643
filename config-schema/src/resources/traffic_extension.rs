//! `extensions.istio.io` TrafficExtension: WebAssembly or Lua in the proxy. Read in order to refuse it by name.

use serde::Deserialize;

use super::wasm_plugin::{FailStrategy, PluginType, PullPolicy, TrafficSelector, VmConfig};
use super::wire::{PolicyTargetReference, WorkloadSelector, scalar};

/// `spec` of a TrafficExtension. Exactly one of `wasm` and `lua` is set.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficExtension {
    /// The workloads; none means all of the namespace, in the root namespace all of the mesh.
    pub selector: Option<WorkloadSelector>,
    /// The objects it is attached to.
    #[serde(default)]
    pub target_refs: Vec<PolicyTargetReference>,
    /// Where in the chain.
    pub phase: Option<ExtensionPhase>,
    /// Order within the phase.
    pub priority: Option<i32>,
    /// Traffic that it sees; default all.
    #[serde(default)]
    pub r#match: Vec<TrafficSelector>,
    /// A WebAssembly module.
    pub wasm: Option<WasmExtension>,
    /// A Lua script.
    pub lua: Option<LuaExtension>,
}

/// Where in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Istio's terms")]
pub enum ExtensionPhase {
    Unspecified,
    Authn,
    Authz,
    Stats,
}

/// A WebAssembly module; fields as in [`WasmPlugin`](super::wasm_plugin::WasmPlugin).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in WasmPlugin")]
pub struct WasmExtension {
    pub url: String,
    #[serde(default, deserialize_with = "scalar")]
    pub sha256: Option<String>,
    pub image_pull_policy: Option<PullPolicy>,
    #[serde(default, deserialize_with = "scalar")]
    pub image_pull_secret: Option<String>,
    #[serde(default, deserialize_with = "scalar")]
    pub verification_key: Option<String>,
    pub plugin_config: Option<serde_json::Value>,
    #[serde(default, deserialize_with = "scalar")]
    pub plugin_name: Option<String>,
    pub fail_strategy: Option<FailStrategy>,
    pub vm_config: Option<VmConfig>,
    pub r#type: Option<PluginType>,
}

/// A Lua script.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LuaExtension {
    /// Its text.
    pub inline_code: String,
}
