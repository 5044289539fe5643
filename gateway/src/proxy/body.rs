//! A request's body on its way: read ahead while nobody can take it yet, kept while it may have to be sent again.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use super::downstream::{Downstream, Gone};
use super::timers::Deadline;
use crate::headers::Headers;
use crate::message::Frame;
use crate::outcome::ProtocolError;
use crate::policy::grpc_web::GrpcWeb;

/// So much is kept for retries at most; a longer body is not sent again. Envoy: 1 MiB.
const KEEP_LIMIT: usize = 1 << 20;
/// So much is read ahead while no endpoint can take it.
const AHEAD_LIMIT: usize = 64 * 1024;

/// The body of one request.
#[derive(Debug)]
pub(super) struct RequestBody {
    /// Pieces read and either kept or not yet sent.
    pieces: Vec<Bytes>,
    size: usize,
    /// How many of `pieces` this try has sent.
    sent: usize,
    /// Everything is in `pieces`, or has been sent.
    complete: bool,
    trailers: Option<Headers>,
    end_sent: bool,
    keep: bool,
    /// When the whole request must have come, if it has not been answered by then.
    deadline: Deadline,
    /// Bytes of the body so far.
    pub received: u64,
}

/// The next thing to send.
#[derive(Debug)]
pub(super) enum Piece {
    /// Bytes.
    Data(Bytes),
    /// The end, with trailers if there are any.
    End(Option<Headers>),
}

impl RequestBody {
    /// Of a request that has none (`complete`) or one that is to be read.
    pub(super) fn new(complete: bool) -> Self {
        RequestBody {
            pieces: Vec::new(),
            size: 0,
            sent: 0,
            complete,
            trailers: None,
            end_sent: false,
            keep: false,
            deadline: Deadline::default(),
            received: 0,
        }
    }

    /// Gives up waiting for the rest of it at a time.
    pub(super) fn end_by(&mut self, deadline: Option<Instant>) {
        if let Some(deadline) = deadline.filter(|_| !self.complete) {
            self.deadline.set(deadline);
        }
    }

    /// Keep what is sent, so that it can be sent again.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }

    /// There is an answer: nothing will be sent again, and the rest may take its time.
    pub(super) fn forget(&mut self) {
        self.deadline.clear();
        self.stop_keeping();
    }

    fn stop_keeping(&mut self) {
        self.keep = false;
        self.pieces.drain(..self.sent);
        self.sent = 0;
    }

    /// Everything has been read.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Everything has been sent in this try.
    pub(super) fn is_sent(&self) -> bool {
        self.end_sent
    }

    /// Starts another try. False if what was sent has not been kept.
    pub(super) fn rewind(&mut self) -> bool {
        if !self.keep {
            return false;
        }
        self.sent = 0;
        self.end_sent = false;
        true
    }

    /// Reads ahead, as long as that is little.
    pub(super) fn poll_read_ahead<D: Downstream>(
        &mut self,
        down: &mut D,
        web: &mut Option<GrpcWeb>,
        cx: &mut Context<'_>,
    ) -> Poll<Gone> {
        while !self.complete && self.size < AHEAD_LIMIT {
            if let Err(gone) = ready!(self.poll_frame(down, web, cx)) {
                return Poll::Ready(gone);
            }
        }
        if self.complete { down.poll_gone(cx) } else { Poll::Pending }
    }

    /// The next piece to send; after [`Piece::End`] nothing follows.
    pub(super) fn poll_piece<D: Downstream>(
        &mut self,
        down: &mut D,
        web: &mut Option<GrpcWeb>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Piece, Gone>> {
        loop {
            if let Some(piece) = self.pieces.get_mut(self.sent) {
                let data = if self.keep { piece.clone() } else { std::mem::take(piece) };
                self.sent += 1;
                if !self.keep && self.sent == self.pieces.len() {
                    self.pieces.clear();
                    self.sent = 0;
                    self.size = 0;
                }
                return Poll::Ready(Ok(Piece::Data(data)));
            }
            if self.complete {
                self.end_sent = true;
                return Poll::Ready(Ok(Piece::End(self.trailers.clone())));
            }
            ready!(self.poll_frame(down, web, cx))?;
        }
    }

    /// Takes one frame in.
    fn poll_frame<D: Downstream>(
        &mut self,
        down: &mut D,
        web: &mut Option<GrpcWeb>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Gone>> {
        let malformed = |_| Gone::Malformed(ProtocolError::BODY);
        let Poll::Ready(frame) = down.poll_request(cx) else {
            return self.deadline.poll(cx).map(|()| Err(Gone::TooSlow));
        };
        match frame? {
            Frame::Data(data) => {
                self.received += data.len() as u64;
                let data = match web {
                    Some(web) => web.request_data(data).map_err(malformed)?,
                    None => data,
                };
                if !data.is_empty() {
                    self.size += data.len();
                    self.pieces.push(data);
                }
                if self.keep && self.size > KEEP_LIMIT {
                    self.stop_keeping();
                }
            }
            Frame::Trailers(trailers) => {
                self.trailers = Some(trailers);
                self.complete = true;
            }
            Frame::End => self.complete = true,
        }
        if self.complete
            && let Some(web) = web
        {
            web.request_end().map_err(malformed)?;
        }
        // An HTTP/1 body whose last byte is in has also ended.
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::message::{BodyLength, ResponseHead, Version};

    /// A client that has sent all it will.
    struct Silent;

    impl Downstream for Silent {
        fn version(&self) -> Version {
            Version::Http11
        }
        fn poll_request(&mut self, _: &mut Context<'_>) -> Poll<Result<Frame, Gone>> {
            Poll::Pending
        }
        fn request_is_complete(&self) -> bool {
            false
        }
        fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<Gone> {
            Poll::Pending
        }
        fn send_informational(&mut self, _: &ResponseHead) {}
        fn start_response(&mut self, _: ResponseHead, _: BodyLength, _: bool) {}
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
            Poll::Ready(Ok(()))
        }
        fn send_data(&mut self, _: Bytes) {}
        fn end_response(&mut self, _: Option<Headers>) {}
        fn abort_response(&mut self) {}
        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn ahead(body: &mut RequestBody) -> Gone {
        std::future::poll_fn(|cx| body.poll_read_ahead(&mut Silent, &mut None, cx)).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_request_must_come_in_time_until_there_is_an_answer() {
        let start = Instant::now();
        let mut body = RequestBody::new(false);
        body.end_by(Some(start + Duration::from_secs(5)));
        assert_eq!(ahead(&mut body).await, Gone::TooSlow);
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        let mut answered = RequestBody::new(false);
        answered.end_by(Some(Instant::now() + Duration::from_secs(5)));
        answered.forget();
        assert!(tokio::time::timeout(Duration::from_secs(60), ahead(&mut answered)).await.is_err());
    }
}
