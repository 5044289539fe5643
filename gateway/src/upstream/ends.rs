//! What is known of an open connection to an endpoint.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::tls::endpoint::EndpointTls;

/// The ends of a connection.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// Our address.
    pub local: Option<SocketAddr>,
    /// TLS, if it is spoken.
    pub tls: Option<Arc<EndpointTls>>,
}
