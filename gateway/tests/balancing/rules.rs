//! The rules of picking, one by one.

use std::sync::Arc;
use std::time::Duration;

use config_schema::snapshot::{Endpoints, Health, LbPolicy, Warmup};
use gateway::upstream::{ActiveGuard, Checked, Host, Observed};

use crate::fixture::*;

fn region(priority: u32, weight: u32, numbers: std::ops::Range<usize>) -> config_schema::snapshot::LocalityEndpoints {
    locality(&format!("r{}", numbers.start), priority, weight, numbers.map(|n| endpoint(n, 1)).collect())
}

#[test]
fn round_robin_takes_turns_and_goes_on_where_it_was() {
    let mut bench = Bench::new(spec(LbPolicy::RoundRobin), &equal(3), 1);
    let mut turns: Vec<usize> = (0..4).map(|_| number(&bench.pick().unwrap())).collect();
    // Nothing that matters changes here, but everything is computed anew.
    bench.cluster.update_hosts(&weighted(&[2, 2, 2]), bench.now);
    turns.extend((0..2).map(|_| number(&bench.pick().unwrap())));
    assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn weights_are_kept_by_round_robin_and_least_request_not_by_random() {
    for (policy, expected) in [
        (LbPolicy::RoundRobin, [100, 300, 600]),
        (LbPolicy::LeastRequest, [100, 300, 600]),
        (LbPolicy::Random, [333, 333, 333]),
    ] {
        let name = format!("{policy:?}");
        let counts = Bench::new(spec(policy), &weighted(&[1, 3, 6]), 1).counts(3, 1000);
        for (count, expected) in counts.iter().zip(expected) {
            assert!(count.abs_diff(expected) <= if name == "Random" { 60 } else { 2 }, "{name}: {counts:?}");
        }
    }
}

#[test]
fn least_request_avoids_the_loaded() {
    let mut bench = Bench::new(spec(LbPolicy::LeastRequest), &equal(2), 1);
    let busy = bench.host(0);
    let _active: Vec<ActiveGuard> = (0..5).map(|_| ActiveGuard::new(&busy.state)).collect();
    // Two draws hit the loaded one both with a chance of a quarter.
    let counts = bench.counts(2, 1000);
    assert!((200..300).contains(&counts[0]), "{counts:?}");
    // With weights load counts as a fraction of the weight.
    bench.cluster.update_hosts(&weighted(&[1, 2]), bench.now);
    let counts = bench.counts(2, 1300);
    assert!(counts[0].abs_diff(100) <= 2, "a sixth to two: {counts:?}");
}

#[test]
fn a_key_stays_with_its_endpoint_and_without_one_any_is_picked() {
    for policy in [ring(), maglev()] {
        let mut bench = Bench::new(spec(policy), &equal(5), 1);
        for key in (0..100u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)) {
            let first = number(&bench.pick_key(key).unwrap());
            assert!((0..5).all(|_| number(&bench.pick_key(key).unwrap()) == first));
        }
        assert!(bench.counts(5, 500).iter().all(|count| *count > 30));
    }
}

#[test]
fn retries_look_for_another_endpoint() {
    for policy in [LbPolicy::RoundRobin, LbPolicy::LeastRequest, LbPolicy::Random, ring(), maglev()] {
        let name = format!("{policy:?}");
        let mut bench = Bench::new(spec(policy), &equal(3), 7);
        for key in (0..200u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)) {
            let first = bench.pick_key(key).unwrap();
            let tried: [Arc<Host>; 1] = [first];
            let other = bench.pick_for(Some(key), &tried, 50).unwrap();
            assert_ne!(number(&other), number(&tried[0]), "{name}");
        }
    }
}

#[test]
fn failover_by_priority() {
    let mut spec = spec(LbPolicy::Random);
    spec.health_check = Some(health_check());
    let endpoints = Endpoints { localities: vec![region(0, 1, 0..10), region(1, 1, 10..20)] };
    let mut bench = Bench::new(spec, &endpoints, 3);
    (0..20).for_each(|n| bench.cluster.state.set_checked(&bench.host(n), true, bench.now));
    let first_share = |bench: &mut Bench| bench.counts(20, 2000)[..10].iter().sum::<usize>() as f64 / 20.0;
    assert!((first_share(&mut bench) - 100.0).abs() < f64::EPSILON);
    // 20 % have failed: with 140 % of capacity nobody else is needed. At 50 %, 70 % stay.
    for (failed, expected) in [(0..2, 100.0), (2..5, 70.0), (5..10, 0.0)] {
        failed.for_each(|n| bench.cluster.state.set_checked(&bench.host(n), false, bench.now));
        let share = first_share(&mut bench);
        assert!((share - expected).abs() < 4.0, "{share} instead of {expected}");
    }
}

