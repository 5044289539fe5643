//! What of a request a condition is about: a field, a pseudo-field, a parameter of the query.

use std::sync::Arc;

use super::interner::Interner;
use crate::message::RequestHead;

/// What a value belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    Method,
    Authority,
    Scheme,
    Path,
    Field(Arc<str>),
    Query(Arc<str>),
}

impl Key {
    /// By the name of a header condition, which may be that of a pseudo-field.
    pub(super) fn of_header(name: &str, interner: &mut Interner) -> Self {
        match &*name.to_ascii_lowercase() {
            ":method" => Key::Method,
            ":authority" | "host" => Key::Authority,
            ":scheme" => Key::Scheme,
            ":path" => Key::Path,
            field => Key::Field(interner.name(field)),
        }
    }

    /// By the name of a query parameter.
    pub(super) fn of_query(name: &str, interner: &mut Interner) -> Self {
        Key::Query(interner.name(name))
    }

    /// Whether it is the very same. Of keys that were not made with the same [`Interner`] it may say no though they are equal.
    pub(super) fn is(&self, other: &Key) -> bool {
        match (self, other) {
            (Key::Field(name), Key::Field(other)) | (Key::Query(name), Key::Query(other)) => Arc::ptr_eq(name, other),
            (Key::Field(_) | Key::Query(_), _) => false,
            (Key::Method | Key::Authority | Key::Scheme | Key::Path, _) => self == other,
        }
    }

    /// Calls `accept` with the values that a request has, in their order, until it returns true; whether it did.
    pub(super) fn any_value<'r>(&'r self, request: &'r RequestHead, mut accept: impl FnMut(&'r [u8]) -> bool) -> bool {
        match self {
            Key::Method => accept(&request.method),
            Key::Authority => accept(request.authority.as_deref().unwrap_or_default()),
            Key::Scheme => accept(&request.scheme),
            Key::Path => accept(&request.path),
            Key::Field(name) => request.headers.get_all(name).any(|value| accept(value)),
            Key::Query(name) => parameter(query(request), name.as_bytes()).is_some_and(accept),
        }
    }
}

/// Query without its mark.
fn query(request: &RequestHead) -> &[u8] {
    let query = request.query_with_mark();
    query.strip_prefix(b"?").unwrap_or(query)
}

/// First value of a query parameter, undecoded; a name without `=` has an empty value.
pub fn parameter<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    query.split(|b| *b == b'&').find_map(|pair| match memchr::memchr(b'=', pair) {
        Some(at) if pair[..at] == *name => Some(&pair[at + 1..]),
        None if pair == name => Some(&[][..]),
        Some(_) | None => None,
    })
}
