//! Socket options.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use config_schema::snapshot::TcpKeepalive;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that may wait to be accepted; the system caps it (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// A listening socket that shares its port with the other workers' (`SO_REUSEPORT`).
pub fn bind_reuseport(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Turns TCP keep-alive on.
pub fn set_keepalive<S: AsFd>(socket: &S, keepalive: &TcpKeepalive) -> io::Result<()> {
    let mut options = socket2::TcpKeepalive::new();
    if let Some(time) = keepalive.time {
        options = options.with_time(time);
    }
    if let Some(interval) = keepalive.interval {
        options = options.with_interval(interval);
    }
    if let Some(probes) = keepalive.probes {
        options = options.with_retries(probes);
    }
    SockRef::from(socket).set_tcp_keepalive(&options)
}
