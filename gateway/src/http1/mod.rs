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

use bytes::BytesMut;

/// Read ahead by this much for heads and small bodies.
const READ_SMALL: usize = 8 * 1024;
/// Read ahead by this much inside a long body.
const READ_LARGE: usize = 64 * 1024;

/// Makes room for the next read. Heads are small: several of them share a buffer before there is a new one.
fn make_room(buffer: &mut BytesMut, room: usize) {
    let enough = if room > READ_SMALL { room } else { READ_SMALL / 4 };
    if buffer.capacity() - buffer.len() < enough {
        buffer.reserve(room);
    }
}
