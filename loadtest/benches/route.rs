//! What finding a route costs, and how that grows with the number of routes and hosts.
//!
//! Each case asks for the last of N, and `any` for all of them in turn, so that caches do not flatter. The goal: the
//! last of 10,000 costs at most 1.3 times the only one.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use config_schema::snapshot::{
    DirectResponse, HeaderMatch, HeaderOps, ObjectRef, PathMatch, QueryMatch, Route, RouteAction, RouteMatch,
    RouteTable as Snapshot, ValueMatch, VirtualHost,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gateway::headers::{Headers, Name};
use gateway::message::{RequestHead, Version};
use gateway::route::{Matched, RouteTable};

/// Routes of a table at most. Smaller ones have the last of them, so that all sizes are asked the same.
const MOST: usize = 10_000;

/// A shape of routes, and requests for them.
struct Shape {
    name: &'static str,
    route: fn(usize) -> RouteMatch,
    request: fn(usize) -> RequestHead,
}

const SHAPES: &[Shape] = &[
    Shape { name: "prefix", route: |n| path(PathMatch::Prefix(format!("/service-{n:05}/"))), request: in_service },
    Shape {
        name: "prefix-of-many-lengths",
        route: |n| path(PathMatch::Prefix(deep(n))),
        request: |n| get("shop.example.com", &format!("{}items/7", deep(n))),
    },
    Shape {
        name: "segment-prefix",
        route: |n| path(PathMatch::SegmentPrefix(format!("/service-{n:05}"))),
        request: in_service,
    },
    Shape { name: "exact", route: |n| path(PathMatch::Exact(format!("/service-{n:05}/items/7"))), request: in_service },
    Shape {
        name: "regex",
        route: |n| path(PathMatch::Regex(format!("/service-{n:05}/[^/]+/[0-9]+"))),
        request: in_service,
    },
    Shape {
        name: "regex-of-one-prefix",
        route: |n| path(PathMatch::Regex(format!("/[^/]+/items/{n:05}"))),
        request: |n| get("shop.example.com", &format!("/service/items/{n:05}")),
    },
    Shape {
        name: "header",
        route: |n| RouteMatch { headers: vec![exact("x-tenant", n)], ..path(PathMatch::Prefix("/".into())) },
        request: |n| with("x-tenant", n),
    },
    Shape {
        name: "method-and-header",
        route: |n| RouteMatch {
            headers: vec![
                HeaderMatch { name: ":method".into(), value: ValueMatch::Exact("GET".into()), invert: false },
                exact("x-tenant", n),
            ],
            ..path(PathMatch::Prefix("/".into()))
        },
        request: |n| with("x-tenant", n),
    },
    Shape {
        name: "header-regex",
        route: |n| RouteMatch {
            headers: vec![HeaderMatch {
                name: "x-tenant".into(),
                value: ValueMatch::Regex(format!("tenant-{n:05}(-.*)?")),
                invert: false,
            }],
            ..path(PathMatch::Prefix("/".into()))
        },
        request: |n| with("x-tenant", n),
    },
    Shape {
        name: "query",
        route: |n| RouteMatch {
            query: vec![QueryMatch { name: "tenant".into(), value: ValueMatch::Exact(format!("tenant-{n:05}")) }],
            ..path(PathMatch::Prefix("/".into()))
        },
        request: |n| get("shop.example.com", &format!("/items/7?page=2&tenant=tenant-{n:05}")),
    },
];

fn path(path: PathMatch) -> RouteMatch {
    RouteMatch { path, ..RouteMatch::default() }
}

fn exact(name: &str, n: usize) -> HeaderMatch {
    HeaderMatch { name: name.to_owned(), value: ValueMatch::Exact(format!("tenant-{n:05}")), invert: false }
}

/// A path of one to eight segments.
fn deep(n: usize) -> String {
    let mut path = format!("/service-{n:05}/");
    (0..n % 8).for_each(|depth| path += &format!("part-{depth}/"));
    path
}

fn in_service(n: usize) -> RequestHead {
    get("shop.example.com", &format!("/service-{n:05}/items/7"))
}

