//! Routes of one path condition: which of them a request may take, by its headers and query.
//!
//! Hundreds of routes may share a path and differ in a header alone (a tenant, a version). They are grouped by the
//! values that they ask for, so that a request looks at those of its own value only.

use std::collections::HashMap;

use config_schema::snapshot::{RouteMatch, ValueMatch};
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use super::interner::Interner;
use super::key::Key;
use super::literals;
use super::prefix_index::{End, PrefixIndex};
use crate::message::RequestHead;

/// Up to so many routes are looked at one by one.
const FEW: usize = 8;
/// Keys by which routes are grouped at most, side by side and below each other.
const MAX_KEYS: usize = 4;

/// Lists of routes. So many need no allocation.
pub(super) type Lists<'a> = SmallVec<[List<'a>; 8]>;

/// Routes that a request may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct List<'a> {
    /// Ascending.
    pub positions: &'a [u32],
    /// Why they are in question.
    pub by: Option<Found<'a>>,
}

/// A value of the request by which routes were found. Where it has several of the key, each finds its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub key: &'a Key,
    pub value: &'a [u8],
    /// What was compared: all of it, or how it begins.
    pub compared: Compared,
}

/// Some routes.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Looked at for every request.
    always: SmallVec<[u32; 2]>,
    /// Looked at for requests that have their values.
    splits: Vec<Split>,
}

/// What is known of a value by which routes were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    /// It is the value that they ask for.
    Whole,
    /// So many bytes of it begin the values that they ask for.
    Begin(usize),
}

/// Routes that ask for values of one key.
#[derive(Debug)]
struct Split {
    key: Key,
    /// Groups by value.
    exact: HashMap<Box<[u8]>, Candidates, FxBuildHasher>,
    /// Groups by how the value begins.
    prefix: PrefixIndex<Candidates>,
}

/// A value that is asked for, or how it begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Text {
    Exact(Vec<u8>),
    Begins(Vec<u8>),
}

/// Values without which a route does not apply, by key. Of a key's values one is enough.
pub(super) type Needs = Vec<(Key, Vec<Text>)>;

/// What a route needs.
pub(super) fn needs(route: &RouteMatch, interner: &mut Interner) -> Needs {
    let mut needs = Needs::new();
    for header in route.headers.iter().filter(|header| !header.invert) {
        needs.extend(texts(&header.value).map(|texts| (Key::of_header(&header.name, interner), texts)));
    }
    for query in &route.query {
        needs.extend(texts(&query.value).map(|texts| (Key::of_query(&query.name, interner), texts)));
    }
    needs
}

/// The texts by which a condition is looked up; `None` if it is not.
pub(super) fn texts(value: &ValueMatch) -> Option<Vec<Text>> {
    let texts: Vec<Text> = match value {
        ValueMatch::Present => return None,
        ValueMatch::Exact(text) => vec![Text::Exact(text.as_bytes().to_vec())],
        ValueMatch::Prefix(text) => vec![Text::Begins(text.as_bytes().to_vec())],
        ValueMatch::Regex(pattern) => literals::beginnings(pattern).into_iter().map(Text::Begins).collect(),
    };
    let known = |text: &Text| !matches!(text, Text::Begins(begin) if begin.is_empty());
    texts.iter().all(known).then_some(texts)
}

impl Candidates {
    /// Groups routes, given by ascending positions in `needs`.
    pub(super) fn new(positions: Vec<u32>, needs: &[Needs]) -> Self {
        Self::below(positions, needs, &[])
    }

    /// The same below groups that others have made of keys.
    fn below(mut positions: Vec<u32>, needs: &[Needs], above: &[Key]) -> Self {
        let mut splits: Vec<Split> = Vec::new();
        let mut used = above.to_vec();
        while positions.len() > FEW && used.len() < MAX_KEYS {
            let Some(key) = best_key(&positions, needs, &used) else { break };
            used.push(key.clone());
            let (with, without) = positions.iter().partition(|position| of_key(needs, **position, &key).is_some());
            positions = without;
            splits.push(Split::new(key, with, needs, &used));
        }
        Candidates { always: positions.into_iter().collect(), splits }
    }

