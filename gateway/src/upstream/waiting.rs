//! Requests that wait because their cluster has all the connections it may have.
//!
//! They are served in the order in which they came: by a connection that another request of the same worker gives back,
//! or by the permit to open one in place of another that was closed. While anyone waits, no connection of the cluster
//! idles. A grant that reaches nobody (the request was given up meanwhile) is passed on when it is dropped.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::circuit_breaker::ConnectionGuard;
use super::host::HostState;
use super::pool::{PoolKey, Reusable};
use super::state::ClusterState;

/// So often the first in line lets others pass that can use a connection as it is. A worker without connections would
/// otherwise wait for those of others for ever; more often, and connections would be closed and opened all the time.
const PATIENCE: u32 = 64;

/// What someone has waited for.
#[derive(Debug)]
pub(super) enum Grant {
    /// A connection that fits.
    Connection(Box<Reusable>),
    /// The permit to open one.
    Permit(ConnectionGuard),
}

/// Who waits, of one cluster.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    count: AtomicU32,
    /// Idle connections of the cluster, where connections are limited.
    idle: AtomicU32,
    next_ticket: AtomicU64,
    /// By endpoint; the longest wait first.
    queues: Mutex<BTreeMap<u64, VecDeque<Waiter>>>,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    host: Arc<HostState>,
    limit: Option<u32>,
    /// Who can use a connection as it is: the pool, and the key there.
    place: (u64, PoolKey),
    passed_over: u32,
    grant: oneshot::Sender<Grant>,
}

/// A place in the line; whoever drops it leaves.
#[derive(Debug)]
pub(super) struct Ticket {
    state: Arc<ClusterState>,
    host: u64,
    ticket: u64,
    grant: oneshot::Receiver<Grant>,
}

impl Waiting {
    /// Nobody waits. Cheap: asked whenever a request ends.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    /// Gets into line. Whoever does must look once more for what is free ([`grant_permits`](Self::grant_permits)):
    /// it may have become free just before.
    pub(super) fn enter(
        &self,
        state: &Arc<ClusterState>,
        host: &Arc<HostState>,
        limit: Option<u32>,
        place: (u64, PoolKey),
    ) -> Ticket {
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        let waiter = Waiter { ticket, host: Arc::clone(host), limit, place, passed_over: 0, grant: sender };
        let mut queues = self.queues.lock();
        self.count.fetch_add(1, Ordering::SeqCst);
        queues.entry(host.id).or_default().push_back(waiter);
        Ticket { state: Arc::clone(state), host: host.id, ticket, grant: receiver }
    }

    /// A connection has become free. It goes to someone who waits for just that; if someone else waits, it is closed,
    /// and they get the permit. Gives it back if nobody waits.
    pub(super) fn offer(&self, place: &(u64, PoolKey), mut connection: Box<Reusable>) -> Option<Box<Reusable>> {
        while !self.is_empty() {
            let Some(waiter) = self.take_fitting(connection.host_id(), place) else {
                // Closed, so that whoever waits longest may open one.
                drop(connection);
                return None;
            };
            match waiter.grant.send(Grant::Connection(connection)) {
                Ok(()) => return None,
                Err(Grant::Connection(back)) => connection = back,
                Err(Grant::Permit(_)) => return None,
            }
        }
        Some(connection)
    }

    /// The first who can use a connection as it is, unless the first of all has let others pass for too long.
    fn take_fitting(&self, host: u64, place: &(u64, PoolKey)) -> Option<Waiter> {
        let mut queues = self.queues.lock();
        let queue = queues.get_mut(&host)?;
        let index = queue.iter().position(|waiter| waiter.place == *place)?;
        if index > 0
            && let Some(first) = queue.front_mut()
        {
            first.passed_over += 1;
            if first.passed_over > PATIENCE {
                return None;
            }
        }
        let waiter = queue.remove(index);
        if queue.is_empty() {
            queues.remove(&host);
        }
        self.count.fetch_sub(u32::from(waiter.is_some()), Ordering::SeqCst);
        waiter
    }

    /// Lets those who wait open connections, as far as the limit allows: first for the endpoint `host`, then in order.
    pub(super) fn grant_permits(&self, state: &Arc<ClusterState>, host: u64) {
        while !self.is_empty() {
            let Some((waiter, permit)) = self.take_permitted(state, host) else { return };
            // A permit that reaches nobody comes back here as it is dropped.
            drop(waiter.grant.send(Grant::Permit(permit)));
        }
    }

    fn take_permitted(&self, state: &Arc<ClusterState>, host: u64) -> Option<(Waiter, ConnectionGuard)> {
        let mut queues = self.queues.lock();
        let oldest = queues.iter().min_by_key(|(_, queue)| queue.front().map(|first| first.ticket)).map(|(id, _)| *id);
        let candidates = [queues.contains_key(&host).then_some(host), oldest];
        for id in candidates.into_iter().flatten() {
            let Some(queue) = queues.get_mut(&id) else { continue };
            let Some(first) = queue.front() else { continue };
            let Some(permit) = ConnectionGuard::try_for_requests(state, &first.host, first.limit) else { continue };
            let waiter = queue.pop_front();
            if queue.is_empty() {
                queues.remove(&id);
            }
            self.count.fetch_sub(u32::from(waiter.is_some()), Ordering::SeqCst);
            return waiter.map(|waiter| (waiter, permit));
        }
        None
    }

    /// A connection idles, or no longer does.
    pub(super) fn count_idle(&self, idles: bool) {
        if idles {
            self.idle.fetch_add(1, Ordering::SeqCst);
        } else {
            self.idle.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Connections of the cluster idle somewhere.
    pub(super) fn has_idle(&self) -> bool {
        self.idle.load(Ordering::SeqCst) > 0
    }

    fn leave(&self, host: u64, ticket: u64) {
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(&host) else { return };
        let before = queue.len();
        queue.retain(|waiter| waiter.ticket != ticket);
        self.count.fetch_sub(u32::from(queue.len() < before), Ordering::SeqCst);
        if queue.is_empty() {
            queues.remove(&host);
        }
    }
}

impl Ticket {
    /// Waits for one's turn. May be given up and taken up again.
    pub(super) async fn wait(&mut self) -> Option<Grant> {
        (&mut self.grant).await.ok()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.state.waiting.leave(self.host, self.ticket);
    }
}
