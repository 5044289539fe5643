//! The mesh's configuration inside of its ConfigMap: a text in a text.

use std::sync::Arc;

use crate::document::{Content, Entry, Fault, FieldPath, Node, Position, compose};
use crate::resources::{
    Age, AnyObject, Decode, MESH_CONFIG_MAP, MeshConfig, MeshNetworks, Object, ObjectMeta, Parsed, Source,
};

/// A text inside of a ConfigMap that is an object to us.
pub(super) struct Embedded {
    /// `data.mesh` or `data.meshNetworks`.
    pub(super) prefix: FieldPath,
    /// The ConfigMap as reports name it.
    pub(super) object: String,
    outer: Parsed,
    key: &'static str,
}

/// The tree of an embedded text, or why it has none.
type Tree = Result<Node, (Position, String)>;

/// What `parsed` contains, if it is the mesh's ConfigMap.
pub(super) fn embedded(parsed: &Parsed, text: Option<&str>) -> Vec<(Embedded, Tree)> {
    let AnyObject::ConfigMap(config_map) = &parsed.object else { return Vec::new() };
    let meta = &config_map.meta;
    if (meta.namespace.as_str(), meta.name.as_str()) != MESH_CONFIG_MAP {
        return Vec::new();
    }
    let data = parsed.document.root.get("data");
    ["mesh", "meshNetworks"]
        .into_iter()
        .filter_map(|key| {
            let entry = data?.entry(key)?;
            let inner = entry.value.as_str()?;
            let prefix = FieldPath::default().key("data").key(key);
            let tree = compose_inner(inner, entry, text);
            Some((Embedded { prefix, object: parsed.key().to_string(), outer: parsed.clone(), key }, tree))
        })
        .collect()
}

impl Embedded {
    pub(super) fn decode(&self, root: &Node) -> (Option<AnyObject>, Vec<Fault>) {
        let AnyObject::ConfigMap(outer) = &self.outer.object else { return (None, Vec::new()) };
        let meta = outer.meta.clone();
        let source = outer.source.clone();
        if self.key == "mesh" {
            let decoded = <MeshConfig as Decode>::decode(root);
            let object = decoded.value.map(|spec| Object { meta, spec, source, age: Age::default() });
            (object.map(Arc::new).map(AnyObject::MeshConfig), decoded.faults)
        } else {
            let decoded = <MeshNetworks as Decode>::decode(root);
            let object = decoded.value.map(|spec| Object { meta, spec, source, age: Age::default() });
            (object.map(Arc::new).map(AnyObject::MeshNetworks), decoded.faults)
        }
    }
}

/// The mesh's configuration from a text of its own.
pub(super) fn mesh_config(root: &Node, file: &Arc<str>) -> (Option<AnyObject>, Vec<Fault>) {
    let empty = Node { position: root.position, content: Content::Mapping(Vec::new()) };
    let decoded = <MeshConfig as Decode>::decode(if root.is_null() { &empty } else { root });
    let (namespace, name) = MESH_CONFIG_MAP;
    let meta = ObjectMeta { name: name.to_owned(), namespace: namespace.to_owned(), ..ObjectMeta::default() };
    let source = Source { file: Arc::clone(file), line: root.position.line, name: root.position };
    let object = decoded.value.map(|spec| Object { meta, spec, source, age: Age::default() });
    (object.map(Arc::new).map(AnyObject::MeshConfig), decoded.faults)
}

fn compose_inner(inner: &str, entry: &Entry, text: Option<&str>) -> Tree {
    let shift = text.map_or(Shift::Onto(entry.key_position), |text| Shift::find(text, entry));
    match compose(inner, 0) {
        Ok(Some(mut node)) if !node.is_null() => {
            shift.apply(&mut node);
            Ok(node)
        }
        Ok(_) => Ok(Node { position: entry.key_position, content: Content::Mapping(Vec::new()) }),
        Err(error) => Err((shift.position(error.position), error.message.into_owned())),
    }
}

/// How places in the inner text become places in the outer one.
enum Shift {
    /// The lines of a literal block (`|`) are lines of the file.
    Lines { lines: u32, columns: u32 },
    /// Anything else is not followed: everything stands where the key stands.
    Onto(Position),
}

impl Shift {
    fn find(text: &str, entry: &Entry) -> Self {
        let key = entry.key_position;
        let mut lines = text.lines().skip(key.line.saturating_sub(1) as usize);
        let literal = lines.next().is_some_and(|line| {
            let value = line.trim_end().rsplit(':').next().unwrap_or_default().trim_start();
            let header = value.split(" #").next().unwrap_or_default().trim_end();
            header.starts_with('|') && header[1..].chars().all(|c| matches!(c, '+' | '-' | '1'..='9'))
        });
        let first = lines.find(|line| !line.trim().is_empty());
        match first {
            Some(first) if literal => {
                let columns = first.len() - first.trim_start_matches(' ').len();
                Self::Lines { lines: key.line, columns: u32::try_from(columns).unwrap_or_default() }
            }
            _ => Self::Onto(key),
        }
    }

    fn position(&self, inner: Position) -> Position {
        match self {
            Self::Lines { lines, columns } => {
                Position { line: inner.line.saturating_add(*lines), column: inner.column.saturating_add(*columns) }
            }
            Self::Onto(position) => *position,
        }
    }

    fn apply(&self, node: &mut Node) {
        node.position = self.position(node.position);
        match &mut node.content {
            Content::Sequence(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Content::Mapping(entries) => {
                for entry in entries {
                    entry.key_position = self.position(entry.key_position);
                    self.apply(&mut entry.value);
                }
            }
            _ => {}
        }
    }
}
