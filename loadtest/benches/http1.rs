//! What reading and writing HTTP/1 heads costs.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot read its own input is to stop")]

use bytes::BytesMut;
use config_schema::snapshot::UnderscoresAction;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gateway::http1::request::{self, HeadLimits, HeadScan};
use gateway::http1::response::{self, RequestKind};
use gateway::http1::write::{self, NameCase};

const LIMITS: HeadLimits = HeadLimits { max_headers: 100, max_bytes: 60 * 1024, underscores: UnderscoresAction::Allow };

/// As the load driver asks.
const SMALL_REQUEST: &str =
    "GET /api/bytes/1024 HTTP/1.1\r\nhost: shop.example.com\r\nuser-agent: loadtest/1\r\naccept: */*\r\n\r\n";

/// As a browser asks.
const BROWSER_REQUEST: &str = "GET /catalog/items/4711?color=blue&size=xl HTTP/1.1\r\n\
    Host: shop.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://shop.example.com/catalog\r\n\
    Connection: keep-alive\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=all; cart=98f1c3\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Priority: u=0, i\r\n\r\n";

const RESPONSE: &str = "HTTP/1.1 200 OK\r\n\
    server: backend\r\n\
    date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
    content-type: application/octet-stream\r\n\
    content-length: 1024\r\n\
    cache-control: max-age=60\r\n\
    etag: \"5e-4711\"\r\n\r\n";

const REQUESTS: &[(&str, &str)] = &[("small", SMALL_REQUEST), ("browser", BROWSER_REQUEST)];

fn read_request(c: &mut Criterion) {
    let mut group = c.benchmark_group("http1/request-read");
    for (name, text) in REQUESTS {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(*name, |b| {
            b.iter_batched(
                || BytesMut::from(*text),
                |mut buffer| {
                    let end = HeadScan::default().find_end(&buffer).unwrap();
                    request::parse(buffer.split_to(end), &LIMITS, false).unwrap()
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn write_request(c: &mut Criterion) {
    let mut group = c.benchmark_group("http1/request-write");
    for (name, text) in REQUESTS {
        let head = request::parse(BytesMut::from(*text), &LIMITS, false).unwrap().head;
        let mut out = BytesMut::with_capacity(4096);
        group.bench_function(*name, |b| {
            b.iter(|| {
                out.clear();
                write::request_head(&mut out, &head, NameCase::Lower);
                out.len()
            });
        });
    }
    group.finish();
}

fn read_response(c: &mut Criterion) {
    c.bench_function("http1/response-read", |b| {
        b.iter_batched(
            || BytesMut::from(RESPONSE),
            |head| response::parse(head, RequestKind::default()).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

fn write_response(c: &mut Criterion) {
    let mut group = c.benchmark_group("http1/response-write");
    let head = response::parse(BytesMut::from(RESPONSE), RequestKind::default()).unwrap().head;
    let mut out = BytesMut::with_capacity(4096);
    for (name, case) in [("lower", NameCase::Lower), ("proper", NameCase::Proper)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                write::response_head(&mut out, &head, case);
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, read_request, write_request, read_response, write_response);
criterion_main!(benches);
