//! Conditions of a route, compiled.

use std::fmt;

use config_schema::re2;
use config_schema::snapshot::{HeaderMatch, PathMatch, QueryMatch, RouteMatch, ValueMatch};
use regex::bytes::Regex;

use crate::message::RequestHead;

/// A route that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError(pub String);

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<re2::PatternError> for CompileError {
    fn from(error: re2::PatternError) -> Self {
        CompileError(format!("regular expression: {error}"))
    }
}

/// A compiled [`ValueMatch`].
#[derive(Debug)]
pub enum ValueMatcher {
    /// Any value.
    Present,
    /// Equal.
    Exact(Box<[u8]>),
    /// Starts with.
    Prefix(Box<[u8]>),
    /// The whole value.
    Regex(Regex),
}

impl ValueMatcher {
    /// Compiles.
    pub fn new(value: &ValueMatch) -> Result<Self, CompileError> {
        Ok(match value {
            ValueMatch::Present => ValueMatcher::Present,
            ValueMatch::Exact(text) => ValueMatcher::Exact(text.as_bytes().into()),
            ValueMatch::Prefix(text) => ValueMatcher::Prefix(text.as_bytes().into()),
            ValueMatch::Regex(pattern) => ValueMatcher::Regex(re2::full_match(pattern)?),
        })
    }

    /// Whether a value fits.
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            ValueMatcher::Present => true,
            ValueMatcher::Exact(text) => **text == *value,
            ValueMatcher::Prefix(text) => value.starts_with(text),
            ValueMatcher::Regex(pattern) => pattern.is_match(value),
        }
    }
}

/// What is left to check once the path index has named a route.
#[derive(Debug)]
pub(super) struct Condition {
    path: PathCheck,
    headers: Vec<(HeaderName, ValueMatcher, bool)>,
    query: Vec<(Box<[u8]>, ValueMatcher)>,
    /// It asks for a claim of a verified token. Tokens are not verified yet, so that no request has one.
    asks_for_claim: bool,
}

#[derive(Debug)]
enum PathCheck {
    /// The index has checked it all.
    Indexed,
    /// The index checked the prefix; the path must end there or go on with a slash.
    SegmentEnd(usize),
    Regex(Regex),
}

#[derive(Debug)]
enum HeaderName {
    Method,
    Authority,
    Scheme,
    Path,
    Field(Box<str>),
}

impl HeaderName {
    fn new(name: &str) -> Self {
        match &*name.to_ascii_lowercase() {
            ":method" => HeaderName::Method,
            ":authority" | "host" => HeaderName::Authority,
            ":scheme" => HeaderName::Scheme,
            ":path" => HeaderName::Path,
            field => HeaderName::Field(field.into()),
        }
    }
}

impl Condition {
    /// Compiles.
    pub(super) fn new(route: &RouteMatch) -> Result<Self, CompileError> {
        let path = match &route.path {
            PathMatch::Any | PathMatch::Exact(_) | PathMatch::Prefix(_) => PathCheck::Indexed,
            PathMatch::SegmentPrefix(prefix) => PathCheck::SegmentEnd(prefix.strip_suffix('/').unwrap_or(prefix).len()),
            PathMatch::Regex(pattern) => PathCheck::Regex(re2::full_match(pattern)?),
        };
        let header = |h: &HeaderMatch| Ok((HeaderName::new(&h.name), ValueMatcher::new(&h.value)?, h.invert));
        let query = |q: &QueryMatch| Ok((q.name.as_bytes().into(), ValueMatcher::new(&q.value)?));
        Ok(Condition {
            path,
            headers: route.headers.iter().map(header).collect::<Result<_, CompileError>>()?,
            query: route.query.iter().map(query).collect::<Result<_, CompileError>>()?,
            asks_for_claim: route.claims.iter().any(|claim| !claim.invert),
        })
    }

    /// Whether the rest of the condition holds.
    pub(super) fn holds(&self, request: &RequestHead, path: &[u8]) -> bool {
        let path_holds = match &self.path {
            PathCheck::Indexed => true,
            PathCheck::SegmentEnd(end) => matches!(path.get(*end), None | Some(b'/')),
            PathCheck::Regex(pattern) => pattern.is_match(path),
        };
        path_holds
            && !self.asks_for_claim
            && self.headers.iter().all(|(name, value, invert)| header_holds(request, name, value, *invert))
            && (self.query.is_empty() || self.query_holds(request))
    }

    fn query_holds(&self, request: &RequestHead) -> bool {
        let query = query(request);
        self.query.iter().all(|(name, value)| parameter(query, name).is_some_and(|found| value.matches(found)))
    }
}

/// Query without its mark.
pub(super) fn query(request: &RequestHead) -> &[u8] {
    let query = request.query_with_mark();
    query.strip_prefix(b"?").unwrap_or(query)
}

fn header_holds(request: &RequestHead, name: &HeaderName, value: &ValueMatcher, invert: bool) -> bool {
    let single = |text: &[u8]| value.matches(text) != invert;
    match name {
        HeaderName::Method => single(&request.method),
        HeaderName::Authority => single(request.authority.as_deref().unwrap_or_default()),
        HeaderName::Scheme => single(&request.scheme),
        HeaderName::Path => single(&request.path),
        HeaderName::Field(name) => {
            let mut values = request.headers.get_all(name).peekable();
            if values.peek().is_none() {
                // `withoutHeaders` takes a missing field for an empty one, but asks for presence as it is.
                return invert && (matches!(value, ValueMatcher::Present) || !value.matches(b""));
            }
            values.any(|found| value.matches(found)) != invert
        }
    }
}

/// First value of a query parameter, undecoded; a name without `=` has an empty value.
pub fn parameter<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    query.split(|b| *b == b'&').find_map(|pair| match memchr::memchr(b'=', pair) {
        Some(at) if pair[..at] == *name => Some(&pair[at + 1..]),
        None if pair == name => Some(&[][..]),
        Some(_) | None => None,
    })
}

#[cfg(test)]
mod tests {
    use config_schema::snapshot::ClaimMatch;

    use super::*;
    use crate::message::Version;

    #[test]
    fn without_a_token_there_is_no_claim() {
        let claim = |invert| ClaimMatch { path: vec!["admin".to_owned()], value: ValueMatch::Present, invert };
        let request = RequestHead::unread(Version::Http11);
        for (claims, holds) in [
            (vec![], true),
            (vec![claim(false)], false),
            (vec![claim(true)], true),
            (vec![claim(true), claim(false)], false),
        ] {
            let condition = Condition::new(&RouteMatch { claims, ..RouteMatch::default() }).unwrap();
            assert_eq!(condition.holds(&request, b"/"), holds);
        }
    }
}
