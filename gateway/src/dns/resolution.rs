//! What DNS says of one cluster. It lives beside the configuration and survives its changes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::dynamic::DynamicHosts;

/// Addresses by name.
pub(super) type Addresses = BTreeMap<String, Arc<[IpAddr]>>;

/// What DNS says of a cluster.
#[derive(Debug)]
pub struct Resolution {
    /// Addresses behind the names of endpoints that stand for whatever their name resolves to at connect.
    names: ArcSwap<Addresses>,
    /// There is an endpoint, or it is known that there is none.
    ready: watch::Sender<bool>,
    /// Endpoints that requests have chosen.
    pub dynamic: DynamicHosts,
}

impl Default for Resolution {
    fn default() -> Self {
        Resolution { names: ArcSwap::default(), ready: watch::Sender::new(false), dynamic: DynamicHosts::default() }
    }
}

impl Resolution {
    /// The addresses behind a name now; `None` if it is none of the cluster's.
    pub fn addresses(&self, name: &str, port: u16) -> Option<Arc<[IpAddr]>> {
        let known = self.names.load().get(name).map(Arc::clone);
        known.or_else(|| self.dynamic.addresses(name, port))
    }

    /// Takes over what names resolve to.
    pub(super) fn set_addresses(&self, names: Addresses) {
        self.names.store(Arc::new(names));
    }

    /// There is something to send requests to, or nothing to wait for.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Lets go who waits. It stays so: a cluster that has been ready once makes nobody wait.
    pub(super) fn set_ready(&self) {
        self.ready.send_if_modified(|ready| !std::mem::replace(ready, true));
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        // The sender lives as long as we do.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }
}
