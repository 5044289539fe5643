//! Bytes that are no HTTP: each piece comes back behind the backend's address.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Connection;
use crate::wire::{BoxedStream, Peek};

pub(super) async fn serve(connection: &Connection, mut stream: Peek<BoxedStream>) {
    let entry = connection.log.bytes(connection.seen());
    let prefix = format!("{} ", connection.backend);
    let mut chunk = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut chunk).await {
        connection.log.more_bytes(entry, &chunk[..n]);
        let echo = [prefix.as_bytes(), &chunk[..n]].concat();
        if stream.write_all(&echo).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
    // What the other side has closed is closed on this side too, in the way of the protocol.
    let _ = stream.shutdown().await;
}
