//! From a text to objects.

mod mesh;

use std::fmt;
use std::sync::Arc;

use crate::document::{
    Chunk, DecodeOptions, Document, Entry, Fault, FieldPath, Node, PathRef, Position, compose, decode, split_documents,
};
use crate::resources::mesh_proxy_config::MeshProxyConfig;
use crate::resources::{AnyObject, Lookup, Parsed, Source, find_kind};
use crate::violation::{Severity, Violation};

/// What a text contained.
#[derive(Debug, Default)]
pub struct ParseOutcome {
    /// The objects without errors, in the order of the text.
    pub objects: Vec<Parsed>,
    /// The objects with errors that could be read nevertheless, without their faulty parts. They must not be served;
    /// they are here so that what refers to them is not reported as referring to nothing.
    pub refused: Vec<Parsed>,
    /// Everything that was wrong.
    pub violations: Vec<Violation>,
    /// Documents of kinds that do not concern us.
    pub skipped: Vec<Skipped>,
}

/// A document of a kind that does not concern us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file, as the caller named it.
    pub file: Arc<str>,
    /// The line on which the document begins, counted from 1.
    pub line: u32,
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `namespace/name`, as far as they are there.
    pub name: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, api_version, kind, name } = self;
        write!(f, "{file}:{line}: info: {kind} {name}: skipped, since {api_version} {kind} does not concern a proxy")
    }
}

/// Reads all documents of a text: YAML documents between `---` lines, JSON, and lists (`kind: List`) of either.
///
/// `file` is how reports call the text. A document that cannot be read does not keep the others from being read.
#[must_use]
pub fn parse_documents(file: &str, text: &str) -> ParseOutcome {
    let mut reader = Reader { file: file.into(), text: Some(text), outcome: ParseOutcome::default() };
    for chunk in split_documents(text) {
        reader.chunk(chunk);
    }
    reader.outcome
}

/// Reads one chunk of a text that [`split_documents`] has split: what [`parse_documents`] finds in that chunk. Trees are
/// large; who reads chunk by chunk and lets go of them never holds all those of a file.
#[must_use]
pub fn parse_chunk(file: &Arc<str>, text: &str, chunk: Chunk<'_>) -> ParseOutcome {
    let mut reader = Reader { file: Arc::clone(file), text: Some(text), outcome: ParseOutcome::default() };
    reader.chunk(chunk);
    reader.outcome
}

/// Reads one object that is JSON already, such as one from the API server. `source` is how reports call it.
#[must_use]
pub fn parse_value(source: &str, value: &serde_json::Value) -> ParseOutcome {
    let mut reader = Reader { file: source.into(), text: None, outcome: ParseOutcome::default() };
    reader.document(Node::from_json(value), None);
    reader.outcome
}

/// Reads the mesh's configuration from a file of its own, without the ConfigMap around it. The object found is the same
/// as that of a ConfigMap `istio-system/istio`.
#[must_use]
pub fn parse_mesh_config(file: &str, text: &str) -> ParseOutcome {
    let mut reader = Reader { file: file.into(), text: Some(text), outcome: ParseOutcome::default() };
    match compose(text, 0) {
        Ok(root) => {
            let root = root.unwrap_or(Node::NULL);
            let (object, faults) = mesh::mesh_config(&root, &reader.file);
            let document = Arc::new(document(&reader.file, root));
            let list = if faults.is_empty() { &mut reader.outcome.objects } else { &mut reader.outcome.refused };
            list.extend(object.map(|object| Parsed { object, document: Arc::clone(&document) }));
            reader.faults(&document, "MeshConfig", faults);
        }
        Err(error) => reader.broken(error.position, error.message.into_owned()),
    }
    reader.outcome
}

/// Reads the settings of one proxy, as the annotation `proxy.istio.io/config` of its pod has them.
///
/// # Errors
/// Everything that is wrong with the text, each with its path or line.
pub fn parse_proxy_config(text: &str) -> Result<MeshProxyConfig, Vec<String>> {
    let root = compose(text, 0).map_err(|error| vec![error.to_string()])?.filter(|root| !root.is_null());
    let Some(root) = root else { return Ok(MeshProxyConfig::default()) };
    let options = DecodeOptions { proto_field_names: true, ..DecodeOptions::default() };
    let decoded = decode(&root, PathRef::ROOT, options);
    match decoded.value {
        Some(config) if decoded.faults.is_empty() => Ok(config),
        _ => Err(decoded.faults.iter().map(|fault| format!("{}: {}", fault.path, fault.message)).collect()),
    }
}

fn compose_chunk(chunk: Chunk<'_>) -> Result<Option<Node>, (Position, String)> {
    compose(chunk.text, chunk.line_offset).or_else(|error| {
        // A few texts are JSON but not YAML, such as those with surrogate pairs in strings.
        let json = chunk.text.trim_start().starts_with('{');
        match serde_json::from_str::<serde_json::Value>(chunk.text) {
            Ok(value) if json => Ok(Some(Node::from_json(&value))),
            _ => Err((error.position, error.message.into_owned())),
        }
    })
}

struct Reader<'t> {
    file: Arc<str>,
    text: Option<&'t str>,
    outcome: ParseOutcome,
}

/// `apiVersion` and `kind` that the elements of a typed list inherit.
#[derive(Clone)]
struct Inherited {
    api_version: String,
    kind: String,
}

