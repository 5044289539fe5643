//! HTTP/2 connections: requests share them as streams.
//!
//! A [`Slot`] holds the connections of one key. Requests that find no free stream wait in line there; a stream that
//! ends and a connection that is opened serve them in order. A connection that may take no more streams (GOAWAY, too
//! old, too many requests, its endpoint has left) is let go of: it closes when its last stream ends.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use pingora_core::connectors::http::v2::ConnectionRef;
use rustc_hash::FxBuildHasher;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Limits, PoolKey};
use crate::upstream::connect::ConnectFailure;
use crate::upstream::ends::Ends;
use crate::upstream::host::Host;
use crate::upstream::state::ClusterState;

/// An HTTP/2 connection.
pub(in crate::upstream) struct H2Connection {
    /// Pingora's handle of it.
    pub(in crate::upstream) connection: ConnectionRef,
    /// What is known of it.
    pub(in crate::upstream) ends: Ends,
    host: Arc<Host>,
    limits: Limits,
    opened: Instant,
    cluster: Arc<ClusterState>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// Streams that requests have.
    streams: u32,
    /// Those of them that have not been opened yet.
    unopened: usize,
    /// Streams ever.
    requests: u32,
    idle_since: Option<Instant>,
    /// No more streams.
    draining: bool,
}

impl std::fmt::Debug for H2Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP/2 connection to {}: {:?}", self.host.name, self.progress)
    }
}

impl H2Connection {
    /// One that was just opened.
    pub(in crate::upstream) fn new(
        connection: ConnectionRef,
        ends: Ends,
        host: &Arc<Host>,
        cluster: &Arc<ClusterState>,
        limits: Limits,
        now: Instant,
    ) -> Self {
        let progress = Progress { idle_since: Some(now), ..Progress::default() };
        if limits.limited {
            cluster.waiting.count_idle(true);
        }
        H2Connection {
            connection,
            ends,
            host: Arc::clone(host),
            limits,
            opened: now,
            cluster: Arc::clone(cluster),
            progress: Mutex::new(progress),
        }
    }

    /// Whether it may take streams, now or once others have ended.
    fn is_open(&self, progress: &Progress, now: Instant) -> bool {
        !progress.draining
            && !self.connection.is_closed()
            && !self.connection.is_shutting_down()
            && self.host.state.keeps(self.opened.into_std())
            && self.limits.max_requests.is_none_or(|max| progress.requests < max)
            && self.limits.max_age.is_none_or(|max| now.duration_since(self.opened) < max)
            && !self.has_expired(progress, now)
    }

    fn has_expired(&self, progress: &Progress, now: Instant) -> bool {
        let idle = self.limits.idle.zip(progress.idle_since);
        idle.is_some_and(|(longest, since)| now.duration_since(since) >= longest)
    }

    /// Takes a stream, if one is free.
    fn reserve(self: &Arc<Self>, slot: &Arc<Slot>, now: Instant) -> Option<StreamSlot> {
        let mut progress = self.progress.lock();
        let free = self.is_open(&progress, now)
            && progress.streams < self.limits.max_streams
            && self.connection.free_stream_slots() > progress.unopened;
        if !free {
            return None;
        }
        progress.streams += 1;
        progress.unopened += 1;
        progress.requests += 1;
        if progress.idle_since.take().is_some() && self.limits.limited {
            self.cluster.waiting.count_idle(false);
        }
        Some(StreamSlot { slot: Arc::clone(slot), connection: Arc::clone(self), opened: false })
    }

    fn idles(&self) -> bool {
        self.progress.lock().idle_since.is_some()
    }
}

impl Drop for H2Connection {
    fn drop(&mut self) {
        if self.limits.limited && self.progress.get_mut().idle_since.is_some() {
            self.cluster.waiting.count_idle(false);
        }
    }
}

/// A stream that a request has, until it is dropped.
#[derive(Debug)]
pub(in crate::upstream) struct StreamSlot {
    slot: Arc<Slot>,
    /// The connection it is on.
    pub(in crate::upstream) connection: Arc<H2Connection>,
    opened: bool,
}

impl StreamSlot {
    /// The stream is open: Pingora counts it from now on.
    pub(in crate::upstream) fn set_opened(&mut self) {
        if !std::mem::replace(&mut self.opened, true) {
            self.connection.progress.lock().unopened -= 1;
        }
    }

