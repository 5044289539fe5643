//! The index is an optimisation: it must find what looking at every route in order finds.

use std::sync::Arc;

use bytes::Bytes;
use config_schema::re2;
use config_schema::snapshot::{
    DirectResponse, HeaderMatch, HeaderOps, ObjectRef, PathMatch, QueryMatch, Route, RouteAction, RouteMatch,
    RouteTable as Snapshot, ValueMatch, VirtualHost,
};
use proptest::prelude::*;
use proptest::sample::select;

use super::condition::Condition;
use super::interner::Interner;
use super::{Matched, RouteTable};
use crate::headers::Name;
use crate::message::{RequestHead, Version};

/// Few different texts, so that routes cover and shadow each other.
fn paths() -> impl Strategy<Value = String> {
    prop::collection::vec(select(vec!["/", "/a", "/A", "/b", "/ab", "a", "/a/b", "/7", "b/"]), 1..5)
        .prop_map(|parts| parts.concat())
}

fn regexes() -> impl Strategy<Value = String> {
    let parts =
        vec!["/", "/a", "/b", "/[a-z]+", ".*", "(/a|/b)", "(/ab)?", "/7", "/[0-9]+", "b*", "(?i:/a)", "/ab{1,2}", "$"];
    prop::collection::vec(select(parts), 1..5).prop_map(|parts| parts.concat())
}

fn path_matches() -> impl Strategy<Value = PathMatch> {
    prop_oneof![
        1 => Just(PathMatch::Any),
        4 => paths().prop_map(PathMatch::Exact),
        4 => paths().prop_map(PathMatch::Prefix),
        3 => paths().prop_map(PathMatch::SegmentPrefix),
        4 => regexes().prop_map(PathMatch::Regex),
    ]
}

fn values() -> impl Strategy<Value = String> {
    select(vec!["", "x", "y", "xy", "xyz", "yx", "GET", "POST", "shop.example.com"]).prop_map(str::to_owned)
}

fn value_matches() -> impl Strategy<Value = ValueMatch> {
    prop_oneof![
        1 => Just(ValueMatch::Present),
        8 => values().prop_map(ValueMatch::Exact),
        3 => values().prop_map(ValueMatch::Prefix),
        3 => select(vec!["x", "x|y", "x.*", ".*y", "(?i)XY", "[xy]+", "", "(xy)?z?"])
            .prop_map(|pattern| ValueMatch::Regex(pattern.to_owned())),
    ]
}

fn header_matches() -> impl Strategy<Value = HeaderMatch> {
    let names = select(vec![":method", ":authority", ":scheme", ":path", "host", "x-a", "X-B"]);
    (names, value_matches(), prop::bool::weighted(0.2)).prop_map(|(name, value, invert)| HeaderMatch {
        name: name.to_owned(),
        value,
        invert,
    })
}

fn query_matches() -> impl Strategy<Value = QueryMatch> {
    (select(vec!["p", "q"]), value_matches()).prop_map(|(name, value)| QueryMatch { name: name.to_owned(), value })
}

fn route_matches() -> impl Strategy<Value = RouteMatch> {
    let headers = prop::collection::vec(header_matches(), 0..3);
    let query = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(query_matches(), 1..3)];
    (path_matches(), prop::bool::weighted(0.2), headers, query).prop_map(|(path, ignore_path_case, headers, query)| {
        RouteMatch { path, ignore_path_case, headers, query, ..RouteMatch::default() }
    })
}

fn requests() -> impl Strategy<Value = RequestHead> {
    let query = prop_oneof![
        Just(String::new()),
        prop::collection::vec((select(vec!["p", "q", "r"]), values()), 0..3).prop_map(|list| {
            format!("?{}", list.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"))
        })
    ];
    let headers = prop::collection::vec((select(vec!["x-a", "x-b", "x-c"]), values()), 0..4);
    let method = select(vec!["GET", "POST"]);
    let authority = select(vec!["shop.example.com", "SHOP.example.com:80"]);
    (paths(), query, headers, method, authority).prop_map(|(path, query, headers, method, authority)| {
        let mut request = RequestHead::unread(Version::Http11);
        request.method = Bytes::from(method);
        request.scheme = Bytes::from("http");
        request.authority = Some(Bytes::from(authority));
        request.path = Bytes::from(path + &query);
        for (name, value) in headers {
            request.headers.append(Name::new(name), Bytes::from(value));
        }
        request
    })
}

/// A path condition, read from its definition.
fn path_holds(route: &RouteMatch, path: &[u8]) -> bool {
    let fold = |text: &[u8]| if route.ignore_path_case { text.to_ascii_lowercase() } else { text.to_vec() };
    let asked = fold(path);
    match &route.path {
        PathMatch::Any => true,
        PathMatch::Exact(text) => asked == fold(text.as_bytes()),
        PathMatch::Prefix(text) => asked.starts_with(&fold(text.as_bytes())),
        PathMatch::SegmentPrefix(text) => {
            let text = fold(text.strip_suffix('/').unwrap_or(text).as_bytes());
            asked.strip_prefix(text.as_slice()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        }
        PathMatch::Regex(pattern) => re2::full_match(pattern).unwrap().is_match(path),
    }
}

fn first_of(routes: &[RouteMatch], request: &RequestHead) -> Option<usize> {
    let path = request.path_only();
    routes.iter().position(|route| {
        let rest = RouteMatch { path: PathMatch::Any, ..route.clone() };
        path_holds(route, path) && Condition::new(&rest, &mut Interner::default()).unwrap().holds(request, path, None)
    })
}

fn compile(routes: &[RouteMatch]) -> RouteTable {
    let route = |(position, matches): (usize, &RouteMatch)| {
        Arc::new(Route {
            name: position.to_string().into(),
            source: Arc::new(ObjectRef::default()),
            matches: matches.clone(),
            action: RouteAction::Direct(DirectResponse { status: 200, body: None }),
            request_headers: HeaderOps::default(),
            response_headers: HeaderOps::default(),
            cors: None,
            fault: None,
            operation: String::new(),
        })
    };
    let virtual_host = VirtualHost {
        name: "shop".to_owned(),
        domains: vec!["shop.example.com".to_owned()],
        require_tls: false,
        routes: routes.iter().enumerate().map(route).collect(),
    };
    let mut errors = Vec::new();
    let table = RouteTable::new(&Snapshot { name: "80".to_owned(), virtual_hosts: vec![virtual_host] }, &mut errors);
    assert!(errors.is_empty(), "{errors:?}");
    table
}

fn found(table: &RouteTable, request: &RequestHead) -> Option<usize> {
    match table.find(request) {
        Matched::Route(_, route) => route.spec.name.parse().ok(),
        Matched::NoRoute(_) => None,
        Matched::NoHost => panic!("the host is there"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// On any table and request the first route that holds is taken.
    #[test]
    fn index_agrees_with_first_match(
        routes in prop::collection::vec(route_matches(), 1..60),
        requests in prop::collection::vec(requests(), 30),
    ) {
        let table = compile(&routes);
        for request in &requests {
            prop_assert_eq!(found(&table, request), first_of(&routes, request), "{:?}", request);
        }
    }

    /// The same where routes share a path and only values tell them apart.
    #[test]
    fn values_agree_with_first_match(
        mut routes in prop::collection::vec(route_matches(), 30..80),
        requests in prop::collection::vec(requests(), 30),
    ) {
        for route in &mut routes {
            route.path = PathMatch::Prefix("/".to_owned());
        }
        let table = compile(&routes);
        for request in &requests {
            prop_assert_eq!(found(&table, request), first_of(&routes, request), "{:?}", request);
        }
    }
}
