//! What balancers do, in figures, beside what theory says.

use config_schema::snapshot::LbPolicy;
use gateway::upstream::ActiveGuard;

use crate::fixture::*;

/// How evenly endpoints are used.
#[derive(Debug)]
pub struct Spread {
    pub name: &'static str,
    /// Largest difference between an endpoint's share and what it should have, in percent of that.
    pub worst: f64,
    /// The same by theory: what must not be exceeded.
    pub bound: f64,
}

/// Picks for each figure.
pub const PICKS: usize = 100_000;
/// Keys for each figure.
pub const KEYS: usize = 50_000;

fn key(n: usize) -> u64 {
    xxhash_rust::xxh64::xxh64(&n.to_le_bytes(), 0)
}

fn worst(counts: &[usize], weights: &[u32]) -> f64 {
    let total: usize = counts.iter().sum();
    let sum: u32 = weights.iter().sum();
    let fair = |weight: u32| total as f64 * f64::from(weight) / f64::from(sum);
    let off = counts.iter().zip(weights).map(|(count, weight)| (*count as f64 / fair(*weight) - 1.0).abs());
    100.0 * off.fold(0.0, f64::max)
}

/// Shares of 10 equal endpoints, or of 10 with weights 1 to 10, at 100,000 picks.
pub fn spread() -> Vec<Spread> {
    let equal = vec![1; 10];
    let weighted_: Vec<u32> = (1..=10).collect();
    // Four standard deviations of a share of a tenth, or (weighted) of the smallest, 1/55.
    let random = |share: f64| 400.0 * ((1.0 - share) / (share * PICKS as f64)).sqrt();
    // Points at random on a circle: each of `k` arcs varies by its mean, so that a sum of k varies by one over root k.
    let arcs = |points: f64, share: f64| 400.0 / points.sqrt() + random(share);
    let cases: Vec<(&'static str, LbPolicy, &[u32], f64)> = vec![
        ("ROUND_ROBIN", LbPolicy::RoundRobin, &equal, 0.01),
        ("ROUND_ROBIN, weights 1 to 10", LbPolicy::RoundRobin, &weighted_, 0.06),
        ("LEAST_REQUEST", LbPolicy::LeastRequest, &equal, random(0.1)),
        ("LEAST_REQUEST, weights 1 to 10", LbPolicy::LeastRequest, &weighted_, 0.06),
        ("RANDOM", LbPolicy::Random, &equal, random(0.1)),
        ("consistentHash ringHash", ring(), &equal, arcs(103.0, 0.1)),
        ("consistentHash ringHash, weights 1 to 10", ring(), &weighted_, arcs(19.0, 1.0 / 55.0)),
        ("consistentHash maglev", maglev(), &equal, random(0.1) + 0.1),
        ("consistentHash maglev, weights 1 to 10", maglev(), &weighted_, random(1.0 / 55.0) + 1.0),
    ];
    let measure = |(name, policy, weights, bound): (&'static str, LbPolicy, &[u32], f64)| {
        let counts = Bench::new(spec(policy), &weighted(weights), 42).counts(10, PICKS);
        Spread { name, worst: worst(&counts, weights), bound }
    };
    cases.into_iter().map(measure).collect()
}

/// The most requests at once that one of 100 endpoints has, with 1,000 requests at once in all, on average over time.
#[derive(Debug)]
pub struct Load {
    pub name: &'static str,
    pub most: f64,
    /// The same by theory, about.
    pub theory: f64,
}

/// Requests end at random; a new one comes for each.
pub fn load() -> Vec<Load> {
    let (n, m) = (100.0_f64, 1000.0_f64);
    // Balls into bins (Raab and Steger 1998; Azar et al. 1994).
    let random = m / n + (2.0 * m / n * n.ln()).sqrt();
    let two_choices = m / n + n.ln().ln() / 2.0_f64.ln() + 1.0;
    let measure = |(name, policy, theory): (&'static str, LbPolicy, f64)| {
        let mut bench = Bench::new(spec(policy), &equal(100), 42);
        let mut active: Vec<ActiveGuard> = Vec::new();
        let mut most = Vec::new();
        for step in 0..40_000 {
            if active.len() == 1000 {
                let index = rand::RngExt::random_range(&mut bench.rng, 0..active.len());
                drop(active.swap_remove(index));
            }
            let host = bench.pick().unwrap();
            active.push(ActiveGuard::new(&host.state));
            if step >= 5_000 && step % 1_000 == 0 {
                let hosts = bench.cluster.state.hosts.load();
                let active = hosts.iter().map(|host| host.state.active.load(std::sync::atomic::Ordering::Relaxed));
                most.push(active.max().unwrap_or_default());
            }
        }
        let most = f64::from(most.iter().sum::<u32>()) / most.len() as f64;
        Load { name, most, theory }
    };
    [("RANDOM", LbPolicy::Random, random), ("LEAST_REQUEST", LbPolicy::LeastRequest, two_choices)].map(measure).into()
}

/// What becomes of keys when one of `n` endpoints leaves.
#[derive(Debug)]
pub struct Stability {
    pub name: &'static str,
    pub n: usize,
    /// Keys that meet another endpoint, in percent.
    pub moved: f64,
    /// The least that is possible: the keys of the endpoint that has left.
    pub least: f64,
    /// What theory says for this table.
    pub theory: f64,
}

/// For each table and some numbers of endpoints.
pub fn stability() -> Vec<Stability> {
    let mut figures = Vec::new();
    for n in [2, 3, 5, 10, 50, 100] {
        figures.push(stability_of("ringHash", ring(), n, ring_theory(n)));
        figures.push(stability_of("maglev", maglev(), n, f64::NAN));
    }
    figures
}

fn stability_of(name: &'static str, policy: LbPolicy, n: usize, theory: f64) -> Stability {
    let mut bench = Bench::new(spec(policy), &equal(n), 42);
    let owners =
        |bench: &mut Bench| -> Vec<usize> { (0..KEYS).map(|n| number(&bench.pick_key(key(n)).unwrap())).collect() };
    let before = owners(&mut bench);
    let mut endpoints = equal(n);
    endpoints.localities[0].endpoints.remove(n / 2);
    bench.cluster.update_hosts(&endpoints, bench.now);
    let after = owners(&mut bench);
    let percent = |count: usize| 100.0 * count as f64 / KEYS as f64;
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    let least = before.iter().filter(|owner| **owner == n / 2).count();
    Stability { name, n, moved: percent(moved), least: percent(least), theory }
}

/// A ring keeps its size: those who stay get more points, and these take keys from others, in percent.
fn ring_theory(n: usize) -> f64 {
    let points = |n: usize| (1024.0 / n as f64).ceil();
    let (before, after) = (points(n), points(n - 1));
    let left = 1.0 / n as f64;
    let taken = (after - before) / after * (1.0 - 1.0 / (n as f64 - 1.0));
    100.0 * (left + (1.0 - left) * taken)
}
