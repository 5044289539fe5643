//! The addresses of the cluster: where names that clients choose may not lead.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::resources::Resources;
use crate::snapshot::{Discovery, Snapshot};

/// Adds the addresses of Pods, Services, endpoints of Services and Nodes, if a cluster's names come from clients.
pub(super) fn add(snapshot: &mut Snapshot, resources: &Resources) {
    let dynamic = |discovery: &Discovery| matches!(discovery, Discovery::DynamicDns { .. });
    if snapshot.clusters.values().any(|cluster| dynamic(&cluster.discovery)) {
        snapshot.cluster_addresses = Arc::new(cluster_addresses(resources));
    }
}

fn cluster_addresses(resources: &Resources) -> BTreeSet<IpAddr> {
    let mut addresses = BTreeSet::new();
    let mut add = |text: &str| addresses.extend(text.parse::<IpAddr>());
    for pod in resources.pods.iter() {
        let status = &pod.spec.status;
        status.pod_ip.iter().chain(&status.host_ip).for_each(|ip| add(ip));
        status.pod_ips.iter().for_each(|ip| add(&ip.ip));
    }
    for service in resources.services.iter() {
        let spec = &service.spec;
        spec.cluster_ip.iter().chain(&spec.cluster_ips).for_each(|ip| add(ip));
    }
    for slice in resources.endpoint_slices.iter() {
        slice.spec.endpoints.iter().flat_map(|endpoint| &endpoint.addresses).for_each(|ip| add(ip));
    }
    for endpoints in resources.endpoints.iter() {
        let subsets = endpoints.spec.subsets.iter();
        let members = subsets.flat_map(|subset| subset.addresses.iter().chain(&subset.not_ready_addresses));
        members.for_each(|member| add(&member.ip));
    }
    for node in resources.nodes.iter() {
        node.spec.addresses.iter().for_each(|address| add(&address.address));
    }
    addresses
}