    /// The connection takes no more streams.
    pub(in crate::upstream) fn drain(&self) {
        self.connection.progress.lock().draining = true;
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.set_opened();
        let now = Instant::now();
        let connection = &self.connection;
        let (open, idle) = {
            let mut progress = connection.progress.lock();
            progress.streams -= 1;
            let idle = progress.streams == 0;
            if idle {
                progress.idle_since = Some(now);
                if connection.limits.limited {
                    connection.cluster.waiting.count_idle(true);
                }
            }
            (connection.is_open(&progress, now), idle)
        };
        if !open {
            self.slot.remove(connection);
        }
        self.slot.serve(now);
        // Others of the cluster may wait for a connection of their own.
        if idle && connection.limits.limited && !connection.cluster.waiting.is_empty() {
            self.slot.close_if_idle(connection);
        }
    }
}

/// What becomes of a request in line.
#[derive(Debug)]
pub(in crate::upstream) enum H2Grant {
    /// It has a stream.
    Stream(StreamSlot),
    /// It must see for itself: there are too few connections.
    Look,
    /// A connection could not be opened.
    Failed(ConnectFailure),
}

/// What a request finds.
#[derive(Debug)]
pub(in crate::upstream) enum Asked {
    /// A stream.
    Stream(StreamSlot),
    /// A place in line; and whether a further connection must be opened to serve it.
    Wait(Place, bool),
}

/// A place in line; whoever drops it leaves.
#[derive(Debug)]
pub(in crate::upstream) struct Place {
    slot: Arc<Slot>,
    ticket: u64,
    grant: oneshot::Receiver<H2Grant>,
}

impl Place {
    /// Waits for one's turn. May be given up and taken up again.
    pub(in crate::upstream) async fn wait(&mut self) -> H2Grant {
        (&mut self.grant).await.unwrap_or(H2Grant::Look)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.slot.line.lock().waiting.retain(|waiter| waiter.ticket != self.ticket);
    }
}

/// A connection that is being opened. When it is dropped without a result, nobody waits for it any more.
#[derive(Debug)]
pub(in crate::upstream) struct Opening {
    slot: Arc<Slot>,
    streams: u32,
    is_over: bool,
}

impl Opening {
    /// It is open, or could not be opened: those who wait are served, or told.
    pub(in crate::upstream) fn end(mut self, result: Result<H2Connection, ConnectFailure>) {
        self.is_over = true;
        self.slot.opened(self.streams, result);
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.is_over {
            self.slot.opened(self.streams, Err(ConnectFailure::abandoned()));
        }
    }
}

/// The HTTP/2 connections of one key.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Slot {
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    connections: Vec<Arc<H2Connection>>,
    /// Streams that connections will have which are being opened.
    expected: u64,
    waiting: VecDeque<Waiter>,
    next_ticket: u64,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    /// It sees to it that a connection is opened, as soon as one may be.
    opens: bool,
    grant: oneshot::Sender<H2Grant>,
}

impl Line {
    /// The newest connection first: older ones come to rest.
    fn reserve(&self, slot: &Arc<Slot>, now: Instant) -> Option<StreamSlot> {
        self.connections.iter().rev().find_map(|connection| connection.reserve(slot, now))
    }
}

impl Slot {
    /// A stream, or a place in line. `admit` is asked before that.
    pub(in crate::upstream) fn ask<E>(
        self: &Arc<Self>,
        now: Instant,
        admit: impl FnOnce() -> Result<(), E>,
    ) -> Result<Asked, E> {
        let mut line = self.line.lock();
        if let Some(stream) = line.reserve(self, now) {
            return Ok(Asked::Stream(stream));
        }
        admit()?;
        let more = line.waiting.len() as u64 >= line.expected;
        let ticket = line.next_ticket;
        line.next_ticket += 1;
        let (sender, receiver) = oneshot::channel();
        line.waiting.push_back(Waiter { ticket, opens: more, grant: sender });
        Ok(Asked::Wait(Place { slot: Arc::clone(self), ticket, grant: receiver }, more))
    }

    /// A connection is about to be opened that will have so many streams.
    pub(in crate::upstream) fn opening(self: &Arc<Self>, streams: u32) -> Opening {
        self.line.lock().expected += u64::from(streams);
        Opening { slot: Arc::clone(self), streams, is_over: false }
    }

