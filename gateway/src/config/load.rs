//! From texts to resources: what is wrong is reported and left out, and its last good version serves on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use config_schema::document::{Document, FieldPath, Segment, split_documents};
use config_schema::parse::{ParseOutcome, parse_chunk};
use config_schema::resources::{AnyObject, Parsed, Resources};
use config_schema::snapshot::ObjectRef;
use config_schema::support;
use config_schema::translate::Report;
use config_schema::validate::validate;
use config_schema::{Severity, Violation};

use super::changes::{Change, changes};
use super::origin::{Origin, Origins, Reread};
use super::rejection::{Cause, Rejection};
use crate::tls::PemField;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Path, as the operator named it.
    pub path: String,
    /// Content.
    pub text: Arc<str>,
    /// Why it cannot be read; there is no content then.
    pub problem: Option<Problem>,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line up to which it could be, counted from 1; 0 if that is not known.
    pub line: u32,
    /// What the operator has to know.
    pub message: String,
}

impl Text {
    /// A file that was read.
    pub fn new(path: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Text { path: path.into(), text: text.into(), problem: None }
    }

    /// A file that could not be read.
    pub fn unreadable(path: impl Into<String>, line: u32, message: impl Into<String>) -> Self {
        let problem = Problem { line, message: message.into() };
        Text { path: path.into(), text: Arc::default(), problem: Some(problem) }
    }
}

/// What came of reading all files.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What may be served.
    pub resources: Resources,
    /// Everything that was found.
    pub findings: Vec<Violation>,
    /// Objects that are served in an earlier version, because the present one is wrong.
    pub kept: Vec<String>,
    /// What differs from the time before.
    pub changes: Vec<Change>,
    /// Where the text of each object stands, by its name.
    origins: Origins,
    reread: Reread,
}

impl Loaded {
    /// What translating found, where it stands in the texts.
    pub fn locate_reports(&self, reports: &[Report]) -> Vec<Violation> {
        let findings = reports.iter().flat_map(|report| report.findings.iter().map(move |f| (&report.object, f)));
        findings
            .map(|(object, finding)| Violation {
                rule: finding.rule,
                severity: finding.severity,
                ..self.error_at(object, &field_path(&finding.path), finding.message.clone())
            })
            .collect()
    }

    /// What could not be compiled, where it stands in the texts; the rest is what no text of ours is to blame for.
    pub fn locate_rejections(&self, rejections: Vec<Rejection>) -> (Vec<Violation>, Vec<Rejection>) {
        let mut located: Vec<Violation> = Vec::new();
        let mut rest = Vec::new();
        for rejection in rejections.into_iter().filter(|rejection| rejection.cause != Some(Cause::Absent)) {
            let places = rejection.cause.as_ref().map(|cause| self.places(cause)).unwrap_or_default();
            if places.is_empty() {
                rest.push(rejection);
                continue;
            }
            for (object, path) in places {
                let error = self.error_at(&object, &path, rejection.reason.clone());
                let found = Violation { rule: rejection.rule, severity: rejection.severity, ..error };
                // One Secret may break many listeners.
                if !located.contains(&found) {
                    located.push(found);
                }
            }
        }
        (located, rest)
    }

    /// Where a cause is written; nowhere if no text has it.
    fn places(&self, cause: &Cause) -> Vec<(ObjectRef, FieldPath)> {
        let place = match cause {
            Cause::Absent | Cause::NoIdentity => None,
            Cause::Object(object) => Some((object.clone(), FieldPath::default())),
            Cause::Fields(fields) => {
                let written = fields.iter().filter(|field| self.document(&field.object).is_some());
                return written.map(|field| (field.object.clone(), field_path(&field.path))).collect();
            }
            Cause::Secret { object, field } => self.secret(object, *field),
        };
        place.filter(|(object, _)| self.document(object).is_some()).into_iter().collect()
    }

