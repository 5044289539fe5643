//! Who an endpoint or a proxy is, for metrics.

use std::net::IpAddr;

use super::labels::{CLUSTER_ID, Labels, canonical_name, canonical_revision};
use crate::resources::{Object, ObjectMeta, Pod};
use crate::snapshot::Workload;

/// Label that names the workload.
const WORKLOAD_NAME_LABEL: &str = "service.istio.io/workload-name";

/// The workload of a Pod.
pub(super) fn of_pod(pod: &Object<Pod>) -> Workload {
    of_labels(name_of_pod(&pod.meta), pod.meta.namespace.clone(), pod.meta.labels.clone())
}

/// The workload called `name`.
pub(super) fn of_labels(name: String, namespace: String, labels: Labels) -> Workload {
    Workload {
        canonical_service: canonical_name(&labels, &name),
        canonical_revision: canonical_revision(&labels),
        app: labels.get("app").cloned().unwrap_or_default(),
        version: labels.get("version").cloned().unwrap_or_default(),
        cluster: CLUSTER_ID.to_owned(),
        name,
        namespace,
        labels,
    }
}

/// The Deployment (or other controller) of a Pod, told from its owner; the Pod itself without one.
fn name_of_pod(meta: &ObjectMeta) -> String {
    if let Some(name) = meta.labels.get(WORKLOAD_NAME_LABEL) {
        return name.clone();
    }
    let Some(owner) = meta.owner_references.iter().find(|owner| owner.controller) else {
        return meta.name.clone();
    };
    let hashes = ["pod-template-hash", "rollouts-pod-template-hash"];
    let hash = hashes.iter().find_map(|label| meta.labels.get(*label));
    match hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())) {
        Some(name) if owner.kind == "ReplicaSet" => name.trim_end_matches('-').to_owned(),
        _ => owner.name.clone(),
    }
}

/// The name of a WorkloadEntry's workload.
pub(super) fn name_of_workload_entry(meta: &ObjectMeta) -> String {
    let group = meta.annotations.get("istio.io/autoRegistrationGroup");
    group.or_else(|| meta.labels.get(WORKLOAD_NAME_LABEL)).unwrap_or(&meta.name).clone()
}

/// The addresses of a Pod, first the one that it is known by.
pub(super) fn pod_addresses(pod: &Pod) -> Vec<IpAddr> {
    let texts = pod.status.pod_ip.iter().chain(pod.status.pod_ips.iter().map(|address| &address.ip));
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in texts.filter_map(|text| text.parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::OwnerReference;

    #[test]
    fn names_of_pods() {
        let owner = |kind: &str, name: &str| OwnerReference {
            api_version: "apps/v1".into(),
            kind: kind.into(),
            name: name.into(),
            uid: String::new(),
            controller: true,
            block_owner_deletion: false,
        };
        let meta = |owner: Option<OwnerReference>, hash: &str| ObjectMeta {
            name: "web-6f-x".into(),
            labels: Labels::from([("pod-template-hash".to_owned(), hash.to_owned())]),
            owner_references: owner.into_iter().collect(),
            ..ObjectMeta::default()
        };
        assert_eq!(name_of_pod(&meta(None, "6f")), "web-6f-x");
        assert_eq!(name_of_pod(&meta(Some(owner("ReplicaSet", "web-6f")), "6f")), "web");
        assert_eq!(name_of_pod(&meta(Some(owner("ReplicaSet", "web")), "6f")), "web");
        assert_eq!(name_of_pod(&meta(Some(owner("StatefulSet", "db")), "")), "db");
    }
}
