//! HTTP/2 as a client: several loops on each connection.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;

use super::Io;
use super::tally::{Fault, Tally};
use crate::workload::{HOST, Workload};

/// Windows that never hold a server up.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;

/// Starts a connection and its loops.
pub(super) async fn start(io: Io, workload: Workload, tally: Arc<Tally>) -> Result<tokio::task::JoinHandle<()>, Fault> {
    let (send, connection) = h2::client::Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(io)
        .await?;
    let request = request(&workload)?;
    Ok(tokio::spawn(async move {
        let driving = tokio::spawn(connection);
        let loops: Vec<_> = (0..workload.streams)
            .map(|_| {
                let (send, request, tally) = (send.clone(), request.clone(), Arc::clone(&tally));
                tokio::spawn(async move {
                    let result = stream(send, request, workload.body, &tally).await;
                    tally.ended(result);
                })
            })
            .collect();
        drop(send);
        for one in loops {
            if one.await.is_err() {
                tally.fault(Fault::Panicked);
            }
        }
        driving.abort();
    }))
}

fn request(workload: &Workload) -> Result<Request<()>, Fault> {
    Request::get(format!("https://{HOST}{}", workload.path()))
        .header("user-agent", "loadtest/1")
        .header("accept", "*/*")
        .body(())
        .map_err(|_| Fault::Name)
}

/// One request after the other, each on a stream of its own.
async fn stream(mut send: SendRequest<Bytes>, request: Request<()>, length: u64, tally: &Tally) -> Result<(), Fault> {
    while !tally.is_stopped() {
        let begun = Instant::now();
        send = send.ready().await?;
        let (response, _) = send.send_request(request.clone(), true)?;
        let response = response.await?;
        if response.status() != http::StatusCode::OK {
            return Err(Fault::Status(response.status().as_u16()));
        }
        let mut body = response.into_body();
        let mut read = 0;
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            read += data.len() as u64;
        }
        if read != length {
            return Err(Fault::Body(read));
        }
        tally.answered(begun);
    }
    Ok(())
}
