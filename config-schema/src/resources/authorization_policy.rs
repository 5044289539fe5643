//! `security.istio.io` AuthorizationPolicy: who may do what.

use serde::Deserialize;

use super::wire::{PolicyTargetReference, WorkloadSelector, scalar};

/// `spec` of an AuthorizationPolicy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationPolicy {
    /// The workloads; none means all of the namespace, in the root namespace all of the mesh.
    pub selector: Option<WorkloadSelector>,
    /// The object it is attached to.
    pub target_ref: Option<PolicyTargetReference>,
    /// The objects it is attached to.
    #[serde(default)]
    pub target_refs: Vec<PolicyTargetReference>,
    /// Rules of which one must match; none at all never matches.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What a match means; default allow.
    #[serde(default)]
    pub action: Action,
    /// Who decides, with `CUSTOM`.
    pub provider: Option<AuthorizationProvider>,
}

/// What a match means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// The request is allowed.
    #[default]
    Allow,
    /// The request is denied.
    Deny,
    /// The request is worth a record.
    Audit,
    /// Somebody else decides.
    Custom,
}

/// Who decides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AuthorizationProvider {
    /// Name of one of meshConfig.extensionProviders.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
}

/// One of `from`, one of `to`, and all of `when`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Rule {
    /// Sources; none means any.
    #[serde(default)]
    pub from: Vec<From>,
    /// Operations; none means any.
    #[serde(default)]
    pub to: Vec<To>,
    /// Further conditions.
    #[serde(default)]
    pub when: Vec<Condition>,
}

/// A source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct From {
    /// Its properties.
    pub source: Option<RequestSource>,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct To {
    /// Its properties.
    pub operation: Option<Operation>,
}

/// Properties of who asks; all that are set must hold, each by one of its values. `*` may stand at one end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each field has a negated twin")]
pub struct RequestSource {
    /// Workload identities, as `trust-domain/ns/namespace/sa/account`.
    #[serde(default)]
    pub principals: Vec<String>,
    #[serde(default)]
    pub not_principals: Vec<String>,
    /// Token identities, as `issuer/subject`.
    #[serde(default)]
    pub request_principals: Vec<String>,
    #[serde(default)]
    pub not_request_principals: Vec<String>,
    /// Namespaces of workload identities.
    #[serde(default)]
    pub namespaces: Vec<String>,
    #[serde(default)]
    pub not_namespaces: Vec<String>,
    /// Service accounts, as `namespace/account` or `account`.
    #[serde(default)]
    pub service_accounts: Vec<String>,
    #[serde(default)]
    pub not_service_accounts: Vec<String>,
    /// Trust domains of workload identities.
    #[serde(default)]
    pub trust_domains: Vec<String>,
    #[serde(default)]
    pub not_trust_domains: Vec<String>,
    /// Addresses of the connection (CIDR).
    #[serde(default)]
    pub ip_blocks: Vec<String>,
    #[serde(default)]
    pub not_ip_blocks: Vec<String>,
    /// Addresses of the client behind trusted proxies (CIDR).
    #[serde(default)]
    pub remote_ip_blocks: Vec<String>,
    #[serde(default)]
    pub not_remote_ip_blocks: Vec<String>,
}

/// Properties of what is asked; all that are set must hold, each by one of its values. `*` may stand at one end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each field has a negated twin")]
pub struct Operation {
    /// Hosts, compared without case.
    #[serde(default)]
    pub hosts: Vec<String>,
    #[serde(default)]
    pub not_hosts: Vec<String>,
    /// Ports of the workload.
    #[serde(default)]
    pub ports: Vec<String>,
    #[serde(default)]
    pub not_ports: Vec<String>,
    /// Methods.
    #[serde(default)]
    pub methods: Vec<String>,
    #[serde(default)]
    pub not_methods: Vec<String>,
    /// Paths; `{*}` for one segment, `{**}` for the rest.
    #[serde(default)]
    pub paths: Vec<String>,
    #[serde(default)]
    pub not_paths: Vec<String>,
}

/// A further condition: one of `values`, none of `notValues`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The attribute, such as `request.headers[x-user]`.
    pub key: String,
    /// Values allowed.
    #[serde(default)]
    pub values: Vec<String>,
    /// Values not allowed.
    #[serde(default)]
    pub not_values: Vec<String>,
}
