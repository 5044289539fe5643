//! The walls of the house: rules about what may stand where, which no compiler knows. Each exception is named here with
//! its reason, and one that is not needed any more fails the test like a rule that is broken.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod edges;
mod manifests;
mod source;
mod words;

use source::{Source, Tree};

fn check(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Words that must not appear in some places.
#[test]
fn words_stay_where_they_belong() {
    check(words::check(&Tree::read(), words::WALLS));
}

/// Modules know only what stands below them.
#[test]
fn modules_know_only_what_is_below_them() {
    check(edges::check(&Tree::read(), edges::MAY_KNOW, edges::MUST_NOT_KNOW));
}

/// Crates depend one way.
#[test]
fn crates_depend_one_way() {
    check(manifests::check_dependencies(&manifests::read()));
}

/// Every crate takes the workspace's lints, and its roots forbid unsafe code.
#[test]
fn unsafe_code_is_forbidden_everywhere() {
    check(manifests::check_lints(&manifests::read(), &Tree::read()));
}

/// Files stay small enough to be read at once.
#[test]
fn files_are_short() {
    const MOST: usize = 800;
    let tree = Tree::read();
    let long = tree.sources.iter().filter(|source| !source.is_test());
    let long = long.map(|source| (source, source.text.lines().count())).filter(|(_, lines)| *lines > MOST);
    check(long.map(|(source, lines)| format!("{}: {lines} lines; {MOST} are the most", source.path)).collect());
}

/// No module, folder or crate whose name says nothing.
#[test]
fn names_say_something() {
    check(Tree::read().sources.iter().filter_map(empty_name).collect());
}

fn empty_name(source: &Source) -> Option<String> {
    const EMPTY: &[&str] = &["common", "util", "utils", "helper", "helpers", "misc", "shared", "types", "stuff"];
    let part = source.path.split('/').map(|part| part.trim_end_matches(".rs")).find(|part| EMPTY.contains(part))?;
    Some(format!("{}: `{part}` does not tell what is in it", source.path))
}

/// Each rule finds what it forbids: a wall that cannot fail is none.
#[test]
fn walls_hold() {
    let tree = |path: &str, text: &str| Tree { sources: vec![Source { path: path.to_owned(), text: text.to_owned() }] };
    let broken_words = [
        ("config-schema/src/translate/x.rs", "fn f() { let now = std::time::Instant::now(); }"),
        ("config-schema/src/x.rs", "use tokio::sync::mpsc;"),
        ("config-schema/src/x.rs", "fn f() { std::fs::read(\"x\"); }"),
        ("gateway/src/proxy/record.rs", "use pingora_core::protocols::Digest;"),
        ("gateway/src/route/table.rs", "fn f() { tokio::spawn(async {}); }"),
        ("gateway/src/upstream/lb/mod.rs", "fn f() { rand::rng(); }"),
        ("gateway/src/listen/accept.rs", "let now = SystemTime::now();"),
        ("gateway/src/config/load.rs", "use kube::Client;"),
        ("gateway/src/listen/accept.rs", "std::env::var(\"X\")"),
    ];
    for (path, text) in broken_words {
        let found = words::check(&tree(path, text), words::WALLS);
        assert!(found.iter().any(|line| line.starts_with(&format!("{path}:1: "))), "{path}: {text}: {found:?}");
    }
    let innocent = "// tokio is not used here\n#[cfg(test)]\nmod tests { use tokio::time; }\n";
    let found = words::check(&tree("config-schema/src/x.rs", innocent), words::WALLS);
    assert!(!found.iter().any(|line| line.contains("x.rs")), "{found:?}");

    let broken_edges = [
        ("gateway/src/route/table.rs", "use crate::proxy::Worker;"),
        ("gateway/src/upstream/pool.rs", "use crate::{proxy, route};"),
        ("config-schema/src/snapshot/mod.rs", "use crate::resources::Gateway;"),
    ];
    for (path, text) in broken_edges {
        let found = edges::check(&tree(path, text), edges::MAY_KNOW, edges::MUST_NOT_KNOW);
        assert!(!found.is_empty(), "{path}: {text}");
    }

    assert!(empty_name(&Source { path: "gateway/src/utils/x.rs".into(), text: String::new() }).is_some());
    let member = |text: &str| vec![("gateway".to_owned(), toml::from_str::<toml::Table>(text).unwrap())];
    assert!(!manifests::check_dependencies(&member("[dependencies]\nkube = \"1\"")).is_empty());
    let no_lints = manifests::check_lints(&member("[package]\nname = \"gateway\""), &Tree { sources: Vec::new() });
    assert!(!no_lints.is_empty());
}
