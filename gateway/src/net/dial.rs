//! Opening connections to endpoints.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use config_schema::snapshot::{EndpointAddress, TcpKeepalive};
use tokio::net::{TcpSocket, UnixStream};

use super::Conn;

/// Options of a new connection.
#[derive(Debug, Clone, Default)]
pub struct DialOptions {
    /// TCP keep-alive.
    pub keepalive: Option<TcpKeepalive>,
}

/// Why no connection came about.
#[derive(Debug)]
pub enum DialError {
    /// The system refused; the text is for logs.
    Io(io::Error),
    /// Not within the connect timeout.
    Timeout,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialError::Io(error) => match error.raw_os_error() {
                Some(code) => write!(f, "delayed_connect_error: {code}"),
                None => write!(f, "{error}"),
            },
            DialError::Timeout => f.write_str("connect_timeout"),
        }
    }
}

/// A connection that is being opened, and our end of it.
pub(crate) type Dialing<'a> = Pin<Box<dyn Future<Output = io::Result<(Conn, Option<SocketAddr>)>> + Send + 'a>>;

/// Opens connections. Tests open pipes to scripted backends instead of sockets.
pub trait Dialer: Send + Sync + 'static {
    /// Opens a connection; the caller limits how long it may take.
    fn dial<'a>(&'a self, address: &'a EndpointAddress, options: &'a DialOptions) -> Dialing<'a>;
}

/// Opens sockets.
#[derive(Debug, Default, Clone, Copy)]
pub struct TcpDialer;

impl Dialer for TcpDialer {
    fn dial<'a>(&'a self, address: &'a EndpointAddress, options: &'a DialOptions) -> Dialing<'a> {
        Box::pin(async move {
            match address {
                EndpointAddress::Socket(address) => {
                    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                    socket.set_nodelay(true)?;
                    if let Some(keepalive) = &options.keepalive {
                        super::set_keepalive(&socket, keepalive)?;
                    }
                    let stream = socket.connect(*address).await?;
                    let local = stream.local_addr().ok();
                    Ok((Conn::Tcp(stream), local))
                }
                EndpointAddress::Unix(path) => {
                    let stream = match path.strip_prefix('@') {
                        // tokio takes a leading NUL for the abstract namespace.
                        Some(name) => UnixStream::connect(format!("\0{name}")).await?,
                        None => UnixStream::connect(path).await?,
                    };
                    Ok((Conn::Unix(stream), None))
                }
                EndpointAddress::Host(host, _) => Err(io::Error::new(
                    io::ErrorKind::AddrNotAvailable,
                    format!("{host} has not been resolved to an address"),
                )),
            }
        })
    }
}
