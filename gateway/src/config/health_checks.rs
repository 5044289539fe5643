//! Active health checks follow the configuration in force.

use std::sync::Arc;

use super::Store;
use crate::net::Dialer;
use crate::upstream::health_check::HealthChecks;

/// Checks the endpoints of all clusters that ask for it, as long as there is a configuration.
pub async fn check_health(store: Arc<Store>, dialer: Arc<dyn Dialer>) {
    let mut changed = store.subscribe();
    let mut checks = HealthChecks::new(dialer);
    loop {
        changed.borrow_and_update();
        checks.update(&store.load().clusters);
        if changed.changed().await.is_err() {
            return;
        }
    }
}
