//! Labels: selectors, and what Istio adds to those of a workload.

use std::collections::BTreeMap;

use crate::snapshot::Locality;

/// Labels by name.
pub(super) type Labels = BTreeMap<String, String>;

/// Label that says which endpoints speak mesh TLS.
pub(super) const TLS_MODE_LABEL: &str = "security.istio.io/tlsMode";
/// Label that sets the locality of a workload.
const LOCALITY_LABEL: &str = "istio-locality";
/// Label of the node's zone.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
/// Label of the node's region.
const REGION_LABEL: &str = "topology.kubernetes.io/region";
/// Istio's finer grain.
const SUBZONE_LABEL: &str = "topology.istio.io/subzone";
/// Label of the node's name.
const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";
/// Label of the cluster.
const CLUSTER_LABEL: &str = "topology.istio.io/cluster";
/// Label of the network.
pub(super) const NETWORK_LABEL: &str = "topology.istio.io/network";
/// The name of the only cluster, unless it has been given another.
pub(super) const CLUSTER_ID: &str = "Kubernetes";

/// Labels of failover priorities that mean: prefer the zone.
pub(super) const PREFER_SAME_ZONE: [&str; 3] = [NETWORK_LABEL, REGION_LABEL, ZONE_LABEL];
/// Labels of failover priorities that mean: prefer the node.
pub(super) const PREFER_SAME_NODE: [&str; 5] = [NETWORK_LABEL, REGION_LABEL, ZONE_LABEL, SUBZONE_LABEL, HOSTNAME_LABEL];

/// Every label of `selector` is in `labels`.
pub(super) fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|(name, value)| labels.get(name) == Some(value))
}

/// The labels of a workload with those of its place.
pub(super) fn with_place(labels: &Labels, locality: &Locality, node: Option<&str>) -> Labels {
    let mut all = labels.clone();
    let place = [
        (REGION_LABEL, locality.region.as_str()),
        (ZONE_LABEL, locality.zone.as_str()),
        (SUBZONE_LABEL, locality.subzone.as_str()),
        (CLUSTER_LABEL, CLUSTER_ID),
        (HOSTNAME_LABEL, node.unwrap_or_default()),
    ];
    for (name, value) in place.into_iter().filter(|(_, value)| !value.is_empty()) {
        all.insert(name.to_owned(), value.to_owned());
    }
    all
}

/// The labels of an endpoint in the cluster: with its network too, which has no name unless a label gives one.
pub(super) fn of_endpoint(labels: &Labels, locality: &Locality, node: Option<&str>) -> Labels {
    with_network(with_place(labels, locality, node), Some(""))
}

/// With the network as a label, unless one names another.
pub(super) fn with_network(mut labels: Labels, network: Option<&str>) -> Labels {
    if let Some(network) = network {
        let label = labels.entry(NETWORK_LABEL.to_owned()).or_default();
        if label.is_empty() {
            network.clone_into(label);
        }
    }
    labels
}

/// The locality that labels of a workload set, if they do.
pub(super) fn locality_of_workload(labels: &Labels) -> Option<Locality> {
    let text = labels.get(LOCALITY_LABEL).filter(|text| !text.is_empty())?;
    // A label's value cannot have a slash, so dots stand for them.
    Some(if text.contains('/') { parse_locality(text) } else { parse_locality(&text.replace('.', "/")) })
}

/// The locality of a node.
pub(super) fn locality_of_node(labels: &Labels) -> Locality {
    let get = |name: &str, old: &str| labels.get(name).or_else(|| labels.get(old)).cloned().unwrap_or_default();
    Locality {
        region: get(REGION_LABEL, "failure-domain.beta.kubernetes.io/region"),
        zone: get(ZONE_LABEL, "failure-domain.beta.kubernetes.io/zone"),
        subzone: get(SUBZONE_LABEL, ""),
    }
}

/// Reads `region/zone/subzone`.
pub(super) fn parse_locality(text: &str) -> Locality {
    let mut parts = text.split('/').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    Locality { region: next(), zone: next(), subzone: next() }
}

/// The first of `names` that is a label.
fn first_label<'l>(labels: &'l Labels, names: &[&str]) -> Option<&'l String> {
    names.iter().find_map(|name| labels.get(*name))
}

/// Name of the canonical service: by label, else the workload's name.
pub(super) fn canonical_name(labels: &Labels, workload: &str) -> String {
    let names = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"];
    first_label(labels, &names).cloned().unwrap_or_else(|| workload.to_owned())
}

/// Revision of the canonical service: by label, else `latest`.
pub(super) fn canonical_revision(labels: &Labels) -> String {
    let names = ["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"];
    first_label(labels, &names).cloned().unwrap_or_else(|| "latest".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn selectors() {
        let pod = labels(&[("app", "a"), ("version", "v1")]);
        assert!(selects(&labels(&[]), &pod));
        assert!(selects(&labels(&[("app", "a")]), &pod));
        assert!(!selects(&labels(&[("app", "b")]), &pod));
        assert!(!selects(&labels(&[("other", "")]), &pod));
    }

    #[test]
    fn localities() {
        let place = |region: &str, zone: &str, subzone: &str| Locality {
            region: region.into(),
            zone: zone.into(),
            subzone: subzone.into(),
        };
        assert_eq!(locality_of_workload(&labels(&[("istio-locality", "r.z.s")])), Some(place("r", "z", "s")));
        assert_eq!(locality_of_workload(&labels(&[("istio-locality", "r/z.1")])), Some(place("r", "z.1", "")));
        assert_eq!(locality_of_workload(&labels(&[])), None);
        assert_eq!(parse_locality("r"), place("r", "", ""));
    }
}
