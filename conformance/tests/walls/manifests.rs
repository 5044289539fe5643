//! What the crates' manifests say.

use std::fs;

use toml::{Table, Value};

use crate::source::{Tree, root};

/// A member of the workspace, by its folder.
pub(crate) type Manifest = (String, Table);

/// Dependencies (not those of tests) that a member must not have; a star stands for any ending.
const MUST_NOT_DEPEND: &[(&str, &[&str], &str)] = &[
    (
        "config-schema",
        &[
            "tokio*", "async*", "futures*", "kube*", "k8s*", "rand*", "pingora*", "hyper*", "http", "axum", "notify",
            "rustls*", "boring*", "gateway",
        ],
        "configuration is pure",
    ),
    ("gateway", &["kube*", "k8s*", "conformance", "loadtest"], "it knows snapshots, never a Kubernetes client"),
    ("controller", &["pingora*", "gateway"], "it knows Kubernetes and snapshots, never Pingora"),
    ("loadtest", &["gateway", "config-schema", "pingora*"], "it measures from outside"),
    ("deploy/examples/bookinfo/services", &["gateway", "config-schema", "pingora*"], "it is what stands behind"),
];

/// Manifests of all members.
pub(crate) fn read() -> Vec<Manifest> {
    let root = root();
    let parse = |path: &str| fs::read_to_string(root.join(path)).unwrap().parse::<Table>().unwrap();
    let workspace = parse("Cargo.toml");
    let Some(Value::Array(members)) = workspace["workspace"].get("members") else { panic!("no members") };
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    let members = members.iter().map(|member| member.as_str().unwrap().to_owned());
    members.map(|member| (member.clone(), parse(&format!("{member}/Cargo.toml")))).collect()
}

/// Dependencies that should not be.
pub(crate) fn check_dependencies(manifests: &[Manifest]) -> Vec<String> {
    let mut found = Vec::new();
    for (member, manifest) in manifests {
        let Some((_, banned, because)) = MUST_NOT_DEPEND.iter().find(|(name, ..)| name == member) else { continue };
        let Some(Value::Table(dependencies)) = manifest.get("dependencies") else { continue };
        for name in dependencies.keys().filter(|name| banned.iter().any(|pattern| covers(pattern, name))) {
            found.push(format!("{member} must not depend on {name}: {because}"));
        }
    }
    found
}

fn covers(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix))
}

/// Crates without the workspace's lints, and roots without `forbid`.
pub(crate) fn check_lints(manifests: &[Manifest], tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (member, manifest) in manifests {
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
        if inherits != Some(true) {
            found.push(format!("{member}/Cargo.toml: needs `[lints] workspace = true`"));
        }
        let is_root = |path: &str| {
            let path = path.strip_prefix(member.as_str()).and_then(|rest| rest.strip_prefix("/src/"));
            path.is_some_and(|path| path == "lib.rs" || path == "main.rs" || path.starts_with("bin/"))
        };
        for source in tree.sources.iter().filter(|source| is_root(&source.path)) {
            if !source.text.contains("#![forbid(unsafe_code)]") {
                found.push(format!("{}: needs `#![forbid(unsafe_code)]`", source.path));
            }
        }
    }
    found
}
