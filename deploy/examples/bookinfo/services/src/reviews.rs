//! `reviews`: what readers say. Version 1 has no stars, version 2 black ones, version 3 red ones.

use std::net::SocketAddr;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::{client, serve};

/// Host by which ratings are asked for.
const RATINGS: &str = "ratings.bookinfo.internal";

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
    V3,
}

impl Version {
    fn pod(self) -> &'static str {
        match self {
            Version::V1 => "reviews-v1",
            Version::V2 => "reviews-v2",
            Version::V3 => "reviews-v3",
        }
    }

    /// Colour of the stars; without one, ratings are not asked for.
    fn stars(self) -> Option<&'static str> {
        match self {
            Version::V1 => None,
            Version::V2 => Some("black"),
            Version::V3 => Some("red"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Service {
    version: Version,
    gateway: SocketAddr,
}

/// `/reviews/ID` and `/health`; ratings are asked for through the gateway.
pub(crate) fn router(version: Version, gateway: SocketAddr) -> Router {
    Router::new()
        .route("/reviews/{id}", get(reviews))
        .route("/health", get(async || Json(json!({"status": "reviews is healthy"}))))
        .with_state(Service { version, gateway })
}

async fn reviews(State(service): State<Service>, Path(id): Path<u32>, headers: HeaderMap) -> Response {
    let ratings = match service.version.stars() {
        None => None,
        Some(color) => Some((color, ask_ratings(&service, id, &headers).await)),
    };
    let review = |reviewer: &str, text: &str| {
        let mut review = json!({ "reviewer": reviewer, "text": text });
        if let Some((color, ratings)) = &ratings {
            review["rating"] = match ratings {
                Some(ratings) => json!({ "stars": ratings["ratings"][reviewer], "color": color }),
                None => json!({ "error": "Ratings service is currently unavailable" }),
            };
        }
        review
    };
    let body = json!({
        "id": id.to_string(),
        "podname": service.version.pod(),
        "clustername": "null",
        "reviews": [
            review("Reviewer1", "A wall, a sack, a night in the water: nobody ever left a fortress with more style."),
            review("Reviewer2", "Patience as a plot. I would have liked fewer dinners and a smaller treasure."),
        ],
    });
    (StatusCode::OK, Json(body)).into_response()
}

async fn ask_ratings(service: &Service, id: u32, headers: &HeaderMap) -> Option<Value> {
    let carried = serve::carried(headers);
    let answer = client::get(service.gateway, RATINGS, &format!("/ratings/{id}"), &carried).await.ok()?;
    (answer.status() == StatusCode::OK).then(|| serde_json::from_slice(answer.body()).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(version: Version, gateway: SocketAddr) -> Value {
        let service = Service { version, gateway };
        let response = reviews(State(service), Path(0), HeaderMap::new()).await;
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    /// A listener that never accepts HTTP: dropped at once, so that its port refuses.
    async fn nobody() -> SocketAddr {
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn version_1_has_no_ratings() {
        let answer = ask(Version::V1, nobody().await).await;
        assert_eq!(answer["podname"], "reviews-v1");
        assert_eq!(answer["reviews"][0].get("rating"), None);
    }

    #[tokio::test]
    async fn stars_come_from_ratings() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, crate::ratings::router()).await });
        let answer = ask(Version::V3, gateway).await;
        assert_eq!(answer["reviews"][1]["rating"], json!({"stars": 4, "color": "red"}));
    }

    #[tokio::test]
    async fn reviews_without_ratings_say_so() {
        let answer = ask(Version::V2, nobody().await).await;
        assert_eq!(answer["reviews"][0]["rating"]["error"], "Ratings service is currently unavailable");
    }
}
