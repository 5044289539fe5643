//! The endpoints of one priority, ready to be picked from.

use std::sync::Arc;
use std::time::Instant;

use config_schema::snapshot::{self, LbPolicy, LoadBalancer};
use parking_lot::Mutex;

use super::PickContext;
use super::edf::Edf;
use super::group::{Algorithm, Group};
use super::maglev::MaglevTable;
use super::ring::HashRing;
use crate::upstream::host::Host;
use crate::upstream::host_set::Priority;

/// The random or hashed numbers of one pick.
#[derive(Debug)]
pub(super) struct Draw {
    /// Chooses the priority.
    pub(super) priority: u64,
    /// Chooses the endpoint, where it is hashed.
    key: u64,
    hashed: bool,
    attempt: u32,
}

impl Draw {
    /// The key if there is one, else a random number.
    pub(super) fn new(context: &mut PickContext<'_>) -> Self {
        let key = context.hash.unwrap_or_else(|| context.rng.next_u64());
        Draw { priority: key, key, hashed: context.hash.is_some(), attempt: 0 }
    }

    /// For the next attempt of the same pick.
    pub(super) fn again(&mut self, context: &mut PickContext<'_>, attempt: u32) {
        self.attempt = attempt;
        if !self.hashed {
            self.priority = context.rng.next_u64();
        }
    }
}

/// The endpoints of one priority.
#[derive(Debug)]
pub(super) enum Tier {
    /// All alike.
    Flat(Group),
    /// By locality, with shares.
    Localities {
        /// Whose turn it is.
        turns: Mutex<Edf>,
        /// What each weighs: its share, less what it lacks in health.
        weights: Vec<f64>,
        /// Endpoints of each.
        groups: Vec<Group>,
    },
    /// By a ring.
    Ring(HashRing, Vec<Arc<Host>>),
    /// By a table.
    Maglev(MaglevTable, Vec<Arc<Host>>),
    /// Chosen elsewhere.
    Unpicked,
}

/// Envoy's overprovisioning, as a factor.
const OVERPROVISIONING: f64 = 1.4;

impl Tier {
    /// From the endpoints that `usable` admits.
    pub(super) fn new(
        policy: &LoadBalancer,
        priority: &Priority,
        panic: bool,
        usable: &dyn Fn(&Host) -> bool,
        previous: Option<&Tier>,
        seed: usize,
        now: Instant,
    ) -> Self {
        let algorithm = match &policy.policy {
            LbPolicy::LeastRequest => Algorithm::LeastRequest,
            LbPolicy::RoundRobin => Algorithm::RoundRobin,
            LbPolicy::Random => Algorithm::Random,
            LbPolicy::Passthrough => return Tier::Unpicked,
            LbPolicy::ConsistentHash(hash) => return hashed(policy, hash.ring, priority, usable),
        };
        let group = |hosts: &[Arc<Host>], index: usize| {
            let hosts = hosts.iter().filter(|host| usable(host)).cloned().collect();
            let place = previous.and_then(|tier| tier.place(index)).unwrap_or(seed);
            Group::new(algorithm, policy.warmup.as_ref(), hosts, place, now)
        };
        let weights = if policy.locality_weighted && !panic { weights(priority, usable) } else { Vec::new() };
        let mut turns = Edf::new(weights.iter().copied());
        if turns.is_empty() {
            return Tier::Flat(group(&priority.hosts, 0));
        }
        for _ in 0..seed % weights.len() {
            turns.next(|index| weights[index]);
        }
        let localities = priority.localities.iter().enumerate();
        let groups = localities.map(|(index, (range, _))| group(&priority.hosts[range.clone()], index)).collect();
        Tier::Localities { turns: Mutex::new(turns), weights, groups }
    }

    /// Picks one.
    pub(super) fn pick(&self, context: &mut PickContext<'_>, draw: &Draw) -> Option<&Arc<Host>> {
        match self {
            Tier::Flat(group) => group.pick(context),
            Tier::Localities { turns, weights, groups } => {
                let locality = turns.lock().next(|index| weights[index])?;
                groups.get(locality)?.pick(context)
            }
            Tier::Ring(ring, hosts) => hosts.get(ring.get(draw.key, draw.attempt)?),
            Tier::Maglev(table, hosts) => hosts.get(table.get(draw.key, draw.attempt)?),
            Tier::Unpicked => None,
        }
    }

    /// How far a rotation has come.
    fn place(&self, group: usize) -> Option<usize> {
        match self {
            Tier::Flat(only) => (group == 0).then(|| only.place()),
            Tier::Localities { groups, .. } => groups.get(group).map(Group::place),
            Tier::Ring(..) | Tier::Maglev(..) | Tier::Unpicked => None,
        }
    }
}

/// What each locality weighs: its share times its health, of which a little may be missing.
fn weights(priority: &Priority, usable: &dyn Fn(&Host) -> bool) -> Vec<f64> {
    let weight = |(range, share): &(std::ops::Range<usize>, u32)| {
        let hosts = &priority.hosts[range.clone()];
        if hosts.is_empty() {
            return 0.0;
        }
        let healthy = hosts.iter().filter(|host| usable(host)).count() as f64 / hosts.len() as f64;
        f64::from(*share) * (OVERPROVISIONING * healthy).min(1.0)
    };
    priority.localities.iter().map(weight).collect()
}

/// Where each key has its endpoint.
fn hashed(
    policy: &LoadBalancer,
    ring: snapshot::HashRing,
    priority: &Priority,
    usable: &dyn Fn(&Host) -> bool,
) -> Tier {
    let members = normalized(policy.locality_weighted, priority, usable);
    let names = members.iter().map(|(host, weight)| (&*host.name, *weight));
    match ring {
        snapshot::HashRing::Ring { minimum_size } => {
            let ring = HashRing::new(names, minimum_size);
            Tier::Ring(ring, members.into_iter().map(|(host, _)| host).collect())
        }
        snapshot::HashRing::Maglev { table_size } => {
            let table = MaglevTable::new(names, table_size);
            Tier::Maglev(table, members.into_iter().map(|(host, _)| host).collect())
        }
    }
}

/// Endpoints with weights that sum up to 1; shares of localities first, if they are weighed.
fn normalized(by_locality: bool, priority: &Priority, usable: &dyn Fn(&Host) -> bool) -> Vec<(Arc<Host>, f64)> {
    let mut members = Vec::new();
    let mut add = |hosts: &[Arc<Host>], share: f64| {
        let hosts = || hosts.iter().filter(|host| usable(host));
        let sum: f64 = hosts().map(|host| f64::from(host.spec.weight.max(1))).sum();
        members.extend(hosts().map(|host| (Arc::clone(host), f64::from(host.spec.weight.max(1)) * share / sum)));
    };
    let shares: f64 = priority.localities.iter().map(|(_, share)| f64::from(*share)).sum();
    if by_locality && shares > 0.0 {
        for (range, share) in priority.localities.iter().filter(|(_, share)| *share > 0) {
            add(&priority.hosts[range.clone()], f64::from(*share) / shares);
        }
    } else {
        add(&priority.hosts, 1.0);
    }
    members
}
