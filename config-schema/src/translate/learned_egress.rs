//! Learning what an egress gateway is used for: a cluster for the hosts that nothing in the configuration has.

use std::sync::Arc;

use super::{ProxyIdentity, cluster_addresses, translate};
use crate::parse::parse_documents;
use crate::resources::Resources;
use crate::snapshot::{Discovery, LEARNED_EGRESS, Snapshot};

/// What the cluster is made of; a bare `*` is no host that an operator can write.
const TEMPLATE: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: learned, namespace: istio-system}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: learned, namespace: istio-system}
spec: {hosts: ['*.learned'], resolution: DYNAMIC_DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: learned, namespace: istio-system}
spec: {hosts: ['*'], gateways: [learned], http: [{route: [{destination: {host: '*.learned', port: {number: 80}}}]}]}
";

/// Adds the cluster [`LEARNED_EGRESS`] to a gateway's snapshot: any name, resolved under the guards that hold for all
/// names of clients, at the port that the client says.
pub fn learn_egress(snapshot: &mut Snapshot, resources: &Resources) {
    let mut scratch = Resources::default();
    scratch.mesh_configs = resources.mesh_configs.clone();
    for mut parsed in parse_documents("learned", TEMPLATE).objects {
        scratch.insert(&mut parsed.object);
    }
    let made = translate(&scratch, &ProxyIdentity::default()).snapshot;
    let Some(cluster) = made.clusters.get("outbound|80||*.learned") else { return };
    let mut cluster = (**cluster).clone();
    LEARNED_EGRESS.clone_into(&mut cluster.name);
    "*".clone_into(&mut cluster.service.host);
    cluster.discovery = Discovery::DynamicDns { hosts: vec!["*".to_owned()], port: None, allow_addresses: Vec::new() };
    snapshot.clusters.insert(LEARNED_EGRESS.to_owned(), Arc::new(cluster));
    cluster_addresses::add(snapshot, resources);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_but_none_of_the_cluster() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus: {podIP: 10.0.0.1}\n";
        let (resources, _) = Resources::load(parse_documents("a.yaml", text).objects);
        let mut snapshot = Snapshot::default();
        learn_egress(&mut snapshot, &resources);
        let cluster = &snapshot.clusters[LEARNED_EGRESS];
        assert!(cluster.external);
        assert!(matches!(&cluster.discovery, Discovery::DynamicDns { hosts, port: None, .. } if *hosts == ["*"]));
        assert_eq!(snapshot.cluster_addresses.len(), 1);
    }
}
