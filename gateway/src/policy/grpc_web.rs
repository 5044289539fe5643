//! gRPC-Web (github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md) to gRPC and back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};

use crate::headers::{Headers, names};
use crate::message::RequestHead;

/// A gRPC-Web request under way.
#[derive(Debug, Default)]
pub struct GrpcWeb {
    /// The answer is to be base64.
    text_response: bool,
    /// The request is base64; what has not made up a whole group yet.
    text_request: Option<Vec<u8>>,
}

/// Base64 that is none.
#[derive(Debug, PartialEq, Eq)]
pub struct NotBase64;

impl GrpcWeb {
    /// Turns a gRPC-Web request into a gRPC request. `None` if it is something else.
    pub fn start(request: &mut RequestHead) -> Option<Self> {
        let content_type = request.headers.get_str("content-type")?;
        let text = match content_type {
            "application/grpc-web-text" | "application/grpc-web-text+proto" => true,
            "application/grpc-web" | "application/grpc-web+proto" => false,
            _ => return None,
        };
        let wants_text = matches!(
            request.headers.get_str("accept"),
            Some("application/grpc-web-text" | "application/grpc-web-text+proto")
        );
        request.headers.set_static(names::CONTENT_TYPE, "application/grpc");
        request.headers.remove("content-length");
        request.headers.set_static(names::TE, "trailers");
        request.headers.set_static(names::GRPC_ACCEPT_ENCODING, "identity");
        Some(GrpcWeb { text_response: wants_text, text_request: text.then(Vec::new) })
    }

    /// A piece of the request's body.
    pub fn request_data(&mut self, data: Bytes) -> Result<Bytes, NotBase64> {
        let Some(pending) = &mut self.text_request else { return Ok(data) };
        pending.extend_from_slice(&data);
        let whole = pending.len() / 4 * 4;
        let mut decoded = Vec::with_capacity(whole / 4 * 3);
        for group in pending[..whole].chunks(4) {
            // Messages are encoded one by one, so padding may stand anywhere.
            decoded.extend(STANDARD.decode(group).map_err(|_| NotBase64)?);
        }
        pending.drain(..whole);
        Ok(Bytes::from(decoded))
    }

    /// The request's body has ended.
    pub fn request_end(&self) -> Result<(), NotBase64> {
        if self.text_request.as_ref().is_some_and(|pending| !pending.is_empty()) { Err(NotBase64) } else { Ok(()) }
    }

    /// Head of the answer.
    pub fn response_head(&self, headers: &mut Headers) {
        let content_type =
            if self.text_response { "application/grpc-web-text+proto" } else { "application/grpc-web+proto" };
        headers.set_static(names::CONTENT_TYPE, content_type);
        headers.remove("content-length");
    }

    /// A piece of the answer's body.
    pub fn response_data(&self, data: Bytes) -> Bytes {
        if self.text_response { Bytes::from(STANDARD.encode(&data)) } else { data }
    }

    /// The trailers, as the last message of the body.
    pub fn trailers(&self, trailers: &Headers) -> Bytes {
        let mut block = BytesMut::new();
        for (name, value) in trailers.iter() {
            block.extend_from_slice(name.as_bytes());
            block.extend_from_slice(b":");
            block.extend_from_slice(value);
            block.extend_from_slice(b"\r\n");
        }
        let mut frame = BytesMut::with_capacity(block.len() + 5);
        frame.put_u8(0x80);
        frame.put_u32(u32::try_from(block.len()).unwrap_or(u32::MAX));
        frame.extend_from_slice(&block);
        self.response_data(frame.freeze())
    }
}
