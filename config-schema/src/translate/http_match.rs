//! Match blocks of a VirtualService's HTTP rules.

use crate::re2;
use crate::resources::virtual_service::HttpMatchRequest;
use crate::resources::wire::StringMatch;
use crate::snapshot::{ClaimMatch, HeaderMatch, PathMatch, QueryMatch, RouteMatch, ValueMatch};

/// A block that cannot be used: the field inside of it and what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadMatch {
    pub(super) field: String,
    pub(super) message: String,
}

/// The conditions of a block; none without one.
pub(super) fn route_match(block: Option<&HttpMatchRequest>) -> Result<RouteMatch, BadMatch> {
    let Some(block) = block else { return Ok(RouteMatch::default()) };
    let mut matches = RouteMatch {
        path: path(block.uri.as_ref())?,
        ignore_path_case: block.ignore_uri_case,
        ..RouteMatch::default()
    };
    let maps = [(&block.headers, "headers", false), (&block.without_headers, "withoutHeaders", true)];
    for (map, field, invert) in maps {
        for (name, condition) in map {
            let value = value(condition).map_err(|message| BadMatch { field: format!("{field}[{name}]"), message })?;
            match claim_path(name) {
                Some(path) => matches.claims.push(ClaimMatch { path, value, invert }),
                None => matches.headers.push(HeaderMatch { name: name.to_ascii_lowercase(), value, invert }),
            }
        }
    }
    matches.headers.sort_by(|one, other| one.name.cmp(&other.name));
    let pseudo = [
        (":method", &block.method, "method"),
        (":authority", &block.authority, "authority"),
        (":scheme", &block.scheme, "scheme"),
    ];
    for (name, condition, field) in pseudo {
        if let Some(condition) = condition {
            let value = value(condition).map_err(|message| BadMatch { field: field.to_owned(), message })?;
            matches.headers.push(HeaderMatch { name: name.to_owned(), value, invert: false });
        }
    }
    for (name, condition) in &block.query_params {
        let value = value(condition).map_err(|message| BadMatch { field: format!("queryParams[{name}]"), message })?;
        matches.query.push(QueryMatch { name: name.clone(), value });
    }
    Ok(matches)
}

fn path(uri: Option<&StringMatch>) -> Result<PathMatch, BadMatch> {
    Ok(match uri {
        None | Some(StringMatch::Present) => PathMatch::Any,
        Some(StringMatch::Exact(path)) => PathMatch::Exact(path.clone()),
        Some(StringMatch::Prefix(prefix)) => PathMatch::Prefix(prefix.clone()),
        Some(StringMatch::Regex(pattern)) => {
            check_pattern(pattern).map_err(|message| BadMatch { field: "uri.regex".to_owned(), message })?;
            PathMatch::Regex(pattern.clone())
        }
    })
}

/// The condition on a value; the regular expression `*` asks for presence.
fn value(condition: &StringMatch) -> Result<ValueMatch, String> {
    Ok(match condition {
        StringMatch::Present => ValueMatch::Present,
        StringMatch::Regex(pattern) if pattern == "*" => ValueMatch::Present,
        StringMatch::Exact(text) => ValueMatch::Exact(text.clone()),
        StringMatch::Prefix(text) => ValueMatch::Prefix(text.clone()),
        StringMatch::Regex(pattern) => {
            check_pattern(pattern)?;
            ValueMatch::Regex(pattern.clone())
        }
    })
}

/// A pattern that must match a whole value.
pub(super) fn check_pattern(pattern: &str) -> Result<(), String> {
    re2::full_match(pattern)
        .map(|_| ())
        .map_err(|error| format!("{pattern:?} is no regular expression in RE2 syntax: {error}"))
}

/// The path of a claim that a header name stands for: `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`.
fn claim_path(name: &str) -> Option<Vec<String>> {
    let rest = strip_prefix_ignore_case(name, "@request.auth.claims")?;
    let path: Vec<String> = match rest.strip_prefix('.') {
        Some(rest) => rest.split('.').map(str::to_owned).collect(),
        None => {
            let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
            inner.split("][").map(str::to_owned).collect()
        }
    };
    (!path.is_empty() && path.iter().all(|part| !part.is_empty())).then_some(path)
}

fn strip_prefix_ignore_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// The conditions hold for every request: Istio moves such routes behind all others of a host.
pub(super) fn is_catch_all(matches: &RouteMatch) -> bool {
    let any_path = match &matches.path {
        PathMatch::Any => true,
        PathMatch::Prefix(prefix) | PathMatch::SegmentPrefix(prefix) => prefix == "/",
        PathMatch::Regex(pattern) => pattern == ".*",
        PathMatch::Exact(_) => false,
    };
    any_path && matches.headers.is_empty() && matches.query.is_empty() && matches.claims.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(uri: Option<StringMatch>) -> HttpMatchRequest {
        HttpMatchRequest { uri, ..HttpMatchRequest::default() }
    }

    fn prefix(text: &str) -> Option<StringMatch> {
        Some(StringMatch::Prefix(text.to_owned()))
    }

    fn regex(text: &str) -> Option<StringMatch> {
        Some(StringMatch::Regex(text.to_owned()))
    }

    #[test]
    fn catch_alls() {
        let catches_all = |block: &HttpMatchRequest| is_catch_all(&route_match(Some(block)).unwrap());
        assert!(is_catch_all(&route_match(None).unwrap()));
        assert!(catches_all(&block(None)));
        assert!(catches_all(&block(prefix("/"))));
        assert!(catches_all(&block(regex(".*"))));
        assert!(catches_all(&block(Some(StringMatch::Present))));
        assert!(catches_all(&HttpMatchRequest { ignore_uri_case: true, port: Some(80), ..block(prefix("/")) }));
        assert!(!catches_all(&block(prefix("/a"))));
        assert!(!catches_all(&block(regex("/.*"))));
        assert!(!catches_all(&block(regex(".+"))));
        assert!(!catches_all(&HttpMatchRequest { method: Some(Box::new(StringMatch::Present)), ..block(None) }));
    }

    #[test]
    fn bad_patterns() {
        let error = route_match(Some(&block(regex("(")))).unwrap_err();
        assert_eq!(error.field, "uri.regex");
        assert!(error.message.contains("no regular expression"), "{}", error.message);
    }

    #[test]
    fn claims() {
        for (name, expected) in [
            ("@request.auth.claims.admin", Some(vec!["admin"])),
            ("@request.auth.claims.group.id", Some(vec!["group", "id"])),
            ("@request.auth.claims[group][id]", Some(vec!["group", "id"])),
            ("@request.auth.claims[a.b]", Some(vec!["a.b"])),
            ("@request.auth.claims", None),
            ("@request.auth.claims[]", None),
            ("x-user", None),
        ] {
            let expected = expected.map(|path| path.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(claim_path(name), expected, "{name}");
        }
    }
}
