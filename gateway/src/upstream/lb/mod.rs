//! Load balancing: which endpoint takes a request.
//!
//! A [`Balancer`] is computed from endpoints, their health and the policy whenever one of them changes; a pick only
//! reads it. Pure: time and randomness are passed in. The algorithms are Envoy's, so that shares, stickiness and
//! fail-over come out as Istio's users know them.

mod edf;
mod group;
mod load;
mod maglev;
mod ring;
mod slow_start;
mod tier;

use std::sync::Arc;
use std::time::Instant;

use config_schema::snapshot::LoadBalancer;
use rand::Rng;

use self::load::Loads;
use self::tier::{Draw, Tier};
use super::host::Host;
use super::host_set::HostSet;

pub use self::maglev::MaglevTable;
pub use self::ring::HashRing;

/// What a pick may depend on.
pub struct PickContext<'a> {
    /// The time.
    pub now: Instant,
    /// Randomness.
    pub rng: &'a mut dyn Rng,
    /// Consistent-hash key. Without one a hashing balancer picks at random.
    pub hash: Option<u64>,
    /// Endpoints already tried for this request.
    pub tried: &'a [Arc<Host>],
    /// How often to pick again to avoid them.
    pub reselect: u32,
    /// After every second try, leave out the priorities that have been tried (`retryRemoteLocalities`).
    pub leave_tried_priorities: bool,
}

/// Which endpoints take part, in order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Eligible {
    /// Those known to be healthy.
    Healthy,
    /// Those that no health check has looked at yet.
    Unchecked,
    /// Those that are on their way out but serve still.
    Draining,
}

/// Everything that a pick needs.
#[derive(Debug, Default)]
pub struct Balancer {
    tiers: Vec<Tier>,
    loads: Loads,
}

impl Balancer {
    /// From endpoints and their health at this moment. Places in rotations go on from where `previous` left them, and
    /// begin at `seed`.
    pub fn new(policy: &LoadBalancer, hosts: &HostSet, previous: &Balancer, seed: usize, now: Instant) -> Self {
        let eligible = [Eligible::Healthy, Eligible::Unchecked, Eligible::Draining]
            .into_iter()
            .find(|eligible| hosts.iter().any(|host| is_eligible(host, *eligible)))
            .unwrap_or(Eligible::Healthy);
        let usable = |host: &Host| is_eligible(host, eligible);
        let counts: Vec<(usize, usize)> = hosts
            .priorities
            .iter()
            .map(|priority| (priority.hosts.iter().filter(|host| usable(host)).count(), priority.hosts.len()))
            .collect();
        let loads = Loads::new(&counts, policy.panic_threshold);
        let tiers = hosts.priorities.iter().enumerate().map(|(index, priority)| {
            let panic = loads.is_panic(index);
            let usable = |host: &Host| panic || usable(host);
            Tier::new(policy, priority, panic, &usable, previous.tiers.get(index), seed, now)
        });
        Balancer { tiers: tiers.collect(), loads }
    }

    /// Picks an endpoint; `None` if there is none that may be used.
    pub fn pick(&self, context: &mut PickContext<'_>) -> Option<Arc<Host>> {
        let mut draw = Draw::new(context);
        let mut chosen = self.pick_once(context, &draw)?;
        for attempt in 1..=context.reselect {
            if !was_tried(context.tried, chosen) {
                break;
            }
            draw.again(context, attempt);
            chosen = self.pick_once(context, &draw)?;
        }
        Some(Arc::clone(chosen))
    }

    fn pick_once(&self, context: &mut PickContext<'_>, draw: &Draw) -> Option<&Arc<Host>> {
        let left_out = if context.leave_tried_priorities { context.tried } else { &[] };
        let tier = self.loads.choose(draw.priority, left_out.iter().map(|host| host.priority))?;
        self.tiers.get(tier)?.pick(context, draw)
    }

    /// Whether health is ignored for a priority because too few of its endpoints have any.
    pub fn is_panic(&self, priority: usize) -> bool {
        self.loads.is_panic(priority)
    }

    /// Share of requests that a priority gets, in percent.
    pub fn load(&self, priority: usize) -> u32 {
        self.loads.percent(priority)
    }
}

fn is_eligible(host: &Host, eligible: Eligible) -> bool {
    use config_schema::snapshot::Health;
    if host.state.is_ejected() || host.state.failed_checks() {
        return false;
    }
    match eligible {
        Eligible::Healthy => host.spec.health == Health::Healthy && !host.state.is_unchecked(),
        Eligible::Unchecked => host.spec.health == Health::Healthy,
        Eligible::Draining => matches!(host.spec.health, Health::Healthy | Health::Draining),
    }
}

fn was_tried(tried: &[Arc<Host>], host: &Arc<Host>) -> bool {
    tried.iter().any(|tried| Arc::ptr_eq(tried, host) || tried.spec.address == host.spec.address)
}

/// A number below `n`, by a random one.
fn below(random: u64, n: usize) -> usize {
    ((u128::from(random) * n as u128) >> 64) as usize
}
