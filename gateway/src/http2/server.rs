//! The client's side of HTTP/2.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use config_schema::snapshot::HttpOptions;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use pingora_core::protocols::http::v2::server::{H2Options, default_h2_options};

use super::connection_fields::drop_connection_fields;
use crate::headers::{self, Headers};
use crate::message::{BodyLength, Frame, RequestHead, ResponseHead, Version};
use crate::proxy::downstream::{Downstream, Gone};

/// Frames up to this size are taken from clients.
const MAX_FRAME: u32 = 16 * 1024;
/// Streams that a client has reset and that we still know, before the connection is closed (rapid reset).
const MAX_RESETS: usize = 200;
/// So much of an answer may wait in the connection for a slow client's windows.
const SEND_BUFFER: usize = 256 * 1024;

/// So much of a request's body is read after its answer, for the client to take note of the answer first.
const DISCARD_LIMIT: usize = 64 * 1024;

/// Settings of a connection: Pingora's bounded defaults, with the configuration's windows and limits.
pub fn settings(options: &HttpOptions) -> H2Options {
    let mut settings = default_h2_options();
    settings
        .max_concurrent_streams(options.max_concurrent_streams)
        .initial_window_size(options.initial_stream_window)
        .initial_connection_window_size(options.initial_connection_window)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_send_buffer_size(SEND_BUFFER);
    settings
}

/// The head of a request, as it came over HTTP/2.
pub fn request_head(parts: http::request::Parts, tls: bool) -> RequestHead {
    let authority = parts.uri.authority().map(|a| Bytes::copy_from_slice(a.as_str().as_bytes()));
    let mut headers = headers::from_http(parts.headers);
    // Without `:authority` the host field is the authority; beside it, it means nothing.
    let host = headers.get("host").cloned();
    headers.remove("host");
    headers::inline::join_in_request(&mut headers);
    headers::join_cookies(&mut headers);
    let scheme = match parts.uri.scheme_str() {
        Some("https") => "https",
        Some("http") => "http",
        _ if tls => "https",
        _ => "http",
    };
    RequestHead {
        version: Version::Http2,
        method: Bytes::copy_from_slice(parts.method.as_str().as_bytes()),
        scheme: Bytes::from_static(scheme.as_bytes()),
        authority: authority.or(host),
        path: parts.uri.path_and_query().map(|p| Bytes::copy_from_slice(p.as_str().as_bytes())).unwrap_or_default(),
        headers,
    }
}

/// One stream of a connection.
pub struct ServerStream {
    request: RecvStream,
    respond: SendResponse<Bytes>,
    response: Option<SendStream<Bytes>>,
    pending: Option<Bytes>,
    end: Option<Option<Headers>>,
    request_done: bool,
    head_request: bool,
    /// The answer has no body, whatever its head says.
    bodiless: bool,
}

impl ServerStream {
    /// Answers a request.
    pub fn new(request: RecvStream, respond: SendResponse<Bytes>, head_request: bool) -> Self {
        let request_done = request.is_end_stream();
        ServerStream {
            request,
            respond,
            response: None,
            pending: None,
            end: None,
            request_done,
            head_request,
            bodiless: false,
        }
    }

