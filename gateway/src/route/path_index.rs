//! Finds the routes of a virtual host that a request may take, in route order.

use std::collections::{BTreeMap, HashMap};

use config_schema::snapshot::{PathMatch, RouteMatch};
use rustc_hash::FxBuildHasher;

use super::candidates::{self, Candidates, Found, Lists, Needs};
use super::interner::Interner;
use super::literals;
use super::prefix_index::{End, PrefixIndex};
use crate::message::RequestHead;

/// Index over the conditions of some routes: groups of routes of one path condition each.
#[derive(Debug, Default)]
pub(super) struct PathIndex {
    exact: HashMap<Box<[u8]>, Candidates, FxBuildHasher>,
    prefix: PrefixIndex<Candidates>,
    /// Regular expressions that are told apart by how their matches end.
    suffix: PrefixIndex<Candidates>,
    /// The same for conditions that ignore case; keys in lower case.
    exact_folded: HashMap<Box<[u8]>, Candidates, FxBuildHasher>,
    prefix_folded: PrefixIndex<Candidates>,
}

/// Where a route is looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
    Suffix(Vec<u8>),
    ExactFolded(Vec<u8>),
    PrefixFolded(Vec<u8>),
}

impl PathIndex {
    /// Indexes route conditions by their position.
    pub(super) fn new<'a>(matches: impl Iterator<Item = &'a RouteMatch>, interner: &mut Interner) -> Self {
        let routes: Vec<&RouteMatch> = matches.collect();
        let needs: Vec<Needs> = routes.iter().map(|route| candidates::needs(route, interner)).collect();
        let mut places: BTreeMap<Place, Vec<u32>> = BTreeMap::new();
        for (position, of_route) in places_of(&routes).into_iter().enumerate() {
            for place in of_route {
                places.entry(place).or_default().push(position as u32);
            }
        }
        let mut index = PathIndex::default();
        let (mut prefixes, mut suffixes, mut folded) = (Vec::new(), Vec::new(), Vec::new());
        for (place, positions) in places {
            let group = Candidates::new(positions, &needs);
            match place {
                Place::Exact(path) => _ = index.exact.insert(path.into(), group),
                Place::ExactFolded(path) => _ = index.exact_folded.insert(path.into(), group),
                Place::Prefix(prefix) => prefixes.push((prefix, group)),
                Place::Suffix(suffix) => suffixes.push((suffix, group)),
                Place::PrefixFolded(prefix) => folded.push((prefix, group)),
            }
        }
        index.exact.shrink_to_fit();
        index.exact_folded.shrink_to_fit();
        index.prefix = PrefixIndex::new(End::Front, prefixes);
        index.suffix = PrefixIndex::new(End::Back, suffixes);
        index.prefix_folded = PrefixIndex::new(End::Front, folded);
        index
    }

    /// Calls `accept` with the positions of routes that the request may take, in ascending order, until it returns true;
    /// beside them the value by which each was found, if one was. One that several values find comes as often.
    pub(super) fn find(
        &self,
        path: &[u8],
        request: &RequestHead,
        mut accept: impl FnMut(u32, Option<Found<'_>>) -> bool,
    ) -> Option<u32> {
        let mut lists = Lists::new();
        self.collect(path, request, &mut lists);
        if let [only] = lists.as_slice() {
            return only.positions.iter().copied().find(|position| accept(*position, only.by));
        }
        loop {
            let (n, position) = lists
                .iter()
                .enumerate()
                .filter_map(|(n, list)| list.positions.first().map(|position| (n, *position)))
                .min_by_key(|(_, position)| *position)?;
            if accept(position, lists[n].by) {
                return Some(position);
            }
            lists[n].positions = &lists[n].positions[1..];
        }
    }

    fn collect<'a>(&'a self, path: &[u8], request: &'a RequestHead, lists: &mut Lists<'a>) {
        let mut add = |group: &'a Candidates, _| group.collect(request, lists);
        self.prefix.for_each_match(path, &mut add);
        if !self.exact.is_empty() {
            self.exact.get(path).into_iter().for_each(|group| add(group, path.len()));
        }
        self.suffix.for_each_match(path, &mut add);
        if !self.exact_folded.is_empty() || !self.prefix_folded.is_empty() {
            let folded = path.to_ascii_lowercase();
            self.exact_folded.get(folded.as_slice()).into_iter().for_each(|group| add(group, path.len()));
            self.prefix_folded.for_each_match(&folded, &mut add);
        }
    }
}

/// Where each route is looked up; a request that it fits is led there by at least one of its places.
fn places_of(routes: &[&RouteMatch]) -> Vec<Vec<Place>> {
    let regexes: Vec<Option<Literals>> = routes.iter().map(|route| Literals::of(route)).collect();
    let mut shared: HashMap<&Place, usize> = HashMap::new();
    for place in regexes.iter().flatten().flat_map(|known| known.begins.iter().chain(&known.ends)) {
        *shared.entry(place).or_default() += 1;
    }
    let crowd = |places: &[Place]| places.iter().filter_map(|place| shared.get(place)).max().copied().unwrap_or(0);
    let place_of = |(route, regex): (&&RouteMatch, &Option<Literals>)| match regex {
        // By their ends only where that leaves clearly fewer: it takes another look-up.
        Some(known) if crowd(&known.ends) * 4 < crowd(&known.begins) => known.ends.clone(),
        Some(known) => known.begins.clone(),
        None => vec![place(route)],
    };
    routes.iter().zip(&regexes).map(place_of).collect()
}

