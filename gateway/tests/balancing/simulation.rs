//! A life with failures: requests come and end, endpoints fail, recover, come and leave, the configuration changes.
//! Everything follows from the seed.

use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use config_schema::snapshot::{self, CircuitBreakers, Endpoints, LbPolicy, RetryBudget};
use gateway::upstream::{ActiveGuard, Checked, Host, Observed, RequestGuard, RetryGuard};
use rand::RngExt;

use crate::fixture::*;

const SEEDS: u64 = 300;
/// Of virtual time; failures end some time before.
const LIFE: Duration = Duration::from_secs(600);
const FAILURES_END: Duration = Duration::from_secs(300);
/// The longest ejection (300 s) and a beat are over by then.
const REST: Duration = Duration::from_secs(320);

#[test]
fn hundreds_of_lives() {
    for seed in 0..SEEDS {
        let first = Life::new(seed).run();
        if seed % 10 == 0 {
            assert_eq!(Life::new(seed).run(), first, "seed {seed}: same seed, same life");
        }
    }
}

/// A request under way.
struct Flight {
    end: Instant,
    number: u64,
    host: Arc<Host>,
    fails: Option<Observed>,
    _active: ActiveGuard,
    request: RequestGuard,
    retry: Option<RetryGuard>,
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.end, other.number).cmp(&(self.end, self.number))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == std::cmp::Ordering::Equal
    }
}

impl Eq for Flight {}

