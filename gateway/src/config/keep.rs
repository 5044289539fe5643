//! What was compiled before is kept as long as what it was compiled from is the same.

use std::collections::HashMap;
use std::sync::Arc;

/// Compiled things by name, each with what it was made from.
#[derive(Debug)]
pub(super) struct Kept<K, V>(HashMap<String, (Arc<K>, Arc<V>)>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Kept(HashMap::new())
    }
}

impl<K: PartialEq, V> Kept<K, V> {
    /// The compiled thing, if it was made from the same.
    pub(super) fn get(&self, name: &str, source: &Arc<K>) -> Option<Arc<V>> {
        let (known, value) = self.0.get(name)?;
        (Arc::ptr_eq(known, source) || known == source).then(|| Arc::clone(value))
    }

    /// The compiled thing, whatever it was made from: the last good one.
    pub(super) fn last(&self, name: &str) -> Option<Arc<V>> {
        self.0.get(name).map(|(_, value)| Arc::clone(value))
    }

    /// Keeps a compiled thing.
    pub(super) fn put(&mut self, name: &str, source: Arc<K>, value: Arc<V>) {
        self.0.insert(name.to_owned(), (source, value));
    }

    /// Forgets what has no name any more.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| keep(name));
    }
}
