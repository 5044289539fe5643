//! `productpage`: the page, put together from what the other services say.

use std::net::SocketAddr;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{client, page, serve};

/// The only book there is.
pub(crate) const TITLE: &str = "The Count of Monte Cristo";
const BOOK: u32 = 0;
/// Cookie that says who is logged in.
const COOKIE: &str = "bookinfo-user";

/// Pages, and the same as JSON.
pub(crate) fn router(gateway: SocketAddr) -> Router {
    Router::new()
        .route("/productpage", get(productpage))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .route("/health", get(async || "Product page is healthy"))
        .route("/api/v1/products", get(products))
        .route("/api/v1/products/{id}", get(product))
        .route("/api/v1/products/{id}/reviews", get(product_reviews))
        .route("/api/v1/products/{id}/ratings", get(product_ratings))
        .with_state(gateway)
}

/// A service's answer, or its status and what to tell.
type Answer = Result<Value, (StatusCode, String)>;

async fn ask(gateway: SocketAddr, service: &str, id: u32, headers: &HeaderMap) -> Answer {
    let unavailable = |status: StatusCode| (status, format!("Sorry, product {service} are currently unavailable."));
    let host = format!("{service}.bookinfo.internal");
    let mut carried = (*serve::carried(headers)).clone();
    if let Some(user) = user(headers) {
        carried.insert("end-user", user);
    }
    let answer = client::get(gateway, &host, &format!("/{service}/{id}"), &carried).await;
    let answer = answer.map_err(|_| unavailable(StatusCode::BAD_GATEWAY))?;
    if answer.status() != StatusCode::OK {
        return Err(unavailable(answer.status()));
    }
    serde_json::from_slice(answer.body()).map_err(|_| unavailable(StatusCode::BAD_GATEWAY))
}

/// Who is logged in.
fn user(headers: &HeaderMap) -> Option<HeaderValue> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, name) = pairs.find(|(name, _)| *name == COOKIE)?;
    HeaderValue::from_str(name).ok().filter(|name| !name.is_empty())
}

async fn productpage(State(gateway): State<SocketAddr>, headers: HeaderMap) -> Response {
    let (details, reviews) =
        tokio::join!(ask(gateway, "details", BOOK, &headers), ask(gateway, "reviews", BOOK, &headers));
    let user = user(&headers);
    let user = user.as_ref().and_then(|name| name.to_str().ok());
    Html(page::render(TITLE, user, details.as_ref().map_err(|e| &*e.1), reviews.as_ref().map_err(|e| &*e.1)))
        .into_response()
}

#[derive(Debug, Deserialize)]
struct Login {
    #[serde(default)]
    username: String,
}

/// Any name will do; it becomes the header `end-user` of the requests behind the page.
async fn login(Query(login): Query<Login>) -> Response {
    let name: String = login.username.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    see_page(&format!("{COOKIE}={name}; Path=/; HttpOnly; SameSite=Lax"))
}

async fn logout() -> Response {
    see_page(&format!("{COOKIE}=; Path=/; Max-Age=0"))
}

fn see_page(cookie: &str) -> Response {
    ([(header::SET_COOKIE, cookie.to_owned())], Redirect::to("/productpage")).into_response()
}

async fn products() -> Json<Value> {
    Json(json!([book()]))
}

fn book() -> Value {
    json!({ "id": BOOK, "title": TITLE, "descriptionHtml": page::DESCRIPTION })
}

async fn product(State(gateway): State<SocketAddr>, Path(id): Path<u32>, headers: HeaderMap) -> Response {
    as_json(ask(gateway, "details", id, &headers).await)
}

async fn product_reviews(State(gateway): State<SocketAddr>, Path(id): Path<u32>, headers: HeaderMap) -> Response {
    as_json(ask(gateway, "reviews", id, &headers).await)
}

async fn product_ratings(State(gateway): State<SocketAddr>, Path(id): Path<u32>, headers: HeaderMap) -> Response {
    as_json(ask(gateway, "ratings", id, &headers).await)
}

fn as_json(answer: Answer) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err((status, error)) => (status, Json(json!({ "error": error }))).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_come_from_the_cookie() {
        let mut headers = HeaderMap::new();
        assert_eq!(user(&headers), None);
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; bookinfo-user=jason; c=d"));
        assert_eq!(user(&headers).unwrap(), "jason");
        headers.insert(header::COOKIE, HeaderValue::from_static("bookinfo-user="));
        assert_eq!(user(&headers), None);
    }
}