    /// Adds the lists of those routes that the request may take.
    pub(super) fn collect<'a>(&'a self, request: &'a RequestHead, lists: &mut Lists<'a>) {
        self.collect_found(request, None, lists);
    }

    // Not a part of what calls itself: `by` is then written where it stays.
    #[inline]
    fn collect_found<'a>(&'a self, request: &'a RequestHead, by: Option<Found<'a>>, lists: &mut Lists<'a>) {
        if !self.always.is_empty() {
            lists.push(List { positions: &self.always, by });
        }
        if !self.splits.is_empty() {
            self.collect_splits(request, lists);
        }
    }

    fn collect_splits<'a>(&'a self, request: &'a RequestHead, lists: &mut Lists<'a>) {
        for split in &self.splits {
            split.collect(request, lists);
        }
    }
}

impl Split {
    fn new(key: Key, positions: Vec<u32>, needs: &[Needs], used: &[Key]) -> Self {
        // In order of their values, so that equal configurations are built alike.
        let mut by_text: std::collections::BTreeMap<&Text, Vec<u32>> = std::collections::BTreeMap::new();
        for position in positions {
            for text in of_key(needs, position, &key).unwrap_or_default() {
                by_text.entry(text).or_default().push(position);
            }
        }
        let mut exact: HashMap<Box<[u8]>, Candidates, FxBuildHasher> = HashMap::default();
        let mut prefixes: Vec<(Vec<u8>, Candidates)> = Vec::new();
        for (text, positions) in by_text {
            let group = Candidates::below(positions, needs, used);
            match text {
                Text::Exact(value) => _ = exact.insert(value.as_slice().into(), group),
                Text::Begins(prefix) => prefixes.push((prefix.clone(), group)),
            }
        }
        exact.shrink_to_fit();
        Split { key, exact, prefix: PrefixIndex::new(End::Front, prefixes) }
    }

    fn collect<'a>(&'a self, request: &'a RequestHead, lists: &mut Lists<'a>) {
        self.key.any_value(request, |value| {
            let found = |compared| Some(Found { key: &self.key, value, compared });
            if let Some(group) = self.exact.get(value) {
                group.collect_found(request, found(Compared::Whole), lists);
            }
            if !self.prefix.is_empty() {
                self.prefix.for_each_match(value, |group, length| {
                    group.collect_found(request, found(Compared::Begin(length)), lists);
                });
            }
            false
        });
    }
}

fn of_key<'a>(needs: &'a [Needs], position: u32, key: &Key) -> Option<&'a [Text]> {
    needs[position as usize].iter().find(|(k, _)| k == key).map(|(_, texts)| texts.as_slice())
}

