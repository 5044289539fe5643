//! Bytes as a case writes them, and whatever comes back.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{closed, http1};
use crate::answer::Answer;
use crate::wire::{BoxedStream, Peek};

/// How long more bytes are waited for when those that came do not end a line.
const QUIET: Duration = Duration::from_millis(200);

/// How long further answers are waited for behind the first.
const MORE_ANSWERS: Duration = Duration::from_millis(50);

/// How every HTTP/1 response begins.
const HTTP: &[u8] = b"HTTP/1.";

pub(super) async fn converse(
    bytes: &str,
    head_only: bool,
    stream: &mut Peek<BoxedStream>,
    answer: &mut Answer,
) -> Result<(), String> {
    if stream.write_all(bytes.as_bytes()).await.is_ok() {
        let _ = stream.flush().await;
    }
    if stream.look().await.map_err(|error| closed(&error))? == 0 {
        return Err("closed".to_owned());
    }
    loop {
        let came = stream.ahead();
        if came.starts_with(HTTP) {
            http1::send_and_read(b"", head_only, stream, answer).await?;
            // The bytes may be several requests: those behind the first are answered too, or the gateway closes.
            let mut rest = [0; 4096];
            while let Ok(Ok(1..)) = tokio::time::timeout(MORE_ANSWERS, stream.read(&mut rest)).await {}
            return Ok(());
        }
        if came.ends_with(b"\n") && !HTTP.starts_with(came) {
            break;
        }
        match tokio::time::timeout(QUIET, stream.look()).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) | Err(_) => break,
        }
    }
    answer.body = text(stream.ahead());
    Ok(())
}

/// A body as text; none if it is empty.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
}
