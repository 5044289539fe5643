//! A request's body on its way: read ahead while nobody can take it yet, kept while it may have to be sent again.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::downstream::{Downstream, Gone};
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
            received: 0,
        }
    }

    /// Keep what is sent, so that it can be sent again.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }

    /// Stop keeping: there will be no other try.
    pub(super) fn forget(&mut self) {
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
        match ready!(down.poll_request(cx))? {
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
                    self.forget();
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
