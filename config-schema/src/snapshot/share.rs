//! Two snapshots that agree on a resource hold it once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Snapshot;

impl Snapshot {
    /// Takes over the resources of an earlier snapshot that are the same in this one. What was compiled from an earlier
    /// resource and is kept refers to it: without this there would be two copies of it as long as it does not change.
    pub fn share(&mut self, earlier: &Snapshot) {
        share(&mut self.listeners, &earlier.listeners);
        share(&mut self.route_tables, &earlier.route_tables);
        share(&mut self.clusters, &earlier.clusters);
        share(&mut self.endpoints, &earlier.endpoints);
        share(&mut self.secrets, &earlier.secrets);
        if self.cluster_addresses == earlier.cluster_addresses {
            self.cluster_addresses = Arc::clone(&earlier.cluster_addresses);
        }
    }
}

fn share<V: PartialEq>(resources: &mut BTreeMap<String, Arc<V>>, earlier: &BTreeMap<String, Arc<V>>) {
    for (name, resource) in resources {
        if let Some(known) = earlier.get(name)
            && **known == **resource
        {
            *resource = Arc::clone(known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::RouteTable;
    use super::*;

    #[test]
    fn what_is_the_same_is_there_once() {
        let snapshot = |second: &str| {
            let table = |name: &str| Arc::new(RouteTable { name: name.to_owned(), virtual_hosts: Vec::new() });
            let route_tables = [("a".to_owned(), table("first")), ("b".to_owned(), table(second))].into();
            Snapshot { route_tables, ..Snapshot::default() }
        };
        let (earlier, later) = (snapshot("second"), snapshot("changed"));
        let mut shared = later.clone();
        shared.share(&earlier);
        assert_eq!(shared, later);
        assert!(Arc::ptr_eq(&shared.route_tables["a"], &earlier.route_tables["a"]));
        assert!(Arc::ptr_eq(&shared.route_tables["b"], &later.route_tables["b"]));
    }
}
