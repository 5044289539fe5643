//! Backends that answer requests, and give back what comes over an upgraded connection.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Where they listen.
pub const ADDRESSES: [&str; 2] = ["127.0.1.1:7001", "127.0.1.2:7001"];

/// Starts them; they end with what is returned.
pub async fn start() -> anyhow::Result<JoinSet<()>> {
    let mut servers = JoinSet::new();
    for address in ADDRESSES {
        let listener = TcpListener::bind(address.parse::<SocketAddr>()?).await?;
        servers.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    // A connection that breaks is noticed by the client of it.
                    let _ = serve(stream).await;
                });
            }
        });
    }
    Ok(servers)
}

async fn serve(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (mut upgrade, mut line) = (false, String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            upgrade |= line.to_ascii_lowercase().starts_with("upgrade:");
            if line == "\r\n" {
                break;
            }
        }
        if upgrade {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
                .await?;
            loop {
                line.clear();
                if stream.read_line(&mut line).await? == 0 {
                    return Ok(());
                }
                stream.write_all(line.as_bytes()).await?;
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
    }
}
