use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::document::{Content, Node, compose};

/// The tables, by kind.
const FILES: &[(&str, &str)] = &[
    ("Gateway", include_str!("../../support/Gateway.yaml")),
    ("VirtualService", include_str!("../../support/VirtualService.yaml")),
    ("DestinationRule", include_str!("../../support/DestinationRule.yaml")),
    ("ServiceEntry", include_str!("../../support/ServiceEntry.yaml")),
    ("WorkloadEntry", include_str!("../../support/WorkloadEntry.yaml")),
    ("WorkloadGroup", include_str!("../../support/WorkloadGroup.yaml")),
    ("Sidecar", include_str!("../../support/Sidecar.yaml")),
    ("ProxyConfig", include_str!("../../support/ProxyConfig.yaml")),
    ("EnvoyFilter", include_str!("../../support/EnvoyFilter.yaml")),
    ("PeerAuthentication", include_str!("../../support/PeerAuthentication.yaml")),
    ("RequestAuthentication", include_str!("../../support/RequestAuthentication.yaml")),
    ("AuthorizationPolicy", include_str!("../../support/AuthorizationPolicy.yaml")),
    ("Telemetry", include_str!("../../support/Telemetry.yaml")),
    ("WasmPlugin", include_str!("../../support/WasmPlugin.yaml")),
    ("TrafficExtension", include_str!("../../support/TrafficExtension.yaml")),
    ("MeshConfig", include_str!("../../support/MeshConfig.yaml")),
    ("MeshNetworks", include_str!("../../support/MeshNetworks.yaml")),
];

/// What is done with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It does what Istio documents; this test shows it: a recorded case, or a test by name.
    Implemented(String),
    /// It is refused, and everything below it, for this reason.
    Refused(String),
    /// It has no effect, and neither has anything below it; whoever sets it is told so.
    NoOp(String),
    /// It is refused until it is built, and everything below it.
    NotYet(String),
    /// It is treated like another field, and everything below it likewise.
    SameAs {
        /// The kind that has the other field.
        kind: String,
        /// The other field.
        path: String,
    },
}

/// One line of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The kind it belongs to.
    pub kind: &'static str,
    /// Its path: `spec.http[].match[].headers{}.exact`, with `[]` for the elements of a list and `{}` for the values
    /// of a map with free keys.
    pub path: String,
    /// What is done with it.
    pub status: Status,
    /// Values of it that are treated otherwise.
    pub values: BTreeMap<String, Status>,
    /// The value that asks for nothing; without one it is the zero of its type.
    pub default: Option<Node>,
    /// True for a field that Istio's API does not have any more.
    pub removed: bool,
}

/// All lines of all tables, in their order.
#[must_use]
pub fn fields() -> &'static [Field] {
    &LOADED.fields
}

/// What is wrong with the tables themselves; empty in any build that passed its tests.
#[must_use]
pub fn problems() -> &'static [String] {
    &LOADED.problems
}

/// A table as a tree, to walk it beside an object.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) field: Option<Field>,
    pub(super) fields: BTreeMap<String, Tree>,
    pub(super) elements: Option<Box<Tree>>,
    pub(super) values: Option<Box<Tree>>,
}

#[derive(Default)]
struct Loaded {
    fields: Vec<Field>,
    trees: BTreeMap<&'static str, Tree>,
    problems: Vec<String>,
}

static LOADED: LazyLock<Loaded> = LazyLock::new(|| {
    let mut loaded = Loaded::default();
    for (kind, text) in FILES {
        load(kind, text, &mut loaded);
    }
    for field in &loaded.fields {
        let tree = loaded.trees.entry(field.kind).or_default();
        insert(tree, &field.path, field.clone());
    }
    loaded
});

/// The table of a kind, if it has one.
pub(super) fn tree(kind: &str) -> Option<&'static Tree> {
    LOADED.trees.get(kind)
}

/// The place of a path such as `spec.http[].retries` in a table.
pub(super) fn find(kind: &str, path: &str) -> Option<&'static Tree> {
    steps(path).into_iter().try_fold(tree(kind)?, |tree, step| match step {
        Step::Field(name) => tree.fields.get(name),
        Step::Elements => tree.elements.as_deref(),
        Step::Values => tree.values.as_deref(),
    })
}

enum Step<'p> {
    Field(&'p str),
    Elements,
    Values,
}

fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let end = part.find(['[', '{']).unwrap_or(part.len());
        steps.push(Step::Field(&part[..end]));
        let mut rest = &part[end..];
        while let Some(mark) = rest.get(..2) {
            steps.push(if mark == "[]" { Step::Elements } else { Step::Values });
            rest = &rest[2..];
        }
    }
    steps
}

fn insert(tree: &mut Tree, path: &str, field: Field) {
    let mut place = tree;
    for step in steps(path) {
        place = match step {
            Step::Field(name) => place.fields.entry(name.to_owned()).or_default(),
            Step::Elements => place.elements.get_or_insert_default(),
            Step::Values => place.values.get_or_insert_default(),
        };
    }
    place.field = Some(field);
}

fn load(kind: &'static str, text: &str, loaded: &mut Loaded) {
    let root = match compose(text, 0) {
        Ok(Some(root)) => root,
        Ok(None) => return loaded.problems.push(format!("{kind}: an empty table")),
        Err(error) => return loaded.problems.push(format!("{kind}: {error}")),
    };
    if root.get("kind").and_then(Node::as_str) != Some(kind) {
        loaded.problems.push(format!("{kind}: the table is of another kind"));
    }
    for entry in root.get("fields").map(Node::entries).unwrap_or_default() {
        match read(kind, &entry.key, &entry.value) {
            Ok(field) => loaded.fields.push(field),
            Err(problem) => loaded.problems.push(format!("{kind} {}: {problem}", entry.key)),
        }
    }
}

fn read(kind: &'static str, path: &str, node: &Node) -> Result<Field, String> {
    let mut values = BTreeMap::new();
    for entry in node.get("values").map(Node::entries).unwrap_or_default() {
        values.insert(entry.key.to_string(), status(kind, &entry.value)?);
    }
    Ok(Field {
        kind,
        path: path.to_owned(),
        status: status(kind, node)?,
        values,
        default: node.get("default").cloned(),
        removed: node.get("removed").is_some_and(|removed| removed.content == Content::Bool(true)),
    })
}

fn status(kind: &str, node: &Node) -> Result<Status, String> {
    let mut found = Vec::new();
    for entry in node.entries() {
        let text = entry.value.as_str().unwrap_or_default().to_owned();
        found.push(match &*entry.key {
            "implemented" => Status::Implemented(text),
            "refused" => Status::Refused(text),
            "no-op" => Status::NoOp(text),
            "not-yet" => Status::NotYet(text),
            "same-as" => {
                let (kind, path) = text.split_once(' ').unwrap_or((kind, &text));
                Status::SameAs { kind: kind.to_owned(), path: path.to_owned() }
            }
            "values" | "default" | "removed" => continue,
            other => return Err(format!("there is no status {other}")),
        });
    }
    match found.as_slice() {
        [status] => Ok(status.clone()),
        _ => Err("there must be exactly one status".to_owned()),
    }
}
