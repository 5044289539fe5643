//! What many routes have in common, made once and shared by them.

use std::collections::HashSet;
use std::sync::Arc;

use crate::snapshot::RetryPolicy;

/// So many retry policies are kept to be shared.
const MAX_RETRIES: usize = 64;

/// What many routes have in common is there once.
#[derive(Debug, Default)]
pub(super) struct Alike {
    clusters: HashSet<Arc<str>>,
    retries: Vec<Arc<RetryPolicy>>,
}

impl Alike {
    pub(super) fn cluster(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.clusters.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.clusters.insert(Arc::clone(&name));
        name
    }

    /// Policies are few; of many different ones, the later ones are not compared.
    pub(super) fn retry(&mut self, policy: RetryPolicy) -> Arc<RetryPolicy> {
        if let Some(known) = self.retries.iter().find(|known| ***known == policy) {
            return Arc::clone(known);
        }
        let policy = Arc::new(policy);
        if self.retries.len() < MAX_RETRIES {
            self.retries.push(Arc::clone(&policy));
        }
        policy
    }
}
