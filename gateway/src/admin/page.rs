//! The index, metrics, and the log level.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use prometheus::{Encoder, TextEncoder};
use serde::Deserialize;

use super::AdminState;

/// What there is, with links.
pub(super) async fn index(State(state): State<Arc<AdminState>>) -> Html<String> {
    let runtime = state.shared.store.load();
    let applied = Arc::clone(&state.applied.lock());
    let rows: String = [
        ("/listeners", "sockets, filter chains, and whether they are bound"),
        ("/routes", "hosts and routes"),
        ("/clusters", "clusters, endpoints, their health and load"),
        ("/certs", "certificates and when they expire"),
        ("/dns", "names that are kept resolved, their addresses and how fresh they are"),
        ("/egress", "what left to hosts outside of the mesh, and what was refused, by host and source"),
        ("/egress/learned", "ServiceEntries for hosts that were asked for and that none has"),
        ("/findings", "what was found wrong with the configuration"),
        ("/config_dump", "everything that is in force, as JSON"),
        ("/stats/prometheus", "metrics"),
        ("/logging", "log level; POST ?level=debug changes it"),
        ("/profile/cpu?seconds=10", "where CPU time goes, as folded stacks (flamegraph.pl, speedscope)"),
        ("/profile/heap?seconds=60", "what is allocated meanwhile and still held then, for go tool pprof"),
        ("/ready", "readiness"),
    ]
    .iter()
    .map(|(path, what)| format!("<tr><td><a href=\"{path}\">{path}</a></td><td>{what}</td></tr>\n"))
    .collect();
    Html(format!(
        "<!doctype html><meta charset=utf-8><title>sallyport</title>\n\
         <style>body{{font:16px sans-serif;margin:2em}}td{{padding:.2em 1em .2em 0}}</style>\n\
         <h1>sallyport {}</h1><p>{}/{}, configuration {}, {} listeners, {} clusters, {} findings</p>\n\
         <table>{rows}</table>\n",
        env!("CARGO_PKG_VERSION"),
        runtime.node.namespace,
        runtime.node.name,
        runtime.version,
        runtime.listeners.len(),
        runtime.clusters.len(),
        applied.all_findings().count() + applied.rejections.len(),
    ))
}

/// Prometheus' text format.
pub(super) async fn metrics(State(state): State<Arc<AdminState>>) -> impl IntoResponse {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&state.shared.observer.registry().gather(), &mut text) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, encoder.format_type().to_owned())], text),
        Err(error) => {
            let plain = "text/plain".to_owned();
            (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, plain)], error.to_string().into_bytes())
        }
    }
}

/// The level in force.
pub(super) async fn level(State(state): State<Arc<AdminState>>) -> String {
    format!("{}\n", state.logging.level())
}

#[derive(Deserialize)]
pub(super) struct Level {
    level: String,
}

/// Another level.
pub(super) async fn set_level(
    State(state): State<Arc<AdminState>>,
    Query(query): Query<Level>,
) -> (StatusCode, String) {
    match state.logging.set_level(&query.level) {
        Ok(()) => (StatusCode::OK, format!("{}\n", state.logging.level())),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}
