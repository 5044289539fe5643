//! Who the proxy is and what holds for all its listeners.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::endpoint::{Locality, Workload};
use super::http::HttpOptions;

/// Who this proxy is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Pod name, or host name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Labels of the pod.
    pub labels: BTreeMap<String, String>,
    /// First address of the pod.
    pub address: Option<std::net::IpAddr>,
    /// Where it runs.
    pub locality: Locality,
    /// For metrics: the `source_*` labels at a gateway.
    pub workload: Workload,
    /// Identity in the mesh.
    pub identity: MeshIdentity,
}

/// Identity in the mesh.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshIdentity {
    /// `meshConfig.trustDomain`.
    pub trust_domain: String,
    /// Aliases that are trusted as if they were it.
    pub trust_domain_aliases: Vec<String>,
    /// Service account.
    pub service_account: String,
}

/// What holds for every listener.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProxySettings {
    /// HTTP behaviour.
    pub http: HttpOptions,
    /// Access log; `None`: off.
    pub access_log: Option<AccessLog>,
    /// Connections of all listeners at once. `None`: no limit.
    pub connection_limit: Option<u32>,
    /// Leaving.
    pub drain: Drain,
    /// Worker threads asked for by configuration (`concurrency`). `None`: one per CPU.
    pub concurrency: Option<u32>,
}

/// Access log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLog {
    /// File, or `/dev/stdout`, `/dev/stderr`.
    pub path: String,
    /// Text or JSON.
    pub encoding: AccessLogEncoding,
    /// Format string (text) or a JSON object of format strings (JSON); `None`: Istio's default.
    pub format: Option<String>,
    /// Connections to a gateway that no filter chain is for are entries, too (unless `disableEnvoyListenerLog`).
    pub listeners: bool,
}

/// How entries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessLogEncoding {
    /// A line of text.
    Text,
    /// A JSON object per line.
    Json,
}

/// Leaving (SIGTERM).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// After SIGTERM: fail readiness, keep serving this long at least (`terminationDrainDuration`). Istio: 5 s.
    pub minimum: Duration,
    /// Then leave as soon as no connection is left, at the latest after this long (`drainDuration`). Istio: 45 s.
    pub maximum: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Drain { minimum: Duration::from_secs(5), maximum: Duration::from_secs(45) }
    }
}
