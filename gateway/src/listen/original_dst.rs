//! Where a redirected connection was going before it was redirected to us.

use std::net::SocketAddr;

use clap::ValueEnum;
use socket2::SockRef;
use tokio::net::TcpStream;

/// How redirected connections tell where they were going.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OriginalDestination {
    /// The socket option `SO_ORIGINAL_DST`, as iptables' REDIRECT leaves it.
    #[default]
    Socket,
    /// A PROXY protocol header with that destination, for tests.
    ProxyProtocol,
}

/// What the kernel remembers of a connection. `None` if it was not redirected by NAT: then the address
/// of the socket is the destination.
pub(super) fn of_socket(stream: &TcpStream, local: SocketAddr) -> Option<SocketAddr> {
    let socket = SockRef::from(stream);
    let found = if local.is_ipv4() { socket.original_dst_v4() } else { socket.original_dst_v6() };
    found.ok()?.as_socket()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn who_comes_by_himself_was_not_redirected() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address).await else { continue };
            let local = listener.local_addr().unwrap();
            let (client, accepted) = tokio::join!(TcpStream::connect(local), listener.accept());
            let (stream, _) = accepted.unwrap();
            // A kernel that tracks connections knows where this one went: here.
            assert!(of_socket(&stream, local).is_none_or(|found| found == local), "{address}");
            drop(client);
        }
    }
}
