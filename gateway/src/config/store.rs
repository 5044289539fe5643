//! The configuration in force.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::Runtime;

/// Holds the configuration in force, and tells when it changes.
pub struct Store {
    current: ArcSwap<Runtime>,
    changed: watch::Sender<u64>,
}

impl Default for Store {
    fn default() -> Self {
        Store { current: ArcSwap::default(), changed: watch::Sender::new(0) }
    }
}

impl Store {
    /// The configuration in force.
    pub fn load(&self) -> Arc<Runtime> {
        self.current.load_full()
    }

    /// Puts another one in force.
    pub fn swap(&self, runtime: Runtime) {
        let version = runtime.version;
        self.current.store(Arc::new(runtime));
        self.changed.send_replace(version);
    }

    /// Tells when another one is in force.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
