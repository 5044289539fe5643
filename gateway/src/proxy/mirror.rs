//! Copies of requests: sent, and the answers forgotten.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use config_schema::snapshot::{Forward, UpstreamProtocol};
use parking_lot::Mutex;
use rand::Rng;
use tokio::time::timeout;

use super::attempt::framed;
use super::downstream::Downstream;
use super::exchange::Exchange;
use super::forward::{expect_timeout, now};
use super::worker::Worker;
use crate::dns::preferred_family;
use crate::headers::names;
use crate::message::{BodyLength, Frame, RequestHead, Version};
use crate::outcome::ResetReason;
use crate::upstream::choose::Asked;
use crate::upstream::connect::Wanted;
use crate::upstream::lb::PickContext;
use crate::upstream::lease::lease;
use crate::upstream::{ActiveGuard, Cluster, Host, Observed, RequestGuard, UpstreamStream};

/// So much of a body may wait for a slow mirror; more, and the copy is given up.
const BACKLOG: usize = 1 << 20;
/// A mirror that has not answered by then is given up.
const PATIENCE: Duration = Duration::from_secs(15);

/// The copies of one request.
#[derive(Debug, Default)]
pub(super) struct Mirrors(Vec<Arc<Mutex<Feed>>>);

/// What a copy has still to send.
#[derive(Debug, Default)]
struct Feed {
    pieces: VecDeque<Bytes>,
    size: usize,
    ended: bool,
    given_up: bool,
    waker: Option<Waker>,
}

impl Mirrors {
    /// A piece of the body. Once for each request: tries after the first send nothing new.
    pub(super) fn send(&self, data: &Bytes) {
        for feed in &self.0 {
            let mut feed = feed.lock();
            if feed.ended || feed.given_up {
                continue;
            }
            feed.size += data.len();
            feed.given_up = feed.size > BACKLOG;
            feed.pieces.push_back(data.clone());
            if let Some(waker) = feed.waker.take() {
                waker.wake();
            }
        }
    }