    fn opened(self: &Arc<Self>, streams: u32, result: Result<H2Connection, ConnectFailure>) {
        let now = Instant::now();
        let mut line = self.line.lock();
        line.expected -= u64::from(streams);
        match result {
            Ok(connection) => {
                line.connections.push(Arc::new(connection));
                drop(line);
                self.serve(now);
            }
            Err(failure) => {
                let waiting = std::mem::take(&mut line.waiting);
                drop(line);
                for waiter in waiting {
                    drop(waiter.grant.send(H2Grant::Failed(failure.clone())));
                }
            }
        }
    }

    /// Gives free streams to those who wait. If no connection is being opened for those who are left, the first of them
    /// who could open one is told to.
    fn serve(self: &Arc<Self>, now: Instant) {
        loop {
            let (grant, waiter) = {
                let mut line = self.line.lock();
                if line.waiting.is_empty() {
                    return;
                }
                let Some(stream) = line.reserve(self, now) else { break };
                // Somebody waits: it was looked above.
                let Some(waiter) = line.waiting.pop_front() else { return };
                (H2Grant::Stream(stream), waiter)
            };
            // A stream that reaches nobody is free again as it is dropped.
            drop(waiter.grant.send(grant));
        }
        let mut line = self.line.lock();
        if line.expected > 0 {
            return;
        }
        let busy = line.connections.iter().any(|connection| !connection.idles());
        let index = line.waiting.iter().position(|waiter| !waiter.opens || !busy);
        if let Some(waiter) = index.and_then(|index| line.waiting.remove(index)) {
            drop(line);
            drop(waiter.grant.send(H2Grant::Look));
        }
    }

    fn remove(&self, connection: &Arc<H2Connection>) {
        let mut line = self.line.lock();
        let removed: Vec<_> = line.connections.extract_if(.., |entry| Arc::ptr_eq(entry, connection)).collect();
        drop(line);
        drop(removed);
    }

    /// Lets go of a connection without streams.
    fn close_if_idle(&self, connection: &Arc<H2Connection>) -> bool {
        let mut line = self.line.lock();
        let idle = |entry: &mut Arc<H2Connection>| Arc::ptr_eq(entry, connection) && entry.idles();
        let removed: Vec<_> = line.connections.extract_if(.., idle).collect();
        drop(line);
        !removed.is_empty()
    }
}

/// By key.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<HashMap<PoolKey, Arc<Slot>, FxBuildHasher>>);

impl Slots {
    pub(super) fn get(&self, key: &PoolKey) -> Arc<Slot> {
        let mut slots = self.0.lock();
        match slots.get(key) {
            Some(slot) => Arc::clone(slot),
            None => Arc::clone(slots.entry(key.clone()).or_default()),
        }
    }

    /// Closes one without streams of a cluster.
    pub(super) fn close_one(&self, state: &Arc<ClusterState>) -> bool {
        let slots: Vec<Arc<Slot>> = self.0.lock().values().cloned().collect();
        slots.iter().any(|slot| {
            let of_cluster =
                slot.line.lock().connections.iter().find(|c| Arc::ptr_eq(&c.cluster, state) && c.idles()).cloned();
            of_cluster.is_some_and(|connection| slot.close_if_idle(&connection))
        })
    }

    pub(super) fn sweep(&self, now: Instant, policy_is_current: &impl Fn(u64) -> bool) {
        let mut dead = Vec::new();
        let mut slots = self.0.lock();
        slots.retain(|key, slot| {
            let current = policy_is_current(key.policy);
            let mut line = slot.line.lock();
            dead.extend(line.connections.extract_if(.., |connection| {
                let progress = connection.progress.lock();
                // Streams keep a connection that is let go of alive until they end.
                !connection.is_open(&progress, now) || (!current && progress.idle_since.is_some())
            }));
            let unused = line.connections.is_empty() && line.waiting.is_empty() && line.expected == 0;
            drop(line);
            !unused || Arc::strong_count(slot) > 1
        });
        let waited_for: Vec<Arc<Slot>> =
            slots.values().filter(|slot| !slot.line.lock().waiting.is_empty()).cloned().collect();
        drop(slots);
        drop(dead);
        waited_for.iter().for_each(|slot| slot.serve(now));
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().values().map(|slot| slot.line.lock().connections.len()).sum()
    }
}
