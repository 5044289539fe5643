//! What the listeners and routes of a proxy refer to: only that is in its snapshot.

use std::collections::BTreeMap;

use super::cluster::ClusterKey;
use crate::snapshot::{FieldRef, ObjectRef};

/// An object and the field path in it.
pub(super) type Place = (ObjectRef, String);

/// Clusters and secrets that are referred to, with the places that refer to them.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) clusters: BTreeMap<ClusterKey, Vec<Place>>,
    /// By the name of the secret in the snapshot.
    pub(super) secrets: BTreeMap<String, Vec<Place>>,
    /// By path.
    pub(super) files: BTreeMap<String, Vec<FieldRef>>,
}

impl Wanted {
    pub(super) fn cluster(&mut self, key: &ClusterKey, object: &ObjectRef, path: &str) {
        self.clusters.entry(key.clone()).or_default().push((object.clone(), path.to_owned()));
    }

    /// Adds what others want.
    pub(super) fn extend(&mut self, others: Self) {
        for (key, places) in others.clusters {
            self.clusters.entry(key).or_default().extend(places);
        }
        for (name, places) in others.secrets {
            self.secrets.entry(name).or_default().extend(places);
        }
        for (path, fields) in others.files {
            for field in fields {
                self.file(&path, field);
            }
        }
    }

    pub(super) fn secret(&mut self, name: &str, object: &ObjectRef, path: &str) {
        self.secrets.entry(name.to_owned()).or_default().push((object.clone(), path.to_owned()));
    }

    /// Notes that `field` names a file, once.
    pub(super) fn file(&mut self, path: &str, field: FieldRef) {
        let fields = self.files.entry(path.to_owned()).or_default();
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
}

/// What happens to traffic that the destination at `path` of a VirtualService has no cluster for.
pub(super) fn consequence(path: &str) -> &'static str {
    if path.contains(".mirror") {
        "copies are not sent"
    } else if path.starts_with("spec.http") {
        "requests fail with 503"
    } else {
        "connections are closed"
    }
}