    /// The body has ended.
    pub(super) fn end(&self) {
        for feed in &self.0 {
            let mut feed = feed.lock();
            feed.ended = true;
            if let Some(waker) = feed.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Drop for Mirrors {
    fn drop(&mut self) {
        for feed in &self.0 {
            let mut feed = feed.lock();
            feed.given_up |= !feed.ended;
            if let Some(waker) = feed.waker.take() {
                waker.wake();
            }
        }
    }
}

/// Starts the route's copies. `limit`: of the request, without its tries' own.
pub(super) fn start<D: Downstream>(exchange: &Exchange<'_, D>, forward: &Forward, limit: Option<Duration>) -> Mirrors {
    let mut feeds = Vec::new();
    for mirror in &forward.mirrors {
        let drawn = exchange.worker.rng.lock().next_u64() % 1_000_000;
        let Some(cluster) = exchange.runtime.clusters.get(mirror.cluster.as_str()) else { continue };
        if drawn >= u64::from(mirror.fraction.0) {
            continue;
        }
        let feed = Arc::new(Mutex::new(Feed::default()));
        let copy = Copy {
            worker: Arc::clone(exchange.worker),
            cluster: Arc::clone(cluster),
            request: head(exchange, limit),
            length: match exchange.length {
                BodyLength::UntilClose => BodyLength::None,
                other => other,
            },
            addresses: (exchange.record.connection.peer, exchange.record.connection.local),
            dialled: exchange.record.connection.dialled,
            feed: Arc::clone(&feed),
        };
        tokio::spawn(async move {
            // Nobody waits for a mirror, and its failures are its own.
            let _ = timeout(PATIENCE, copy.run()).await;
        });
        feeds.push(feed);
    }
    Mirrors(feeds)
}

fn head<D: Downstream>(exchange: &Exchange<'_, D>, limit: Option<Duration>) -> RequestHead {
    let mut request = exchange.request.clone();
    // A copy is tried once.
    if let Some(limit) = limit.filter(|_| exchange.runtime.settings.http.debug_headers) {
        expect_timeout(&mut request.headers, limit);
    }
    let own = exchange.record.connection.own.ip().to_string();
    request.headers.join(names::X_FORWARDED_FOR, Bytes::from(own), b",");
    request.headers.set_static(names::X_ENVOY_INTERNAL, "true");
    request.headers.remove("transfer-encoding");
    request
}

struct Copy {
    worker: Arc<Worker>,
    cluster: Arc<Cluster>,
    request: RequestHead,
    length: BodyLength,
    addresses: (std::net::SocketAddr, std::net::SocketAddr),
    /// Where the client was going.
    dialled: Option<std::net::SocketAddr>,
    feed: Arc<Mutex<Feed>>,
}

impl Copy {
    async fn run(mut self) -> Result<(), ResetReason> {
        let host = self.choose().await.ok_or(ResetReason::Overflow)?;
        let _active = ActiveGuard::new(&host.state);
        let http2 = match self.cluster.spec.protocol {
            UpstreamProtocol::Http1 => false,
            UpstreamProtocol::Http2 => true,
            UpstreamProtocol::Client => self.request.version == Version::Http2,
        };
        let wanted = Wanted {
            cluster: &self.cluster,
            host: &host,
            http2,
            authority: self.request.authority_str(),
            addresses: self.addresses,
        };
        let shared = Arc::clone(&self.worker.shared);
        let leased = lease(&self.worker.pool, &shared.dialer, &wanted).await;
        let mut lease = match leased {
            Ok(lease) => lease,
            Err(failure) => {
                if failure.reason != ResetReason::Overflow {
                    self.cluster.observe(&host, Observed::from_reset(&failure.reason), now);
                }
                return Err(failure.reason);
            }
        };
        self.cluster.observe(&host, Observed::Connected, now);
        let limits = &self.cluster.spec.circuit_breakers;
        let _guard = RequestGuard::try_new(&self.cluster.state, limits, now).ok_or(ResetReason::Overflow)?;
        self.length = framed(&mut self.request.headers, self.length);
        if !http2 && self.length == BodyLength::Streamed {
            self.request.headers.append(names::TRANSFER_ENCODING, Bytes::from_static(b"chunked"));
        }
        lease.stream.start_request(&self.request, self.length)?;
        self.exchange(&mut lease.stream).await?;
        lease.release(&self.worker.pool);
        Ok(())
    }

    /// The endpoint that gets the copy.
    async fn choose(&self) -> Option<Arc<Host>> {
        if self.cluster.is_dynamic() {
            let shared = &self.worker.shared;
            let family = preferred_family(shared.store.load().node.address);
            let asked = Asked::http(self.request.authority_str(), &self.cluster);
            return self.cluster.dynamic_endpoint(&shared.dns, family, asked).await.ok();
        }
        if self.cluster.awaits_answers() {
            self.cluster.first_answers().await;
        }
        let mut rng = self.worker.rng.lock();
        let mut context = PickContext {
            now: now(),
            rng: &mut *rng,
            hash: None,
            tried: &[],
            reselect: 0,
            leave_tried_priorities: false,
        };
        self.cluster.pick_for(self.dialled, &mut context)
    }

    /// Sends the copy and reads the answer to its end.
    async fn exchange(&self, stream: &mut UpstreamStream) -> Result<(), ResetReason> {
        let mut sent = false;
        let mut answered = false;
        poll_fn(|cx| {
            while !sent {
                match stream.poll_ready(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                    Poll::Pending => break,
                }
                let mut feed = self.feed.lock();
                if feed.given_up {
                    return Poll::Ready(Err(ResetReason::Overflow));
                }
                match feed.pieces.pop_front() {
                    Some(piece) => {
                        feed.size -= piece.len();
                        stream.send_data(piece);
                    }
                    None if feed.ended || self.length.is_none() => {
                        stream.end_request(None);
                        sent = true;
                    }
                    None => {
                        feed.waker = Some(cx.waker().clone());
                        break;
                    }
                }
            }
            if let Poll::Ready(Err(reason)) = stream.poll_flush(cx) {
                return Poll::Ready(Err(reason));
            }
            loop {
                if !answered {
                    match stream.poll_response_head(cx) {
                        Poll::Ready(Ok((head, _))) => answered = !head.is_informational(),
                        Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                        Poll::Pending => return Poll::Pending,
                    }
                    continue;
                }
                match stream.poll_response_frame(cx) {
                    Poll::Ready(Ok(Frame::Data(_))) => {}
                    Poll::Ready(Ok(Frame::Trailers(_) | Frame::End)) => return Poll::Ready(Ok(())),
                    Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }
}
