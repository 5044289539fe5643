//! Sockets, and what happens to a connection before HTTP or bytes begin: PROXY protocol, detection, filter chains, TLS.

pub mod accept;
pub mod chain;
pub mod connection;
pub mod drain;
pub mod manager;
pub mod original_dst;
pub mod proxy_protocol;
mod refused;
pub mod sniff;
