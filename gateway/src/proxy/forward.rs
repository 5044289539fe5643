//! Sending a request on: destination, header changes, tries, and the answer.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use config_schema::snapshot::{Forward, UpstreamProtocol};
use rand::{Rng, RngExt};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::attempt::{AttemptEnd, Attempted};
use super::downstream::{Downstream, Gone};
use super::exchange::Exchange;
use super::forward_proxy::Denied;
use super::retry::{Failure, Retries, Verdict};
use super::timeouts::{Timeouts, grpc_duration};
use super::{hash, mirror};
use crate::format::Scope;
use crate::headers::{Headers, names, number};
use crate::message::Version;
use crate::outcome::{Flag, Outcome, ResetReason};
use crate::policy::header_ops::CompiledOps;
use crate::route::CompiledRoute;
use crate::upstream::connect::{ConnectFailure, Wanted};
use crate::upstream::lb::PickContext;
use crate::upstream::lease::{Lease, lease};
use crate::upstream::{ActiveGuard, Cluster, Host, Observed, RequestGuard, RetryGuard};

/// One forwarded request, over all its tries.
pub(super) struct Forwarding {
    pub(super) cluster: Arc<Cluster>,
    pub(super) retries: Option<Retries>,
    /// Counts the try under way, from its connection on.
    pub(super) request: Option<RequestGuard>,
    /// Counts the retry under way.
    retry: Option<RetryGuard>,
    /// The route's timeout, once it runs.
    pub(super) timeout: Option<Instant>,
    pub(super) timeouts: Timeouts,
    begun: Instant,
    hash: Option<u64>,
    tried: SmallVec<[Arc<Host>; 2]>,
    reselect: u32,
    leave_tried_priorities: bool,
    http2: bool,
}

impl Forwarding {
    /// The route's timeout begins when the whole request has been read.
    pub(super) fn request_complete(&mut self) {
        self.begin_timeout(Instant::now);
    }

    fn begin_timeout(&mut self, now: impl FnOnce() -> Instant) {
        if self.timeout.is_none() {
            self.timeout = self.timeouts.all.map(|timeout| now() + timeout);
        }
    }
}

/// Says how long a request may take.
pub(super) fn expect_timeout(headers: &mut Headers, expected: Duration) {
    let millis = number(u64::try_from(expected.as_millis()).unwrap_or(u64::MAX));
    headers.set(names::X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, millis);
}

