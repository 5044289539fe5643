//! What an edit changed, field by field, for the log. Values of Secrets are never told.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use config_schema::document::{Content, Document, FieldPath, Node, Segment};

use super::origin::{Origins, Reread};

/// So many fields of an object are told; of more, only the number.
const MAX_FIELDS: usize = 5;
/// Longer values are told in part.
const MAX_VALUE: usize = 60;

/// One difference between the configuration in force and the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The file it is in, or was.
    pub file: Arc<str>,
    /// The line, counted from 1; 0 for what is gone.
    pub line: u32,
    /// `Kind namespace/name`.
    pub object: String,
    /// What became of it.
    pub what: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}: {}", self.object, self.what)
    }
}

/// Everything that differs, by file and line.
pub(super) fn changes(before: &Origins, after: &Origins) -> Vec<Change> {
    let mut changes = Vec::new();
    let reread = Reread::default();
    for (object, origin) in after {
        match before.get(object) {
            Some(old) if Arc::ptr_eq(old, origin) || old.is_same(origin) => {}
            Some(old) => {
                if let (Some(old), Some(new)) = (reread.document(old), reread.document(origin)) {
                    fields(object, &old, &new, &mut changes);
                }
            }
            None => changes.push(Change {
                file: Arc::clone(&origin.file),
                line: origin.line,
                object: object.clone(),
                what: "added".to_owned(),
            }),
        }
    }
    for (object, origin) in before.iter().filter(|(object, _)| !after.contains_key(*object)) {
        let file = Arc::clone(&origin.file);
        changes.push(Change { file, line: 0, object: object.clone(), what: "removed".to_owned() });
    }
    changes.sort_by(|a, b| (&a.file, a.line, &a.object).cmp(&(&b.file, b.line, &b.object)));
    changes
}

/// The fields of one object.
fn fields(object: &str, before: &Document, after: &Document, changes: &mut Vec<Change>) {
    let mut differences = Vec::new();
    differ(&before.root, &after.root, &mut Vec::new(), &mut differences);
    let secret = object.starts_with("Secret ");
    let mut add = |line, what| {
        changes.push(Change { file: Arc::clone(&after.file), line, object: object.to_owned(), what });
    };
    let told = differences.len().min(MAX_FIELDS);
    let mut last = after.root.position.line;
    for Difference { path, change } in differences.iter().take(told) {
        last = after.locate(path).line;
        let path = after.display_path(path);
        add(last, if secret { format!("{path} changed") } else { format!("{path}: {change}") });
    }
    if differences.len() > told {
        add(last, format!("{} more fields", differences.len() - told));
    }
}

struct Difference {
    path: FieldPath,
    change: String,
}

fn differ(before: &Node, after: &Node, path: &mut Vec<Segment>, found: &mut Vec<Difference>) {
    match (&before.content, &after.content) {
        (Content::Mapping(_), Content::Mapping(_)) => mappings(before, after, path, found),
        (Content::Sequence(old), Content::Sequence(new)) => sequences(old, new, path, found),
        _ if same(before, after) => {}
        _ => add(path, format!("{} -> {}", shown(before), shown(after)), found),
    }
}

fn add(path: &[Segment], change: String, found: &mut Vec<Difference>) {
    found.push(Difference { path: FieldPath(path.to_vec()), change });
}

fn mappings(before: &Node, after: &Node, path: &mut Vec<Segment>, found: &mut Vec<Difference>) {
    let keys: BTreeSet<&str> = before.entries().iter().chain(after.entries()).map(|entry| &*entry.key).collect();
    for key in keys {
        path.push(Segment::Key(key.into()));
        match (before.get(key), after.get(key)) {
            (Some(old), Some(new)) => differ(old, new, path, found),
            (Some(_), None) => add(path, "removed".to_owned(), found),
            (None, Some(new)) => add(path, format!("added: {}", shown(new)), found),
            (None, None) => {}
        }
        path.pop();
    }
}

/// What both ends have in common is passed over, so that one new element is one change.
fn sequences(before: &[Node], after: &[Node], path: &mut Vec<Segment>, found: &mut Vec<Difference>) {
    if before.len() == after.len() {
        for (index, (old, new)) in before.iter().zip(after).enumerate() {
            path.push(Segment::Index(index));
            differ(old, new, path, found);
            path.pop();
        }
        return;
    }
    let start = before.iter().zip(after).take_while(|(old, new)| same(old, new)).count();
    let end = before[start..].iter().rev().zip(after[start..].iter().rev()).take_while(|(o, n)| same(o, n)).count();
    let (gone, come) = (before.len() - end, after.len() - end);
    for index in start..gone.max(come) {
        path.push(Segment::Index(index));
        match (before.get(index).filter(|_| index < gone), after.get(index).filter(|_| index < come)) {
            (Some(old), Some(new)) => differ(old, new, path, found),
            (Some(old), None) => add(path, format!("removed: {}", shown(old)), found),
            (None, Some(new)) => add(path, format!("added: {}", shown(new)), found),
            (None, None) => {}
        }
        path.pop();
    }
}

