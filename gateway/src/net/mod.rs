//! Byte streams: sockets and their in-memory stand-ins, and how they are opened.

mod conn;
mod dial;
mod race;
mod sockopt;

pub use conn::{Conn, Rewind};
pub use dial::{DialError, DialOptions, Dialer, TcpDialer};
pub use race::{Raced, interleave, race};
pub use sockopt::{bind_reuseport, set_keepalive};
