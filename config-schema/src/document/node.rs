use std::sync::Arc;

use super::path::{FieldPath, Segment};

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Line, counted from 1; 0 where the source has no lines.
    pub line: u32,
    /// Column in characters, counted from 1; 0 where the source has none.
    pub column: u32,
}

/// A value of a document and the place where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where the value begins.
    pub position: Position,
    /// The value.
    pub content: Content,
}

/// The values of JSON; integers and floats are kept apart as they were written.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// `null`, `~` or nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// Any integer from `i64::MIN` to `u64::MAX`.
    Integer(i128),
    /// A finite number that was written with a point or an exponent, or is too large for an integer.
    Float(f64),
    /// A string.
    String(Box<str>),
    /// One of the words that are booleans in YAML 1.1 and strings in YAML 1.2, unquoted: `yes`, `no`, `on`, `off`, `y`,
    /// `n`. A field that takes a boolean takes it as one, as Kubernetes does. Where text is needed, custom resources refuse
    /// it, as Kubernetes does; names and labels take the word, as is meant by `name: off`.
    Word(Box<str>),
    /// A list.
    Sequence(Vec<Node>),
    /// A map; keys are unique and keep their order.
    Mapping(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Box<str>,
    /// Where the key stands.
    pub key_position: Position,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A null without a place.
    pub const NULL: Node = Node { position: Position { line: 0, column: 0 }, content: Content::Null };

    /// The value of `key`, if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of `key`, if this is a mapping that has it.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| &*entry.key == key)
    }

    /// The entries of a mapping; empty for anything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a sequence; empty for anything else.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.content {
            Content::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.content {
            Content::String(text) | Content::Word(text) => Some(text),
            _ => None,
        }
    }

    /// True for null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.content == Content::Null
    }

    /// The tree of a JSON value that did not come from a text (an object of the API server): it has no positions.
    #[must_use]
    pub fn from_json(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(*value),
            Value::Number(number) => {
                number.as_i128().map_or_else(|| number.as_f64().map_or(Content::Null, Content::Float), Content::Integer)
            }
            Value::String(text) => Content::String(text.as_str().into()),
            Value::Array(items) => Content::Sequence(items.iter().map(Self::from_json).collect()),
            Value::Object(fields) => Content::Mapping(
                fields
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.as_str().into(),
                        key_position: Position::default(),
                        value: Self::from_json(value),
                    })
                    .collect(),
            ),
        };
        Self { position: Position::default(), content }
    }
}

/// One object's text: the tree, where it came from, and the path that stands before paths in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The file (or other source), as the caller named it.
    pub file: Arc<str>,
    /// The root of the object.
    pub root: Node,
    /// What stands before every path of this document in reports: empty, or `data.mesh` for a configuration that is
    /// embedded in a ConfigMap.
    pub prefix: FieldPath,
}

impl Document {
    /// Where `path` stands: the key of a field, the beginning of an element. If the path does not exist (a required
    /// field that is missing), the nearest parent that does.
    #[must_use]
    pub fn locate(&self, path: &FieldPath) -> Position {
        let mut node = &self.root;
        let mut position = node.position;
        for segment in &path.0 {
            match segment {
                Segment::Key(key) => match node.entry(key) {
                    Some(entry) => {
                        position = entry.key_position;
                        node = &entry.value;
                    }
                    None => break,
                },
                Segment::Index(index) => match node.items().get(*index) {
                    Some(item) => {
                        position = item.position;
                        node = item;
                    }
                    None => break,
                },
            }
        }
        position
    }

    /// Whether `path` exists.
    #[must_use]
    pub fn contains(&self, path: &FieldPath) -> bool {
        let mut segments = path.0.iter();
        let found = segments.try_fold(&self.root, |node, segment| match segment {
            Segment::Key(key) => node.get(key),
            Segment::Index(index) => node.items().get(*index),
        });
        found.is_some()
    }

    /// The path as reports show it, with the document's prefix.
    #[must_use]
    pub fn display_path(&self, path: &FieldPath) -> String {
        let segments = self.prefix.0.iter().chain(&path.0).cloned().collect();
        FieldPath(segments).to_string()
    }
}
