//! Metadata that Istio's translation gives routes, clusters and endpoints.

use config_schema::snapshot::{self, Endpoint, TrustSource, UpstreamTlsMode};
use serde_json::{Value as Json, json};

use super::FormatError;
use super::value::{Scope, Value};

/// The namespace that Istio writes to.
const ISTIO: &str = "istio";
/// The namespace by which transports to an endpoint are told apart.
const TRANSPORT: &str = "envoy.transport_socket_match";

/// A place in metadata: `METADATA(KIND:NAMESPACE:KEY:…)` and its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataPath {
    source: Source,
    namespace: String,
    keys: Vec<String>,
    max_length: Option<usize>,
}

/// Whose metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Of the route.
    Route,
    /// Of the cluster.
    Cluster,
    /// Of the endpoint.
    Host,
    /// Of what has none: filters, listeners, their chains, virtual hosts.
    Nothing,
}

impl MetadataPath {
    /// Parses `KIND:NAMESPACE:KEY:…`.
    pub fn with_kind(argument: &str, max_length: Option<usize>) -> Result<Self, FormatError> {
        let (kind, path) = argument.split_once(':').unwrap_or((argument, ""));
        let source = match kind {
            "ROUTE" => Source::Route,
            "CLUSTER" => Source::Cluster,
            "UPSTREAM_HOST" => Source::Host,
            "DYNAMIC" | "LISTENER" | "LISTENER_FILTER_CHAIN" | "VIRTUAL_HOST" => Source::Nothing,
            other => {
                return Err(FormatError::new(format!(
                    "`%METADATA({argument})%`: {other:?} is not supported; use ROUTE, CLUSTER, UPSTREAM_HOST, DYNAMIC, LISTENER, LISTENER_FILTER_CHAIN or VIRTUAL_HOST"
                )));
            }
        };
        Ok(Self::of(source, path, max_length))
    }

    /// Parses `NAMESPACE:KEY:…`, or the older form `["NAMESPACE", "KEY", …]`.
    pub fn of(source: Source, path: &str, max_length: Option<usize>) -> Self {
        if let Ok(mut parts) = serde_json::from_str::<Vec<String>>(path)
            && !parts.is_empty()
        {
            let keys = parts.split_off(1);
            return MetadataPath { source, namespace: parts.remove(0), keys, max_length };
        }
        let mut parts = path.split(':').map(str::to_owned);
        MetadataPath { source, namespace: parts.next().unwrap_or_default(), keys: parts.collect(), max_length }
    }

    /// The value for a request.
    pub(super) fn evaluate<'a>(&self, scope: &Scope<'a>) -> Value<'a> {
        let found = match self.source {
            Source::Route => scope.around.route.and_then(|route| of_route(&route.spec, &self.namespace)),
            Source::Cluster => scope.cluster().and_then(|cluster| of_cluster(cluster, &self.namespace)),
            Source::Host => scope.record.upstream.as_ref().and_then(|host| of_host(&host.spec, &self.namespace)),
            Source::Nothing => None,
        };
        let Some(mut value) = found else { return Value::Missing };
        for key in &self.keys {
            match value.get_mut(key) {
                Some(inner) => value = inner.take(),
                None => return Value::Missing,
            }
        }
        match (value, self.max_length) {
            (Json::String(text), Some(max)) => Value::Owned(text.chars().take(max).collect()),
            (Json::String(text), None) => Value::Owned(text),
            (other, Some(max)) => Value::Cut(other, max),
            (other, None) => Value::Json(other),
        }
    }
}

fn config(kind: &str, namespace: &str, name: &str) -> String {
    format!("/apis/networking.istio.io/v1/namespaces/{namespace}/{kind}/{name}")
}

fn of_route(route: &snapshot::Route, namespace: &str) -> Option<Json> {
    let source = &route.source;
    let has = namespace == ISTIO && source.kind == "VirtualService";
    has.then(|| json!({ "config": config("virtual-service", &source.namespace, &source.name) }))
}

fn of_cluster(cluster: &snapshot::Cluster, namespace: &str) -> Option<Json> {
    let service = &cluster.service;
    if namespace != ISTIO || service.host.is_empty() {
        return None;
    }
    let about = json!({ "host": service.host, "name": service.name, "namespace": service.namespace });
    let mut metadata = json!({ "services": [about] });
    if let Some((namespace, name)) = cluster.destination_rule.as_ref().and_then(|rule| rule.split_once('/')) {
        metadata["config"] = config("destination-rule", namespace, name).into();
        if matches!(&cluster.tls, UpstreamTlsMode::Tls(tls) if tls.trust != TrustSource::Mesh) {
            metadata["alpn_override"] = "false".into();
        }
    }
    match service.subset.as_str() {
        "" if cluster.external => metadata["external"] = true.into(),
        "" => {}
        subset => metadata["subset"] = subset.into(),
    }
    Some(metadata)
}

fn of_host(endpoint: &Endpoint, namespace: &str) -> Option<Json> {
    match namespace {
        ISTIO => {
            let workload = &endpoint.workload;
            let revision = Some(workload.canonical_revision.as_str()).filter(|r| *r != "latest").unwrap_or_default();
            let parts = [&workload.name, &workload.namespace, &workload.canonical_service, revision, &workload.cluster];
            Some(json!({ "workload": parts.join(";") }))
        }
        TRANSPORT if endpoint.mesh_tls => Some(json!({ "tlsMode": "istio" })),
        _ => None,
    }
}
