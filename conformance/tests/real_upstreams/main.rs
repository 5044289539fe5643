//! The binary in front of servers that are no echo: PostgreSQL and Redis behind TCP routes, a TLS server behind
//! pass-through, gRPC streams while their endpoint goes, and backends that are broken in every way.
//!
//! `cargo test -p conformance --test real_upstreams [NAME...]` runs all or some; it needs the binary.
#![allow(clippy::print_stdout, reason = "without a harness a test tells its results itself")]

mod backends;
mod bad_backends;
mod client;
mod endpoint_removal;
mod failing_endpoint;
mod gateway;
mod pass_through;
mod postgres;
mod redis;

use std::process::ExitCode;

use conformance::binary::isolate;

fn main() -> ExitCode {
    if let Err(error) = isolate() {
        eprintln!("real_upstreams: in the host's network: {error:#}");
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("real_upstreams: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut failed = false;
    for name in ["redis", "postgres", "pass_through", "endpoint_removal", "bad_backends", "failing_endpoint"] {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        if let Some(missing) = missing(name) {
            println!("{name}: SKIPPED: {missing} is not installed");
            continue;
        }
        let result = runtime.block_on(async {
            match name {
                "redis" => redis::run().await,
                "postgres" => postgres::run().await,
                "pass_through" => pass_through::run().await,
                "endpoint_removal" => endpoint_removal::run().await,
                "failing_endpoint" => failing_endpoint::run().await,
                _ => bad_backends::run().await,
            }
        });
        match result {
            Ok(()) => println!("{name}: ok"),
            Err(error) => {
                failed = true;
                println!("{name}: FAILED: {error:#}");
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The server that a test needs and this machine lacks.
fn missing(name: &str) -> Option<&'static str> {
    let found = |folder: &std::path::Path, program: &str| folder.join(program).exists();
    match name {
        "redis" => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let here = std::env::split_paths(&path).any(|folder| found(&folder, "redis-server"));
            (!here).then_some("redis-server")
        }
        "postgres" => {
            let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
            let here = versions.map(|version| version.path().join("bin")).any(|folder| found(&folder, "initdb"));
            (!here).then_some("postgresql")
        }
        _ => None,
    }
}
