//! The support table knows every field of Istio's API, and no other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod fields_of_type;
mod oracles;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fields_of_type::fields_of_type;

use config_schema::document::{Node, compose, split_documents};
use config_schema::resources::{MeshConfig, MeshNetworks};
use config_schema::support::{Field, Status, fields, markdown, problems};

/// The paths of all fields below a schema.
fn schema_fields(schema: &Node, path: &str, out: &mut Vec<String>) {
    if let Some(items) = schema.get("items") {
        schema_fields(items, &format!("{path}[]"), out);
    }
    if let Some(values) = schema.get("additionalProperties").filter(|values| !values.entries().is_empty()) {
        schema_fields(values, &format!("{path}{{}}"), out);
    }
    for entry in schema.get("properties").map(Node::entries).unwrap_or_default() {
        let path = format!("{path}.{}", entry.key);
        out.push(path.clone());
        schema_fields(&entry.value, &path, out);
    }
}

fn line(kind: &str, path: &str) -> Option<&'static Field> {
    fields().iter().find(|field| field.kind == kind && field.path == path)
}

/// The part of a path that is above another, if it is: `spec.a` above `spec.a[].b` leaves `[].b`.
fn below<'p>(path: &'p str, above: &str) -> Option<&'p str> {
    path.strip_prefix(above).filter(|rest| rest.starts_with(['.', '[', '{']))
}

/// True if a field has a line, or stands below one that speaks for everything below it.
fn is_classified(kind: &str, path: &str, hops: usize) -> bool {
    assert!(hops < 8, "{kind} {path}: a circle");
    if line(kind, path).is_some() {
        return true;
    }
    fields().iter().filter(|field| field.kind == kind).any(|field| {
        let Some(rest) = below(path, &field.path) else { return false };
        match &field.status {
            Status::Refused(_) | Status::NotYet(_) | Status::NoOp(_) => true,
            Status::SameAs { kind, path } => is_classified(kind, &format!("{path}{rest}"), hops + 1),
            Status::Implemented(_) => false,
        }
    })
}

#[test]
fn the_tables_are_well_formed() {
    assert_eq!(problems(), [""; 0]);
    let mut seen = BTreeSet::new();
    for field in fields() {
        assert!(seen.insert((field.kind, &field.path)), "{} {}: twice", field.kind, field.path);
        match &field.status {
            Status::SameAs { kind, path } => {
                assert!(line(kind, path).is_some(), "{} {}: {path}", field.kind, field.path)
            }
            Status::Refused(reason) | Status::NoOp(reason) | Status::NotYet(reason) => {
                assert!(reason.ends_with('.') && reason.len() > 10, "{} {}: {reason:?}", field.kind, field.path);
            }
            Status::Implemented(_) => {}
        }
        let above =
            fields().iter().filter(|other| other.kind == field.kind && below(&field.path, &other.path).is_some());
        for other in above.filter(|other| !matches!(other.status, Status::Implemented(_))) {
            let default = field.default.is_some();
            assert!(default, "{} {}: {} speaks for it already", field.kind, field.path, other.path);
        }
    }
}

#[test]
fn every_field_of_the_crds_has_a_line_and_no_other() {
    let Some(oracles) = oracles::folder("every_field_of_the_crds_has_a_line_and_no_other") else { return };
    let text = fs::read_to_string(oracles.join("crds/istio.yaml")).unwrap();
    let mut known = BTreeSet::new();
    let mut missing = Vec::new();
    for chunk in split_documents(&text) {
        let crd = compose(chunk.text, chunk.line_offset).unwrap().unwrap();
        let spec = crd.get("spec").unwrap();
        let kind = spec.get("names").unwrap().get("kind").unwrap().as_str().unwrap().to_owned();
        for version in spec.get("versions").unwrap().items() {
            let schema = version.get("schema").unwrap().get("openAPIV3Schema").unwrap();
            let mut paths = vec!["spec".to_owned()];
            schema_fields(schema.get("properties").unwrap().get("spec").unwrap(), "spec", &mut paths);
            for path in paths {
                if path != "spec" && !is_classified(&kind, &path, 0) {
                    missing.push(format!("{kind} {path}"));
                }
                known.insert((kind.clone(), path));
            }
        }
    }
    assert_eq!(missing, [""; 0], "fields without a line in config-schema/support");
    let unknown: Vec<String> = fields()
        .iter()
        .filter(|field| !field.kind.starts_with("Mesh") && !field.removed)
        .filter(|field| {
            !known
                .contains(&(field.kind.to_owned(), field.path.trim_end_matches("{}").trim_end_matches("[]").to_owned()))
        })
        .map(|field| format!("{} {}", field.kind, field.path))
        .collect();
    assert_eq!(unknown, [""; 0], "lines for fields that do not exist");
    assert!(known.len() > 900, "only {} fields", known.len());
}

#[test]
fn every_field_of_the_mesh_has_a_line_and_no_other() {
    for (kind, known) in
        [("MeshConfig", fields_of_type::<MeshConfig>()), ("MeshNetworks", fields_of_type::<MeshNetworks>())]
    {
        let missing: Vec<&String> = known.iter().filter(|path| !is_classified(kind, path, 0)).collect();
        assert!(missing.is_empty(), "fields of {kind} without a line: {missing:?}");
        let unknown: Vec<&Field> =
            fields().iter().filter(|field| field.kind == kind && !known.contains(&field.path)).collect();
        assert!(unknown.is_empty(), "lines for fields that do not exist: {unknown:?}");
    }
}

#[test]
fn the_tests_that_are_named_exist() {
    // Recorded cases, cases of our own, and translations.
    let folders = ["../conformance/behaviour", "../conformance/guards", "tests/translate"];
    let mut cases: BTreeSet<String> = folders
        .iter()
        .flat_map(|folder| oracles::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), "yaml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    // A test by name: a function of the gateway's tests.
    for path in oracles::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/tests"), "rs") {
        let text = fs::read_to_string(&path).unwrap();
        let tests = text.split("#[test]\nfn ").skip(1).filter_map(|test| test.split_once('('));
        cases.extend(tests.map(|(name, _)| name.to_owned()));
    }
    let missing: Vec<&Field> = fields()
        .iter()
        .filter(|field| matches!(&field.status, Status::Implemented(test) if !cases.contains(test)))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_page_is_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/support.md");
    let found = fs::read_to_string(&page).unwrap_or_default();
    assert!(found == markdown(), "run: cargo run -p config-schema --example support_page > docs/support.md");
}