struct Life {
    bench: Bench,
    start: Instant,
    spec: snapshot::Cluster,
    /// Endpoints by number, and whether requests to them fail now.
    members: BTreeMap<usize, bool>,
    flights: BinaryHeap<Flight>,
    next: usize,
    trace: DefaultHasher,
    ejected_since: BTreeMap<u64, Instant>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let policies = [LbPolicy::LeastRequest, LbPolicy::RoundRobin, LbPolicy::Random, ring(), maglev_small()];
        let mut spec = spec(policies[seed as usize % policies.len()].clone());
        spec.outlier_detection = Some(snapshot::OutlierDetection {
            consecutive_5xx: 3,
            consecutive_gateway_errors: 2,
            ..outlier([10, 34, 50, 100][seed as usize % 4])
        });
        spec.load_balancer.panic_threshold = [0, 0, 30][seed as usize % 3];
        spec.health_check = seed.is_multiple_of(3).then(health_check);
        spec.circuit_breakers = CircuitBreakers {
            max_requests: Some(20),
            max_retries: seed.is_multiple_of(2).then_some(3),
            retry_budget: (!seed.is_multiple_of(2)).then_some(RetryBudget {
                percent: 20.0,
                min_concurrency: 2,
                interval: Duration::from_secs(seed % 4),
            }),
            ..CircuitBreakers::default()
        };
        let members: BTreeMap<usize, bool> = (0..4 + seed as usize % 9).map(|n| (n, false)).collect();
        let bench = Bench::new(spec.clone(), &endpoints(&members, &spec), seed);
        let (start, next) = (bench.now, members.len());
        Life {
            bench,
            start,
            spec,
            members,
            flights: BinaryHeap::new(),
            next,
            trace: DefaultHasher::new(),
            ejected_since: BTreeMap::new(),
        }
    }

    /// Lives to the end; tells everything that happened, as one number.
    fn run(mut self) -> u64 {
        while self.bench.now < self.start + LIFE {
            let step = Duration::from_millis(self.bench.rng.random_range(1..200));
            self.bench.advance(step);
            self.end_flights();
            match self.bench.rng.random_range(0..40) {
                0 => self.change_endpoints(),
                1 | 2 if self.bench.now < self.start + FAILURES_END => self.change_faults(),
                3 => self.change_configuration(),
                4 | 5 => self.check_health(),
                _ => self.send(None),
            }
            if self.bench.now >= self.start + FAILURES_END {
                self.members.values_mut().for_each(|fails| *fails = false);
            }
            self.check_rules();
        }
        self.come_to_rest();
        self.trace.finish()
    }

    fn send(&mut self, retry: Option<RetryGuard>) {
        let key = self.bench.rng.random_range(0..50u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let Some(host) = self.bench.pick_key(key) else {
            let healthy = self.bench.cluster.state.hosts.load().iter().any(|host| host.is_healthy());
            assert!(!healthy, "nobody was picked though somebody is healthy");
            return;
        };
        self.check_pick(&host);
        let state = Arc::clone(&self.bench.cluster.state);
        let now = self.bench.now;
        let Some(request) = RequestGuard::try_new(&state, &self.spec.circuit_breakers, || now) else {
            assert_eq!(state.breakers.requests.load(Ordering::Relaxed), 20, "refused below the limit");
            return;
        };
        let number = number(&host);
        number.hash(&mut self.trace);
        let fails = self.members.get(&number).copied().unwrap_or(false);
        let failure = [Observed::Status(500), Observed::Status(503), Observed::ConnectFailure, Observed::Timeout];
        let fails = fails.then(|| failure[self.bench.rng.random_range(0..4)]);
        let end = now + Duration::from_millis(self.bench.rng.random_range(1..3000));
        let active = ActiveGuard::new(&host.state);
        self.next += 1;
        self.flights.push(Flight { end, number: self.next as u64, host, fails, _active: active, request, retry });
    }

    fn end_flights(&mut self) {
        while self.flights.peek().is_some_and(|flight| flight.end <= self.bench.now) {
            let Flight { host, fails, _active, request, retry, .. } = self.flights.pop().unwrap();
            drop((request, retry, _active));
            self.bench.observe(&host, fails.unwrap_or(Observed::Status(200)));
            fails.is_some().hash(&mut self.trace);
            if fails.is_some() {
                let state = Arc::clone(&self.bench.cluster.state);
                let guard = RetryGuard::try_new(&state, &self.spec.circuit_breakers, self.bench.now);
                if guard.is_some() {
                    self.send(guard);
                }
            }
        }
    }

    fn change_endpoints(&mut self) {
        if self.members.len() > 2 && self.bench.rng.random_bool(0.5) {
            let index = self.bench.rng.random_range(0..self.members.len());
            let leaves = *self.members.keys().nth(index).unwrap();
            self.members.remove(&leaves);
        } else if self.members.len() < 20 {
            self.next += 1;
            self.members.insert(self.next, false);
        }
        self.bench.cluster.update_hosts(&endpoints(&self.members, &self.spec), self.bench.now);
    }

    fn change_faults(&mut self) {
        let index = self.bench.rng.random_range(0..self.members.len());
        let fails = self.bench.rng.random_bool(0.6);
        *self.members.values_mut().nth(index).unwrap() = fails;
    }

    fn change_configuration(&mut self) {
        let policies = [LbPolicy::LeastRequest, LbPolicy::RoundRobin, LbPolicy::Random, ring(), maglev_small()];
        self.spec.load_balancer.policy = policies[self.bench.rng.random_range(0..policies.len())].clone();
        self.bench.configure(self.spec.clone());
    }

    fn check_health(&mut self) {
        if self.spec.health_check.is_none() {
            return;
        }
        for (number, fails) in self.members.clone() {
            self.bench.cluster.state.set_checked(&self.bench.host(number), !fails, self.bench.now);
        }
    }

    /// Who was picked might be.
    fn check_pick(&self, host: &Host) {
        assert!(host.state.is_member(), "{} has left", host.name);
        let hosts = self.bench.cluster.state.hosts.load();
        let healthy = hosts.iter().filter(|host| host.is_healthy()).count();
        let panic = 100 * healthy < self.spec.load_balancer.panic_threshold as usize * hosts.len();
        assert!(host.is_healthy() || panic, "{} is not healthy: {:?}", host.name, host.state);
    }

    /// What must always be so.
    fn check_rules(&mut self) {
        let state = Arc::clone(&self.bench.cluster.state);
        state.sweep(self.bench.now);
        let hosts = state.hosts.load();
        let breakers = &state.breakers;
        assert_eq!(breakers.requests.load(Ordering::Relaxed) as usize, self.flights.len());
        assert!(self.flights.len() <= 20);
        let retries = self.flights.iter().filter(|flight| flight.retry.is_some()).count();
        assert_eq!(breakers.retries.load(Ordering::Relaxed) as usize, retries);
        for host in hosts.iter() {
            let active = self.flights.iter().filter(|flight| Arc::ptr_eq(&flight.host.state, &host.state)).count();
            assert_eq!(host.state.active.load(Ordering::Relaxed) as usize, active, "{}", host.name);
            if host.state.is_ejected() {
                let since = *self.ejected_since.entry(host.state.id).or_insert(self.bench.now);
                assert!(self.bench.now - since <= REST, "{} is ejected for too long", host.name);
            } else {
                self.ejected_since.remove(&host.state.id);
            }
        }
        // Endpoints that leave may push the share of those who stay up, but nobody is ejected beyond the cap.
        let ejected: Vec<usize> = hosts.iter().filter(|h| h.state.is_ejected()).map(|h| number(h)).collect();
        ejected.hash(&mut self.trace);
    }

    /// Once all failures have ended, everything is as in the beginning.
    fn come_to_rest(&mut self) {
        self.bench.advance(REST);
        self.end_flights();
        self.check_health();
        let state = Arc::clone(&self.bench.cluster.state);
        state.sweep(self.bench.now);
        assert!(self.flights.is_empty());
        for counter in [&state.breakers.requests, &state.breakers.pending, &state.breakers.retries] {
            assert_eq!(counter.load(Ordering::Relaxed), 0);
        }
        for host in state.hosts.load().iter() {
            assert!(host.is_healthy(), "{} {:?}", host.name, host.state);
            assert_eq!(host.state.active.load(Ordering::Relaxed), 0);
            assert!(host.state.checked() != Checked::Unhealthy);
        }
        self.check_fairness();
    }

    /// Turns are equal to the last one; keys stay where they are; nobody is left out by chance.
    fn check_fairness(&mut self) {
        let n = self.members.len();
        let counts = |bench: &mut Bench| -> Vec<usize> {
            let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
            (0..100 * n).for_each(|_| *counts.entry(number(&bench.pick().unwrap())).or_default() += 1);
            assert_eq!(counts.len(), n, "everybody is used");
            counts.into_values().collect()
        };
        let counted = counts(&mut self.bench);
        let (least, most) = (counted.iter().min().unwrap(), counted.iter().max().unwrap());
        match self.spec.load_balancer.policy {
            LbPolicy::RoundRobin => assert!(most - least <= 1, "{counted:?}"),
            // Six standard deviations of a hundred expected.
            LbPolicy::LeastRequest | LbPolicy::Random => assert!(*least > 40 && *most < 160, "{counted:?}"),
            LbPolicy::ConsistentHash(_) | LbPolicy::Passthrough => {}
        }
    }
}

fn maglev_small() -> LbPolicy {
    let ring = snapshot::HashRing::Maglev { table_size: 251 };
    LbPolicy::ConsistentHash(snapshot::ConsistentHash { ring })
}

fn endpoints(members: &BTreeMap<usize, bool>, _: &snapshot::Cluster) -> Endpoints {
    Endpoints { localities: vec![locality("here", 0, 1, members.keys().map(|n| endpoint(*n, 1)).collect())] }
}