impl Reader<'_> {
    fn chunk(&mut self, chunk: Chunk<'_>) {
        match compose_chunk(chunk) {
            Ok(Some(root)) if !root.is_null() => self.document(root, None),
            Ok(_) => {}
            Err((position, message)) => self.broken(position, message),
        }
    }

    fn document(&mut self, mut root: Node, inherited: Option<&Inherited>) {
        let text_of = |key: &str| root.get(key).and_then(Node::as_str).map(str::to_owned);
        let api_version = text_of("apiVersion").or_else(|| inherited.map(|list| list.api_version.clone()));
        let kind = text_of("kind").or_else(|| inherited.map(|list| list.kind.clone()));
        let missing = if kind.is_none() { "kind" } else { "apiVersion" };
        let (Some(api_version), Some(kind)) = (api_version, kind) else {
            let message = format!("not a Kubernetes object: it has no {missing} that is a string");
            return self.fault(&document(&self.file, root), String::new(), "kind", FieldPath::default(), message);
        };
        if let Some(element) = kind.strip_suffix("List")
            && root.get("items").is_some()
        {
            let inherited = Inherited { api_version, kind: element.to_owned() };
            for item in take_items(&mut root) {
                self.document(item, (!element.is_empty()).then_some(&inherited));
            }
            return;
        }
        let lookup = find_kind(&api_version, &kind);
        let name = displayed_name(&root, !matches!(lookup, Lookup::Known(info) if !info.namespaced));
        let object = format!("{kind} {name}");
        match lookup {
            Lookup::Known(info) => {
                let document = Arc::new(document(&self.file, root));
                let (parsed, faults) = AnyObject::decode(info, &document.root, Source::of(&document));
                let clean = faults.is_empty();
                self.faults(&document, &object, faults);
                if let Some(parsed) = parsed {
                    self.accept(Parsed { object: parsed, document }, clean);
                }
            }
            Lookup::WrongVersion(info) => {
                let served: Vec<_> = info.versions.iter().map(|v| format!("{}/{v}", info.group)).collect();
                let message = format!("{api_version} is not a version of {kind}; use {}", served.join(" or "));
                let path = FieldPath::default().key("apiVersion");
                self.fault(&document(&self.file, root), object, "kind", path, message);
            }
            Lookup::WrongKind => {
                let message = format!("{api_version} has no kind {kind}");
                self.fault(&document(&self.file, root), object, "kind", FieldPath::default().key("kind"), message);
            }
            Lookup::Foreign => {
                let line = root.position.line;
                self.outcome.skipped.push(Skipped { file: Arc::clone(&self.file), line, api_version, kind, name });
            }
        }
    }

    fn accept(&mut self, parsed: Parsed, clean: bool) {
        let embedded = mesh::embedded(&parsed, self.text);
        let list = if clean { &mut self.outcome.objects } else { &mut self.outcome.refused };
        list.push(parsed);
        for (part, tree) in embedded {
            match tree {
                Ok(root) => {
                    let (object, faults) = part.decode(&root);
                    let document = Arc::new(Document { file: Arc::clone(&self.file), root, prefix: part.prefix });
                    let clean = clean && faults.is_empty();
                    self.faults(&document, &part.object, faults);
                    if let Some(object) = object {
                        let list = if clean { &mut self.outcome.objects } else { &mut self.outcome.refused };
                        list.push(Parsed { object, document });
                    }
                }
                Err((position, message)) => {
                    let prefix = part.prefix;
                    self.report(position, part.object, prefix.to_string(), "syntax", message);
                }
            }
        }
    }

    fn faults(&mut self, document: &Document, object: &str, faults: Vec<Fault>) {
        for fault in faults {
            self.fault(document, object.to_owned(), fault.rule, fault.path, fault.message);
        }
    }

    fn fault(&mut self, document: &Document, object: String, rule: &'static str, path: FieldPath, message: String) {
        self.report(document.locate(&path), object, document.display_path(&path), rule, message);
    }

    fn broken(&mut self, position: Position, message: String) {
        self.report(position, String::new(), String::new(), "syntax", message);
    }

    fn report(&mut self, position: Position, object: String, path: String, rule: &'static str, message: String) {
        self.outcome.violations.push(Violation {
            file: Arc::clone(&self.file),
            line: position.line,
            column: position.column,
            object,
            path,
            rule,
            severity: Severity::Error,
            message,
        });
    }
}

fn document(file: &Arc<str>, root: Node) -> Document {
    Document { file: Arc::clone(file), root, prefix: FieldPath::default() }
}

fn take_items(root: &mut Node) -> Vec<Node> {
    use crate::document::Content;
    let Content::Mapping(entries) = &mut root.content else { return Vec::new() };
    let items: Option<&mut Entry> = entries.iter_mut().find(|entry| &*entry.key == "items");
    match items.map(|entry| std::mem::replace(&mut entry.value.content, Content::Null)) {
        Some(Content::Sequence(items)) => items,
        _ => Vec::new(),
    }
}

fn displayed_name(root: &Node, namespaced: bool) -> String {
    let meta = root.get("metadata");
    let text_of = |key: &str| meta.and_then(|meta| meta.get(key)).and_then(Node::as_str).filter(|t| !t.is_empty());
    let name = text_of("name").unwrap_or("(no name)");
    if namespaced { format!("{}/{name}", text_of("namespace").unwrap_or("default")) } else { name.to_owned() }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
