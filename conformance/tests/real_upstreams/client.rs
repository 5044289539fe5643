//! A client that tells what it saw, also of answers that break off.

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 0 if there was none.
    pub(crate) status: u16,
    /// What came of it.
    pub(crate) body: String,
}

/// Sends a GET and reads until the connection ends.
pub(crate) async fn get(port: u16, host: &str, path: &str) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut bytes = Vec::new();
    // An answer that breaks off is an answer too.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes);
    let mut rest = &*text;
    while let Some((head, body)) = rest.split_once("\r\n\r\n") {
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        if status >= 200 {
            return Ok(Answer { status, body: body.to_owned() });
        }
        rest = body;
    }
    Ok(Answer { status: 0, body: String::new() })
}
