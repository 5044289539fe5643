//! Cases as data: `cases/<kind>/accept-*.yaml` has no errors, `cases/<kind>/reject-*.yaml` has some.
//!
//! What is found is written beside the line at which it must be found, as a comment: `#! PATH RULE` for an error,
//! `#? PATH RULE` for a warning, several with `;` between. Nothing else may be found.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use config_schema::parse::parse_documents;
use config_schema::resources::Resources;
use config_schema::validate::validate;
use config_schema::{Severity, Violation};

type Findings = BTreeMap<(u32, String), usize>;

fn expected(text: &str) -> Findings {
    let mut findings = Findings::new();
    for (number, line) in (1..).zip(text.lines()) {
        for (mark, severity) in [("#! ", "error"), ("#? ", "warning")] {
            let Some((_, rest)) = line.split_once(mark) else { continue };
            let rest = rest.split(" #").next().unwrap_or_default();
            for finding in rest.split(';') {
                *findings.entry((number, format!("{severity} {}", finding.trim()))).or_default() += 1;
            }
        }
    }
    findings
}

fn found(file: &str, text: &str) -> Findings {
    let outcome = parse_documents(file, text);
    let mut violations: Vec<Violation> = outcome.violations;
    violations.extend(outcome.objects.iter().flat_map(validate));
    violations.extend(Resources::load(outcome.objects).1);
    let mut findings = Findings::new();
    for violation in violations {
        let severity = if violation.severity == Severity::Error { "error" } else { "warning" };
        let path = if violation.path.is_empty() { "." } else { &violation.path };
        let key = (violation.line, format!("{severity} {path} {}", violation.rule));
        *findings.entry(key).or_default() += 1;
        assert!(!violation.message.is_empty() && violation.file.as_ref() == file);
        assert!(violation.column > 0 || violation.line == 0, "{violation}");
    }
    findings
}

fn case_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .flat_map(|kind| fs::read_dir(kind.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn every_case_is_judged_as_it_says() {
    let mut problems = Vec::new();
    let mut errors = 0;
    for path in case_files() {
        let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        let (expected, found) = (expected(&text), found(&name, &text));
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let error_count = expected.keys().filter(|(_, finding)| finding.starts_with("error")).count();
        assert_eq!(stem.starts_with("reject-"), error_count > 0, "{name}: the name and the content disagree");
        assert!(stem.starts_with("accept-") || stem.starts_with("reject-"), "{name}");
        errors += error_count;
        for (finding, count) in &expected {
            if found.get(finding) != Some(count) {
                problems.push(format!("{name}:{}: missing: {}", finding.0, finding.1));
            }
        }
        for (finding, count) in &found {
            if expected.get(finding) != Some(count) {
                problems.push(format!("{name}:{}: unexpected: {}", finding.0, finding.1));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    assert!(errors >= 100, "only {errors} broken places");
}
