//! One try: the request goes out, the head of the answer comes back.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::time::Instant;

use super::body::Piece;
use super::downstream::{Downstream, Gone};
use super::exchange::Exchange;
use super::forward::Forwarding;
use super::mirror::Mirrors;
use super::timers::earliest;
use crate::headers::{Headers, names};
use crate::message::{BodyLength, ResponseHead, Version};
use crate::outcome::{Outcome, ResetReason};
use crate::upstream::UpstreamStream;
use crate::upstream::lease::Lease;

/// What comes after a try.
pub(super) enum AttemptEnd {
    /// The request has ended.
    Done(Outcome),
    /// Another try.
    Retry,
}

/// How a try ended.
pub(super) enum Attempted {
    /// With the head of an answer.
    Answered(ResponseHead, BodyLength, Box<Lease>),
    /// Without one.
    Failed(ResetReason),
    /// It took longer than perTryTimeout.
    PerTryTimeout,
    /// The route's timeout passed.
    Timeout,
    /// The client went away.
    Gone(Gone),
}

impl<D: Downstream> Exchange<'_, D> {
    /// Sends the request on a connection and waits for the head of the answer.
    pub(super) async fn exchange_with(
        &mut self,
        forwarding: &mut Forwarding,
        lease: Lease,
        mirrors: &Mirrors,
    ) -> Attempted {
        let mut lease = Box::new(lease);
        let length = self.upstream_length(matches!(lease.stream, UpstreamStream::H1(_)));
        if let Err(reason) = lease.stream.start_request(&self.request, length) {
            return Attempted::Failed(reason);
        }
        let mut per_try = None;
        let result = poll_fn(|cx| self.poll_attempt(forwarding, &mut lease.stream, &mut per_try, mirrors, cx)).await;
        match result {
            Ok((head, length)) => Attempted::Answered(head, length, lease),
            Err(other) => other,
        }
    }

    fn poll_attempt(
        &mut self,
        forwarding: &mut Forwarding,
        stream: &mut UpstreamStream,
        per_try: &mut Option<Instant>,
        mirrors: &Mirrors,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(ResponseHead, BodyLength), Attempted>> {
        // An error of sending is not told yet: the backend may have answered before it stopped reading.
        let sending = self.poll_send(stream, mirrors, cx);
        if let Err(SendError::Gone(gone)) = sending {
            return Poll::Ready(Err(Attempted::Gone(gone)));
        }
        if self.body.is_complete() {
            forwarding.request_complete();
            if per_try.is_none() {
                *per_try = forwarding.timeouts.per_try.map(|timeout| Instant::now() + timeout);
            }
        }
        loop {
            match stream.poll_response_head(cx) {
                Poll::Ready(Ok((head, _))) if head.is_informational() => {
                    self.down.send_informational(&head);
                    let _ = self.down.poll_flush(cx);
                }
                Poll::Ready(Ok((head, length))) => return Poll::Ready(Ok((head, length))),
                Poll::Ready(Err(reason)) => return Poll::Ready(Err(Attempted::Failed(reason))),
                Poll::Pending => break,
            }
        }
        if let Err(SendError::Reset(reason)) = sending {
            return Poll::Ready(Err(Attempted::Failed(reason)));
        }
        if self.alarm.poll(earliest([forwarding.timeout, *per_try]), cx).is_ready() {
            let timeout = forwarding.timeout.is_some_and(|timeout| timeout <= Instant::now());
            return Poll::Ready(Err(if timeout { Attempted::Timeout } else { Attempted::PerTryTimeout }));
        }
        if self.body.is_complete()
            && let Poll::Ready(gone) = self.down.poll_gone(cx)
        {
            return Poll::Ready(Err(Attempted::Gone(gone)));
        }
        Poll::Pending
    }

    /// Moves the request's body on as far as it goes.
    pub(super) fn poll_send(
        &mut self,
        stream: &mut UpstreamStream,
        mirrors: &Mirrors,
        cx: &mut Context<'_>,
    ) -> Result<(), SendError> {
        while !self.body.is_sent() {
            match stream.poll_ready(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(reason)) => return Err(SendError::Reset(reason)),
                Poll::Ready(Ok(())) => {}
            }
            match self.body.poll_piece(self.down, &mut self.grpc_web, cx) {
                Poll::Pending => break,
                Poll::Ready(Err(gone)) => return Err(SendError::Gone(gone)),
                Poll::Ready(Ok(Piece::Data(data))) => {
                    mirrors.send(&data);
                    stream.send_data(data);
                }
                Poll::Ready(Ok(Piece::End(trailers))) => {
                    mirrors.end();
                    let now = Instant::now();
                    self.record.request_duration.get_or_insert(now - self.started);
                    self.record.moments.sent = Some(now);
                    stream.end_request(trailers);
                }
            }
        }
        match stream.poll_flush(cx) {
            Poll::Ready(Err(reason)) => Err(SendError::Reset(reason)),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Framing of the request towards the backend, with the fields that say it.
    fn upstream_length(&mut self, http1: bool) -> BodyLength {
        let headers = &mut self.request.headers;
        headers.remove("transfer-encoding");
        let length = framed(headers, self.length);
        if http1 {
            match length {
                BodyLength::Streamed => headers.append(names::TRANSFER_ENCODING, Bytes::from_static(b"chunked")),
                BodyLength::None if expects_body(&self.request.method) && !headers.contains("content-length") => {
                    headers.append(names::CONTENT_LENGTH, Bytes::from_static(b"0"));
                }
                BodyLength::None | BodyLength::Exact(_) | BodyLength::UntilClose => {}
            }
        }
        debug_assert!(
            self.request.version == Version::Http2 || self.length == length || length != BodyLength::UntilClose
        );
        length
    }
}

/// The length that a body of `length` is sent with. An operation may have taken the field away, or set another, and a
/// backend that believes a wrong one takes the rest of the body for a request.
pub(super) fn framed(headers: &mut Headers, length: BodyLength) -> BodyLength {
    let actual = match length {
        BodyLength::None => 0,
        BodyLength::Exact(n) => n,
        BodyLength::Streamed => {
            headers.remove("content-length");
            return BodyLength::Streamed;
        }
        BodyLength::UntilClose => return length,
    };
    match headers.get("content-length") {
        Some(told) if crate::http1::fields::decimal(told) == Some(actual) => return length,
        Some(_) => {
            headers.remove("content-length");
        }
        None => {}
    }
    if actual == 0 { BodyLength::None } else { BodyLength::Streamed }
}

/// Why sending stopped.
pub(super) enum SendError {
    /// The backend takes no more.
    Reset(ResetReason),
    /// The client sends no more.
    Gone(Gone),
}

/// Methods of which a backend may expect a body, so that its absence is said (RFC 9110 §8.6).
fn expects_body(method: &[u8]) -> bool {
    !matches!(method, b"GET" | b"HEAD" | b"DELETE" | b"CONNECT" | b"TRACE")
}
