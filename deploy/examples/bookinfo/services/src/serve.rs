//! All services in one process, each on an address of its own as if it were a Pod.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::http::{HeaderMap, HeaderName};
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::{details, productpage, ratings, reviews};

/// Port of every service.
const PORT: u16 = 9080;

/// What a page's requests carry from hop to hop, so that they can be told to belong together.
const CARRIED: &[&str] = &["x-request-id", "end-user", "traceparent", "tracestate", "b3"];

/// Serving.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The gateway, through which services call each other.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9080")]
    gateway: SocketAddr,
}

/// A Pod of cluster/services.yaml.
fn pods(gateway: SocketAddr) -> Vec<(&'static str, u8, Router)> {
    let reviews = |version| reviews::router(version, gateway);
    vec![
        ("productpage-v1", 10, productpage::router(gateway)),
        ("details-v1", 20, details::router()),
        ("reviews-v1", 31, reviews(reviews::Version::V1)),
        ("reviews-v2", 32, reviews(reviews::Version::V2)),
        ("reviews-v3", 33, reviews(reviews::Version::V3)),
        ("ratings-v1", 40, ratings::router()),
    ]
}

/// Serves until told to leave.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let mut servers = JoinSet::new();
    for (name, last, router) in pods(options.gateway) {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 90, last)), PORT);
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("{name} cannot listen on {address}"))?;
        servers.spawn(async move { axum::serve(listener, router).await });
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = servers.join_next() => {
            if let Some(ended) = ended {
                ended??;
            }
            Ok(())
        }
    }
}

/// The headers of a request that go along with the requests it causes.
pub(crate) fn carried(headers: &HeaderMap) -> Arc<HeaderMap> {
    let mut carried = HeaderMap::new();
    for name in CARRIED {
        if let Some(value) = headers.get(*name) {
            carried.insert(HeaderName::from_static(name), value.clone());
        }
    }
    Arc::new(carried)
}
