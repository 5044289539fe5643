//! Load balancing: which endpoint takes a request. Pure: time and randomness are passed in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use config_schema::snapshot::{LbPolicy, LoadBalancer};
use rand::Rng;

use super::host::{Host, HostSet};

/// What a pick may depend on.
pub struct PickContext<'a> {
    /// The time.
    pub now: Instant,
    /// Randomness.
    pub rng: &'a mut dyn Rng,
    /// Consistent-hash key.
    pub hash: Option<u64>,
    /// Endpoints already tried for this request.
    pub tried: &'a [Arc<Host>],
    /// How often to pick again to avoid them.
    pub reselect: u32,
}

/// The balancer's memory.
#[derive(Debug, Default)]
pub struct LbState {
    next: AtomicUsize,
}

impl LbState {
    /// Picks an endpoint; `None` if there is none that may be used.
    pub fn pick(&self, policy: &LoadBalancer, hosts: &HostSet, context: &mut PickContext<'_>) -> Option<Arc<Host>> {
        let mut chosen = self.pick_once(policy, hosts, context)?;
        for _ in 0..context.reselect {
            if !context
                .tried
                .iter()
                .any(|tried| Arc::ptr_eq(tried, chosen) || tried.spec.address == chosen.spec.address)
            {
                break;
            }
            chosen = self.pick_once(policy, hosts, context)?;
        }
        Some(Arc::clone(chosen))
    }

    fn pick_once<'h>(
        &self,
        policy: &LoadBalancer,
        hosts: &'h HostSet,
        context: &mut PickContext<'_>,
    ) -> Option<&'h Arc<Host>> {
        let healthy: smallvec::SmallVec<[&Arc<Host>; 16]> = hosts
            .priorities
            .iter()
            .map(|priority| priority.hosts.iter().filter(|host| host.is_healthy()).collect::<smallvec::SmallVec<_>>())
            .find(|list: &smallvec::SmallVec<[&Arc<Host>; 16]>| !list.is_empty())?;
        let random = |rng: &mut dyn Rng| healthy[(rng.next_u64() % healthy.len() as u64) as usize];
        Some(match &policy.policy {
            LbPolicy::RoundRobin => healthy[self.next.fetch_add(1, Ordering::Relaxed) % healthy.len()],
            LbPolicy::LeastRequest => {
                let (a, b) = (random(context.rng), random(context.rng));
                let active = |host: &Arc<Host>| host.state.active.load(Ordering::Relaxed);
                if active(b) < active(a) { b } else { a }
            }
            LbPolicy::ConsistentHash(_) => match context.hash {
                Some(hash) => healthy[(hash % healthy.len() as u64) as usize],
                None => random(context.rng),
            },
            LbPolicy::Random => random(context.rng),
            LbPolicy::Passthrough => return None,
        })
    }

    /// The endpoints are others now: forget what was computed from them.
    pub fn hosts_changed(&self) {}
}
