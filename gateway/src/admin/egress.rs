//! What left the mesh here, and what did not.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::AdminState;
use crate::observe::egress::Report;
use crate::observe::learned::service_entries;

/// Hosts with requests, bytes and when they were seen last; refusals by host, source and reason.
pub(super) async fn report(State(state): State<Arc<AdminState>>) -> Json<Report> {
    Json(state.shared.observer.egress.report())
}

/// ServiceEntries for the hosts that were asked for and that none has, let out or not.
pub(super) async fn learned(State(state): State<Arc<AdminState>>) -> impl IntoResponse {
    let namespace = state.shared.store.load().node.namespace.clone();
    let yaml = service_entries(&state.shared.observer.egress.learned(), &namespace);
    ([(header::CONTENT_TYPE, "application/yaml")], yaml)
}
