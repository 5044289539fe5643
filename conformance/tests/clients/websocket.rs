//! A WebSocket client and server (tungstenite) with the gateway between them.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::backend::{self, TO_BACKEND, service};
use crate::gateway::{HTTP, Sallyport, gateway, route};

const PATIENCE: Duration = Duration::from_secs(5);

/// Text, binary, large messages, pings, and closing in order.
pub(crate) async fn messages() -> anyhow::Result<()> {
    let (address, _server) = backend::websocket().await?;
    let config = gateway(HTTP) + &route(TO_BACKEND) + &service(address, "http");
    let sallyport = Sallyport::start(&[("all.yaml", &config)]).await?;
    let stream = TcpStream::connect("127.0.0.1:8080").await?;
    let (mut socket, answer) = client_async("ws://chat.example.com/room", stream).await?;
    ensure!(answer.status() == 101, "{answer:?}");
    for message in [
        Message::text("hello"),
        Message::binary(vec![7; 3]),
        Message::binary(vec![1; 1 << 20]),
        Message::text("x".repeat(100_000)),
    ] {
        socket.send(message.clone()).await?;
        let back = timeout(PATIENCE, socket.next()).await.context("no message")?.context("closed")??;
        ensure!(back == message, "{} bytes came back for {}", back.len(), message.len());
    }
    socket.send(Message::Ping(vec![1, 2].into())).await?;
    let pong = timeout(PATIENCE, socket.next()).await.context("no pong")?.context("closed")??;
    ensure!(pong == Message::Pong(vec![1, 2].into()), "{pong:?}");
    socket.close(None).await?;
    while let Some(message) = timeout(PATIENCE, socket.next()).await.context("it does not close")? {
        ensure!(message?.is_close(), "a message after closing");
    }
    sallyport.stop().await
}
