//! HTTP/2 on Pingora's connections and sessions.

pub mod client;
pub mod io;
pub mod refusals;
pub mod server;
