//! A bound on the number of label combinations, so that no traffic can grow memory without end.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Label combinations that are kept apart.
const LIMIT: usize = 20_000;

/// Counts combinations.
#[derive(Debug, Default)]
pub(super) struct Combinations(AtomicUsize);

impl Combinations {
    /// Whether one more may be kept apart; beyond the limit all share one.
    pub(super) fn admit(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) < LIMIT
    }
}
