//! Whether the mesh lets clients speak mutual TLS to workloads.

use std::collections::HashMap;

use super::labels::{Labels, selects};
use crate::resources::peer_authentication::MutualTlsMode;
use crate::resources::{MeshConfig, Object, PeerAuthentication, Resources};

/// The PeerAuthentications of all namespaces.
pub(super) struct PeerAuthentications<'a> {
    /// By namespace, oldest first; of those without selector only the oldest.
    policies: HashMap<&'a str, Vec<&'a Object<PeerAuthentication>>>,
    root_namespace: &'a str,
}

impl<'a> PeerAuthentications<'a> {
    pub(super) fn new(resources: &'a Resources, mesh: &'a MeshConfig) -> Self {
        let mut policies: HashMap<&str, Vec<&Object<PeerAuthentication>>> = HashMap::new();
        for policy in resources.peer_authentications.by_age() {
            let of_namespace = policies.entry(&policy.meta.namespace).or_default();
            if selector(policy).is_some() || of_namespace.iter().all(|other| selector(other).is_some()) {
                of_namespace.push(policy);
            }
        }
        Self { policies, root_namespace: mesh.root_namespace() }
    }

    /// The mode of a namespace, by its own policy or that of the mesh; `None` without either.
    pub(super) fn namespace_mode(&self, namespace: &str) -> Option<MutualTlsMode> {
        let mesh =
            self.general(self.root_namespace).map(|policy| set_mode(policy).unwrap_or(MutualTlsMode::Permissive));
        if namespace == self.root_namespace {
            return mesh;
        }
        match self.general(namespace) {
            Some(policy) => Some(set_mode(policy).or(mesh).unwrap_or(MutualTlsMode::Permissive)),
            None => mesh,
        }
    }

    /// The mode of a port of a workload.
    pub(super) fn workload_mode(&self, namespace: &str, labels: &Labels, port: u16) -> MutualTlsMode {
        let inherited = self.namespace_mode(namespace).unwrap_or(MutualTlsMode::Permissive);
        let Some(policy) = self.of_workload(namespace, labels) else { return inherited };
        let mode = set_mode(policy).unwrap_or(inherited);
        match policy.spec.port_level_mtls.get(&u32::from(port)) {
            Some(port) if port.mode != MutualTlsMode::Unset => port.mode,
            _ => mode,
        }
    }

    fn general(&self, namespace: &str) -> Option<&'a Object<PeerAuthentication>> {
        self.policies.get(namespace)?.iter().copied().find(|policy| selector(policy).is_none())
    }

    /// Policies with a selector mean nothing in the root namespace.
    fn of_workload(&self, namespace: &str, labels: &Labels) -> Option<&'a Object<PeerAuthentication>> {
        if namespace == self.root_namespace {
            return None;
        }
        let policies = self.policies.get(namespace)?;
        policies.iter().copied().find(|policy| selector(policy).is_some_and(|selector| selects(selector, labels)))
    }
}

fn selector(policy: &Object<PeerAuthentication>) -> Option<&Labels> {
    policy.spec.selector.as_ref().map(|selector| &selector.match_labels).filter(|labels| !labels.is_empty())
}

fn set_mode(policy: &Object<PeerAuthentication>) -> Option<MutualTlsMode> {
    policy.spec.mtls.map(|mtls| mtls.mode).filter(|mode| *mode != MutualTlsMode::Unset)
}