#[test]
fn nobody_healthy_means_nobody_unless_panic_is_allowed() {
    for (panic_threshold, expected) in [(0, false), (1, true), (50, true)] {
        let mut spec = spec(LbPolicy::RoundRobin);
        spec.load_balancer.panic_threshold = panic_threshold;
        spec.outlier_detection = Some(outlier(100));
        let mut bench = Bench::new(spec, &equal(4), 1);
        for n in 0..4 {
            bench.observe(&bench.host(n), Observed::Status(500));
        }
        assert_eq!(bench.pick().is_some(), expected, "{panic_threshold}");
    }
}

#[test]
fn panic_begins_below_the_threshold() {
    let mut spec = spec(LbPolicy::RoundRobin);
    spec.load_balancer.panic_threshold = 50;
    spec.outlier_detection = Some(outlier(100));
    let mut bench = Bench::new(spec, &equal(4), 1);
    let distinct = |bench: &mut Bench| bench.counts(4, 40).iter().filter(|count| **count > 0).count();
    for (n, expected) in [(0, 3), (1, 2), (2, 4), (3, 4)] {
        bench.observe(&bench.host(n), Observed::Status(500));
        assert_eq!(distinct(&mut bench), expected, "after {} ejections", n + 1);
    }
}

#[test]
fn shares_of_localities() {
    for policy in [LbPolicy::Random, LbPolicy::RoundRobin, LbPolicy::LeastRequest] {
        let mut spec = spec(policy);
        spec.load_balancer.locality_weighted = true;
        spec.outlier_detection = Some(outlier(100));
        let endpoints = Endpoints { localities: vec![region(0, 80, 0..4), region(0, 20, 4..5), region(0, 0, 5..6)] };
        let mut bench = Bench::new(spec, &endpoints, 1);
        let shares = |bench: &mut Bench| {
            let counts = bench.counts(6, 1000);
            (counts[..4].iter().sum::<usize>(), counts[4], counts[5])
        };
        assert_eq!(shares(&mut bench), (800, 200, 0));
        // Half of the first has failed: 1.4 times a half of 80 are 56, to 20.
        bench.observe(&bench.host(0), Observed::Status(500));
        bench.observe(&bench.host(1), Observed::Status(500));
        let (first, second, _) = shares(&mut bench);
        assert!(first.abs_diff(737) <= 1 && second.abs_diff(263) <= 1, "{first} {second}");
    }
}

#[test]
fn shares_of_localities_on_a_ring() {
    for policy in [ring(), maglev()] {
        let mut spec = spec(policy);
        spec.load_balancer.locality_weighted = true;
        let endpoints = Endpoints { localities: vec![region(0, 80, 0..4), region(0, 20, 4..5)] };
        let counts = Bench::new(spec, &endpoints, 1).counts(5, 20_000);
        assert!((3_000..5_000).contains(&counts[4]), "{counts:?}");
    }
}

#[test]
fn endpoints_that_leave_the_service_come_last() {
    let mut endpoints = equal(3);
    endpoints.localities[0].endpoints[0].health = Health::Draining;
    endpoints.localities[0].endpoints[1].health = Health::Unhealthy;
    let mut bench = Bench::new(spec(LbPolicy::RoundRobin), &endpoints, 1);
    assert_eq!(bench.counts(3, 10), [0, 0, 10]);
    endpoints.localities[0].endpoints[2].health = Health::Unhealthy;
    bench.cluster.update_hosts(&endpoints, bench.now);
    assert_eq!(bench.counts(3, 10), [10, 0, 0]);
    endpoints.localities[0].endpoints[0].health = Health::Unhealthy;
    bench.cluster.update_hosts(&endpoints, bench.now);
    assert!(bench.pick().is_none());
}