    /// Where a part of a Secret is written.
    fn secret(&self, object: &ObjectRef, field: PemField) -> Option<(ObjectRef, FieldPath)> {
        let beside = object.name.strip_suffix("-cacert").unwrap_or(&object.name).to_owned();
        let beside = ObjectRef { name: beside, ..object.clone() };
        let object = [object.clone(), beside].into_iter().find(|object| self.document(object).is_some())?;
        let document = self.document(&object)?;
        let path = field.keys().iter().find_map(|key| {
            let parents = ["data", "stringData"].into_iter();
            parents.map(|parent| FieldPath::default().key(parent).key(key)).find(|path| document.contains(path))
        });
        Some((object, path.unwrap_or_default()))
    }

    fn document(&self, object: &ObjectRef) -> Option<Arc<Document>> {
        let origin = self.origins.get(&format!("{} {}/{}", object.kind, object.namespace, object.name))?;
        self.reread.document(origin)
    }

    fn error_at(&self, object: &ObjectRef, path: &FieldPath, message: String) -> Violation {
        let document = self.document(object);
        let position = document.as_ref().map(|document| document.locate(path));
        Violation {
            file: document.map_or_else(|| Arc::from("configuration"), |document| Arc::clone(&document.file)),
            line: position.map_or(0, |p| p.line),
            column: position.map_or(0, |p| p.column),
            object: format!("{} {}/{}", object.kind, object.namespace, object.name),
            path: path.to_string(),
            rule: "",
            severity: Severity::Error,
            message,
        }
    }
}

/// `spec.http[0].match["a.b"]` as steps.
fn field_path(text: &str) -> FieldPath {
    let mut segments = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (key, after) = quoted.split_once("\"]").unwrap_or((quoted, ""));
            segments.push(Segment::Key(key.into()));
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']').unwrap_or((inner, ""));
            segments.push(index.parse().map_or_else(|_| Segment::Key(index.into()), Segment::Index));
            rest = after;
        } else {
            let plain = rest.strip_prefix('.').unwrap_or(rest);
            let (key, after) = plain.split_at(plain.find(['.', '[']).unwrap_or(plain.len()));
            if !key.is_empty() {
                segments.push(Segment::Key(key.into()));
            }
            rest = after;
        }
    }
    FieldPath(segments)
}

/// Reads files again and again. A file that did not change is not parsed again.
#[derive(Debug, Default)]
pub struct Loader {
    files: Vec<Known>,
}

/// A file as it was read last.
#[derive(Debug, Default)]
struct Known {
    path: String,
    /// The last text that could be read.
    text: Arc<str>,
    judged: Judged,
    /// Objects that are wrong in this text, in their last good version.
    kept: Vec<Good>,
    /// Why there is no later text.
    problem: Option<Problem>,
}

/// An object that may serve.
#[derive(Debug)]
struct Good {
    object: AnyObject,
    origin: Arc<Origin>,
}

impl Good {
    fn name(&self) -> String {
        self.object.key().to_string()
    }
}

/// A file's objects, judged.
#[derive(Debug, Default)]
struct Judged {
    good: Vec<Good>,
    /// Names of objects with errors.
    bad: BTreeSet<String>,
    /// A document could not even be read, so that nobody knows what it was.
    unreadable: bool,
    findings: Vec<Violation>,
}

impl Loader {
    /// Whether these texts are the ones that were read last.
    pub fn is_current(&self, texts: &[Text]) -> bool {
        let same = |(known, file): (&Known, &Text)| {
            known.path == file.path
                && known.problem == file.problem
                && (file.problem.is_some() || known.text == file.text)
        };
        self.files.len() == texts.len() && self.files.iter().zip(texts).all(same)
    }

