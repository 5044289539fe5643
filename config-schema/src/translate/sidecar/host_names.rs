//! The names that an application may call a service by.

use std::net::IpAddr;

use crate::snapshot::Node;
use crate::translate::host::CLUSTER_DOMAIN;

/// The other names of `host` for an application in `namespace`: with a dot at the end, and those that the search list
/// of its pod completes.
pub(super) fn alternatives(host: &str, node: &Node) -> Vec<String> {
    if host.parse::<IpAddr>().is_ok() {
        return Vec::new();
    }
    let mut names = vec![format!("{host}.")];
    let suffix = format!(".svc.{CLUSTER_DOMAIN}");
    let Some((name, namespace)) = host.strip_suffix(&suffix).and_then(|name| name.split_once('.')) else {
        return names;
    };
    if namespace == node.namespace {
        names.push(name.to_owned());
    }
    names.push(format!("{name}.{namespace}"));
    names.push(format!("{name}.{namespace}.svc"));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_services_and_others() {
        let node = Node { namespace: "shop".into(), ..Node::default() };
        for (host, expected) in [
            ("cart.shop.svc.cluster.local", vec!["cart.shop.svc.cluster.local.", "cart", "cart.shop", "cart.shop.svc"]),
            ("cart.other.svc.cluster.local", vec!["cart.other.svc.cluster.local.", "cart.other", "cart.other.svc"]),
            ("example.com", vec!["example.com."]),
            ("127.0.0.1", vec![]),
        ] {
            assert_eq!(alternatives(host, &node), expected);
        }
    }
}
