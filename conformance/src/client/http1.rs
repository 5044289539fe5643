//! HTTP/1 on the side of the client: requests go out exactly as the case writes them.

use std::fmt::Write;
use std::io;

use tokio::io::{AsyncBufRead, AsyncWriteExt, BufReader};

use super::closed;
use crate::answer::Answer;
use crate::case::{Exchange, Version};
use crate::wire::http1::{Framing, find, read_body, read_head};
use crate::wire::{BoxedStream, Peek};

pub(super) async fn converse(
    exchange: &Exchange,
    stream: &mut Peek<BoxedStream>,
    answer: &mut Answer,
) -> Result<(), String> {
    send_and_read(request(exchange).as_bytes(), exchange.method() == "HEAD", stream, answer).await
}

/// The request on the wire. A body gets a content-length unless the case says how long it is.
fn request(exchange: &Exchange) -> String {
    let version = if exchange.version == Version::Http10 { "1.0" } else { "1.1" };
    let mut text = format!("{} {} HTTP/{version}\r\n", exchange.method(), exchange.path());
    // Writing to a string cannot fail.
    if let Some(host) = exchange.host() {
        let _ = write!(text, "Host: {host}\r\n");
    }
    for (name, value) in &exchange.headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let body = exchange.body.as_deref().unwrap_or_default();
    let framed = |name| find(&exchange.headers, name).is_some();
    if !body.is_empty() && !framed("content-length") && !framed("transfer-encoding") {
        let _ = write!(text, "Content-Length: {}\r\n", body.len());
    }
    text + "\r\n" + body
}

/// Sends bytes and reads one response meanwhile: a gateway may answer before it has read everything, and close.
pub(super) async fn send_and_read(
    bytes: &[u8],
    head_only: bool,
    stream: &mut Peek<BoxedStream>,
    answer: &mut Answer,
) -> Result<(), String> {
    let (read, mut write) = tokio::io::split(stream);
    let mut read = BufReader::new(read);
    let send = async {
        if write.write_all(bytes).await.is_ok() {
            let _ = write.flush().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        response = read_response(&mut read, head_only, answer) => response.map_err(|error| closed(&error)),
        () = send => Err("closed".to_owned()),
    }
}

async fn read_response<R: AsyncBufRead + Unpin>(read: &mut R, head_only: bool, answer: &mut Answer) -> io::Result<()> {
    loop {
        let head = read_head(read).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.start.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        let Some(status) = status.filter(|_| head.start.starts_with("HTTP/1.")) else {
            return Err(io::Error::other(format!("not a status line: {:?}", head.start)));
        };
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        answer.status = Some(status);
        answer.headers.clone_from(&head.headers);
        if head_only || matches!(status, 101 | 204 | 304) {
            return Ok(());
        }
        let body = read_body(read, head.framing(Framing::UntilClose)).await?;
        answer.trailers = body.trailers;
        answer.body = super::raw::text(&body.bytes);
        return Ok(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Case;

    fn wire(exchange: &str) -> String {
        let case = format!("name: a\nfamily: edge\nabout: x\nconfig: ''\nexchanges: [{{answer: {{}}, {exchange}}}]\n");
        request(&Case::parse(&case).unwrap().exchanges[0])
    }

    #[test]
    fn requests_as_written() {
        assert_eq!(wire("path: /"), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(wire("host: '', version: '1.0'"), "GET / HTTP/1.0\r\n\r\n");
        assert_eq!(
            wire("method: PUT, path: '/a b', headers: [[X-A, '1'], ['x y', ''], [Host, two]], body: hello"),
            "PUT /a b HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\nx y: \r\nHost: two\r\nContent-Length: 5\r\n\r\nhello"
        );
        assert_eq!(
            wire("headers: [[Transfer-Encoding, chunked]], body: '0'"),
            "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0"
        );
    }
}
