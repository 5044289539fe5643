use std::sync::Arc;

use super::kinds::{AnyObject, ObjectKey, Resources};
use super::mesh_config::MeshConfig;
use super::mesh_networks::MeshNetworks;
use super::object::{Age, Object, Source};
use crate::document::Document;
use crate::violation::{Severity, Violation};

/// The ConfigMap with the mesh's configuration: namespace and name.
pub(crate) const MESH_CONFIG_MAP: (&str, &str) = ("istio-system", "istio");

/// An object together with the text it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The object.
    pub object: AnyObject,
    /// Its text.
    pub document: Arc<Document>,
}

impl Parsed {
    /// Kind, namespace and name.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        self.object.key()
    }
}

impl Resources {
    /// Objects in the order in which they were loaded: files by path, in a file from top to bottom.
    ///
    /// An object that is there twice counts once, as if the texts had been applied one after the other: the later one
    /// replaces the earlier one and keeps its age. Each replacement is reported as a warning.
    #[must_use]
    pub fn load(objects: impl IntoIterator<Item = Parsed>) -> (Self, Vec<Violation>) {
        let mut resources = Self::default();
        let violations = objects.into_iter().filter_map(|mut parsed| resources.add(&mut parsed.object)).collect();
        (resources, violations)
    }

    /// Adds one object more, as [`Self::load`] does, and reports if it replaces another.
    pub fn add(&mut self, object: &mut AnyObject) -> Option<Violation> {
        let earlier = self.insert(object)?;
        if matches!(object, AnyObject::MeshConfig(_) | AnyObject::MeshNetworks(_)) {
            return None;
        }
        let source = object.source();
        Some(Violation {
            file: Arc::clone(&source.file),
            line: source.name.line,
            column: source.name.column,
            object: object.key().to_string(),
            path: "metadata.name".to_owned(),
            rule: "duplicate-object",
            severity: Severity::Warning,
            message: format!("replaces the object of the same name at {earlier}"),
        })
    }

    /// Adds an object, or replaces the one of the same kind, namespace and name, and returns where that was written.
    ///
    /// With a creationTimestamp the object is as old as that says. Without one it is younger than everything inserted
    /// before, unless it replaces an object: then it keeps that one's age. The age is noted in `object`, which the store
    /// shares from then on.
    pub fn insert(&mut self, object: &mut AnyObject) -> Option<Source> {
        let existing = self.existing(&object.key());
        let stamp = object.meta().creation_timestamp.map(|timestamp| timestamp.0);
        let age = match (stamp, &existing) {
            (Some(seconds), _) => Age { seconds: Some(seconds), place: 0 },
            (None, Some((age, _))) => *age,
            (None, None) => {
                self.places += 1;
                Age { seconds: self.youngest, place: self.places }
            }
        };
        self.youngest = self.youngest.max(stamp);
        object.set_age(age);
        self.put(object.clone());
        existing.map(|(_, source)| source)
    }

    /// True if there are no objects.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mesh's configuration, if there is a ConfigMap `istio-system/istio` with the key `mesh`. Without one, Istio's
    /// defaults hold: those of `MeshConfig::default()`.
    #[must_use]
    pub fn mesh_config(&self) -> Option<&Arc<Object<MeshConfig>>> {
        self.mesh_configs.get(MESH_CONFIG_MAP.0, MESH_CONFIG_MAP.1)
    }

    /// The mesh's networks, if there is a ConfigMap `istio-system/istio` with the key `meshNetworks`.
    #[must_use]
    pub fn mesh_networks(&self) -> Option<&Arc<Object<MeshNetworks>>> {
        self.mesh_networks.get(MESH_CONFIG_MAP.0, MESH_CONFIG_MAP.1)
    }
}
