//! HTTP/1.1 as a client that costs as little as possible.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::tally::{Fault, Tally};
use super::{Io, Job, PATIENCE, connect};
use crate::workload::{HOST, Workload};

/// Room for a head with its body, or for a piece of a long body.
const SMALL: usize = 8 << 10;
const LARGE: usize = 128 << 10;
/// Fields that an answer may have.
const MAX_FIELDS: usize = 64;

/// The request of a workload, with the fields that a simple client sends.
pub(super) fn request(workload: &Workload) -> Vec<u8> {
    let path = workload.path();
    let connection = if workload.reconnect { "connection: close\r\n" } else { "" };
    format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\nuser-agent: loadtest/1\r\naccept: */*\r\n{connection}\r\n").into()
}

/// One request after the other on a connection.
pub(super) async fn keep_alive(mut io: Io, workload: &Workload, tally: &Tally) -> Result<(), Fault> {
    let request = request(workload);
    let mut reader = Reader::new(workload.body);
    while !tally.is_stopped() {
        let begun = Instant::now();
        io.write_all(&request).await?;
        io.flush().await?;
        reader.read(&mut io).await?;
        tally.answered(begun);
    }
    Ok(())
}

/// One connection after the other, each for one request.
pub(super) async fn reconnecting(job: &Job, tally: &Tally) -> Result<(), Fault> {
    while !tally.is_stopped() {
        let begun = Instant::now();
        let mut io = connect(job.target, job.tls.as_ref()).await?;
        once(&mut io, &job.workload).await?;
        tally.answered(begun);
        // Saying goodbye is part of the exchange; the server may have closed first.
        let _ = io.shutdown().await;
    }
    Ok(())
}

/// One request on a connection, in bounded time.
pub(super) async fn once(io: &mut Io, workload: &Workload) -> Result<(), Fault> {
    let exchange = async {
        io.write_all(&request(workload)).await?;
        io.flush().await?;
        Reader::new(workload.body).read(io).await
    };
    tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| Fault::NoAnswer)?
}

/// Reads answers that are all to have the same length.
struct Reader {
    buffer: Vec<u8>,
    body: u64,
}

impl Reader {
    fn new(body: u64) -> Self {
        let room = if body > SMALL as u64 / 2 { LARGE } else { SMALL };
        Reader { buffer: vec![0; room], body }
    }

    /// Reads an answer to its end.
    async fn read(&mut self, io: &mut Io) -> Result<(), Fault> {
        let mut filled = 0;
        let head = loop {
            filled += some(io.read(&mut self.buffer[filled..]).await?)?;
            if let Some(head) = head(&self.buffer[..filled], self.body)? {
                break head;
            }
            if filled == self.buffer.len() {
                return Err(Fault::Head);
            }
        };
        let mut body = (filled - head) as u64;
        while body < self.body {
            body += some(io.read(&mut self.buffer).await?)? as u64;
        }
        if body == self.body { Ok(()) } else { Err(Fault::Body(body)) }
    }
}

fn some(n: usize) -> Result<usize, Fault> {
    if n == 0 { Err(Fault::Closed) } else { Ok(n) }
}

/// Length of a head that is what it should be; `None` while it is not complete.
fn head(bytes: &[u8], body: u64) -> Result<Option<usize>, Fault> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = response.parse(bytes).map_err(|_| Fault::Head)? else {
        return Ok(None);
    };
    match response.code {
        Some(200) => {}
        other => return Err(Fault::Status(other.unwrap_or_default())),
    }
    let announced = response
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok());
    if announced == Some(body) { Ok(Some(length)) } else { Err(Fault::Length(announced)) }
}
