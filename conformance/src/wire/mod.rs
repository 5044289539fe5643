//! The wire formats that both sides of the bench speak, client and echo server.
//!
//! Own code and not a library, because a library keeps its users from sending what is malformed and hides how a
//! message was written: the cases are about both.

pub(crate) mod http1;
pub(crate) mod http2;
mod peek;
pub(crate) mod proxy_protocol;

pub use peek::{BoxedStream, Dialled, Peek, Stream};
