//! Services: in a mesh of several clusters, and who sees ServiceEntries.

use crate::resources::wire::LabelSelector;
use serde::Deserialize;

/// Properties of services in a mesh of several clusters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ServiceSettings {
    /// The properties.
    pub settings: Option<ServiceSettingsSettings>,
    /// The services, possibly with wildcards.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// Properties of services in a mesh of several clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSettingsSettings {
    /// Only endpoints of the client's own cluster.
    #[serde(default)]
    pub cluster_local: bool,
}

/// Scope of services in a mesh of several clusters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceScopeConfig {
    /// Their namespaces.
    pub namespace_selector: Option<LabelSelector>,
    /// The services.
    pub services_selector: Option<LabelSelector>,
    /// The scope.
    #[serde(default)]
    pub scope: ServiceScope,
}

/// Scope of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceScope {
    /// Its own cluster.
    #[default]
    Local,
    /// All clusters.
    Global,
}

/// Who sees ServiceEntries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEntryVisibility {
    /// Unless a policy says otherwise.
    #[serde(default)]
    pub default_visibility: Visibility,
    /// Whether it counts for sidecars too.
    #[serde(default)]
    pub apply_to_sidecars: bool,
    /// Policies, the first that matches counts.
    #[serde(default)]
    pub policies: Vec<VisibilityPolicy>,
}

/// Who sees something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Visibility {
    /// The default of the field.
    #[default]
    VisibilityUnspecified,
    /// Nobody.
    None,
    /// Its namespace.
    Namespace,
    /// Everybody.
    Public,
}

/// Who sees the ServiceEntries that match.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VisibilityPolicy {
    /// Who.
    #[serde(default)]
    pub visibility: Visibility,
    /// Alternatives of which one must match.
    #[serde(default)]
    pub matching_rules: Vec<VisibilityMatchRule>,
}

/// Which ServiceEntries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VisibilityMatchRule {
    /// Those of these namespaces.
    pub namespace_selector: Option<LabelSelector>,
}
