use std::sync::Arc;

use crate::document::{Document, Node, PathRef, Segment};
use crate::resources::wire::Duration;
use crate::violation::{Severity, Violation};

/// The path of `spec`.
pub(super) const SPEC: PathRef<'static> = PathRef::ROOT.key("spec");

/// More findings than this about one object help nobody.
const MAX_FINDINGS: usize = 200;

/// Collects what is wrong with one object.
pub(super) struct Report<'d> {
    document: &'d Document,
    object: String,
    violations: Vec<Violation>,
}

impl<'d> Report<'d> {
    pub(super) fn new(document: &'d Document, object: String) -> Self {
        Self { document, object, violations: Vec::new() }
    }

    pub(super) fn finish(self) -> Vec<Violation> {
        self.violations
    }

    pub(super) fn error(&mut self, path: PathRef<'_>, rule: &'static str, message: impl Into<String>) {
        self.add(path, rule, Severity::Error, message.into());
    }

    pub(super) fn warning(&mut self, path: PathRef<'_>, rule: &'static str, message: impl Into<String>) {
        self.add(path, rule, Severity::Warning, message.into());
    }

    fn add(&mut self, path: PathRef<'_>, rule: &'static str, severity: Severity, message: String) {
        if self.violations.len() >= MAX_FINDINGS {
            return;
        }
        let path = path.to_path();
        let position = self.document.locate(&path);
        self.violations.push(Violation {
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

    /// Reports the error of a check, if it found one.
    pub(super) fn check(&mut self, path: PathRef<'_>, rule: &'static str, result: Result<(), String>) {
        if let Err(message) = result {
            self.error(path, rule, message);
        }
    }

    /// A field that must be there.
    pub(super) fn required(&mut self, path: PathRef<'_>, message: &str) {
        self.error(path, "required", message);
    }

    /// What the text has at `path`, null included.
    pub(super) fn written(&self, path: PathRef<'_>) -> Option<&'d Node> {
        let mut node = &self.document.root;
        for segment in &path.to_path().0 {
            node = match segment {
                Segment::Key(key) => node.get(key)?,
                Segment::Index(index) => node.items().get(*index)?,
            };
        }
        Some(node)
    }

    /// True if the text has a value at `path`, if only an empty one.
    pub(super) fn is_set(&self, path: PathRef<'_>) -> bool {
        self.written(path).is_some_and(|node| !node.is_null())
    }

    /// A string that may be left out but not be empty.
    pub(super) fn not_empty(&mut self, path: PathRef<'_>) {
        if self.written(path).and_then(Node::as_str) == Some("") {
            self.error(path, "length", "must not be empty");
        }
    }

    /// A string of at most `limit` characters.
    pub(super) fn max_length(&mut self, path: PathRef<'_>, text: &str, limit: usize) {
        let length = text.chars().count();
        if length > limit {
            self.error(path, "length", format!("must have at most {limit} characters, has {length}"));
        }
    }

    /// A list or map of at most `limit` elements.
    pub(super) fn max_items(&mut self, path: PathRef<'_>, count: usize, limit: usize) {
        if count > limit {
            self.error(path, "length", format!("must have at most {limit} elements, has {count}"));
        }
    }

    /// A duration of whole milliseconds, at least one.
    pub(super) fn duration(&mut self, path: PathRef<'_>, duration: Option<Duration>) {
        let Some(duration) = duration else { return };
        if duration < Duration::from_millis(1) {
            self.error(path, "duration", "must be a duration of at least 1ms");
        } else if duration.0.subsec_nanos() % 1_000_000 != 0 {
            self.error(path, "duration", "must be a duration of whole milliseconds");
        }
    }

    /// At most one of some fields of a message.
    pub(super) fn at_most_one(&mut self, path: PathRef<'_>, fields: &[&str]) {
        let set: Vec<&str> = fields.iter().copied().filter(|field| self.is_set(path.key(field))).collect();
        if set.len() > 1 {
            self.error(path, "oneof", format!("only one of {} may be set", list(&set)));
        }
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
