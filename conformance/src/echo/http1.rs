//! HTTP/1 on the side of the backend.

use std::fmt::Write;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};

use super::Connection;
use super::steering::Steering;
use crate::answer::{Headers, Seen};
use crate::wire::http1::{Body, Framing, Head, read_body, read_head};
use crate::wire::{BoxedStream, Peek};

/// What happens to the connection behind an answer.
#[derive(PartialEq, Eq)]
enum Then {
    Next,
    Close,
    /// Nothing more is said, but the connection stays until the other side ends it.
    Idle,
}

pub(super) async fn serve(connection: &Connection, stream: Peek<BoxedStream>) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(head)) = read_head(&mut stream).await {
        let body = read_body(&mut stream, head.framing(Framing::Length(0))).await.unwrap_or_default();
        let steering = log(connection, &head, &body);
        tokio::time::sleep(steering.delay).await;
        if steering.close {
            break;
        }
        let (answer, then) = answer(connection, &head, &steering);
        if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() || then == Then::Close {
            break;
        }
        if then == Then::Idle {
            while let Ok(1..) = stream.read(&mut [0; 4096]).await {}
            break;
        }
    }
    let _ = stream.shutdown().await;
}

fn log(connection: &Connection, head: &Head, body: &Body) -> Steering {
    let (method, rest) = head.start.split_once(' ').unwrap_or((&head.start, ""));
    let (path, version) = rest.rsplit_once(' ').unwrap_or((rest, ""));
    let mut headers = head.headers.clone();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
    let seen = Seen {
        method: Some(method.to_owned()),
        path: Some(path.to_owned()),
        authority: head.header("host").filter(|host| !host.is_empty()).map(str::to_owned),
        version: Some(version.trim_start_matches("HTTP/").to_owned()),
        headers,
        ..connection.seen()
    };
    let attempt = connection.log.request(seen, &body.bytes);
    Steering::of(&head.headers, attempt)
}

fn answer(connection: &Connection, head: &Head, steering: &Steering) -> (Vec<u8>, Then) {
    let backend = ("x-backend".to_owned(), connection.backend.to_string());
    if head.lists("connection", "upgrade") && head.lists("upgrade", "websocket") && steering.status == 200 {
        let headers = [("upgrade".to_owned(), "websocket".to_owned()), ("connection".to_owned(), "Upgrade".to_owned())];
        let headers = steering.with_headers([headers.to_vec(), vec![backend]].concat());
        return (message(101, &headers, b""), Then::Idle);
    }
    let mut headers = steering.with_headers(vec![backend, ("content-type".to_owned(), "text/plain".to_owned())]);
    if steering.informational() {
        return (message(steering.status, &headers, b""), Then::Idle);
    }
    let body = if steering.bodiless() || head.start.starts_with("HEAD ") { &[][..] } else { &steering.body };
    if !steering.bodiless() {
        headers.push(("content-length".to_owned(), steering.body.len().to_string()));
    }
    let message = message(steering.status, &headers, body);
    if head.start.starts_with("CONNECT ") {
        return (message, Then::Idle);
    }
    let last = head.lists("connection", "close")
        || head.start.ends_with("HTTP/1.0")
        || headers.iter().any(|(n, v)| n.eq_ignore_ascii_case("connection") && v.eq_ignore_ascii_case("close"));
    (message, if last { Then::Close } else { Then::Next })
}

fn message(status: u16, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        // Writing to a string cannot fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

/// Reason phrases do not travel through a proxy: these are for who reads along.
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        204 => "No Content",
        404 => "Not Found",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Echo",
    }
}
