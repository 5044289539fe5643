//! `egress.hosts` of a Sidecar resource: which hosts of which namespaces it imports.

use std::collections::{HashMap, HashSet};

use crate::host::{is_subset, is_wildcard, overlap};

/// Stands for all namespaces.
const ANY_NAMESPACE: &str = "*";

/// What an egress listener imports.
#[derive(Debug, Default)]
pub(super) struct Imports {
    by_namespace: HashMap<String, Hosts>,
}

#[derive(Debug, Default)]
struct Hosts {
    exact: HashSet<String>,
    wildcards: Vec<String>,
    excluded: Vec<String>,
}

impl Imports {
    /// Reads `namespace/host` entries of a Sidecar that is in force in the namespace `own`; `.` is that, `*` any
    /// namespace, and `~` in front excludes. Gives back the entries that are none.
    pub(super) fn new<'e>(entries: &'e [String], own: &str) -> (Self, Vec<&'e str>) {
        let mut imports = Self::default();
        let mut malformed = Vec::new();
        for entry in entries {
            let Some((namespace, host)) = entry.split_once('/').filter(|(_, host)| !host.contains('/')) else {
                malformed.push(entry.as_str());
                continue;
            };
            let (excluded, namespace) = match namespace.strip_prefix('~') {
                Some("") => (true, ANY_NAMESPACE),
                Some(namespace) => (true, namespace),
                None => (false, namespace),
            };
            let namespace = if namespace == "." { own } else { namespace };
            let hosts = imports.by_namespace.entry(namespace.to_owned()).or_default();
            if excluded {
                hosts.excluded.push(host.to_owned());
            } else if is_wildcard(host) {
                hosts.wildcards.push(host.to_owned());
            } else {
                hosts.exact.insert(host.to_owned());
            }
        }
        (imports, malformed)
    }

    /// A service of `namespace` is imported.
    pub(super) fn has_service(&self, namespace: &str, host: &str) -> bool {
        let imported = |hosts: &Hosts| {
            hosts.exact.contains(host) || hosts.wildcards.iter().any(|wildcard| is_subset(host, wildcard))
        };
        !self.excludes(namespace, host) && self.of(namespace).any(imported)
    }

    /// A VirtualService of `namespace` is imported: one of its hosts overlaps with what is imported.
    pub(super) fn has_virtual_service(&self, namespace: &str, hosts: &[String]) -> bool {
        hosts.iter().any(|host| {
            let imported = |hosts: &Hosts| {
                hosts.exact.contains(host)
                    || hosts.wildcards.iter().any(|wildcard| overlap(host, wildcard))
                    || is_wildcard(host) && hosts.exact.iter().any(|exact| is_subset(exact, host))
            };
            !self.excludes(namespace, host) && self.of(namespace).any(imported)
        })
    }

    fn excludes(&self, namespace: &str, host: &str) -> bool {
        self.of(namespace).any(|hosts| hosts.excluded.iter().any(|excluded| is_subset(host, excluded)))
    }

    fn of(&self, namespace: &str) -> impl Iterator<Item = &Hosts> {
        [namespace, ANY_NAMESPACE].into_iter().filter_map(|namespace| self.by_namespace.get(namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(entries: &[&str]) -> Imports {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        Imports::new(&entries, "own").0
    }

    #[test]
    fn services() {
        for (entries, namespace, host, expected) in [
            (vec!["*/*"], "a", "x.com", true),
            (vec!["./*"], "own", "x.com", true),
            (vec!["./*"], "a", "x.com", false),
            (vec!["a/x.com"], "a", "x.com", true),
            (vec!["a/x.com"], "a", "y.com", false),
            (vec!["*/*.com"], "a", "x.com", true),
            (vec!["*/x.com"], "a", "*.com", false),
            (vec!["*/*.com"], "a", "*.x.com", true),
            (vec!["*/*", "~a/*"], "a", "x.com", false),
            (vec!["*/*", "~a/*"], "b", "x.com", true),
            (vec!["*/*", "~/x.com"], "b", "x.com", false),
        ] {
            assert_eq!(imports(&entries).has_service(namespace, host), expected, "{entries:?} {namespace}/{host}");
        }
    }

    #[test]
    fn virtual_services_overlap() {
        for (entries, host, expected) in [
            (vec!["*/x.com"], "*.com", true),
            (vec!["*/x.com"], "y.com", false),
            (vec!["*/*.com"], "x.com", true),
            (vec!["*/*.com", "~*/x.com"], "x.com", false),
        ] {
            let hosts = [host.to_owned()];
            assert_eq!(imports(&entries).has_virtual_service("a", &hosts), expected, "{entries:?} {host}");
        }
    }

    #[test]
    fn malformed_entries_are_given_back() {
        let entries = ["x.com".to_owned(), "a/b/c".to_owned(), "a/b".to_owned()];
        assert_eq!(Imports::new(&entries, "own").1, ["x.com", "a/b/c"]);
    }
}
