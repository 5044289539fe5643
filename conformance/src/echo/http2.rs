//! HTTP/2 on the side of the backend: every stream is answered on its own.

use std::collections::HashMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, JoinSet};

use super::Connection;
use super::steering::Steering;
use crate::answer::{Headers, Seen};
use crate::wire::http1::find;
use crate::wire::http2::{self, Event, Fields, INTERNAL_ERROR, MOST_DATA, PREFACE, PROTOCOL_ERROR, Reader};
use crate::wire::{BoxedStream, Peek};

/// A request whose end has not come yet.
struct Incoming {
    fields: Fields,
    body: Vec<u8>,
}

pub(super) async fn serve(connection: &Connection, stream: Peek<BoxedStream>) {
    let (mut read, mut write) = tokio::io::split(stream);
    let (out, mut frames) = unbounded_channel::<Vec<u8>>();
    let writer = async move {
        while let Some(bytes) = frames.recv().await {
            if write.write_all(&bytes).await.is_err() || write.flush().await.is_err() {
                return;
            }
        }
    };
    let reader = async {
        if read.read_exact(&mut [0; PREFACE.len()]).await.is_ok() {
            let _ = out.send(http2::settings());
            streams(connection, read, &out).await;
        }
    };
    tokio::select! {
        biased;
        () = reader => {}
        () = writer => {}
    }
}

/// Reads requests until the connection ends; those that are still being answered then are dropped.
async fn streams(connection: &Connection, read: ReadHalf<Peek<BoxedStream>>, out: &UnboundedSender<Vec<u8>>) {
    let mut reader = Reader::new(read);
    let mut incoming: HashMap<u32, Incoming> = HashMap::new();
    let mut answers = JoinSet::new();
    let mut running: HashMap<u32, AbortHandle> = HashMap::new();
    while let Ok(Some(event)) = reader.next().await {
        let ended = match event {
            Event::Headers { stream, fields, .. } if fields.iter().any(|(name, _)| name == b":protocol") => {
                // Websocket over HTTP/2 (RFC 8441) was not agreed upon.
                let _ = out.send(http2::reset(stream, PROTOCOL_ERROR));
                None
            }
            Event::Headers { stream, fields, end } => {
                // A second block on a stream is its trailers: they end it and are of no interest.
                incoming.entry(stream).or_insert(Incoming { fields, body: Vec::new() });
                end.then_some(stream)
            }
            Event::Data { stream, bytes, end } => {
                if let Some(request) = incoming.get_mut(&stream) {
                    request.body.extend(bytes);
                }
                end.then_some(stream)
            }
            Event::Reset { stream, .. } => {
                incoming.remove(&stream);
                if let Some(answer) = running.remove(&stream) {
                    answer.abort();
                }
                None
            }
            Event::Reply(bytes) => {
                let _ = out.send(bytes);
                None
            }
            Event::GoAway { .. } => None,
        };
        if let Some(stream) = ended
            && let Some(request) = incoming.remove(&stream)
        {
            let (connection, out) = (connection.clone(), out.clone());
            let task = answers.spawn(async move {
                // The connection may be gone by now; then nobody waits for the answer.
                let _ = out.send(answer(&connection, stream, request).await);
            });
            running.insert(stream, task);
        }
    }
}

async fn answer(connection: &Connection, stream: u32, request: Incoming) -> Vec<u8> {
    let (seen, all) = parse(connection, request.fields);
    let attempt = connection.log.request(seen, &request.body);
    let steering = Steering::of(&all, attempt);
    tokio::time::sleep(steering.delay).await;
    if steering.close || steering.body.len() > MOST_DATA {
        return http2::reset(stream, INTERNAL_ERROR);
    }
    let kind = find(&all, "content-type").unwrap_or_default();
    let grpc = kind.starts_with("application/grpc") && !kind.starts_with("application/grpc-web");
    let grpc_ok = grpc.then(|| vec![("grpc-status".to_owned(), "0".to_owned())]);
    let trailers = steering.trailers.clone().or(grpc_ok).unwrap_or_default();
    let kind = if grpc { "application/grpc" } else { "text/plain" };
    let ours = [("content-type", kind), ("x-backend", &connection.backend.to_string())];
    let mut headers = steering.with_headers(ours.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec());
    let head = find_pseudo(&all, ":method") == Some("HEAD");
    let body = if steering.bodiless() || head { &[][..] } else { &steering.body };
    if !steering.bodiless() {
        headers.push(("content-length".to_owned(), steering.body.len().to_string()));
    }
    headers.insert(0, (":status".to_owned(), steering.status.to_string()));
    let open = steering.informational();
    let mut bytes = block(stream, &headers, body.is_empty() && trailers.is_empty() && !open);
    bytes.extend(http2::data(stream, body, trailers.is_empty()));
    if !trailers.is_empty() {
        bytes.extend(block(stream, &trailers, true));
    }
    bytes
}

/// What goes into the log, and all fields as text.
fn parse(connection: &Connection, fields: Fields) -> (Seen, Headers) {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let all: Headers = fields.into_iter().map(|(name, value)| (text(name), text(value))).collect();
    let pseudo = |name: &str| find_pseudo(&all, name).map(str::to_owned);
    let mut headers = all.clone();
    headers.retain(|(name, _)| !name.starts_with(':') && name != "host");
    let seen = Seen {
        method: pseudo(":method"),
        path: pseudo(":path"),
        authority: pseudo(":authority").or_else(|| find(&all, "host").map(str::to_owned)),
        version: Some("2".to_owned()),
        headers: one_cookie(headers),
        ..connection.seen()
    };
    (seen, all)
}

fn find_pseudo<'a>(fields: &'a Headers, name: &str) -> Option<&'a str> {
    fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// HTTP/2 may split the cookie header for better compression; it is one header all the same (RFC 9113, section 8.2.3).
fn one_cookie(headers: Headers) -> Headers {
    let mut joined = Headers::new();
    for (name, value) in headers {
        match joined.iter_mut().find(|(n, _)| n == "cookie" && name == "cookie") {
            Some((_, cookies)) => {
                cookies.push_str("; ");
                cookies.push_str(&value);
            }
            None => joined.push((name, value)),
        }
    }
    joined
}

fn block(stream: u32, headers: &Headers, end: bool) -> Vec<u8> {
    let lower: Vec<(String, &String)> = headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v)).collect();
    let fields: Vec<(&[u8], &[u8])> = lower.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    http2::headers(stream, &fields, end)
}