impl<D: Downstream> Exchange<'_, D> {
    /// Sends the request to one of the route's destinations.
    pub(super) async fn forward(&mut self, route: &Arc<CompiledRoute>, forward: &Forward) -> Outcome {
        self.destination = self.choose_destination(route, forward);
        let Some(destination) = forward.destinations.get(self.destination) else {
            return self.reply(Outcome::ClusterNotFound, |_| {}).await;
        };
        let Some(cluster) = self.runtime.clusters.get(&*destination.cluster).cloned() else {
            self.record.upstream_cluster = Arc::clone(&destination.cluster);
            return self.reply(Outcome::ClusterNotFound, |_| {}).await;
        };
        self.record.upstream_cluster = Arc::clone(&cluster.name);
        self.record.attempts = 1;
        if cluster.is_dynamic() && self.server_name_disagrees() {
            return self.deny(Denied::ServerName).await;
        }
        let timeouts = Timeouts::new(&self.request, forward);
        self.announce(&timeouts, timeouts.all);
        self.rewrite(route, forward);
        let mut forwarding = self.plan(&cluster, forward, timeouts);
        let first = match self.choose(&mut forwarding).await {
            Ok(host) => host,
            Err(outcome) => return outcome,
        };
        let mirrors = mirror::start(self, forward, forwarding.timeouts.all);
        if forwarding.retries.is_some() {
            self.body.keep();
        }
        let mut host = Some(first);
        loop {
            let chosen = match host.take() {
                Some(first) => first,
                None => match self.choose(&mut forwarding).await {
                    Ok(host) => host,
                    Err(outcome) => return outcome,
                },
            };
            match self.attempt(&mut forwarding, &chosen, &mirrors).await {
                AttemptEnd::Done(outcome) => return outcome,
                AttemptEnd::Retry => {
                    let wait = forwarding.retries.as_ref().map(|r| r.back_off(self.worker.rng.lock().random()));
                    if let Err(outcome) = self.back_off(&mut forwarding, wait.unwrap_or_default()).await {
                        return outcome;
                    }
                }
            }
        }
    }

    fn choose_destination(&self, route: &CompiledRoute, forward: &Forward) -> usize {
        if forward.destinations.len() < 2 || route.total_weight == 0 {
            return 0;
        }
        let mut draw = self.worker.rng.lock().next_u64() % route.total_weight;
        for (index, destination) in forward.destinations.iter().enumerate() {
            match draw.checked_sub(u64::from(destination.weight)) {
                None => return index,
                Some(rest) => draw = rest,
            }
        }
        0
    }

    /// Header operations, then host and path. The count of the first try is there for operations to change.
    fn rewrite(&mut self, route: &CompiledRoute, forward: &Forward) {
        self.count_attempt(1);
        if let Some((destination, _)) = route.ops.destinations.get(self.destination) {
            self.apply_request_ops(destination);
        }
        let destination = &forward.destinations[self.destination];
        if let Some(host) = &destination.host_rewrite {
            self.request.authority = Some(Bytes::copy_from_slice(host.as_bytes()));
        }
        self.apply_request_ops(&route.ops.request);
        self.rewrite_host(forward.host_rewrite.as_ref());
        if let Some(rewrite) = &route.path_rewrite
            && let Some(rewritten) = rewrite.apply(&self.request.path)
        {
            let original = std::mem::replace(&mut self.request.path, rewritten);
            self.request.headers.set(names::X_ENVOY_ORIGINAL_PATH, original);
        }
    }

    fn count_attempt(&mut self, attempt: u32) {
        if self.runtime.settings.http.attempt_count {
            self.request.headers.set(names::X_ENVOY_ATTEMPT_COUNT, number(attempt.into()));
        }
    }

    fn rewrite_host(&mut self, host: Option<&String>) {
        let Some(host) = host else { return };
        let original = self.request.authority.replace(Bytes::copy_from_slice(host.as_bytes())).unwrap_or_default();
        if self.runtime.settings.http.forwarded_host {
            self.request.headers.join(names::X_FORWARDED_HOST, original.clone(), b",");
        }
        self.request.headers.set(names::X_ENVOY_ORIGINAL_HOST, original);
    }

    fn apply_request_ops(&mut self, ops: &CompiledOps) {
        if ops.is_empty() {
            return;
        }
        ops.remove_from(&mut self.request.headers);
        let around = self.around();
        let computed = ops.compute(&Scope {
            request: &self.request,
            response: None,
            trailers: None,
            record: &self.record,
            around,
        });
        computed.apply_to_request(&mut self.request.headers);
    }

    /// Tells the backend how long the next try may take, when so much of the request's time is left.
    fn announce(&mut self, timeouts: &Timeouts, left: Option<Duration>) {
        let Some(expected) = timeouts.per_try.into_iter().chain(left).min() else { return };
        // Nothing left is said as the least that is not "no limit".
        let expected = expected.max(Duration::from_millis(1));
        if self.runtime.settings.http.debug_headers {
            expect_timeout(&mut self.request.headers, expected);
        }
        if timeouts.grpc {
            self.request.headers.set(names::GRPC_TIMEOUT, Bytes::from(grpc_duration(expected)));
        }
    }

    pub(super) fn plan(&mut self, cluster: &Arc<Cluster>, forward: &Forward, timeouts: Timeouts) -> Forwarding {
        let retries = Retries::new(forward.retry.as_deref(), &mut self.request.headers);
        let policy = forward.retry.as_ref();
        let client = self.record.remote_address.map_or(self.record.connection.peer.ip(), |a| a.ip());
        let hash = hash::key(&forward.hash_policy, &self.request, client, &mut *self.worker.rng.lock());
        self.cookies = hash.cookies;
        let mut forwarding = Forwarding {
            cluster: Arc::clone(cluster),
            retries,
            request: None,
            retry: None,
            timeout: None,
            timeouts,
            begun: Instant::now(),
            hash: hash.key,
            tried: SmallVec::new(),
            reselect: policy.filter(|p| p.avoid_previous_hosts).map_or(0, |p| p.host_selection_attempts),
            leave_tried_priorities: policy.is_some_and(|p| p.previous_priorities),
            http2: match cluster.spec.protocol {
                UpstreamProtocol::Http1 => false,
                UpstreamProtocol::Http2 => true,
                UpstreamProtocol::Client => self.request.version == Version::Http2,
            },
        };
        if self.body.is_complete() {
            let begun = forwarding.begun;
            forwarding.begin_timeout(|| begun);
        }
        forwarding
    }

    pub(super) fn pick(&self, forwarding: &mut Forwarding) -> Option<Arc<Host>> {
        let mut rng = self.worker.rng.lock();
        let mut context = PickContext {
            now: if forwarding.tried.is_empty() { forwarding.begun.into_std() } else { now() },
            rng: &mut *rng,
            hash: forwarding.hash,
            tried: &forwarding.tried,
            reselect: if forwarding.tried.is_empty() { 0 } else { forwarding.reselect },
            leave_tried_priorities: forwarding.leave_tried_priorities,
        };
        forwarding.cluster.pick_for(self.record.connection.dialled, &mut context)
    }

    async fn attempt(
        &mut self,
        forwarding: &mut Forwarding,
        host: &Arc<Host>,
        mirrors: &mirror::Mirrors,
    ) -> AttemptEnd {
        self.record.attempts += u32::from(!forwarding.tried.is_empty());
        forwarding.tried.push(Arc::clone(host));
        let before = self.record.upstream.replace(Arc::clone(host));
        self.record.upstream_before.extend(before.filter(|before| before.name != host.name));
        self.record.moments.wanted = Some(Instant::now());
        if self.record.attempts > 1 {
            self.count_attempt(self.record.attempts);
            let left =
                forwarding.timeout.map(|at| at.saturating_duration_since(Instant::now())).or(forwarding.timeouts.all);
            self.announce(&forwarding.timeouts, left);
        }
        let _active = ActiveGuard::new(&host.state);
        let lease = match self.connect(forwarding, host).await {
            Ok(Ok(lease)) => lease,
            Ok(Err(failure)) => {
                self.record.upstream_transport_failure = failure.transport;
                return self.failed(forwarding, host, failure.reason, false).await;
            }
            Err(outcome) => return AttemptEnd::Done(outcome),
        };
        self.record.upstream_ends = lease.ends.clone();
        self.record.upstream_connections.push(lease.ends.id());
        self.record.moments.leased = Some(Instant::now());
        self.record.upstream_protocol = Some(lease.stream.version());
        forwarding.cluster.observe(host, Observed::Connected, now);
        let cluster = Arc::clone(&forwarding.cluster);
        forwarding.request = RequestGuard::try_new(&cluster.state, &cluster.spec.circuit_breakers, now);
        if forwarding.request.is_none() {
            lease.release(&self.worker.pool);
            return self.failed(forwarding, host, ResetReason::Overflow, false).await;
        }
        match self.exchange_with(forwarding, lease, mirrors).await {
            Attempted::Answered(head, length, lease) => {
                self.answered(forwarding, host, mirrors, head, length, lease).await
            }
            Attempted::Failed(reason) => self.failed(forwarding, host, reason, true).await,
            Attempted::PerTryTimeout => self.per_try_timeout(forwarding, host).await,
            Attempted::Timeout => {
                forwarding.request = None;
                forwarding.cluster.observe(host, Observed::Timeout, now);
                AttemptEnd::Done(self.reply(Outcome::ResponseTimeout, |_| {}).await)
            }
            Attempted::Gone(gone) => AttemptEnd::Done(self.gone(gone).await),
        }
    }

    /// Gets a connection, reading the request's body ahead meanwhile.
    async fn connect(
        &mut self,
        forwarding: &mut Forwarding,
        host: &Arc<Host>,
    ) -> Result<Result<Lease, ConnectFailure>, Outcome> {
        let authority = self.request.authority.clone();
        let authority = authority.as_deref().and_then(|a| std::str::from_utf8(a).ok()).unwrap_or_default();
        let connection = Arc::clone(&self.record.connection);
        let cluster = Arc::clone(&forwarding.cluster);
        let wanted = Wanted {
            cluster: &cluster,
            host,
            http2: forwarding.http2,
            authority,
            addresses: (connection.peer, connection.local),
        };
        let worker = Arc::clone(self.worker);
        self.meanwhile(forwarding, lease(&worker.pool, &worker.shared.dialer, &wanted)).await
    }

    /// A try came to nothing.
    async fn failed(
        &mut self,
        forwarding: &mut Forwarding,
        host: &Arc<Host>,
        reason: ResetReason,
        sent: bool,
    ) -> AttemptEnd {
        forwarding.request = None;
        if reason != ResetReason::Overflow {
            forwarding.cluster.observe(host, Observed::from_reset(&reason), now);
        }
        let verdict = forwarding
            .retries
            .as_mut()
            .map_or(Verdict::Pass, |retries| retries.judge_failure(&Failure::Reset { reason: &reason, sent }));
        if self.tries_again(forwarding, verdict) {
            return AttemptEnd::Retry;
        }
        let retried = self.record.attempts > 1;
        let overloaded = reason == ResetReason::Overflow;
        let mark = |headers: &mut Headers| {
            if overloaded {
                headers.set_static(names::X_ENVOY_OVERLOADED, "true");
            }
        };
        AttemptEnd::Done(self.reply(Outcome::UpstreamReset { reason, retried }, mark).await)
    }

    /// Whether a retry that is wanted takes place: the limit of retries at once may forbid it, or the body may be gone.
    pub(super) fn tries_again(&mut self, forwarding: &mut Forwarding, verdict: Verdict) -> bool {
        // The retry before has come to its end.
        forwarding.retry = None;
        match verdict {
            Verdict::Pass => false,
            Verdict::LimitExceeded => {
                self.record.flags.raise(Flag::UpstreamRetryLimitExceeded);
                false
            }
            Verdict::Retry => {
                let cluster = &forwarding.cluster;
                match RetryGuard::try_new(&cluster.state, &cluster.spec.circuit_breakers, now()) {
                    Some(guard) if self.body.rewind() => {
                        forwarding.retry = Some(guard);
                        forwarding.request = None;
                        true
                    }
                    Some(_) => false,
                    None => {
                        self.record.flags.raise(Flag::UpstreamOverflow);
                        false
                    }
                }
            }
        }
    }

    async fn per_try_timeout(&mut self, forwarding: &mut Forwarding, host: &Arc<Host>) -> AttemptEnd {
        forwarding.request = None;
        forwarding.cluster.observe(host, Observed::Timeout, now);
        let verdict =
            forwarding.retries.as_mut().map_or(Verdict::Pass, |retries| retries.judge_failure(&Failure::PerTryTimeout));
        if self.tries_again(forwarding, verdict) {
            return AttemptEnd::Retry;
        }
        AttemptEnd::Done(self.reply(Outcome::PerTryTimeout, |_| {}).await)
    }

    /// Waits before the next try.
    async fn back_off(&mut self, forwarding: &mut Forwarding, wait: Duration) -> Result<(), Outcome> {
        let mut timer = std::pin::pin!(tokio::time::sleep(wait));
        enum Event {
            Over,
            Timeout,
            Gone(Gone),
        }
        let event = poll_fn(|cx| {
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Over);
            }
            if let Poll::Ready(gone) = self.body.poll_read_ahead(self.down, &mut self.grpc_web, cx) {
                return Poll::Ready(Event::Gone(gone));
            }
            self.alarm.poll(forwarding.timeout, cx).map(|()| Event::Timeout)
        })
        .await;
        match event {
            Event::Over => Ok(()),
            Event::Timeout => Err(self.reply(Outcome::ResponseTimeout, |_| {}).await),
            Event::Gone(gone) => Err(self.gone(gone).await),
        }
    }
}

/// Monotonic time, as balancing and outlier detection take it.
pub(super) fn now() -> std::time::Instant {
    Instant::now().into_std()
}
