use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, de};

use crate::document::{Document, FieldPath, Position};

/// A moment, to the second, as Kubernetes stamps objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(
    /// Seconds since 1970-01-01T00:00:00Z.
    pub i64,
);

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<jiff::Timestamp>().map(|moment| Self(moment.as_second())).map_err(|_| {
            de::Error::custom(format!("timestamp: {text:?} is not a time such as \"2026-01-31T12:00:00Z\""))
        })
    }
}

/// Who and what an object is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectMeta {
    /// Name, unique per kind and namespace.
    pub name: String,
    /// Namespace: `default` if the object names none, empty for kinds that have none (Node, Namespace).
    pub namespace: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// When the API server (or the author of a file) says it was created.
    pub creation_timestamp: Option<Timestamp>,
    /// When deletion was asked for, if it was.
    pub deletion_timestamp: Option<Timestamp>,
    /// Counts the changes of the spec, kept by the API server.
    pub generation: Option<i64>,
    /// Identity across re-creations, given by the API server.
    pub uid: Option<String>,
    /// Version of the object in the API server.
    pub resource_version: Option<String>,
    /// The objects that this one belongs to.
    pub owner_references: Vec<OwnerReference>,
}

/// The object that another belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// Group and version of the owner.
    #[serde(default)]
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// Identity of the owner.
    #[serde(default)]
    pub uid: String,
    /// True for the one that manages the object.
    #[serde(default)]
    pub controller: bool,
    /// The owner is not deleted before the object.
    #[serde(default)]
    pub block_owner_deletion: bool,
}

/// Where an object was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file, as the caller named it.
    pub file: Arc<str>,
    /// The line on which the object begins, counted from 1; 0 if it did not come from a text.
    pub line: u32,
    /// Where its name stands, or what is nearest to it if it has none.
    pub name: Position,
}

impl Source {
    /// Where the object of a document was written.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        let name = FieldPath::default().key("metadata").key("name");
        Source { file: Arc::clone(&document.file), line: document.root.position.line, name: document.locate(&name) }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { write!(f, "{}", self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}

/// How old an object counts; smaller is older. Given by [`Resources::insert`](super::Resources::insert).
///
/// An object with a creationTimestamp is as old as that says. One without is younger than everything that was loaded
/// before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Age {
    /// The timestamp, or the youngest one loaded before.
    pub(super) seconds: Option<i64>,
    /// Zero with a timestamp, else the place in the order of loading.
    pub(super) place: u64,
}

/// An object of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Object<S> {
    /// Name, labels and so on.
    pub meta: ObjectMeta,
    /// What it says.
    pub spec: S,
    /// Where it was written.
    pub source: Source,
    /// How old it counts.
    pub age: Age,
}

impl<S> Object<S> {
    /// Orders by age, oldest first; equal ages by name, then by namespace, as Istio does.
    #[must_use]
    pub fn cmp_age<T>(&self, other: &Object<T>) -> Ordering {
        self.age
            .cmp(&other.age)
            .then_with(|| self.meta.name.cmp(&other.meta.name))
            .then_with(|| self.meta.namespace.cmp(&other.meta.namespace))
    }
}