    /// Reads all files, in the order in which they count.
    pub fn load(&mut self, texts: &[Text]) -> Loaded {
        let before = self.origins();
        let mut known: HashMap<String, Known> = self.files.drain(..).map(|file| (file.path.clone(), file)).collect();
        self.files = texts.iter().map(|file| Known::read(file, known.remove(&file.path))).collect();
        drop(known);
        let mut loaded = Loaded { origins: self.origins(), ..Loaded::default() };
        loaded.changes = changes(&before, &loaded.origins);
        drop(before);
        let mut duplicates = Vec::new();
        for file in &mut self.files {
            match &file.problem {
                Some(problem) => loaded.findings.push(unreadable(&file.path, problem)),
                None => loaded.findings.extend(file.judged.findings.iter().cloned()),
            }
            let stale = file.problem.iter().flat_map(|_| &file.judged.good);
            loaded.kept.extend(stale.chain(&file.kept).map(Good::name));
            for good in file.judged.good.iter_mut().chain(&mut file.kept) {
                duplicates.extend(loaded.resources.add(&mut good.object));
            }
        }
        loaded.findings.extend(duplicates);
        loaded
    }

    /// Where everything that may serve stands; of two objects of one name, the later one.
    fn origins(&self) -> Origins {
        let good = self.files.iter().flat_map(|file| file.judged.good.iter().chain(&file.kept));
        good.map(|good| (good.name(), Arc::clone(&good.origin))).collect()
    }
}

impl Known {
    fn read(file: &Text, earlier: Option<Known>) -> Self {
        let earlier = earlier.unwrap_or_else(|| Known { path: file.path.clone(), ..Known::default() });
        if file.problem.is_some() || earlier.text == file.text {
            return Known { problem: file.problem.clone(), ..earlier };
        }
        let judged = judge(file);
        let present: BTreeSet<String> = judged.good.iter().map(Good::name).collect();
        let mut kept = BTreeMap::new();
        for good in earlier.judged.good.into_iter().chain(earlier.kept) {
            let name = good.name();
            if !present.contains(&name) && (judged.unreadable || judged.bad.contains(&name)) {
                kept.insert(name, good);
            }
        }
        Known {
            path: earlier.path,
            text: Arc::clone(&file.text),
            judged,
            kept: kept.into_values().collect(),
            problem: None,
        }
    }
}

fn unreadable(path: &str, problem: &Problem) -> Violation {
    Violation {
        file: path.into(),
        line: problem.line,
        column: u32::from(problem.line > 0),
        object: String::new(),
        path: String::new(),
        rule: "unreadable",
        severity: Severity::Error,
        message: problem.message.clone(),
    }
}

/// One chunk after the other, so that not all trees of a file are there at once.
fn judge(file: &Text) -> Judged {
    let path: Arc<str> = file.path.as_str().into();
    let mut judged = Judged::default();
    for chunk in split_documents(&file.text) {
        let ParseOutcome { objects, refused, violations, skipped: _ } = parse_chunk(&path, &file.text, chunk);
        judged.bad.extend(refused.iter().map(|parsed| parsed.key().to_string()));
        judged.unreadable |= violations.iter().any(is_unidentified);
        judged.findings.extend(violations);
        for (number, parsed) in objects.into_iter().enumerate() {
            let origin = Origin::new(&file.text, chunk, number, &parsed);
            judged.object(parsed, origin);
        }
    }
    judged.good.shrink_to_fit();
    judged
}

impl Judged {
    fn object(&mut self, parsed: Parsed, origin: Origin) {
        let mut findings = validate(&parsed);
        self.unreadable |= findings.iter().any(is_unidentified);
        let unsupported = support::check(&parsed);
        // The settings of the mesh are for everybody: one that is not served takes no other one away.
        let of_mesh = matches!(parsed.object, AnyObject::MeshConfig(_) | AnyObject::MeshNetworks(_));
        let is_error = |found: &Violation| found.severity == Severity::Error;
        let refused = findings.iter().any(is_error) || !of_mesh && unsupported.iter().any(is_error);
        findings.extend(unsupported);
        if refused {
            self.bad.insert(parsed.key().to_string());
        } else {
            self.good.push(Good { object: parsed.object, origin: Arc::new(origin) });
        }
        self.findings.extend(findings);
    }
}

