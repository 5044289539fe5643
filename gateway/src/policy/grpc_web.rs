//! gRPC-Web (github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md) to gRPC and back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::headers::{Headers, names};
use crate::message::RequestHead;

/// A gRPC-Web request under way.
#[derive(Debug, Default)]
pub struct GrpcWeb {
    /// The answer is to be base64.
    text_response: bool,
    /// What has not made up a whole message of a base64 answer yet.
    response: BytesMut,
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
        Some(GrpcWeb { text_response: wants_text, response: BytesMut::new(), text_request: text.then(Vec::new) })
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

    /// Head of an answer that the gateway makes itself: it keeps its status, and the body becomes gRPC's message.
    pub fn local_reply(&self, headers: &mut Headers, message: Option<Bytes>, grpc_status: u32) {
        self.response_head(headers);
        if let Some(message) = message {
            headers.set(names::GRPC_STATUS, Bytes::from(grpc_status.to_string()));
            headers.set(names::GRPC_MESSAGE, message);
        }
    }

    /// A piece of the answer's body, perhaps empty: base64 is made of whole messages, as clients decode them.
    pub fn response_data(&mut self, data: Bytes) -> Bytes {
        if !self.text_response {
            return data;
        }
        self.response.extend_from_slice(&data);
        let mut encoded = String::new();
        while let Some(message) = take_message(&mut self.response) {
            STANDARD.encode_string(&message, &mut encoded);
        }
        Bytes::from(encoded)
    }

    /// The trailers, as the last message of the body.
    pub fn trailers(&mut self, trailers: &Headers) -> Bytes {
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
        // A message that was cut off cannot be told from these trailers.
        self.response.clear();
        self.response_data(frame.freeze())
    }
}

/// Takes a length-prefixed message (gRPC over HTTP/2) with its prefix.
fn take_message(buffer: &mut BytesMut) -> Option<BytesMut> {
    let length = buffer.get(1..5).map(|mut length| length.get_u32())?;
    let whole = usize::try_from(length).ok()?.checked_add(5)?;
    (buffer.len() >= whole).then(|| buffer.split_to(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> GrpcWeb {
        GrpcWeb { text_response: true, response: BytesMut::new(), text_request: Some(Vec::new()) }
    }

    #[test]
    fn base64_is_made_of_whole_messages() {
        let mut web = text();
        assert_eq!(web.response_data(Bytes::from_static(b"\0\0\0\0\x02a")), "");
        assert_eq!(web.response_data(Bytes::from_static(b"b\0\0")), "AAAAAAJhYg==");
    }

    #[test]
    fn padding_may_stand_anywhere_in_a_request() {
        let mut web = text();
        assert_eq!(web.request_data(Bytes::from_static(b"YQ==Yg")), Ok(Bytes::from_static(b"a")));
        assert_eq!(web.request_end(), Err(NotBase64));
        assert_eq!(web.request_data(Bytes::from_static(b"==")), Ok(Bytes::from_static(b"b")));
        assert_eq!(web.request_end(), Ok(()));
    }
}
