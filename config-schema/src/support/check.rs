use std::sync::Arc;

use super::envoy_filter;
use super::table::{Field, Status, Tree, find, tree};
use crate::document::{Content, Document, Node, PathRef, camel_case};
use crate::resources::{AnyObject, Parsed};
use crate::violation::{Severity, Violation};

/// How often one field may be the same as another before that counts as a circle.
const MAX_HOPS: usize = 8;

/// The fields of an object that are refused, or have no effect. A field that asks for what happens anyway (its default)
/// is left alone.
#[must_use]
pub fn check(parsed: &Parsed) -> Vec<Violation> {
    let Some(tree) = tree(parsed.object.info().kind) else { return Vec::new() };
    let mut walker = Walker { document: &parsed.document, object: parsed.key().to_string(), found: Vec::new() };
    if let AnyObject::EnvoyFilter(filter) = &parsed.object {
        for finding in envoy_filter::advice(&filter.spec) {
            let patches = PathRef::ROOT.key("spec");
            let patches = patches.key("configPatches");
            walker.add(patches.index(finding.patch), Severity::Error, "unsupported-field", finding.message);
        }
        if !walker.found.is_empty() {
            return walker.found;
        }
    }
    let embedded = !parsed.document.prefix.0.is_empty();
    for entry in parsed.document.root.entries() {
        if embedded || &*entry.key == "spec" {
            walker.field(tree, &entry.key, &entry.value, PathRef::ROOT);
        }
    }
    walker.found
}

struct Walker<'d> {
    document: &'d Document,
    object: String,
    found: Vec<Violation>,
}

impl Walker<'_> {
    fn field(&mut self, parent: &'static Tree, key: &str, value: &Node, path: PathRef<'_>) {
        let path = path.key(key);
        if value.is_null() {
            return;
        }
        let Some(tree) = child(parent, key) else {
            // Unknown fields are reported by who reads them; what is known there must be known here.
            return self.add(
                path,
                Severity::Error,
                "unsupported-field",
                "it is missing in the support table".to_owned(),
            );
        };
        let tree = resolve(tree);
        let Some(field) = &tree.field else { return self.inside(tree, value, path) };
        if asks_nothing(tree, value) {
            return;
        }
        let status = value.as_str().and_then(|value| field.values.get(value)).unwrap_or(&field.status);
        match status {
            Status::Implemented(_) | Status::SameAs { .. } => self.inside(tree, value, path),
            Status::Refused(reason) => {
                self.add(path, Severity::Error, "unsupported-field", format!("it is not supported: {reason}"));
            }
            Status::NotYet(reason) => {
                self.add(path, Severity::Error, "unsupported-field", format!("it is not supported yet: {reason}"));
            }
            Status::NoOp(reason) => {
                self.add(path, Severity::Warning, "no-effect", format!("it has no effect: {reason}"));
            }
        }
    }

    fn inside(&mut self, tree: &'static Tree, value: &Node, path: PathRef<'_>) {
        match (&value.content, &tree.elements, &tree.values) {
            (Content::Sequence(items), Some(elements), _) => {
                for (index, item) in items.iter().enumerate() {
                    self.inside(resolve(elements), item, path.index(index));
                }
            }
            (Content::Mapping(entries), _, Some(values)) => {
                for entry in entries {
                    self.inside(resolve(values), &entry.value, path.key(&entry.key));
                }
            }
            (Content::Mapping(entries), _, None) if !tree.fields.is_empty() => {
                for entry in entries {
                    self.field(tree, &entry.key, &entry.value, path);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, path: PathRef<'_>, severity: Severity, rule: &'static str, message: String) {
        let path = path.to_path();
        let position = self.document.locate(&path);
        self.found.push(Violation {
            file: Arc::clone(&self.document.file),
            line: position.line,
            column: position.column,
            object: self.object.clone(),
            path: self.document.display_path(&path),
            rule,
            severity,
            message,
        });
    }
}

fn child(tree: &'static Tree, key: &str) -> Option<&'static Tree> {
    tree.fields.get(key).or_else(|| tree.fields.get(&camel_case(key)))
}

/// Follows `same-as` to where the truth is.
fn resolve(tree: &'static Tree) -> &'static Tree {
    let mut tree = tree;
    for _ in 0..MAX_HOPS {
        let Some(Field { status: Status::SameAs { kind, path }, .. }) = &tree.field else { break };
        match find(kind, path) {
            Some(other) => tree = other,
            None => break,
        }
    }
    tree
}

/// True for a value that means the same as leaving the field out.
fn asks_nothing(tree: &'static Tree, value: &Node) -> bool {
    let default = tree.field.as_ref().and_then(|field| field.default.as_ref());
    match (&value.content, default) {
        (_, Some(default)) => value.is_null() || same(value, default),
        (Content::Mapping(entries), None) => {
            let nothing = |key: &str, value: &Node| match child(tree, key) {
                Some(tree) => asks_nothing(resolve(tree), value),
                None => is_zero(value),
            };
            !entries.is_empty() && entries.iter().all(|entry| nothing(&entry.key, &entry.value))
        }
        (_, None) => is_zero(value),
    }
}

/// The value of a scalar or list that is not set, as far as protocol buffers can tell.
fn is_zero(value: &Node) -> bool {
    match &value.content {
        Content::Null => true,
        Content::Bool(value) => !value,
        Content::Integer(value) => *value == 0,
        Content::Float(value) => *value == 0.0,
        Content::String(text) | Content::Word(text) => text.is_empty(),
        Content::Sequence(items) => items.is_empty(),
        Content::Mapping(_) => false,
    }
}

/// Equal but for the places.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.content, &other.content) {
        (Content::Sequence(one), Content::Sequence(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
