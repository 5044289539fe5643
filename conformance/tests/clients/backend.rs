//! What stands behind the gateway.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// A Service `backend` in namespace default with one endpoint.
pub(crate) fn service(address: SocketAddr, protocol: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: backend, namespace: default}}\n\
         spec: {{ports: [{{name: {protocol}, port: 80, targetPort: {port}}}]}}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
         metadata: {{name: backend-1, namespace: default, labels: {{kubernetes.io/service-name: backend}}}}\n\
         ports: [{{name: {protocol}, port: {port}, protocol: TCP}}]\nendpoints: [{{addresses: [{ip}]}}]\n---\n",
        port = address.port(),
        ip = address.ip(),
    )
}

/// A rule that sends everything to [`service`].
pub(crate) const TO_BACKEND: &str = "route: [{destination: {host: backend}}]";

/// A server that speaks WebSocket and sends every message back. It ends with what is returned.
pub(crate) async fn websocket() -> anyhow::Result<(SocketAddr, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.1.1:0").await?;
    let address = listener.local_addr()?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    // Pings and closing are answered by the library; a client that is gone ends the loop.
                    if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok((address, tasks))
}

/// An HTTP/1 server whose answers each wait for a permit.
pub(crate) async fn slow() -> anyhow::Result<(SocketAddr, Arc<Semaphore>, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.1.1:0").await?;
    let address = listener.local_addr()?;
    let permits = Arc::new(Semaphore::new(0));
    let mut tasks = JoinSet::new();
    let shared = Arc::clone(&permits);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let permits = Arc::clone(&shared);
            connections.spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|n| n > 0) {
                    if line == "\r\n" {
                        let Ok(permit) = permits.acquire().await else { return };
                        permit.forget();
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow";
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                    line.clear();
                }
            });
        }
    });
    Ok((address, permits, tasks))
}
