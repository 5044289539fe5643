//! Every field of Istio's CRDs is a field of our types, with the same shape.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod oracles;

use std::fs;

use config_schema::document::{Node, compose, split_documents};
use config_schema::parse::parse_value;
use serde_json::{Map, Value, json};

/// Fields with two names, of which only one can be used at a time.
const TWO_NAMES: [[&str; 2]; 2] = [["mirrorPercent", "mirror_percent"], ["jwksUri", "jwks_uri"]];

/// The smallest value of a schema in which every field is set, but of two names for one field not the one `without`.
fn full(schema: &Node, name: &str, without: usize) -> Value {
    let kind = schema.get("type").and_then(Node::as_str);
    if let Some(value) = schema.get("enum").and_then(|values| values.items().last()).and_then(Node::as_str) {
        return value.into();
    }
    match kind {
        Some("array") => json!([full(schema.get("items").unwrap(), name, without)]),
        Some("object") => {
            if let Some(values) = schema.get("additionalProperties") {
                let key = if name == "portLevelMtls" { "8080" } else { "key" };
                return json!({ key: full(values, key, without) });
            }
            let mut fields = Map::new();
            for entry in schema.get("properties").map(Node::entries).unwrap_or_default() {
                if TWO_NAMES.iter().all(|names| names[without] != &*entry.key) {
                    fields.insert(entry.key.to_string(), full(&entry.value, &entry.key, without));
                }
            }
            fields.into()
        }
        Some("boolean") => true.into(),
        Some("integer") => 1.into(),
        Some("number") => json!(0.5),
        Some("string") if is_duration(schema, name) => "1s".into(),
        Some("string") if schema.get("format").and_then(Node::as_str) == Some("byte") => "aGk=".into(),
        Some("string") => "text".into(),
        other => panic!("{name}: a schema of type {other:?}"),
    }
}

fn is_duration(schema: &Node, name: &str) -> bool {
    let rules = schema.get("x-kubernetes-validations").map(Node::items).unwrap_or_default();
    let checked =
        rules.iter().any(|rule| rule.get("rule").and_then(Node::as_str).is_some_and(|rule| rule.contains("duration")));
    checked || ["idleTimeout", "budgetInterval", "ttl"].contains(&name)
}

#[test]
fn every_field_of_the_crds_is_read() {
    let Some(oracles) = oracles::folder("every_field_of_the_crds_is_read") else { return };
    let text = fs::read_to_string(oracles.join("crds/istio.yaml")).unwrap();
    let mut problems = Vec::new();
    let mut kinds = 0;
    for chunk in split_documents(&text) {
        let Some(crd) = compose(chunk.text, chunk.line_offset).unwrap() else { continue };
        let spec = crd.get("spec").unwrap();
        let text_of = |node: &Node, key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
        for version in spec.get("versions").unwrap().items() {
            kinds += 1;
            let schema = version.get("schema").unwrap().get("openAPIV3Schema").unwrap().get("properties").unwrap();
            for without in [0, 1] {
                let object = json!({
                    "apiVersion": format!("{}/{}", text_of(spec, "group"), text_of(version, "name")),
                    "kind": text_of(spec.get("names").unwrap(), "kind"),
                    "metadata": {"name": "full"},
                    "spec": full(schema.get("spec").unwrap(), "spec", without),
                });
                let outcome = parse_value("crd", &object);
                assert!(outcome.skipped.is_empty(), "{:?}", outcome.skipped);
                // Setting fields that exclude each other is a fault of this test, not of the types.
                let faults = outcome.violations.into_iter().filter(|violation| violation.rule != "oneof");
                problems.extend(faults.map(|violation| violation.to_string()));
            }
        }
    }
    assert_eq!(problems, [""; 0]);
    assert!(kinds > 25, "only {kinds} kinds and versions");
}
