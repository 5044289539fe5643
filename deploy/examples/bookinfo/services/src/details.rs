//! `details`: what a book is.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

/// `/details/ID` and `/health`.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/details/{id}", get(details))
        .route("/health", get(async || Json(json!({"status": "details is healthy"}))))
}

async fn details(Path(id): Path<u32>) -> Response {
    Json(json!({
        "id": id,
        "author": "Alexandre Dumas",
        "year": 1844,
        "type": "paperback",
        "pages": 1276,
        "publisher": "Chateau d'If Press",
        "language": "English",
        "ISBN-10": "0000000000",
        "ISBN-13": "000-0000000000",
    }))
    .into_response()
}
