//! Clients that people use, and what operators do, against the binary: curl, openssl, gRPC, WebSocket, Kubernetes
//! volumes, signals, ports that are taken.
//!
//! All in one network namespace of their own, one after the other. `CLIENTS=part of a name` runs some of them.
#![allow(clippy::print_stdout, reason = "without a harness a test tells its results itself")]

mod access_log;
mod backend;
mod broken;
mod certificates;
mod curl;
mod gateway;
mod grpc;
mod leave;
mod openssl;
mod ports;
mod shell;
mod volume;
mod websocket;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use conformance::binary::isolate;

/// No test takes so long unless something hangs.
const PATIENCE: Duration = Duration::from_secs(300);

type Test = fn() -> Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

macro_rules! tests {
    ($($name:literal: $function:path,)*) => {
        /// By name.
        const TESTS: &[(&str, Test)] = &[$(($name, || Box::pin($function()))),*];
    };
}

tests! {
    "curl-http-versions": curl::http_versions,
    "curl-tls-versions": curl::tls_versions,
    "misdirected-requests": curl::misdirected_requests,
    "openssl-sni": openssl::sni,
    "openssl-client-certificates": openssl::client_certificates,
    "openssl-ocsp-staple": openssl::ocsp_staple,
    "gateway-certificate-files": certificates::files,
    "gateway-two-certificates": certificates::by_signature,
    "gateway-client-ca-files": certificates::client_authorities,
    "grpc": grpc::unary_and_streams,
    "websocket": websocket::messages,
    "kubernetes-volumes": volume::swap,
    "sigterm": leave::on_sigterm,
    "quitquitquit": leave::on_quitquitquit,
    "access-log-text": access_log::text,
    "access-log-json": access_log::json,
    "access-log-rotation": leave::rotation,
    "port-conflict": ports::conflict,
    "broken-configuration-cli": broken::validate,
    "broken-configuration-live": broken::live,
}

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    if let Err(error) = isolate() {
        eprintln!("clients: this needs a network namespace of its own: {error:#}");
        return ExitCode::FAILURE;
    }
    let asked = std::env::var("CLIENTS").unwrap_or_default();
    let mut failed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| name.contains(&asked)) {
        let started = Instant::now();
        let ended =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(anyhow::Error::from).and_then(
                |runtime| runtime.block_on(async { tokio::time::timeout(PATIENCE, test()).await.context("it hangs")? }),
            );
        let took = started.elapsed().as_secs_f32();
        match ended {
            Ok(()) => println!("ok      {name} ({took:.1} s)"),
            Err(error) => {
                failed += 1;
                println!("FAILED  {name} ({took:.1} s): {error:#}");
            }
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
