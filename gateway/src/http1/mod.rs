//! HTTP/1 as the gateway speaks it on both sides.
//!
//! The codec is ours: what Envoy takes and refuses cannot be told from Pingora's sessions (they refuse folded lines,
//! accept repeated lengths, hide why they refuse), and a request through it costs a fraction of theirs.

pub mod body;
pub mod client;
pub mod connection;
pub mod fields;
pub mod request;
pub mod response;
pub mod server;
pub mod target;
pub mod write;
