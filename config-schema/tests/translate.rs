//! Translations of small configurations: each file of `tests/translate` holds its input and, behind a line `# Output`,
//! what a proxy runs of it. `UPDATE_GOLDENS=1` writes the outputs anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

#[path = "translate/dump.rs"]
mod dump;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use config_schema::parse::parse_documents;
use config_schema::resources::Resources;
use config_schema::translate::{ProxyIdentity, translate};

const MARK: &str = "# Output\n";

/// `# Proxy: NAMESPACE/POD` in the first line names the proxy; without it, it is a gateway outside of Kubernetes.
fn identity(input: &str) -> ProxyIdentity {
    let first = input.lines().next().unwrap_or_default();
    match first.strip_prefix("# Proxy: ").and_then(|name| name.split_once('/')) {
        Some((namespace, name)) => ProxyIdentity::pod(namespace, name),
        None => ProxyIdentity::default(),
    }
}

fn output(path: &Path, input: &str) -> String {
    let outcome = parse_documents(&path.display().to_string(), input);
    let problems: Vec<String> = outcome.violations.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let (resources, _) = Resources::load(outcome.objects);
    let translation = translate(&resources, &identity(input));
    let mut text = String::new();
    for line in dump::dump(&translation).lines() {
        writeln!(text, "{}", format!("# {line}").trim_end()).unwrap();
    }
    text
}

#[test]
fn goldens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/translate");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    assert!(paths.len() > 6, "only {} files", paths.len());
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let mut wrong = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let input = text.split_once(MARK).map_or(text.as_str(), |(input, _)| input);
        let actual = format!("{input}{MARK}{}", output(&path, input));
        if actual == text {
            continue;
        }
        if update {
            fs::write(&path, actual).unwrap();
        } else {
            let line = actual.lines().zip(text.lines()).position(|(one, other)| one != other);
            let line = line.unwrap_or_else(|| actual.lines().count().min(text.lines().count()));
            let show = |text: &str| text.lines().nth(line).unwrap_or("(nothing)").to_owned();
            wrong.push(format!(
                "{}:{}\n  is:     {}\n  should: {}",
                path.display(),
                line + 1,
                show(&actual),
                show(&text)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same input gives the same output, whatever order hash maps have.
#[test]
fn deterministic() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/translate/gateway-merging.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let (input, _) = text.split_once(MARK).expect("an output");
    let first = output(&path, input);
    for _ in 0..20 {
        assert_eq!(output(&path, input), first);
    }
}