/// What is known of the matches of a regular expression.
struct Literals {
    begins: Vec<Place>,
    ends: Vec<Place>,
}

impl Literals {
    fn of(route: &RouteMatch) -> Option<Self> {
        let PathMatch::Regex(pattern) = &route.path else { return None };
        Some(Literals {
            begins: literals::beginnings(pattern).into_iter().map(Place::Prefix).collect(),
            ends: literals::endings(pattern).into_iter().map(Place::Suffix).collect(),
        })
    }
}

/// Where a route without regular expression is looked up.
fn place(route: &RouteMatch) -> Place {
    let fold = route.ignore_path_case;
    match &route.path {
        PathMatch::Exact(path) if fold => Place::ExactFolded(path.to_ascii_lowercase().into_bytes()),
        PathMatch::Exact(path) => Place::Exact(path.clone().into_bytes()),
        PathMatch::Prefix(path) if fold => Place::PrefixFolded(path.to_ascii_lowercase().into_bytes()),
        PathMatch::Prefix(path) => Place::Prefix(path.clone().into_bytes()),
        PathMatch::SegmentPrefix(path) => {
            let path = path.strip_suffix('/').unwrap_or(path);
            if fold {
                Place::PrefixFolded(path.to_ascii_lowercase().into_bytes())
            } else {
                Place::Prefix(path.as_bytes().to_vec())
            }
        }
        PathMatch::Any | PathMatch::Regex(_) => Place::Prefix(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Version;

    fn path(path: PathMatch) -> RouteMatch {
        RouteMatch { path, ..RouteMatch::default() }
    }

    /// Positions that are looked at for a path if none is accepted.
    fn looked_at(routes: &[RouteMatch], path: &str) -> Vec<u32> {
        let mut seen = Vec::new();
        PathIndex::new(routes.iter(), &mut Interner::default()).find(
            path.as_bytes(),
            &RequestHead::unread(Version::Http11),
            |position, _| {
                seen.push(position);
                false
            },
        );
        seen
    }

    #[test]
    fn candidates_come_in_route_order() {
        let routes = [
            path(PathMatch::Prefix("/api/v1".into())),
            path(PathMatch::Exact("/api/v1/x".into())),
            path(PathMatch::Any),
            path(PathMatch::Prefix("/api".into())),
            path(PathMatch::Regex("/api/.*x".into())),
            RouteMatch { path: PathMatch::Prefix("/API".into()), ignore_path_case: true, ..RouteMatch::default() },
            path(PathMatch::Exact("/other".into())),
        ];
        assert_eq!(looked_at(&routes, "/api/v1/x"), [0, 1, 2, 3, 4, 5]);
        let index = PathIndex::new(routes.iter(), &mut Interner::default());
        assert_eq!(index.find(b"/api/v1/x", &RequestHead::unread(Version::Http11), |n, _| n > 0), Some(1));
    }

    /// Of thousands of routes a request looks at those that it may take, not at those before them.
    #[test]
    fn the_last_of_many_is_looked_at_alone() {
        type Shape = (fn(usize) -> PathMatch, &'static str);
        let shapes: &[Shape] = &[
            (|n| PathMatch::Prefix(format!("/s{n}/")), "/s2999/x"),
            (|n| PathMatch::SegmentPrefix(format!("/s{n:04}")), "/s2999/x"),
            (|n| PathMatch::Exact(format!("/s{n}/x")), "/s2999/x"),
            (|n| PathMatch::Regex(format!("/s{n}/[a-z]+")), "/s2999/x"),
            (|n| PathMatch::Regex(format!("/(s|t)-{n}/.*")), "/t-2999/x"),
            (|n| PathMatch::Regex(format!("/[a-z]+/s{n}")), "/x/s2999"),
        ];
        for (shape, asked) in shapes {
            let routes: Vec<RouteMatch> = (0..3000).map(|n| path(shape(n))).collect();
            assert_eq!(looked_at(&routes, asked), [2999], "{asked}");
        }
    }

    /// What fits a route is led to it, whatever stands beside it.
    #[test]
    fn no_route_is_lost() {
        let patterns = ["/a/[0-9]+/x", "/a/.*", ".*/x", "/(a|b)/.*/x", "/[^/]*/7/x", "(/a)?/7/x"];
        let routes: Vec<RouteMatch> = (0..40)
            .map(|n| path(PathMatch::Regex(format!("/[a-z]+/tail-{n}"))))
            .chain(patterns.iter().map(|pattern| path(PathMatch::Regex((*pattern).into()))))
            .collect();
        for asked in ["/a/7/x", "/b/7/x", "/7/x", "/a/", "/b/tail-3", "/a/tail-39"] {
            let seen = looked_at(&routes, asked);
            for (position, route) in routes.iter().enumerate() {
                let PathMatch::Regex(pattern) = &route.path else { continue };
                let fits = config_schema::re2::full_match(pattern).unwrap().is_match(asked.as_bytes());
                assert!(!fits || seen.contains(&(position as u32)), "{asked} {pattern}");
            }
        }
    }
}
