//! Echo servers on real sockets.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

use crate::echo::Echo;
use crate::world::refuses;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Listening echo servers that end with this value.
#[derive(Debug)]
pub struct Listeners {
    _tasks: JoinSet<()>,
}

impl Listeners {
    /// Binds every address that does not refuse, and serves it. Must be called within a tokio runtime.
    ///
    /// The sockets allow that the gateway binds the same port on all addresses, as long as it allows it too
    /// (`SO_REUSEPORT`, like Envoy): then connections go to the more specific socket.
    pub fn bind(addresses: impl Iterator<Item = SocketAddr>, echo: &Echo) -> anyhow::Result<Self> {
        let mut tasks = JoinSet::new();
        for address in addresses.filter(|address| !refuses(*address)) {
            let listener = listen(address).with_context(|| format!("echo server at {address}"))?;
            tasks.spawn(accept(listener, address, echo.clone()));
        }
        Ok(Self { _tasks: tasks })
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, address: SocketAddr, echo: Echo) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let echo = echo.clone();
                connections.spawn(async move { echo.serve(Box::new(stream), address).await });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
