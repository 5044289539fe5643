//! The client's side of one request, whatever the HTTP version.

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::headers::Headers;
use crate::message::{BodyLength, Frame, ResponseHead, Version};
use crate::outcome::ProtocolError;

/// Why the client's side of a request is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The connection ended.
    Disconnected,
    /// The stream was reset (HTTP/2).
    Reset,
    /// The body is not what its framing says.
    Malformed(ProtocolError),
    /// The request did not come in time.
    TooSlow,
}

/// The client's side of one request: its body to read, and the answer to write.
///
/// Everything is polled from the one task that handles the request, so that both directions move at once without
/// locks, channels or further tasks.
pub trait Downstream: Send {
    /// Version of the request.
    fn version(&self) -> Version;

    /// The next piece of the request's body. After [`Frame::End`] or trailers it must not be called again.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, Gone>>;

    /// The whole request has been read.
    fn request_is_complete(&self) -> bool;

    /// Waits for the client to go away. Only while nothing else is read.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Gone>;

    /// Sends an informational head (1xx), if the version has them.
    fn send_informational(&mut self, head: &ResponseHead);

    /// Starts the answer; exactly once. `close`: the connection ends behind it, which an HTTP/1 client is told.
    fn start_response(&mut self, head: ResponseHead, body: BodyLength, close: bool);

    /// Room for more of the answer.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>>;

    /// A piece of the answer's body, never empty.
    fn send_data(&mut self, data: Bytes);

    /// Ends the answer, with trailers where the version has them.
    fn end_response(&mut self, trailers: Option<Headers>);

    /// Breaks the answer off, so that the client cannot take it for complete.
    fn abort_response(&mut self);

    /// Gets what was sent so far on its way.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>>;
}
