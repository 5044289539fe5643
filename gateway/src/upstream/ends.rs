//! What is known of an open connection to an endpoint.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::tls::endpoint::EndpointTls;

/// The ends of a connection.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// Our address.
    pub local: Option<SocketAddr>,
    /// TLS, if it is spoken.
    pub tls: Option<Arc<EndpointTls>>,
    /// How it was opened; `None` while there is no connection.
    pub opening: Option<Arc<Opening>>,
}

/// How a connection was opened.
#[derive(Debug)]
pub struct Opening {
    /// Number, unique in this process.
    pub id: u64,
    /// The address that its name led to, of an endpoint that stands for one.
    pub remote: Option<SocketAddr>,
    /// It was dialled.
    pub begun: Instant,
    /// The endpoint took it.
    pub connected: Instant,
    /// The TLS handshake was done.
    pub secured: Option<Instant>,
}

impl Ends {
    /// Number of the connection; 0 while there is none.
    pub fn id(&self) -> u64 {
        self.opening.as_ref().map_or(0, |opening| opening.id)
    }

    /// The address that the endpoint's name led to.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.opening.as_ref().and_then(|opening| opening.remote)
    }
}
