//! `ratings`: how many stars a book's readers give.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

/// `/ratings/ID` and `/health`.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/ratings/{id}", get(ratings))
        .route("/health", get(async || Json(json!({"status": "ratings is healthy"}))))
}

async fn ratings(Path(id): Path<u32>) -> Response {
    Json(json!({ "id": id, "ratings": { "Reviewer1": 5, "Reviewer2": 4 } })).into_response()
}