    /// Reads what the client still sends after its answer, to the end or a bound. Some clients (curl 7) forget an answer
    /// whose stream is reset while they are sending.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut discarded = 0;
        while !self.request_done && discarded <= DISCARD_LIMIT {
            match ready!(self.request.poll_data(cx)) {
                Some(Ok(data)) => discarded += data.len(),
                Some(Err(_)) | None => break,
            }
        }
        Poll::Ready(())
    }

    /// Whether the client sends no body.
    pub fn body_length(&self, head: &RequestHead) -> BodyLength {
        if self.request_done {
            return BodyLength::None;
        }
        let length = head.headers.get("content-length").and_then(|value| crate::http1::fields::decimal(value));
        match length {
            Some(n) => BodyLength::Exact(n),
            None => BodyLength::Streamed,
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let Some(stream) = self.response.as_mut() else { return Poll::Ready(Ok(())) };
        while let Some(data) = self.pending.as_mut() {
            if stream.capacity() == 0 {
                stream.reserve_capacity(data.len());
                match ready!(stream.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Poll::Ready(Err(gone(&error))),
                    None => return Poll::Ready(Err(Gone::Reset)),
                }
                continue;
            }
            let piece = data.split_to(stream.capacity().min(data.len()));
            let last = data.is_empty();
            let end = last && matches!(self.end, Some(None));
            if stream.send_data(piece, end).is_err() {
                return Poll::Ready(Err(Gone::Reset));
            }
            if last {
                self.pending = None;
            }
            if end {
                self.end = None;
                self.response = None;
                return Poll::Ready(Ok(()));
            }
        }
        if let Some(trailers) = self.end.take() {
            let sent = match trailers {
                Some(trailers) => stream.send_trailers(headers::to_http(&trailers)),
                None => stream.send_data(Bytes::new(), true),
            };
            self.response = None;
            if sent.is_err() {
                return Poll::Ready(Err(Gone::Reset));
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn gone(error: &h2::Error) -> Gone {
    if error.is_io() || error.is_go_away() { Gone::Disconnected } else { Gone::Reset }
}

impl Downstream for ServerStream {
    fn version(&self) -> Version {
        Version::Http2
    }

    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, Gone>> {
        loop {
            match ready!(self.request.poll_data(cx)) {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => {
                    // What has been taken over may be sent again by the client: its window opens.
                    let _ = self.request.flow_control().release_capacity(data.len());
                    return Poll::Ready(Ok(Frame::Data(data)));
                }
                Some(Err(error)) => return Poll::Ready(Err(gone(&error))),
                None => break,
            }
        }
        match ready!(self.request.poll_trailers(cx)) {
            Ok(Some(trailers)) => {
                self.request_done = true;
                Poll::Ready(Ok(Frame::Trailers(headers::from_http(trailers))))
            }
            Ok(None) => {
                self.request_done = true;
                Poll::Ready(Ok(Frame::End))
            }
            Err(error) => Poll::Ready(Err(gone(&error))),
        }
    }

    fn request_is_complete(&self) -> bool {
        self.request_done
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        let reset = match self.response.as_mut() {
            Some(stream) => ready!(stream.poll_reset(cx)),
            None => ready!(self.respond.poll_reset(cx)),
        };
        Poll::Ready(match reset {
            Ok(_) => Gone::Reset,
            Err(error) => gone(&error),
        })
    }

    fn send_informational(&mut self, head: &ResponseHead) {
        if let Ok(mut response) = http::Response::builder().status(head.status).body(()) {
            *response.headers_mut() = headers::to_http(&head.headers);
            // A client that is gone will show so elsewhere.
            let _ = self.respond.send_informational(response);
        }
    }

    fn start_response(&mut self, mut head: ResponseHead, body: BodyLength, _close: bool) {
        drop_connection_fields(&mut head.headers);
        self.bodiless = self.head_request || matches!(head.status, 204 | 304);
        // Whatever has no body may have trailers all the same, unless its end is known.
        let end = body == BodyLength::None;
        let Ok(mut response) = http::Response::builder().status(head.status).body(()) else {
            self.respond.send_reset(Reason::INTERNAL_ERROR);
            return;
        };
        *response.headers_mut() = headers::to_http(&head.headers);
        match self.respond.send_response(response, end) {
            Ok(stream) if !end => self.response = Some(stream),
            Ok(_) | Err(_) => {}
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.poll_send(cx)
    }

    fn send_data(&mut self, data: Bytes) {
        debug_assert!(self.pending.is_none(), "poll_ready must have said so");
        if self.response.is_some() && !self.bodiless && !data.is_empty() {
            self.pending = Some(data);
        }
    }

    fn end_response(&mut self, trailers: Option<Headers>) {
        if self.response.is_some() {
            self.end = Some(trailers);
        }
    }

    fn abort_response(&mut self) {
        match self.response.as_mut() {
            Some(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
        self.response = None;
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.poll_send(cx)
    }
}
