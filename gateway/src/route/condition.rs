//! Conditions of a route, compiled.

use std::fmt;

use config_schema::re2;
use config_schema::snapshot::{HeaderMatch, PathMatch, QueryMatch, RouteMatch, ValueMatch};
use smallvec::SmallVec;

use super::candidates::{Compared, Found, texts};
use super::interner::Interner;
use super::key::Key;
use super::pattern::Pattern;
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
    Pattern(Pattern),
}

impl ValueMatcher {
    /// Compiles.
    pub fn new(value: &ValueMatch, interner: &mut Interner) -> Result<Self, CompileError> {
        Ok(match value {
            ValueMatch::Present => ValueMatcher::Present,
            ValueMatch::Exact(text) => ValueMatcher::Exact(text.as_bytes().into()),
            ValueMatch::Prefix(text) => ValueMatcher::Prefix(text.as_bytes().into()),
            ValueMatch::Regex(pattern) => ValueMatcher::Pattern(Pattern::new(pattern, interner)?),
        })
    }

    /// Whether a value fits.
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            ValueMatcher::Present => true,
            ValueMatcher::Exact(text) => **text == *value,
            ValueMatcher::Prefix(text) => value.starts_with(text),
            ValueMatcher::Pattern(pattern) => pattern.is_match(value),
        }
    }

    /// The same of a value that was found by this condition.
    fn matches_found(&self, found: Found<'_>) -> bool {
        match (self, found.compared) {
            (ValueMatcher::Exact(_), Compared::Whole) | (ValueMatcher::Prefix(_), Compared::Begin(_)) => true,
            (ValueMatcher::Pattern(pattern), Compared::Begin(length)) => pattern.is_match_after(found.value, length),
            _ => self.matches(found.value),
        }
    }
}

/// What is left to check once the path index has named a route.
#[derive(Debug)]
pub(super) struct Condition {
    path: PathCheck,
    // Most have one: it lies here.
    values: SmallVec<[ValueCheck; 1]>,
    /// It asks for a claim of a verified token. Tokens are not verified yet, so that no request has one.
    asks_for_claim: bool,
}

#[derive(Debug)]
enum PathCheck {
    /// The index has checked it all.
    Indexed,
    /// The index checked the prefix; the path must end there or go on with a slash.
    SegmentEnd(usize),
    Pattern(Pattern),
}

/// What a field or a parameter of the query must be.
#[derive(Debug)]
struct ValueCheck {
    key: Key,
    value: ValueMatcher,
    invert: bool,
    /// Where the index has looked up its key, it was for this condition: the value that was found is enough, and what
    /// was compared of it need not be again. Of several conditions on one field each may hold for another value.
    indexed: bool,
}

impl Condition {
    /// Compiles.
    pub(super) fn new(route: &RouteMatch, interner: &mut Interner) -> Result<Self, CompileError> {
        let path = match &route.path {
            PathMatch::Any | PathMatch::Exact(_) | PathMatch::Prefix(_) => PathCheck::Indexed,
            PathMatch::SegmentPrefix(prefix) => PathCheck::SegmentEnd(prefix.strip_suffix('/').unwrap_or(prefix).len()),
            PathMatch::Regex(pattern) => PathCheck::Pattern(Pattern::new(pattern, interner)?),
        };
        let mut values: SmallVec<[ValueCheck; 1]> = SmallVec::with_capacity(route.headers.len() + route.query.len());
        let mut add = |key: Key, value: &ValueMatch, invert: bool, interner: &mut Interner| {
            let first = values.iter().all(|earlier| earlier.key != key);
            let indexed = first && !invert && texts(value).is_some();
            values.push(ValueCheck { key, value: ValueMatcher::new(value, interner)?, invert, indexed });
            Ok::<(), CompileError>(())
        };
        for HeaderMatch { name, value, invert } in &route.headers {
            add(Key::of_header(name, interner), value, *invert, interner)?;
        }
        for QueryMatch { name, value } in &route.query {
            add(Key::of_query(name, interner), value, false, interner)?;
        }
        let asks_for_claim = route.claims.iter().any(|claim| !claim.invert);
        Ok(Condition { path, values, asks_for_claim })
    }

    /// Whether the rest of the condition holds. `by`: the value by which the index has found the route.
    pub(super) fn holds(&self, request: &RequestHead, path: &[u8], by: Option<Found<'_>>) -> bool {
        let path_holds = match &self.path {
            PathCheck::Indexed => true,
            PathCheck::SegmentEnd(end) => matches!(path.get(*end), None | Some(b'/')),
            PathCheck::Pattern(pattern) => pattern.is_match(path),
        };
        path_holds
            && !self.asks_for_claim
            && self.values.iter().all(|check| match by {
                Some(found) if check.indexed && check.key.is(found.key) => check.value.matches_found(found),
                _ => check.holds(request),
            })
    }
}

impl ValueCheck {
    fn holds(&self, request: &RequestHead) -> bool {
        let mut missing = true;
        let fits = self.key.any_value(request, |value| {
            missing = false;
            self.value.matches(value)
        });
        // `withoutHeaders` takes a missing field for an empty one, but asks for presence as it is.
        let fits = if missing && self.invert {
            !matches!(self.value, ValueMatcher::Present) && self.value.matches(b"")
        } else {
            fits
        };
        fits != self.invert
    }
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
            let condition =
                Condition::new(&RouteMatch { claims, ..RouteMatch::default() }, &mut Interner::default()).unwrap();
            assert_eq!(condition.holds(&request, b"/", None), holds);
        }
    }
}
