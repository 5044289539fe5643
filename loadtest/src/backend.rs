//! A backend that costs as little as possible: whatever is asked for, `/api/bytes/N` answers with N bytes.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longest body that is served.
const MAX_BODY: usize = 64 << 20;
/// A head that is longer than this is no request of ours.
const MAX_HEAD: usize = 64 << 10;

/// Serves until standard input ends; prints its address.
pub fn run(options: &crate::cli::Backend) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(options.listen).await.with_context(|| options.listen.to_string())?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        let (ended, end) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut rest = [0; 256];
            while std::io::stdin().read(&mut rest).is_ok_and(|n| n > 0) {}
            ended.send(())
        });
        tokio::select! {
            _ = end => Ok(ExitCode::SUCCESS),
            never = serve(listener) => match never {},
        }
    })
}

/// Serves connections for ever.
pub async fn serve(listener: TcpListener) -> std::convert::Infallible {
    let answers = Arc::new(Answers::default());
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&answers)));
        }
    }
}

/// Where a backend in a process of its own listens.
pub fn address(output: impl Read) -> anyhow::Result<SocketAddr> {
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)?;
    line.trim().parse().with_context(|| format!("the backend said {line:?}"))
}

/// Answers, written once for each size.
#[derive(Default)]
struct Answers {
    known: Mutex<HashMap<usize, Bytes>>,
}

impl Answers {
    fn of(&self, size: usize) -> Bytes {
        self.known.lock().entry(size).or_insert_with(|| answer(size)).clone()
    }
}

fn answer(size: usize) -> Bytes {
    let head = format!(
        "HTTP/1.1 200 OK\r\nserver: backend\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         content-type: application/octet-stream\r\ncontent-length: {size}\r\n\r\n"
    );
    let mut whole = BytesMut::with_capacity(head.len() + size);
    whole.extend_from_slice(head.as_bytes());
    whole.resize(head.len() + size, b'x');
    whole.freeze()
}

/// Answers requests without bodies, one after the other.
async fn connection(mut stream: TcpStream, answers: Arc<Answers>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        buffer.reserve(4096);
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        while let Some(end) = head_end(&buffer) {
            match asked_size(&buffer[..end]) {
                Some(size) => stream.write_all(&answers.of(size)).await?,
                None => return stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await,
            }
            bytes::Buf::advance(&mut buffer, end);
        }
        if buffer.len() > MAX_HEAD {
            return Ok(());
        }
    }
}

fn head_end(buffer: &[u8]) -> Option<usize> {
    buffer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The number behind the last slash of the path.
fn asked_size(head: &[u8]) -> Option<usize> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let path = line.split(|byte| *byte == b' ').nth(1)?;
    let digits = path.rsplit(|byte| *byte == b'/').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|size| *size <= MAX_BODY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stand_in_the_path() {
        for (line, size) in [
            ("GET /api/bytes/1024 HTTP/1.1\r\nhost: a\r\n\r\n", Some(1024)),
            ("GET /0 HTTP/1.1\r\n\r\n", Some(0)),
            ("GET / HTTP/1.1\r\n\r\n", None),
            ("GET /a/99999999999 HTTP/1.1\r\n\r\n", None),
            ("GET\r\n\r\n", None),
        ] {
            assert_eq!(asked_size(line.as_bytes()), size, "{line}");
        }
    }

    #[test]
    fn answers_have_the_length_they_announce() {
        let answer = answer(10);
        let end = head_end(&answer).unwrap();
        assert_eq!(&answer[end..], b"xxxxxxxxxx");
        assert!(String::from_utf8_lossy(&answer[..end]).contains("\r\ncontent-length: 10\r\n"));
    }
}