#[test]
fn switching_health_checks_on_interrupts_nothing() {
    let mut bench = Bench::new(spec(LbPolicy::RoundRobin), &equal(3), 1);
    let checked = |health_check| config_schema::snapshot::Cluster { health_check, ..spec(LbPolicy::RoundRobin) };
    bench.configure(checked(Some(health_check())));
    assert_eq!(bench.counts(3, 9), [3, 3, 3], "nobody has been looked at");
    bench.cluster.state.set_checked(&bench.host(1), true, bench.now);
    assert_eq!(bench.counts(3, 9), [0, 9, 0], "what is known to be healthy is preferred");
    bench.cluster.state.set_checked(&bench.host(1), false, bench.now);
    assert_eq!(bench.counts(3, 10), [5, 0, 5], "what is not known to fail is the next best");
    bench.configure(checked(None));
    assert_eq!(bench.host(1).state.checked(), Checked::Never);
    assert_eq!(bench.counts(3, 9), [3, 3, 3]);
}

#[test]
fn a_new_endpoint_warms_up() {
    for policy in [LbPolicy::RoundRobin, LbPolicy::LeastRequest] {
        let mut spec = spec(policy);
        let duration = Duration::from_secs(100);
        spec.load_balancer.warmup = Some(Warmup { duration, minimum_percent: 10.0, aggression: 1.0 });
        let mut bench = Bench::new(spec, &equal(2), 1);
        bench.advance(2 * duration);
        bench.cluster.update_hosts(&equal(3), bench.now);
        let new_share = |bench: &mut Bench| {
            // What was planned before has gone by after a few picks.
            bench.counts(3, 30);
            bench.counts(3, 2100)[2]
        };
        for (seconds, expected) in [(0, 100), (25, 233), (25, 420)] {
            bench.advance(Duration::from_secs(seconds));
            let count = new_share(&mut bench);
            assert!(count.abs_diff(expected) <= 15, "{count} instead of {expected}");
        }
        bench.advance(duration);
        assert!(bench.counts(3, 2100)[2].abs_diff(700) <= 80);
    }
}

#[test]
fn ejections_survive_changes_of_configuration_and_of_endpoints() {
    let mut detecting = spec(LbPolicy::RoundRobin);
    detecting.outlier_detection = Some(outlier(50));
    let mut bench = Bench::new(detecting.clone(), &equal(4), 1);
    bench.observe(&bench.host(2), Observed::Status(500));
    assert_eq!(bench.counts(4, 9), [3, 3, 0, 3]);
    detecting.load_balancer.policy = LbPolicy::Random;
    bench.configure(detecting);
    bench.cluster.update_hosts(&equal(5), bench.now);
    assert_eq!(bench.counts(5, 200)[2], 0);
    bench.advance(Duration::from_secs(30));
    assert!(bench.counts(5, 200)[2] > 0, "its time is over");
    bench.observe(&bench.host(2), Observed::Status(500));
    bench.configure(spec(LbPolicy::Random));
    assert!(bench.counts(5, 200)[2] > 0, "without outlier detection nobody is ejected");
}

#[test]
fn an_endpoint_that_comes_again_is_a_new_one() {
    let mut detecting = spec(LbPolicy::RoundRobin);
    detecting.outlier_detection = Some(outlier(50));
    let mut bench = Bench::new(detecting, &equal(3), 1);
    let old = bench.host(2);
    bench.observe(&old, Observed::Status(500));
    bench.cluster.update_hosts(&equal(2), bench.now);
    assert!(!old.state.is_member());
    bench.observe(&old, Observed::Status(500));
    bench.cluster.update_hosts(&equal(3), bench.now);
    assert_eq!(bench.counts(3, 9), [3, 3, 3]);
    assert!(!old.state.is_member(), "a request that is still at the old one changes nothing");
}

#[test]
fn duplicates_and_gaps_in_priorities() {
    let mut endpoints = Endpoints { localities: vec![region(7, 1, 0..2), region(u32::MAX, 1, 1..3)] };
    endpoints.localities[0].endpoints.push(endpoint(0, 9));
    let mut bench = Bench::new(spec(LbPolicy::RoundRobin), &endpoints, 1);
    assert_eq!(bench.cluster.state.hosts.load().len(), 3);
    assert_eq!(bench.counts(3, 10), [5, 5, 0]);
    assert!(Bench::new(spec(ring()), &Endpoints::default(), 1).pick().is_none());
}