/// Whether nobody knows which object this was meant to be: its text, kind or name is what is wrong. An object that was in
/// the file before and is not there now may be it.
fn is_unidentified(found: &Violation) -> bool {
    let of_identity = ["apiVersion", "kind"].contains(&found.path.as_str()) || found.path.starts_with("metadata.name");
    found.severity == Severity::Error && (found.object.is_empty() || of_identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_text() {
        let (key, index) = (|key: &str| Segment::Key(key.into()), Segment::Index);
        for (text, expected) in [
            ("", vec![]),
            ("spec.http[0].match", vec![key("spec"), key("http"), index(0), key("match")]),
            ("data[\"tls.crt\"]", vec![key("data"), key("tls.crt")]),
            ("metadata.labels[\"a.b/c\"][1].x", vec![key("metadata"), key("labels"), key("a.b/c"), index(1), key("x")]),
        ] {
            assert_eq!(field_path(text).0, expected, "{text}");
            assert_eq!(FieldPath(expected).to_string(), text);
        }
    }

    #[test]
    fn an_unreadable_file_leaves_what_it_had() {
        let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";
        let mut loader = Loader::default();
        assert!(loader.load(&[Text::new("a.yaml", text)]).findings.is_empty());
        let loaded = loader.load(&[Text::unreadable("a.yaml", 2, "not UTF-8")]);
        assert_eq!(loaded.findings[0].to_string(), "a.yaml:2:1: error: not UTF-8 [unreadable]");
        assert_eq!(loaded.kept, ["Namespace a"]);
    }

    #[test]
    fn what_is_not_served_is_left_out_but_for_settings_of_the_mesh() {
        let policy = "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: a, namespace: b}\n\
                      spec: {tracing: [{disableSpanReporting: true}]}\n";
        let mesh = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n\
                    data:\n  mesh: |\n    accessLogFile: /dev/stdout\n    enableTracing: false\n";
        let loaded = Loader::default().load(&[Text::new("a.yaml", policy), Text::new("b.yaml", mesh)]);
        let errors: Vec<&str> = loaded.findings.iter().map(|found| &*found.path).collect();
        assert_eq!(errors, ["spec", "data.mesh.enableTracing"]);
        assert!(loaded.findings.iter().all(|found| found.severity == Severity::Error));
        assert!(loaded.resources.telemetries.iter().next().is_none());
        assert_eq!(
            loaded.resources.mesh_config().and_then(|mesh| mesh.spec.access_log_file.as_deref()),
            Some("/dev/stdout")
        );
    }

    #[test]
    fn lines_are_those_of_the_text_an_object_was_read_from() {
        let service = |name: &str, port: &str| {
            format!(
                "- {{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{ports: [{{port: {port}}}]}}}}\n"
            )
        };
        let head = "# all of them\n---\napiVersion: v1\nkind: List\nitems:\n";
        let text = |port: &str| format!("{head}{}{}", service("a", "1"), service("b", port));
        let b = ObjectRef { kind: "Service".into(), namespace: "default".into(), name: "b".into() };
        let at = |loaded: &Loaded| loaded.error_at(&b, &field_path("spec.ports[0].port"), String::new()).to_string();
        let mut loader = Loader::default();
        let place = at(&loader.load(&[Text::new("a.yaml", text("1"))]));
        assert_eq!(place, "a.yaml:7:72: error: Service default/b: spec.ports[0].port:  []");
        let loaded = loader.load(&[Text::new("a.yaml", text("2"))]);
        let changes: Vec<String> = loaded.changes.iter().map(ToString::to_string).collect();
        assert_eq!(changes, ["a.yaml:7: Service default/b: spec.ports[0].port: 1 -> 2"]);
        let broken = loader.load(&[Text::new("a.yaml", format!("# one line more\n{}", text("wrong")))]);
        assert_eq!(broken.kept, ["Service default/b"]);
        assert_eq!(at(&broken), place);
    }
}
