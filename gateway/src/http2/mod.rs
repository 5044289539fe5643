//! HTTP/2 on Pingora's connections and sessions.

pub mod client;
mod connection_fields;
pub mod gather;
pub mod io;
pub mod refusals;
pub mod server;
