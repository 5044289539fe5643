//! The answer on its way to the client.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::attempt::{AttemptEnd, SendError};
use super::downstream::{Downstream, Gone};
use super::exchange::Exchange;
use super::forward::{Forwarding, now};
use super::mirror::Mirrors;
use super::record::HeadSize;
use super::timers::earliest;
use crate::headers::{inline, names, number};
use crate::message::{BodyLength, Frame, ResponseHead};
use crate::outcome::{self, Outcome, ResetReason};
use crate::upstream::lease::Lease;
use crate::upstream::{Host, Observed, RequestGuard, UpstreamStream};

/// How relaying ended.
enum Relayed {
    /// The answer is complete and written.
    Complete,
    /// The backend broke off.
    Broken(ResetReason),
    /// The client is gone.
    Gone(Gone),
    /// The route's timeout.
    Timeout,
    /// No byte for too long.
    Idle,
    /// The whole exchange took too long.
    TooLong,
}

impl<D: Downstream> Exchange<'_, D> {
    /// A backend has answered: try again, or pass the answer on.
    pub(super) async fn answered(
        &mut self,
        forwarding: &mut Forwarding,
        host: &Arc<Host>,
        mirrors: &Mirrors,
        mut head: ResponseHead,
        length: BodyLength,
        mut lease: Box<Lease>,
    ) -> AttemptEnd {
        forwarding.cluster.observe(host, Observed::Status(self.status_of_service(&head)), now);
        if let Some(retries) = forwarding.retries.as_mut() {
            let verdict = retries.judge_response(head.status, &head.headers);
            if self.tries_again(forwarding, verdict) {
                return AttemptEnd::Retry;
            }
        }
        self.body.forget();
        let length = match (self.prepare_answer(&mut head, length), &lease.stream) {
            // Nothing follows an empty body of HTTP/1; HTTP/2 may still have trailers.
            (BodyLength::Exact(0), UpstreamStream::H1(_)) => BodyLength::None,
            (length, _) => length,
        };
        let refused_upgrade = self.request.is_upgrade() && head.status != 101;
        self.close |= refused_upgrade;
        // Only errors are the backend's to tell; any other answer to an upgrade loses its body.
        let refused_upgrade = refused_upgrade && head.status < 400;
        if refused_upgrade {
            head.headers.remove("content-type");
            head.headers.remove("content-length");
            self.note_response(&head.headers);
            self.down.start_response(head, BodyLength::None, self.close);
            return AttemptEnd::Done(self.relayed(Relayed::Complete, refused_upgrade));
        }
        self.note_response(&head.headers);
        self.down.start_response(head, length, self.close);
        let relayed = self.relay(forwarding, &mut lease.stream, mirrors).await;
        if let Relayed::Broken(reason) = &relayed {
            forwarding.cluster.observe(host, Observed::from_reset(reason), now);
        }
        let complete = matches!(relayed, Relayed::Complete);
        if complete && self.body.is_sent() {
            lease.release(&self.worker.pool);
        }
        AttemptEnd::Done(self.relayed(relayed, refused_upgrade))
    }

    /// Status for outlier detection: gRPC says in a field what HTTP says in the status.
    fn status_of_service(&self, head: &ResponseHead) -> u16 {
        let grpc = head.headers.get_str("grpc-status").filter(|_| self.request.is_grpc());
        grpc.and_then(|code| code.parse().ok()).map_or(head.status, outcome::http_status)
    }

    /// Completes the head of the answer; returns its framing towards the client.
    fn prepare_answer(&mut self, head: &mut ResponseHead, length: BodyLength) -> BodyLength {
        let elapsed = self.started.elapsed();
        self.record.response_duration = Some(elapsed);
        self.record.answer_head = HeadSize::of_answer(head, self.record.upstream_protocol);
        self.record.response_code = head.status;
        self.record.details = Outcome::ViaUpstream.details();
        if self.runtime.settings.http.debug_headers {
            let since_request = elapsed.saturating_sub(self.record.request_duration.unwrap_or_default());
            let millis = number(u64::try_from(since_request.as_millis()).unwrap_or(u64::MAX));
            head.headers.set(names::X_ENVOY_UPSTREAM_SERVICE_TIME, millis);
        }
        inline::join_in_response(&mut head.headers);
        self.apply_response_ops(head.status, &mut head.headers);
        let mut length = match length {
            // What ends with the backend's connection need not end with the client's.
            BodyLength::UntilClose if head.status != 101 => BodyLength::Streamed,
            other => other,
        };
        // An operation may have taken the length away, or set another.
        if let BodyLength::Exact(n) = length
            && head.headers.get("content-length").and_then(|v| crate::http1::fields::decimal(v)) != Some(n)
        {
            head.headers.remove("content-length");
            length = BodyLength::Streamed;
        }
        if let Some(web) = &self.grpc_web {
            web.response_head(&mut head.headers);
            length = BodyLength::Streamed;
        }
        self.finish_response_head(head);
        length
    }

    async fn relay(&mut self, forwarding: &mut Forwarding, stream: &mut UpstreamStream, mirrors: &Mirrors) -> Relayed {
        let options = &self.runtime.settings.http;
        let idle_after = options.stream_idle_timeout;
        let overall = options.max_stream_duration.map(|longest| self.started + longest);
        if self.record.response_code == 101 {
            // A connection that was handed over lives on its own.
            forwarding.timeout = None;
        }
        let mut idle = None;
        let mut ended = false;
        let mut moved = self.record.bytes_sent;
        poll_fn(|cx| {
            let relayed = self.poll_relay(stream, mirrors, &mut ended, &mut forwarding.request, cx);
            if relayed.is_ready() {
                return relayed;
            }
            if idle.is_none() || self.record.bytes_sent != moved {
                moved = self.record.bytes_sent;
                idle = idle_after.map(|idle_after| Instant::now() + idle_after);
            }
            let deadline = earliest([forwarding.timeout, idle, overall]);
            self.alarm.poll(deadline, cx).map(|()| match deadline {
                _ if deadline == forwarding.timeout => Relayed::Timeout,
                _ if deadline == idle => Relayed::Idle,
                _ => Relayed::TooLong,
            })
        })
        .await
    }

    fn poll_relay(
        &mut self,
        stream: &mut UpstreamStream,
        mirrors: &Mirrors,
        ended: &mut bool,
        counted: &mut Option<RequestGuard>,
        cx: &mut Context<'_>,
    ) -> Poll<Relayed> {
        // A backend that has answered need not read the rest of the request.
        if let Err(SendError::Gone(gone)) = self.poll_send(stream, mirrors, cx) {
            return Poll::Ready(Relayed::Gone(gone));
        }
        while !*ended {
            match self.down.poll_ready(cx) {
                Poll::Pending => break,
                Poll::Ready(Err(gone)) => return Poll::Ready(Relayed::Gone(gone)),
                Poll::Ready(Ok(())) => {}
            }
            match stream.poll_response_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Err(reason)) => return Poll::Ready(Relayed::Broken(reason)),
                Poll::Ready(Ok(frame)) => *ended = self.pass_on(frame),
            }
        }
        if *ended {
            // Before the client sees the end: its next request must not meet this one at a limit.
            *counted = None;
        }
        match self.down.poll_flush(cx) {
            Poll::Ready(Err(gone)) => return Poll::Ready(Relayed::Gone(gone)),
            Poll::Ready(Ok(())) if *ended => return Poll::Ready(Relayed::Complete),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if self.body.is_complete()
            && let Poll::Ready(gone) = self.down.poll_gone(cx)
        {
            return Poll::Ready(Relayed::Gone(gone));
        }
        Poll::Pending
    }

    /// Passes a frame on; true behind the last one.
    fn pass_on(&mut self, frame: Frame) -> bool {
        match frame {
            Frame::Data(data) => {
                self.record.bytes_sent += data.len() as u64;
                let data = match &mut self.grpc_web {
                    Some(web) => web.response_data(data),
                    None => data,
                };
                if !data.is_empty() {
                    self.down.send_data(data);
                }
                false
            }
            Frame::Trailers(trailers) => {
                match &mut self.grpc_web {
                    Some(web) => {
                        let message = web.trailers(&trailers);
                        self.down.send_data(message);
                        self.down.end_response(None);
                    }
                    None => self.down.end_response(Some(trailers.clone())),
                }
                self.trailers = Some(trailers);
                true
            }
            Frame::End => {
                self.down.end_response(None);
                true
            }
        }
    }

    /// Says how it ended; an answer that is not complete is broken off.
    fn relayed(&mut self, relayed: Relayed, refused_upgrade: bool) -> Outcome {
        let outcome = match relayed {
            Relayed::Complete if refused_upgrade => Outcome::UpgradeRefused,
            Relayed::Complete => return Outcome::ViaUpstream,
            Relayed::Broken(reason) => Outcome::UpstreamResetAfterStart(reason),
            Relayed::Gone(Gone::Reset) => Outcome::DownstreamReset,
            Relayed::Gone(Gone::Disconnected) => Outcome::DownstreamDisconnect,
            Relayed::Gone(Gone::Malformed(error)) => Outcome::Protocol(error),
            Relayed::Gone(Gone::TooSlow) => Outcome::RequestTimeout,
            Relayed::Timeout => Outcome::ResponseTimeoutAfterStart,
            Relayed::Idle => Outcome::StreamIdleTimeout,
            Relayed::TooLong => Outcome::MaxStreamDuration,
        };
        if outcome != Outcome::UpgradeRefused {
            self.down.abort_response();
        }
        if let Some(flag) = outcome.flag() {
            self.record.flags.raise(flag);
        }
        self.record.details = outcome.details();
        outcome
    }
}
