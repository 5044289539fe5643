use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

use super::object::{ObjectMeta, OwnerReference, Timestamp};
use super::wire::scalar;
use crate::document::{Content, DecodeOptions, Decoded, Fault, FieldPath, Node, PathRef, decode};

/// How a kind is read from the root of its document.
pub(crate) trait Decode: Sized {
    /// Reads what the kind says, without its metadata.
    fn decode(root: &Node) -> Decoded<Self>;
}

static NO_FIELDS: Node =
    Node { position: crate::document::Position { line: 0, column: 0 }, content: Content::Mapping(Vec::new()) };

/// Fields of which unknown ones are left alone: those of kinds that matter only in part.
const IN_PART: DecodeOptions =
    DecodeOptions { ignore_unknown_fields: true, proto_field_names: false, strict_words: false };

/// Reads `field` of a core kind; absent is as good as empty.
pub(super) fn decode_field<T: DeserializeOwned>(root: &Node, field: &'static str) -> Decoded<T> {
    let node = root.get(field).filter(|node| !node.is_null()).unwrap_or(&NO_FIELDS);
    decode(node, PathRef::ROOT.key(field), IN_PART)
}

/// Reads a core kind whose fields stand beside its metadata.
pub(super) fn decode_object<T: DeserializeOwned>(root: &Node) -> Decoded<T> {
    decode(root, PathRef::ROOT, IN_PART)
}

/// Reads `spec` of a custom resource, strictly.
pub(super) fn decode_spec<T: DeserializeOwned>(root: &Node, required: bool) -> Decoded<T> {
    let path = PathRef::ROOT.key("spec");
    let spec = root.get("spec").filter(|node| !node.is_null());
    let mut faults = unknown_root_fields(root);
    let Some(spec) = spec.or((!required).then_some(&NO_FIELDS)) else {
        faults.push(Fault { path: path.to_path(), rule: "required", message: "the field \"spec\" is required".into() });
        return Decoded { value: None, faults };
    };
    let mut decoded = decode(spec, path, DecodeOptions { strict_words: true, ..DecodeOptions::default() });
    faults.append(&mut decoded.faults);
    Decoded { value: decoded.value, faults }
}

fn unknown_root_fields(root: &Node) -> Vec<Fault> {
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    let unknown = root.entries().iter().filter(|entry| !known.contains(&&*entry.key) && !entry.value.is_null());
    unknown
        .map(|entry| Fault {
            path: FieldPath::default().key(&entry.key),
            rule: "unknown-field",
            message: format!("there is no field {:?} here; the fields of the kind belong under spec", entry.key),
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "fields that are allowed but have no meaning here")]
struct MetaFields {
    name: String,
    generate_name: Option<String>,
    #[serde(default, deserialize_with = "scalar")]
    namespace: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
    deletion_grace_period_seconds: Option<i64>,
    generation: Option<i64>,
    uid: Option<String>,
    resource_version: Option<String>,
    self_link: Option<String>,
    #[serde(default)]
    owner_references: Vec<OwnerReference>,
    #[serde(default)]
    finalizers: Vec<String>,
    managed_fields: Option<serde_json::Value>,
    cluster_name: Option<String>,
}

/// Reads the metadata of any kind.
pub(super) fn decode_meta(root: &Node, namespaced: bool) -> Decoded<ObjectMeta> {
    let node = root.get("metadata").filter(|node| !node.is_null()).unwrap_or(&NO_FIELDS);
    let decoded: Decoded<MetaFields> = decode(node, PathRef::ROOT.key("metadata"), DecodeOptions::default());
    let meta = decoded.value.map(|fields| ObjectMeta {
        name: fields.name,
        namespace: match fields.namespace {
            _ if !namespaced => String::new(),
            Some(namespace) => namespace,
            None => "default".to_owned(),
        },
        labels: fields.labels,
        annotations: fields.annotations,
        creation_timestamp: fields.creation_timestamp,
        deletion_timestamp: fields.deletion_timestamp,
        generation: fields.generation,
        uid: fields.uid,
        resource_version: fields.resource_version,
        owner_references: fields.owner_references,
    });
    Decoded { value: meta, faults: decoded.faults }
}
