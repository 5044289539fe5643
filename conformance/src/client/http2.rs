//! HTTP/2 on the side of the client: one request on a connection of its own, with whatever fields the case has.

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::closed;
use crate::answer::Answer;
use crate::case::Exchange;
use crate::wire::http2::{self, Event, Fields, NO_ERROR, Reader, error_name};
use crate::wire::{BoxedStream, Peek};

/// The only stream.
const STREAM: u32 = 1;

pub(super) async fn converse(
    exchange: &Exchange,
    stream: &mut Peek<BoxedStream>,
    answer: &mut Answer,
) -> Result<(), String> {
    let (read, mut write) = tokio::io::split(stream);
    let bytes = request(exchange);
    let (replies, mut queue) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
    let send = async {
        // A gateway that refuses the request closes while it is still being sent: what it says is read all the same.
        let mut sent = write_out(&mut write, &bytes).await;
        while let (true, Some(reply)) = (sent, queue.recv().await) {
            sent = write_out(&mut write, &reply).await;
        }
        std::future::pending::<()>().await;
    };
    let mut reader = Reader::new(read);
    tokio::select! {
        biased;
        response = read_response(&mut reader, &replies, answer) => response,
        () = send => Err("closed".to_owned()),
    }
}

async fn write_out<W: AsyncWrite + Unpin>(write: &mut W, bytes: &[u8]) -> bool {
    write.write_all(bytes).await.is_ok() && write.flush().await.is_ok()
}

fn request(exchange: &Exchange) -> Vec<u8> {
    let scheme = if exchange.tls.is_some() { "https" } else { "http" };
    let mut fields: Vec<(Vec<u8>, &[u8])> = vec![
        (b":method".to_vec(), exchange.method().as_bytes()),
        (b":scheme".to_vec(), scheme.as_bytes()),
        (b":path".to_vec(), exchange.path().as_bytes()),
    ];
    if let Some(host) = exchange.host() {
        fields.insert(2, (b":authority".to_vec(), host.as_bytes()));
    }
    let headers = exchange.headers.iter();
    fields.extend(headers.map(|(name, value)| (name.to_ascii_lowercase().into_bytes(), value.as_bytes())));
    let fields: Vec<(&[u8], &[u8])> = fields.iter().map(|(name, value)| (name.as_slice(), *value)).collect();
    let body = exchange.body.as_deref().unwrap_or_default();
    let headers = http2::headers(STREAM, &fields, body.is_empty());
    [http2::PREFACE, &http2::settings(), &headers, &http2::data(STREAM, body.as_bytes(), true)].concat()
}

async fn read_response<R: AsyncRead + Unpin>(
    reader: &mut Reader<R>,
    replies: &tokio::sync::mpsc::UnboundedSender<Vec<u8>>,
    answer: &mut Answer,
) -> Result<(), String> {
    let mut body = Vec::new();
    loop {
        let ended = match reader.next().await.map_err(|error| broken(&error))? {
            None => return Err("closed".to_owned()),
            Some(Event::Reset { stream: STREAM, code }) => return Err(format!("reset: {}", error_name(code))),
            Some(Event::GoAway { code }) if code != NO_ERROR => return Err("closed".to_owned()),
            Some(Event::Headers { stream: STREAM, fields, end }) => {
                take_fields(fields, answer);
                end
            }
            Some(Event::Data { stream: STREAM, bytes, end }) => {
                body.extend(bytes);
                end
            }
            Some(Event::Reply(bytes)) => {
                let _ = replies.send(bytes);
                false
            }
            Some(_) => false,
        };
        if ended {
            answer.body = super::raw::text(&body);
            return Ok(());
        }
    }
}

/// Fields are headers of the final response, its trailers behind them, or an informational response, which is skipped.
fn take_fields(fields: Fields, answer: &mut Answer) {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let mut fields: Vec<(String, String)> = fields.into_iter().map(|(n, v)| (text(n), text(v))).collect();
    let status = fields.iter().find(|(name, _)| name == ":status").and_then(|(_, status)| status.parse::<u16>().ok());
    fields.retain(|(name, _)| !name.starts_with(':'));
    match (status, answer.status) {
        (Some(100..200), _) => {}
        (_, None) => {
            answer.status = status;
            answer.headers = fields;
        }
        (_, Some(_)) => answer.trailers = fields,
    }
}

/// What is no HTTP/2 ends the connection as far as this client is concerned.
fn broken(error: &anyhow::Error) -> String {
    error.downcast_ref().map_or_else(|| "closed".to_owned(), closed)
}
