//! Finds the routes of a virtual host whose path condition may hold, in route order.

use std::collections::HashMap;

use config_schema::snapshot::{PathMatch, RouteMatch};
use rustc_hash::FxBuildHasher;

use super::prefix_index::PrefixIndex;

/// Index over the path conditions of some routes.
#[derive(Debug, Default)]
pub(super) struct PathIndex {
    exact: HashMap<Box<[u8]>, Vec<u32>, FxBuildHasher>,
    prefix: PrefixIndex,
    /// The same for conditions that ignore case; keys in lower case.
    exact_folded: HashMap<Box<[u8]>, Vec<u32>, FxBuildHasher>,
    prefix_folded: PrefixIndex,
}

/// At most this many lists are merged without another allocation.
const INLINE_LISTS: usize = 12;

impl PathIndex {
    /// Indexes route conditions by their position.
    pub(super) fn new<'a>(matches: impl Iterator<Item = &'a RouteMatch>) -> Self {
        let mut index = PathIndex::default();
        let mut prefixes: Vec<(Vec<u8>, u32)> = Vec::new();
        let mut folded: Vec<(Vec<u8>, u32)> = Vec::new();
        for (position, route) in matches.enumerate() {
            let position = position as u32;
            let fold = route.ignore_path_case;
            match &route.path {
                PathMatch::Any => prefixes.push((Vec::new(), position)),
                PathMatch::Exact(path) if fold => {
                    index.exact_folded.entry(path.to_ascii_lowercase().as_bytes().into()).or_default().push(position);
                }
                PathMatch::Exact(path) => index.exact.entry(path.as_bytes().into()).or_default().push(position),
                PathMatch::Prefix(path) | PathMatch::SegmentPrefix(path) if fold => {
                    folded.push((path.to_ascii_lowercase().into_bytes(), position));
                }
                PathMatch::Prefix(path) => prefixes.push((path.clone().into_bytes(), position)),
                PathMatch::SegmentPrefix(path) => {
                    prefixes.push((path.strip_suffix('/').unwrap_or(path).as_bytes().to_vec(), position));
                }
                PathMatch::Regex(pattern) => prefixes.push((literal_prefix(pattern), position)),
            }
        }
        let view = |list: &[(Vec<u8>, u32)]| {
            PrefixIndex::new(&list.iter().map(|(p, n)| (p.as_slice(), *n)).collect::<Vec<_>>())
        };
        index.prefix = view(&prefixes);
        index.prefix_folded = view(&folded);
        index
    }

    /// Calls `accept` with the positions of candidate routes in ascending order until it returns true.
    pub(super) fn find(&self, path: &[u8], mut accept: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut lists: smallvec::SmallVec<[&[u32]; INLINE_LISTS]> = smallvec::SmallVec::new();
        lists.extend(self.prefix.matches(path));
        if !self.exact.is_empty() {
            lists.extend(self.exact.get(path).map(Vec::as_slice));
        }
        if !self.exact_folded.is_empty() || !self.prefix_folded.is_empty() {
            let folded = path.to_ascii_lowercase();
            lists.extend(self.exact_folded.get(folded.as_slice()).map(Vec::as_slice));
            lists.extend(self.prefix_folded.matches(&folded));
        }
        if let [only] = lists.as_slice() {
            return only.iter().copied().find(|position| accept(*position));
        }
        loop {
            let (list, position) = lists
                .iter()
                .enumerate()
                .filter_map(|(n, list)| list.first().map(|position| (n, *position)))
                .min_by_key(|(_, position)| *position)?;
            if accept(position) {
                return Some(position);
            }
            lists[list] = &lists[list][1..];
        }
    }
}

/// The text with which every match of a pattern starts. Errs on the short side.
fn literal_prefix(pattern: &str) -> Vec<u8> {
    let mut prefix = Vec::new();
    for (at, byte) in pattern.bytes().enumerate() {
        // A quantifier makes what stands before it optional; an alternative anywhere makes all of it so.
        match byte {
            b'?' | b'*' | b'{' => {
                prefix.pop();
                break;
            }
            b'\\' | b'[' | b'(' | b'.' | b'^' | b'$' | b'+' | b')' => break,
            _ if !byte.is_ascii() => break,
            _ => prefix.push(byte),
        }
        debug_assert!(at < pattern.len());
    }
    if pattern.contains('|') { Vec::new() } else { prefix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        for (pattern, expected) in [
            ("/items/[^/]+", "/items/"),
            ("/a.*", "/a"),
            ("/ab?c", "/a"),
            ("/ab*", "/a"),
            ("/ab+", "/ab"),
            ("/a|/b", ""),
            ("(?i)/a", ""),
            (".*", ""),
            ("/x{2}", "/"),
        ] {
            assert_eq!(literal_prefix(pattern), expected.as_bytes(), "{pattern}");
        }
    }

    #[test]
    fn candidates_come_in_route_order() {
        let path = |path| RouteMatch { path, ..RouteMatch::default() };
        let routes = [
            path(PathMatch::Prefix("/api/v1".into())),
            path(PathMatch::Exact("/api/v1/x".into())),
            path(PathMatch::Any),
            path(PathMatch::Prefix("/api".into())),
            path(PathMatch::Regex("/api/.*x".into())),
            RouteMatch { path: PathMatch::Prefix("/API".into()), ignore_path_case: true, ..RouteMatch::default() },
            path(PathMatch::Exact("/other".into())),
        ];
        let index = PathIndex::new(routes.iter());
        let mut seen = Vec::new();
        index.find(b"/api/v1/x", |n| {
            seen.push(n);
            false
        });
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
        assert_eq!(index.find(b"/api/v1/x", |n| n > 0), Some(1));
    }
}
