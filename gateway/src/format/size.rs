//! Operators that count bytes: `…_WIRE_BYTES_…`, `…_HEADER_BYTES_…`.

use super::names::Plain;
use super::value::{Scope, Value};
use crate::headers::Headers;
use crate::message::{RequestHead, ResponseHead, Version, reason};
use crate::proxy::record::HeadSize;

/// What Envoy counts for a field of HTTP/1 beside its name and value.
const COLON_AND_END: u64 = 3;
/// What such a field takes on the wire: there is a blank behind the colon.
const BLANK: u64 = 1;
/// The end of a line.
const END: u64 = 2;

impl HeadSize {
    /// Of a request as it stands.
    pub fn of_request(request: &RequestHead) -> Self {
        let authority = request.authority.as_ref().map_or(0, bytes::Bytes::len) as u64;
        let (method, path) = (request.method.len() as u64, request.path.len() as u64);
        let (fields, count) = fields(&request.headers);
        if request.version == Version::Http2 {
            let pseudo = [(":method", method), (":path", path), (":authority", authority)];
            let pseudo =
                pseudo.iter().filter(|(_, length)| *length > 0).map(|(name, length)| name.len() as u64 + length);
            let all = fields + pseudo.sum::<u64>() + (":scheme".len() + request.scheme.len()) as u64;
            return HeadSize { fields: all, wire: all };
        }
        let host = request.authority.as_ref().map_or(0, |_| "host".len() as u64 + authority);
        let count = count + u64::from(host > 0);
        let fields = fields + host + count * COLON_AND_END;
        // METHOD PATH HTTP/1.1
        HeadSize { fields, wire: fields + count * BLANK + method + path + 10 + 2 * END }
    }

    /// The fields as they are sent: with the blanks behind colons that are left out of what is received.
    fn with_blanks(self, version: Option<Version>, count: usize) -> u64 {
        if self.fields == 0 || version == Some(Version::Http2) {
            self.fields
        } else {
            self.fields + count as u64 * BLANK
        }
    }

    /// Of an answer as it came.
    pub fn of_answer(answer: &ResponseHead, version: Option<Version>) -> Self {
        let (fields, count) = fields(&answer.headers);
        if version == Some(Version::Http2) {
            let all = fields + super::value::STATUS;
            return HeadSize { fields: all, wire: all };
        }
        let fields = fields + count * COLON_AND_END;
        let line = "HTTP/1.1 200 ".len() + reason(answer.status).len();
        HeadSize { fields, wire: fields + count * BLANK + line as u64 + 2 * END }
    }
}

fn fields(headers: &Headers) -> (u64, u64) {
    headers
        .iter()
        .fold((0, 0), |(bytes, count), (name, value)| (bytes + (name.as_str().len() + value.len()) as u64, count + 1))
}

impl<'a> Scope<'a> {
    pub(super) fn size(&self, operator: Plain) -> Value<'a> {
        let record = self.record;
        let received = record.received_head;
        let sent = || match record.moments.leased {
            Some(_) => HeadSize::of_request(&as_sent(self.request, record.upstream_protocol)),
            None => HeadSize::default(),
        };
        Value::Number(match operator {
            Plain::DownstreamWireBytesReceived => received.wire + record.bytes_received,
            Plain::DownstreamHeaderBytesReceived | Plain::DownstreamDecompressedHeaderBytesReceived => received.fields,
            Plain::DownstreamWireBytesSent => self.reply().map_or(0, |reply| reply.wire + record.bytes_sent),
            Plain::DownstreamHeaderBytesSent | Plain::DownstreamDecompressedHeaderBytesSent => {
                let count = self.response.map_or(0, |(_, headers)| headers.len());
                self.reply().map_or(0, |reply| reply.with_blanks(record.protocol, count))
            }
            Plain::UpstreamWireBytesSent => match sent() {
                head if head == HeadSize::default() => 0,
                head => head.wire + record.bytes_received,
            },
            Plain::UpstreamHeaderBytesSent | Plain::UpstreamDecompressedHeaderBytesSent => {
                sent().with_blanks(record.upstream_protocol, self.request.headers.len() + 1)
            }
            Plain::UpstreamWireBytesReceived => match record.answer_head.wire {
                0 => 0,
                wire => wire + record.bytes_sent,
            },
            Plain::UpstreamHeaderBytesReceived | Plain::UpstreamDecompressedHeaderBytesReceived => {
                record.answer_head.fields
            }
            _ => return Value::Missing,
        })
    }

    /// The head of the answer, once it has been sent.
    fn reply(&self) -> Option<HeadSize> {
        let (status, headers) = self.response.filter(|_| self.record.duration.is_some())?;
        let head = ResponseHead { headers: headers.clone(), ..ResponseHead::new(status) };
        Some(HeadSize::of_answer(&head, self.record.protocol))
    }
}

fn as_sent(request: &RequestHead, version: Option<Version>) -> RequestHead {
    RequestHead { version: version.unwrap_or(request.version), ..request.clone() }
}
