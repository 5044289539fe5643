//! Which modules of a crate may use which others.

use crate::source::Tree;

/// Modules that may use only these others.
pub(crate) const MAY_KNOW: &[(&str, &[&str])] = &[
    ("gateway/src/clock.rs", &[]),
    ("gateway/src/headers/", &[]),
    ("gateway/src/message.rs", &["headers"]),
    ("gateway/src/net/", &[]),
    ("gateway/src/outcome.rs", &["headers", "message"]),
    ("gateway/src/pretty/", &[]),
    ("gateway/src/route/", &["headers", "message", "outcome", "policy"]),
    ("gateway/src/policy/", &["format", "headers", "http1", "message", "outcome", "route"]),
    ("config-schema/src/document/", &["document"]),
    ("config-schema/src/re2/", &[]),
    ("config-schema/src/snapshot/", &[]),
    ("config-schema/src/resources/", &["document", "violation"]),
];

/// Modules that must not use these others.
pub(crate) const MUST_NOT_KNOW: &[(&str, &[&str])] = &[
    ("gateway/src/http1/", &["admin", "app", "config", "listen", "policy", "route", "tls", "upstream"]),
    ("gateway/src/http2/", &["admin", "app", "config", "listen", "policy", "route"]),
    ("gateway/src/tls/", &["admin", "app", "config", "policy", "upstream"]),
    ("gateway/src/upstream/", &["admin", "app", "config", "policy", "proxy", "route"]),
    ("gateway/src/listen/", &["admin", "app", "policy", "route", "upstream"]),
    ("gateway/src/proxy/", &["admin", "app", "cli"]),
    ("gateway/src/config/", &["admin", "app", "cli"]),
    ("config-schema/src/validate/", &["translate", "snapshot"]),
    ("config-schema/src/parse/", &["translate", "snapshot", "validate"]),
    // It may parse: what an annotation stands for is Istio's own YAML, and is read like what people write.
    ("config-schema/src/translate/", &["support"]),
];

/// Everything that breaks a rule, and rules about what is not there.
pub(crate) fn check(tree: &Tree, may: &[(&str, &[&str])], must_not: &[(&str, &[&str])]) -> Vec<String> {
    let mut found = Vec::new();
    let rules = may.iter().map(|rule| (rule, true)).chain(must_not.iter().map(|rule| (rule, false)));
    for ((place, named), allowed) in rules {
        let own = place.trim_end_matches('/').rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        let files: Vec<_> = tree.sources.iter().filter(|source| source.path.starts_with(place)).collect();
        if files.is_empty() && tree.sources.len() > 1 {
            found.push(format!("{place}: a rule without files"));
        }
        for source in files.into_iter().filter(|source| !source.is_test()) {
            for (number, line) in source.code() {
                for module in modules(line).into_iter().filter(|module| *module != own) {
                    if named.contains(&module) != allowed {
                        found.push(format!("{}:{number}: {place} must not know `{module}`", source.path));
                    }
                }
            }
        }
    }
    found
}

/// Modules of the crate that a line names: `crate::x`, `crate::{x, y::Z}`.
fn modules(line: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let name = |text: &str| text.find(|c| !is_name(c)).unwrap_or(text.len());
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split('}').next().unwrap_or_default();
                found.extend(list.split(',').map(|item| &item.trim()[..name(item.trim())]));
            }
            None => found.push(&rest[..name(rest)]),
        }
    }
    // Types at the root of a crate are no modules.
    found.retain(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    found
}
