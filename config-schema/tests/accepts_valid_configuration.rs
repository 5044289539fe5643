//! Every configuration that is valid by an independent source has no errors.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod oracles;

use std::fs;

use config_schema::Violation;
use config_schema::document::{Node, compose};
use config_schema::parse::{ParseOutcome, parse_documents, parse_value};
use config_schema::support::check;
use config_schema::validate::validate;

/// The configuration of a recorded behaviour case, and whether Istio refuses it.
fn behaviour_case(text: &str) -> (Node, bool) {
    let case = compose(text, 0).unwrap().unwrap();
    let rejected = case.get("rejected").is_some();
    (case, rejected)
}

/// What reading and the rules find wrong.
fn errors_of(outcome: &ParseOutcome) -> Vec<String> {
    let found = outcome.objects.iter().flat_map(validate);
    let all = outcome.violations.iter().cloned().chain(found);
    all.filter(Violation::is_error).map(|violation| violation.to_string()).collect()
}

#[test]
fn samples_and_valid_files_have_no_errors() {
    let Some(oracles) = oracles::folder("samples_and_valid_files_have_no_errors") else { return };
    let mut errors = Vec::new();
    let mut objects = 0;
    for folder in ["samples", "valid"] {
        for path in oracles::files(&oracles.join(folder), "yaml") {
            let outcome = parse_documents(&path.display().to_string(), &fs::read_to_string(&path).unwrap());
            objects += outcome.objects.len();
            errors.extend(errors_of(&outcome));
        }
    }
    assert_eq!(errors, [""; 0]);
    assert!(objects > 150, "only {objects} objects");
}

#[test]
fn recorded_cases_have_no_errors() {
    let Some(oracles) = oracles::folder("recorded_cases_have_no_errors") else { return };
    let mut errors = Vec::new();
    let mut cases = 0;
    for path in oracles::files(&oracles.join("behaviour"), "yaml") {
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        if path.ends_with("world.yaml") {
            errors.extend(errors_of(&parse_documents(&name, &text)));
            continue;
        }
        let (case, rejected) = behaviour_case(&text);
        if rejected {
            continue;
        }
        cases += 1;
        let config = case.get("config").and_then(Node::as_str).unwrap_or_default();
        errors.extend(errors_of(&parse_documents(&name, config)));
        if let Some(mesh) = case.get("mesh") {
            let data = serde_json::json!({"mesh": serde_json::to_string(&to_json(mesh)).unwrap()});
            let mesh = match mesh.as_str() {
                Some(text) => serde_json::json!({"mesh": text}),
                None => data,
            };
            let config_map = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "istio", "namespace": "istio-system"}, "data": mesh});
            let outcome = parse_value(&name, &config_map);
            errors.extend(errors_of(&outcome));
        }
    }
    assert_eq!(errors, [""; 0]);
    assert!(cases > 300, "only {cases} cases");
}

#[test]
fn recorded_cases_use_supported_fields() {
    let Some(oracles) = oracles::folder("recorded_cases_use_supported_fields") else { return };
    // Kinds of which nothing is built yet, but which some cases have beside what they are about.
    let not_built = ["PeerAuthentication", "Sidecar"];
    let mut errors = Vec::new();
    for path in oracles::files(&oracles.join("behaviour"), "yaml").into_iter().filter(|p| !p.ends_with("world.yaml")) {
        let Some(case) = compose(&fs::read_to_string(&path).unwrap(), 0).unwrap() else { continue };
        let config = case.get("config").and_then(Node::as_str).unwrap_or_default();
        let outcome = parse_documents(&path.display().to_string(), config);
        let found = outcome.objects.iter().flat_map(check).filter(Violation::is_error);
        errors
            .extend(found.filter(|v| !not_built.iter().any(|kind| v.object.starts_with(kind))).map(|v| v.to_string()));
    }
    assert_eq!(errors, [""; 0]);
}

fn to_json(node: &Node) -> serde_json::Value {
    use config_schema::document::Content;
    match &node.content {
        Content::Null => serde_json::Value::Null,
        Content::Bool(value) => (*value).into(),
        Content::Integer(value) => i64::try_from(*value).unwrap().into(),
        Content::Float(value) => (*value).into(),
        Content::String(text) | Content::Word(text) => text.to_string().into(),
        Content::Sequence(items) => items.iter().map(to_json).collect(),
        Content::Mapping(entries) => entries.iter().map(|e| (e.key.to_string(), to_json(&e.value))).collect(),
    }
}
