//! Answers that the gateway makes itself.

use std::borrow::Cow;

use bytes::Bytes;

use crate::headers::{Headers, names};
use crate::message::ResponseHead;
use crate::outcome::{Outcome, grpc_status};
use crate::policy::grpc_web::GrpcWeb;

/// An answer of the gateway.
#[derive(Debug)]
pub(super) struct LocalReply {
    /// Head, without length and type: header operations run before those are known.
    pub head: ResponseHead,
    /// Body.
    pub body: Bytes,
    /// gRPC status to answer a gRPC request with.
    pub grpc_status: u32,
}

impl LocalReply {
    /// The answer to an outcome that has a status.
    pub(super) fn new(outcome: &Outcome, status: u16) -> Self {
        let body = match outcome.body() {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        let code = match outcome {
            Outcome::FaultAbort { grpc_status: Some(code), .. } => *code,
            _ => grpc_status(status),
        };
        LocalReply { head: ResponseHead::new(status), body, grpc_status: code }
    }

    /// Completes the head once header operations have run: length and type, or gRPC's trailers-only form. There a status
    /// that operations set stays, and the body becomes the message, which an answer to HEAD has none of.
    pub(super) fn finish(mut self, grpc: bool, to_head: bool) -> (ResponseHead, Bytes) {
        let headers = &mut self.head.headers;
        if grpc {
            self.head.status = 200;
            headers.set_static(names::CONTENT_TYPE, "application/grpc");
            if headers.get("grpc-status").is_none_or(|status| status.is_empty()) {
                headers.set(names::GRPC_STATUS, Bytes::from(self.grpc_status.to_string()));
            }
            if !self.body.is_empty() && !to_head {
                headers.set(names::GRPC_MESSAGE, Bytes::from(percent_encode(&self.body)));
            }
            headers.remove("content-length");
            return (self.head, Bytes::new());
        }
        if self.body.is_empty() {
            headers.remove("content-type");
        } else if !headers.contains("content-type") {
            headers.append(names::CONTENT_TYPE, Bytes::from_static(b"text/plain"));
        }
        set_length(headers, self.body.len());
        (self.head, self.body)
    }

    /// The same for a gRPC-Web request: the status stays, and the body becomes gRPC's message.
    pub(super) fn finish_web(self, web: &GrpcWeb, to_head: bool) -> (ResponseHead, Bytes) {
        let grpc_status = self.grpc_status;
        let (mut head, body) = self.finish(false, to_head);
        let message = (!body.is_empty() && !to_head).then(|| Bytes::from(percent_encode(&body)));
        let nothing_left_out = body.is_empty() || message.is_some();
        web.local_reply(&mut head.headers, message, grpc_status);
        if nothing_left_out {
            set_length(&mut head.headers, 0);
        }
        (head, Bytes::new())
    }
}

fn set_length(headers: &mut Headers, length: usize) {
    headers.set(names::CONTENT_LENGTH, Bytes::from(length.to_string()));
}

/// grpc-message (gRPC over HTTP/2: percent-encoded, 0x20 to 0x7E but `%` stay).
fn percent_encode(text: &[u8]) -> Vec<u8> {
    text.iter().fold(Vec::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b' '..=b'~' if *byte != b'%' => out.push(*byte),
            other => out.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
        out
    })
}