/// The key by which most routes are left out for any one request; `None` if none is worth it.
fn best_key(positions: &[u32], needs: &[Needs], used: &[Key]) -> Option<Key> {
    let mut texts: HashMap<(&Key, &Text), usize, FxBuildHasher> = HashMap::default();
    let mut routes: HashMap<&Key, usize, FxBuildHasher> = HashMap::default();
    for position in positions {
        let needs = &needs[*position as usize];
        for (n, (key, of_key)) in needs.iter().enumerate() {
            // Of two conditions on one key the first is taken.
            if used.contains(key) || needs[..n].iter().any(|(earlier, _)| earlier == key) {
                continue;
            }
            *routes.entry(key).or_default() += 1;
            for text in of_key {
                *texts.entry((key, text)).or_default() += 1;
            }
        }
    }
    let mut largest: HashMap<&Key, usize, FxBuildHasher> = HashMap::default();
    for ((key, _), n) in texts {
        let known = largest.entry(key).or_default();
        *known = (*known).max(n);
    }
    let gains =
        routes.into_iter().map(|(key, n)| (n.saturating_sub(largest.get(key).copied().unwrap_or_default()), key));
    gains.max().filter(|(gain, _)| *gain >= FEW).map(|(_, key)| key.clone())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use config_schema::snapshot::{HeaderMatch, QueryMatch};

    use super::*;
    use crate::headers::Name;
    use crate::message::Version;

    fn request(path: &str, headers: &[(&str, &str)]) -> RequestHead {
        let mut request = RequestHead::unread(Version::Http11);
        request.method = Bytes::from_static(b"GET");
        request.path = Bytes::copy_from_slice(path.as_bytes());
        for (name, value) in headers {
            request.headers.append(Name::new(name), Bytes::copy_from_slice(value.as_bytes()));
        }
        request
    }

    fn header(name: &str, value: ValueMatch) -> HeaderMatch {
        HeaderMatch { name: name.into(), value, invert: false }
    }

    fn exact(name: &str, value: String) -> HeaderMatch {
        header(name, ValueMatch::Exact(value))
    }

    fn with_headers(headers: Vec<HeaderMatch>) -> RouteMatch {
        RouteMatch { headers, ..RouteMatch::default() }
    }

    fn found(routes: &[RouteMatch], request: &RequestHead) -> Vec<u32> {
        let needs: Vec<Needs> = routes.iter().map(|route| needs(route, &mut Interner::default())).collect();
        let candidates = Candidates::new((0..routes.len() as u32).collect(), &needs);
        let mut lists = Lists::new();
        candidates.collect(request, &mut lists);
        let mut all: Vec<u32> = lists.into_iter().flat_map(|list| list.positions).copied().collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn a_request_looks_at_the_routes_of_its_value() {
        let mut routes: Vec<RouteMatch> =
            (0..1000).map(|n| with_headers(vec![exact("x-tenant", format!("t{n}"))])).collect();
        routes.push(RouteMatch::default());
        assert_eq!(found(&routes, &request("/", &[("x-tenant", "t7")])), [7, 1000]);
        assert_eq!(found(&routes, &request("/", &[("x-tenant", "t7"), ("x-tenant", "t5")])), [5, 7, 1000]);
        assert_eq!(found(&routes, &request("/", &[])), [1000]);
    }

    #[test]
    fn prefixes_regexes_and_queries_too() {
        let by_kind = |n: usize| match n % 3 {
            0 => with_headers(vec![header("x-tenant", ValueMatch::Prefix(format!("t{n:03}-")))]),
            1 => with_headers(vec![header("x-tenant", ValueMatch::Regex(format!("t{n:03}-[a-z]+|u{n:03}")))]),
            _ => RouteMatch {
                query: vec![QueryMatch { name: "t".into(), value: ValueMatch::Exact(format!("{n:03}")) }],
                ..RouteMatch::default()
            },
        };
        let routes: Vec<RouteMatch> = (0..300).map(by_kind).collect();
        assert_eq!(found(&routes, &request("/?t=008", &[("x-tenant", "t030-x")])), [8, 30]);
        assert_eq!(found(&routes, &request("/", &[("x-tenant", "u031")])), [31]);
        assert_eq!(found(&routes, &request("/", &[("x-tenant", "t031-x")])), [31]);
    }

    #[test]
    fn groups_within_groups() {
        let routes: Vec<RouteMatch> = (0..400)
            .map(|n| with_headers(vec![exact("a", format!("{}", n / 20)), exact("b", format!("{}", n % 20))]))
            .collect();
        assert_eq!(found(&routes, &request("/", &[("a", "3"), ("b", "4")])), [64]);
    }

    #[test]
    fn what_does_not_tell_routes_apart_is_not_used() {
        let routes: Vec<RouteMatch> = (0..100)
            .map(|n| with_headers(vec![exact(":method", "GET".into()), exact("x-tenant", format!("t{n}"))]))
            .collect();
        assert_eq!(found(&routes, &request("/", &[("x-tenant", "t7")])), [7]);
    }

    #[test]
    fn inverted_conditions_and_presence_need_no_value() {
        let inverted = HeaderMatch { invert: true, ..exact("a", "x".into()) };
        let routes: Vec<RouteMatch> =
            (0..20).map(|_| with_headers(vec![inverted.clone(), header("b", ValueMatch::Present)])).collect();
        assert_eq!(found(&routes, &request("/", &[])).len(), 20);
    }
}
