//! Configuration that is wrong in one place: it is told of with its line and path, nothing crashes, and everything else
//! serves.
//!
//! `BROKEN=part of a name` judges some variants only and prints every finding.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use conformance::broken::{Variant, good_files, variants};
use gateway::clock::Clock;
use gateway::config::load::Text;
use gateway::config::source::FileSource;
use gateway::config::{Applied, Builder, Engine, Identity, Runtime, Store};
use gateway::observe::access_log::Sink;
use gateway::validate::check;

/// Reads files as the gateway does: from a directory.
fn read(files: &BTreeMap<String, Vec<u8>>) -> Vec<Text> {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    let mut texts = FileSource::new(vec![directory.path().to_owned()]).read().unwrap();
    for text in &mut texts {
        // The same path each time: what was good before is known by it.
        text.path = text.path.rsplit('/').next().unwrap().to_owned();
    }
    texts
}

fn good() -> BTreeMap<String, Vec<u8>> {
    good_files().unwrap().into_iter().map(|(name, text)| (name, text.into_bytes())).collect()
}

fn with(variant: &Variant) -> Vec<Text> {
    let mut files = good();
    files.insert(variant.file.clone(), variant.content(&good_files().unwrap()).unwrap());
    read(&files)
}

/// A day on which the good certificate is valid.
fn today() -> Clock {
    Clock::fixed(UNIX_EPOCH + Duration::from_secs(1_790_000_000))
}

fn asked() -> Vec<Variant> {
    let part = std::env::var("BROKEN").unwrap_or_default();
    variants().unwrap().into_iter().filter(|variant| variant.name.contains(&part)).collect()
}

#[test]
fn the_good_files_are_good() {
    let findings: Vec<String> = check(&read(&good()), None, today()).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn every_variant_is_told_of() {
    let (variants, print) = (asked(), std::env::var("BROKEN").is_ok());
    let mut problems = String::new();
    for variant in &variants {
        let findings = check(&with(variant), None, today());
        let mut found: Vec<String> = findings.iter().map(|finding| variant.describe(finding)).collect();
        found.dedup();
        if print {
            let lines: String = findings.iter().map(|finding| format!("    {finding}\n")).collect();
            eprintln!("{}\n{lines}", variant.name);
        }
        if findings.is_empty() || findings.iter().any(|finding| finding.line == 0) {
            problems += &format!("- name: {}: not told of with a line\n", variant.name);
        }
        if found != variant.finds {
            let list: String = found.iter().map(|line| format!("  - {}\n", serde_json::json!(line))).collect();
            problems += &format!("- name: {}\n  finds:\n{list}", variant.name);
        }
    }
    assert!(problems.is_empty(), "these find something else than they say:\n{problems}");
    assert!(print || variants.len() >= 100, "{} variants", variants.len());
}

fn engine(store: &Arc<Store>) -> Engine {
    let sink = |_: &str| Ok(Arc::new(Sink::Memory(parking_lot::Mutex::default())));
    let builder = Builder::new(Identity::default(), Box::new(|path| std::fs::read(path)), Box::new(sink));
    Engine::new(gateway::app::proxy_identity(None), builder, Arc::clone(store))
}

/// The witness stands beside everything that is broken.
fn has_witness(runtime: &Runtime) -> bool {
    runtime.listeners.contains_key("0.0.0.0_8090")
        && runtime.route_table("http.8090").is_some_and(|table| table.serves_host(b"witness.example.com"))
}

#[test]
fn what_stands_beside_it_is_served() {
    for variant in asked() {
        let store = Arc::new(Store::default());
        engine(&store).apply(with(&variant), std::time::Instant::now());
        assert!(has_witness(&store.load()), "{}: started with it, the rest is not served", variant.name);
    }
}

/// The file that was good before serves on, but for what is meant.
#[test]
fn what_was_good_serves_on() {
    for variant in asked() {
        let store = Arc::new(Store::default());
        let mut engine = engine(&store);
        engine.apply(read(&good()), std::time::Instant::now());
        let before = listeners(&store.load());
        assert_eq!(before, ["0.0.0.0_8080", "0.0.0.0_8090", "0.0.0.0_8443"], "{}", variant.name);
        let applied: Arc<Applied> = engine.apply(with(&variant), std::time::Instant::now()).unwrap();
        assert!(has_witness(&store.load()), "{}: changed to it, the rest is not served", variant.name);
        assert!(listeners(&store.load()).len() == 3, "{}: {:?}", variant.name, applied.kept);
    }
}

fn listeners(runtime: &Runtime) -> Vec<String> {
    let mut names: Vec<String> = runtime.listeners.keys().cloned().collect();
    names.sort();
    names
}
