//! Visitors: a trickle of traffic, so that there is something to see.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::http::{HeaderMap, HeaderValue, header};
use clap::Args;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::signal::unix::{SignalKind, signal};

use crate::client;

/// Visiting.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The door for HTTP.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// The door for HTTPS.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8443")]
    https: SocketAddr,
    /// The authority of its certificate.
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// Milliseconds between two visits.
    #[arg(long, value_name = "MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
}

/// A round of visits: through TLS, host without port, path, cookie.
const ROUND: &[(bool, &str, &str, &str)] = &[
    (false, "localhost", "/productpage", ""),
    (true, "localhost", "/productpage", ""),
    (false, "localhost", "/productpage", "bookinfo-user=jason"),
    (true, "api.bookinfo.localhost", "/reviews/0", ""),
    (false, "localhost", "/", ""),
    (false, "api.bookinfo.localhost", "/reviews/0", "canary=yes"),
    (true, "api.bookinfo.localhost", "/books/0", ""),
    (false, "localhost", "/no-such-page", ""),
];

/// Visits until told to leave. A visit that fails is the gateway's to tell about.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&options.ca).with_context(|| options.ca.display().to_string())?)?;
    let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tls = Arc::new(tls);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut ticks = tokio::time::interval(Duration::from_millis(options.every));
    for (secure, host, path, cookie) in ROUND.iter().cycle() {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = ticks.tick() => {}
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("bookinfo-visitor"));
        if !cookie.is_empty() {
            headers.insert(header::COOKIE, HeaderValue::from_static(cookie));
        }
        let address = if *secure { options.https } else { options.http };
        let host = format!("{host}:{}", address.port());
        let _ = match secure {
            true => client::get_tls(address, &host, path, &headers, &tls).await,
            false => client::get(address, &host, path, &headers).await,
        };
    }
    Ok(())
}
