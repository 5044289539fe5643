use std::collections::BTreeMap;
use std::sync::Arc;

use super::object::Object;

/// All objects of one kind, by namespace and name. Cloning is cheap: clones share what neither has changed.
#[derive(Debug)]
pub struct Collection<S> {
    namespaces: Arc<BTreeMap<String, Arc<ByName<S>>>>,
}

type ByName<S> = BTreeMap<String, Arc<Object<S>>>;

impl<S> Clone for Collection<S> {
    fn clone(&self) -> Self {
        Self { namespaces: Arc::clone(&self.namespaces) }
    }
}

impl<S> Default for Collection<S> {
    fn default() -> Self {
        Self { namespaces: Arc::default() }
    }
}

impl<S: PartialEq> PartialEq for Collection<S> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.namespaces, &other.namespaces) || self.namespaces == other.namespaces
    }
}

impl<S> Collection<S> {
    /// The object of that name.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Object<S>>> {
        self.namespaces.get(namespace)?.get(name)
    }

    /// All objects, by namespace, then by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Object<S>>> {
        self.namespaces.values().flat_map(|objects| objects.values())
    }

    /// The objects of a namespace, by name.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Arc<Object<S>>> {
        self.namespaces.get(namespace).into_iter().flat_map(|objects| objects.values())
    }

    /// All objects, oldest first; equal ages by name, then by namespace.
    #[must_use]
    pub fn by_age(&self) -> Vec<&Arc<Object<S>>> {
        let mut objects: Vec<_> = self.iter().collect();
        objects.sort_by(|one, other| one.cmp_age(other));
        objects
    }

    /// The number of objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.namespaces.values().map(|objects| objects.len()).sum()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }

    pub(super) fn insert(&mut self, object: Arc<Object<S>>) -> Option<Arc<Object<S>>> {
        let objects = Arc::make_mut(&mut self.namespaces).entry(object.meta.namespace.clone()).or_default();
        Arc::make_mut(objects).insert(object.meta.name.clone(), object)
    }

    pub(super) fn remove(&mut self, namespace: &str, name: &str) -> Option<Arc<Object<S>>> {
        self.get(namespace, name)?;
        let namespaces = Arc::make_mut(&mut self.namespaces);
        let objects = namespaces.get_mut(namespace)?;
        let removed = Arc::make_mut(objects).remove(name);
        if objects.is_empty() {
            namespaces.remove(namespace);
        }
        removed
    }
}
