//! From texts to resources: what is wrong is reported and left out, and its last good version serves on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use config_schema::document::{FieldPath, Segment};
use config_schema::parse::{ParseOutcome, parse_documents};
use config_schema::resources::{Parsed, Resources};
use config_schema::snapshot::ObjectRef;
use config_schema::translate::{Finding, Report};
use config_schema::validate::validate;
use config_schema::{Severity, Violation};

use super::changes::{Change, Documents, changes};

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Path, as the operator named it.
    pub path: String,
    /// Content.
    pub text: String,
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
    /// The text of each object, by its name.
    documents: Documents,
}

impl Loaded {
    /// Adds what translating found, where it stands in the texts.
    pub fn add_reports(&mut self, reports: &[Report]) {
        for report in reports {
            for finding in &report.findings {
                let found = self.locate(&report.object, finding);
                if !self.findings.contains(&found) {
                    self.findings.push(found);
                }
            }
        }
    }

    /// A finding about an object as a finding about its text.
    fn locate(&self, object: &ObjectRef, finding: &Finding) -> Violation {
        let name = format!("{} {}/{}", object.kind, object.namespace, object.name);
        let document = self.documents.get(&name);
        let position = document.map(|document| document.locate(&field_path(&finding.path)));
        Violation {
            file: document.map_or_else(|| Arc::from("configuration"), |document| Arc::clone(&document.file)),
            line: position.map_or(0, |p| p.line),
            column: position.map_or(0, |p| p.column),
            object: name,
            path: finding.path.clone(),
            rule: finding.rule,
            severity: finding.severity,
            message: finding.message.clone(),
        }
    }
}

/// `spec.http[0].match` as steps.
fn field_path(text: &str) -> FieldPath {
    let mut segments = Vec::new();
    for part in text.split('.').filter(|part| !part.is_empty()) {
        let (key, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if !key.is_empty() {
            segments.push(Segment::Key(key.into()));
        }
        for index in indices.split(['[', ']']).filter(|index| !index.is_empty()) {
            match index.parse() {
                Ok(index) => segments.push(Segment::Index(index)),
                Err(_) => segments.push(Segment::Key(index.trim_matches('"').into())),
            }
        }
    }
    FieldPath(segments)
}

/// Reads files again and again. A file that did not change is not parsed again.
#[derive(Debug, Default)]
pub struct Loader {
    parsed: HashMap<String, (String, Arc<Judged>)>,
    /// The last good version of each object, by file and name.
    good: BTreeMap<(String, String), Parsed>,
    /// The text of each object, as it was served last.
    documents: Documents,
}

/// A file's objects, judged.
#[derive(Debug, Default)]
struct Judged {
    good: Vec<Parsed>,
    /// Names of objects with errors.
    bad: BTreeSet<String>,
    /// A document could not even be read, so that nobody knows what it was.
    unreadable: bool,
    findings: Vec<Violation>,
}

impl Loader {
    /// Reads all files, in the order in which they count.
    pub fn load(&mut self, texts: &[Text]) -> Loaded {
        let mut loaded = Loaded::default();
        let mut objects = Vec::new();
        let mut good = BTreeMap::new();
        for file in texts {
            let judged = self.judge(file);
            loaded.findings.extend(judged.findings.iter().cloned());
            let mut present: BTreeSet<String> = BTreeSet::new();
            for parsed in &judged.good {
                let name = parsed.key().to_string();
                present.insert(name.clone());
                good.insert((file.path.clone(), name), parsed.clone());
                objects.push(parsed.clone());
            }
            for ((path, name), last) in self.good.range((file.path.clone(), String::new())..) {
                if *path != file.path {
                    break;
                }
                if !present.contains(name) && (judged.unreadable || judged.bad.contains(name)) {
                    loaded.kept.push(name.clone());
                    good.insert((path.clone(), name.clone()), last.clone());
                    objects.push(last.clone());
                }
            }
        }
        self.parsed.retain(|path, _| texts.iter().any(|file| file.path == *path));
        self.good = good;
        loaded.documents =
            objects.iter().map(|parsed| (parsed.key().to_string(), Arc::clone(&parsed.document))).collect();
        loaded.changes = changes(&self.documents, &loaded.documents);
        self.documents.clone_from(&loaded.documents);
        let (resources, duplicates) = Resources::load(objects);
        loaded.resources = resources;
        loaded.findings.extend(duplicates);
        loaded
    }

    fn judge(&mut self, file: &Text) -> Arc<Judged> {
        if let Some((text, judged)) = self.parsed.get(&file.path)
            && *text == file.text
        {
            return Arc::clone(judged);
        }
        let judged = Arc::new(judge(file));
        self.parsed.insert(file.path.clone(), (file.text.clone(), Arc::clone(&judged)));
        judged
    }
}

fn judge(file: &Text) -> Judged {
    let ParseOutcome { objects, refused, violations, skipped: _ } = parse_documents(&file.path, &file.text);
    let mut judged = Judged {
        bad: refused.iter().map(|parsed| parsed.key().to_string()).collect(),
        unreadable: violations.iter().any(|found| found.object.is_empty()),
        findings: violations,
        good: Vec::new(),
    };
    for parsed in objects {
        let findings = validate(&parsed);
        if findings.iter().any(|found| found.severity == Severity::Error) {
            judged.bad.insert(parsed.key().to_string());
        } else {
            judged.good.push(parsed);
        }
        judged.findings.extend(findings);
    }
    judged
}
