//! New paths for routed requests.

use bytes::Bytes;
use config_schema::re2;
use config_schema::snapshot::{PathMatch, PathRewrite, RouteMatch};
use regex::bytes::Regex;

use super::condition::CompileError;

/// A compiled [`PathRewrite`].
#[derive(Debug)]
pub struct PathRewriter(Rewrite);

#[derive(Debug)]
enum Rewrite {
    /// Replace this many leading bytes.
    Splice { matched: usize, with: Box<[u8]> },
    /// Replace the whole path.
    Whole(Box<[u8]>),
    /// Replace all occurrences.
    Regex { pattern: Regex, substitution: Vec<Piece> },
}

#[derive(Debug)]
enum Piece {
    Text(Box<[u8]>),
    Group(usize),
}

impl PathRewriter {
    /// Compiles the rewrite of a route.
    pub fn new(rewrite: &PathRewrite, route: &RouteMatch) -> Result<Self, CompileError> {
        Ok(PathRewriter(match rewrite {
            PathRewrite::Regex { pattern, substitution } => {
                Rewrite::Regex { pattern: re2::search(pattern)?, substitution: pieces(substitution)? }
            }
            PathRewrite::Prefix(with) => {
                let with = with.as_bytes().into();
                match &route.path {
                    PathMatch::Exact(_) | PathMatch::Regex(_) => Rewrite::Whole(with),
                    PathMatch::Prefix(prefix) | PathMatch::SegmentPrefix(prefix) => {
                        Rewrite::Splice { matched: prefix.len(), with }
                    }
                    // Without a path condition Istio matches the prefix `/`.
                    PathMatch::Any => Rewrite::Splice { matched: 1, with },
                }
            }
        }))
    }

    /// The new path, with the query of the old one.
    pub fn apply(&self, path_and_query: &Bytes) -> Bytes {
        let split = memchr::memchr(b'?', path_and_query).unwrap_or(path_and_query.len());
        let (path, query) = path_and_query.split_at(split);
        let mut out = Vec::with_capacity(path_and_query.len() + 16);
        match &self.0 {
            Rewrite::Splice { matched, with } => {
                out.extend_from_slice(with);
                out.extend_from_slice(path.get(*matched..).unwrap_or_default());
            }
            Rewrite::Whole(with) => out.extend_from_slice(with),
            Rewrite::Regex { pattern, substitution } => replace_all(pattern, substitution, path, &mut out),
        }
        out.extend_from_slice(query);
        Bytes::from(out)
    }
}

fn replace_all(pattern: &Regex, substitution: &[Piece], path: &[u8], out: &mut Vec<u8>) {
    let mut end = 0;
    for captures in pattern.captures_iter(path) {
        let Some(whole) = captures.get(0) else { continue };
        out.extend_from_slice(&path[end..whole.start()]);
        for piece in substitution {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Group(n) => out.extend_from_slice(captures.get(*n).map_or(&[], |m| m.as_bytes())),
            }
        }
        end = whole.end();
    }
    out.extend_from_slice(&path[end..]);
}

/// `\0` to `\9` are groups, `\\` is a backslash.
fn pieces(substitution: &str) -> Result<Vec<Piece>, CompileError> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut bytes = substitution.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'\\') => text.push(b'\\'),
            Some(digit @ b'0'..=b'9') => {
                pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                pieces.push(Piece::Group(usize::from(digit - b'0')));
            }
            Some(_) | None => {
                return Err(CompileError(format!(
                    "substitution {substitution:?}: `\\` must be followed by a digit or `\\`"
                )));
            }
        }
    }
    pieces.push(Piece::Text(text.into()));
    Ok(pieces)
}