fn with(name: &str, n: usize) -> RequestHead {
    let mut request = get("shop.example.com", "/items/7");
    request.headers.append(Name::new(name), Bytes::from(format!("tenant-{n:05}")));
    request
}

/// A request with the fields that a browser sends.
fn get(host: &str, path: &str) -> RequestHead {
    let mut headers = Headers::default();
    for (name, value) in [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "4ab4f8b8-5f0c-4a35-8f0e-6f1a6c9d7b21"),
    ] {
        headers.append(Name::new(name), Bytes::from_static(value.as_bytes()));
    }
    RequestHead {
        version: Version::Http11,
        method: Bytes::from_static(b"GET"),
        scheme: Bytes::from_static(b"http"),
        authority: Some(Bytes::copy_from_slice(host.as_bytes())),
        path: Bytes::copy_from_slice(path.as_bytes()),
        headers,
    }
}

fn route(matches: RouteMatch) -> Arc<Route> {
    Arc::new(Route {
        name: "rule".into(),
        operation: String::new(),
        source: Arc::new(ObjectRef::default()),
        matches,
        action: RouteAction::Direct(DirectResponse { status: 200, body: None }),
        request_headers: HeaderOps::default(),
        response_headers: HeaderOps::default(),
        cors: None,
        fault: None,
    })
}

fn table(virtual_hosts: Vec<VirtualHost>) -> RouteTable {
    let mut errors = Vec::new();
    let table = RouteTable::new(&Snapshot { name: "http.80".to_owned(), virtual_hosts }, &mut errors);
    assert!(errors.is_empty(), "{errors:?}");
    table
}

fn host(domain: String, routes: Vec<Arc<Route>>) -> VirtualHost {
    VirtualHost { name: format!("{domain}:80"), domains: vec![domain], require_tls: false, routes }
}

fn find(table: &RouteTable, request: &RequestHead) -> bool {
    matches!(table.find(black_box(request)), Matched::Route(_, route) if &*black_box(route).spec.name == "rule")
}

fn routes(c: &mut Criterion) {
    for shape in SHAPES {
        let mut group = c.benchmark_group(format!("routes/{}", shape.name));
        for size in [1, 100, MOST] {
            let routes = (MOST - size..MOST).map(|n| route((shape.route)(n))).collect();
            let table = table(vec![host("shop.example.com".to_owned(), routes)]);
            let last = (shape.request)(MOST - 1);
            assert!(find(&table, &last), "{}", shape.name);
            group.bench_function(BenchmarkId::new("last", size), |b| b.iter(|| find(&table, &last)));
            if size == MOST {
                let all: Vec<RequestHead> = (0..size).map(|n| (shape.request)((n * 7919) % size)).collect();
                let mut next = all.iter().cycle();
                group.bench_function(BenchmarkId::new("any", size), |b| {
                    b.iter(|| next.next().is_some_and(|request| find(&table, request)));
                });
            }
        }
        group.finish();
    }
}

fn hosts(c: &mut Criterion) {
    type Names = (&'static str, fn(usize) -> String, fn(usize) -> String);
    let shapes: &[Names] = &[
        ("exact", |n| format!("shop-{n:05}.example.com"), |n| format!("shop-{n:05}.example.com")),
        ("wildcard", |n| format!("*.shop-{n:05}.example.com"), |n| format!("www.shop-{n:05}.example.com:443")),
    ];
    for (name, domain, asked) in shapes {
        let mut group = c.benchmark_group(format!("hosts/{name}"));
        for size in [1, MOST] {
            let only = || vec![route(path(PathMatch::Prefix("/".into())))];
            let table = table((MOST - size..MOST).map(|n| host(domain(n), only())).collect());
            let last = get(&asked(MOST - 1), "/items/7");
            assert!(find(&table, &last), "{name}");
            group.bench_function(BenchmarkId::new("last", size), |b| b.iter(|| find(&table, &last)));
            if size == MOST {
                let all: Vec<RequestHead> = (0..size).map(|n| get(&asked((n * 7919) % size), "/items/7")).collect();
                let mut next = all.iter().cycle();
                group.bench_function(BenchmarkId::new("any", size), |b| {
                    b.iter(|| next.next().is_some_and(|request| find(&table, request)));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, routes, hosts);
criterion_main!(benches);