/// The same value, wherever it stands.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.content, &other.content) {
        (Content::Sequence(a), Content::Sequence(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Content::Mapping(a), Content::Mapping(b)) => {
            a.len() == b.len()
                && a.iter().all(|entry| other.get(&entry.key).is_some_and(|value| same(&entry.value, value)))
        }
        (a, b) => a == b,
    }
}

fn shown(node: &Node) -> String {
    let mut text = String::new();
    write_value(node, &mut text);
    if text.chars().count() > MAX_VALUE {
        text = text.chars().take(MAX_VALUE).chain("…".chars()).collect();
    }
    text
}

fn write_value(node: &Node, text: &mut String) {
    match &node.content {
        Content::Null => text.push_str("null"),
        Content::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Content::Integer(value) => text.push_str(&value.to_string()),
        Content::Float(value) => text.push_str(&value.to_string()),
        Content::String(value) | Content::Word(value) => text.extend(value.escape_debug()),
        Content::Sequence(items) => list(text, ['[', ']'], items, write_value),
        Content::Mapping(entries) => list(text, ['{', '}'], entries, |entry, text| {
            text.push_str(&entry.key);
            text.push_str(": ");
            write_value(&entry.value, text);
        }),
    }
}

fn list<T>(text: &mut String, [open, close]: [char; 2], items: &[T], write: impl Fn(&T, &mut String)) {
    text.push(open);
    for (index, item) in items.iter().enumerate() {
        if text.len() > 4 * MAX_VALUE {
            break;
        }
        if index > 0 {
            text.push_str(", ");
        }
        write(item, text);
    }
    text.push(close);
}

#[cfg(test)]
mod tests {
    use super::super::load::{Loader, Text};

    fn told(before: &str, after: &str) -> Vec<String> {
        let mut loader = Loader::default();
        loader.load(&[Text::new("a.yaml", before)]);
        loader.load(&[Text::new("a.yaml", after)]).changes.iter().map(ToString::to_string).collect()
    }

    fn routes(weights: &[u32]) -> String {
        let routes: String =
            weights.iter().map(|weight| format!("    - {{destination: {{host: a}}, weight: {weight}}}\n")).collect();
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: x}}\nspec:\n  hosts: [a]\n  \
             http:\n  - route:\n{routes}"
        )
    }

    #[test]
    fn fields_are_told_with_their_lines() {
        assert_eq!(told(&routes(&[50, 50]), &routes(&[50, 50])), [""; 0]);
        assert_eq!(
            told(&routes(&[50, 50]), &routes(&[20, 80])),
            [
                "a.yaml:8: VirtualService default/x: spec.http[0].route[0].weight: 50 -> 20",
                "a.yaml:9: VirtualService default/x: spec.http[0].route[1].weight: 50 -> 80",
            ]
        );
    }

    #[test]
    fn moving_an_object_is_no_change() {
        assert_eq!(told(&routes(&[100]), &format!("# a comment\n\n{}", routes(&[100]))), [""; 0]);
    }

    #[test]
    fn one_new_element_is_one_change() {
        assert_eq!(
            told(&routes(&[1, 3]), &routes(&[1, 2, 3])),
            ["a.yaml:9: VirtualService default/x: spec.http[0].route[1]: added: {destination: {host: a}, weight: 2}"]
        );
        assert_eq!(
            told(&routes(&[1, 2, 3]), &routes(&[2, 3])),
            ["a.yaml:8: VirtualService default/x: spec.http[0].route[0]: removed: {destination: {host: a}, weight: 1}"]
        );
    }

    #[test]
    fn objects_come_and_go() {
        let text = routes(&[1]);
        assert_eq!(told("", &text), ["a.yaml:1: VirtualService default/x: added"]);
        assert_eq!(told(&text, ""), ["a.yaml: VirtualService default/x: removed"]);
    }

    #[test]
    fn values_of_secrets_stay_secret() {
        let secret = |key: &str| {
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata:\n  tls.key: {key}\n  tls.crt: YQ==\n")
        };
        assert_eq!(told(&secret("Zm9v"), &secret("YmFy")), ["a.yaml:5: Secret default/s: data[\"tls.key\"] changed"]);
    }

    #[test]
    fn many_fields_are_counted() {
        let lines = told(&routes(&[1; 8]), &routes(&[2; 8]));
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[5], "a.yaml:12: VirtualService default/x: 3 more fields");
    }
}
