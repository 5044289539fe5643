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
    /// Replace all occurrences; without a substitution none.
    Regex { pattern: Regex, substitution: Option<Vec<Piece>> },
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
                let pattern = re2::search(pattern)?;
                let substitution = pieces(substitution, pattern.captures_len());
                Rewrite::Regex { pattern, substitution }
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

    /// The new path, with the query of the old one; `None` if an expression leaves nothing of the path, which then stays.
    pub fn apply(&self, path_and_query: &Bytes) -> Option<Bytes> {
        let split = memchr::memchr(b'?', path_and_query).unwrap_or(path_and_query.len());
        let (path, query) = path_and_query.split_at(split);
        let mut out = Vec::with_capacity(path_and_query.len() + 16);
        match &self.0 {
            Rewrite::Splice { matched, with } => {
                out.extend_from_slice(with);
                out.extend_from_slice(path.get(*matched..).unwrap_or_default());
            }
            Rewrite::Whole(with) => out.extend_from_slice(with),
            Rewrite::Regex { substitution: None, .. } => out.extend_from_slice(path),
            Rewrite::Regex { pattern, substitution: Some(substitution) } => {
                replace_all(pattern, substitution, path, &mut out);
                if out.is_empty() {
                    return None;
                }
            }
        }
        out.extend_from_slice(query);
        Some(Bytes::from(out))
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

/// `\0` to `\9` are groups, `\\` is a backslash. As in RE2, another backslash ends the substitution, and one that names a
/// group beyond the `groups` of the expression (the whole match counts) substitutes nothing: `None`.
fn pieces(substitution: &str, groups: usize) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut ended = false;
    let mut bytes = substitution.bytes();
    while let Some(byte) = bytes.next() {
        let piece = if byte == b'\\' { bytes.next() } else { Some(byte) };
        match piece {
            Some(digit @ b'0'..=b'9') if byte == b'\\' => {
                let group = usize::from(digit - b'0');
                if group >= groups {
                    return None;
                }
                if !ended {
                    pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                    pieces.push(Piece::Group(group));
                }
            }
            Some(_) if ended => {}
            Some(literal) if byte != b'\\' || literal == b'\\' => text.push(literal),
            Some(_) | None => ended = true,
        }
    }
    pieces.push(Piece::Text(text.into()));
    Some(pieces)
}
