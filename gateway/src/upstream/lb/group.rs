//! Endpoints among which only the algorithm decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use config_schema::snapshot::Warmup;
use parking_lot::Mutex;

use super::edf::Edf;
use super::{PickContext, below, slow_start};
use crate::upstream::host::Host;

/// How one of them is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// The less loaded of two random ones; with weights, turns that loaded endpoints wait longer for.
    LeastRequest,
    /// In turn.
    RoundRobin,
    /// At random; as in Envoy, whatever the weights.
    Random,
}

/// Endpoints that are equal but for their weights.
#[derive(Debug)]
pub(super) struct Group {
    algorithm: Algorithm,
    hosts: Box<[Arc<Host>]>,
    turn: AtomicUsize,
    weighted: Option<Weighted>,
}

/// Turns by weight.
#[derive(Debug)]
struct Weighted {
    turns: Mutex<Edf>,
    warmup: Option<Warmup>,
    /// Until then: behind it all weigh the same.
    until: Option<Instant>,
}

impl Group {
    /// Of the given endpoints; rotation begins at `place`.
    pub(super) fn new(
        algorithm: Algorithm,
        warmup: Option<&Warmup>,
        hosts: Box<[Arc<Host>]>,
        place: usize,
        now: Instant,
    ) -> Self {
        let weighted =
            if algorithm == Algorithm::Random { None } else { weighted(algorithm, warmup, &hosts, place, now) };
        Group { algorithm, hosts, turn: AtomicUsize::new(place), weighted }
    }

    /// Picks one.
    pub(super) fn pick(&self, context: &mut PickContext<'_>) -> Option<&Arc<Host>> {
        let n = self.hosts.len();
        if n <= 1 {
            return self.hosts.first();
        }
        if let Some(weighted) = &self.weighted
            && weighted.until.is_none_or(|until| context.now < until)
        {
            let weight =
                |index: usize| weight(self.algorithm, &self.hosts[index], weighted.warmup.as_ref(), context.now);
            // Counted, so that turns go on from here when health changes.
            self.turn.fetch_add(1, Ordering::Relaxed);
            return weighted.turns.lock().next(weight).map(|index| &self.hosts[index]);
        }
        let index = match self.algorithm {
            Algorithm::RoundRobin => self.turn.fetch_add(1, Ordering::Relaxed) % n,
            Algorithm::Random => below(context.rng.next_u64(), n),
            Algorithm::LeastRequest => {
                let (one, other) = (below(context.rng.next_u64(), n), below(context.rng.next_u64(), n));
                let active = |index: usize| self.hosts[index].state.active.load(Ordering::Relaxed);
                if active(other) < active(one) { other } else { one }
            }
        };
        Some(&self.hosts[index])
    }

    /// How far the rotation has come.
    pub(super) fn place(&self) -> usize {
        self.turn.load(Ordering::Relaxed)
    }
}

/// Turns, if weights differ now or later.
fn weighted(
    algorithm: Algorithm,
    warmup: Option<&Warmup>,
    hosts: &[Arc<Host>],
    place: usize,
    now: Instant,
) -> Option<Weighted> {
    let first = hosts.first()?.spec.weight;
    let equal = hosts.iter().all(|host| host.spec.weight == first);
    let warm = warmup.and_then(|warmup| hosts.iter().map(|host| slow_start::warm_at(host, warmup)).max());
    let warming = warm.filter(|warm| *warm > now);
    if equal && warming.is_none() {
        return None;
    }
    let weight = |index: usize| weight(algorithm, &hosts[index], warmup, now);
    let mut turns = Edf::new((0..hosts.len()).map(weight));
    for _ in 0..place % hosts.len() {
        turns.next(weight);
    }
    Some(Weighted { turns: Mutex::new(turns), warmup: warmup.cloned(), until: warming.filter(|_| equal) })
}

fn weight(algorithm: Algorithm, host: &Host, warmup: Option<&Warmup>, now: Instant) -> f64 {
    let weight = slow_start::weight(host, warmup, now);
    match algorithm {
        Algorithm::LeastRequest => weight / (f64::from(host.state.active.load(Ordering::Relaxed)) + 1.0),
        Algorithm::RoundRobin | Algorithm::Random => weight,
    }
}
