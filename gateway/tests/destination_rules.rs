//! Fields of DestinationRules and weights of endpoints, from YAML to what balancers, breakers and detectors do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config_schema::snapshot::{HashPolicy, HashRing, HealthProbe, LbPolicy, RouteAction};
use config_schema::translate::ProxyIdentity;
use gateway::config::load::Text;
use gateway::config::{Builder, Engine, Identity, Runtime, Store};
use gateway::upstream::lb::PickContext;
use gateway::upstream::{Cluster, Host, Observed, RequestGuard, RetryGuard};
use rand::SeedableRng;
use rand::rngs::SmallRng;

const CLUSTER: &str = "outbound|80||shop.example";

const WORLD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: edge, namespace: istio-system, labels: {istio: ingressgateway, tier: gold}}
spec: {nodeName: n1}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: z1}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: default}
spec:
  hosts: [shop.example]
  gateways: [istio-system/gw]
  http: [{route: [{destination: {host: shop.example, port: {number: 80}}}]}]
---
";

/// Two plain endpoints.
const PLAIN: &str = "{address: 10.1.0.1}, {address: 10.1.0.2}";

fn entry(endpoints: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: shop, namespace: default}}
spec:
  hosts: [shop.example]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{endpoints}]
---
"
    )
}

fn rule(policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: shop, namespace: default}}
spec:
  host: shop.example
  trafficPolicy: {{{policy}}}
"
    )
}

fn runtime(config: String) -> Arc<Runtime> {
    let store = Arc::new(Store::default());
    let closed = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let builder =
        Builder::new(Identity::default(), Box::new(closed), Box::new(|_| Err(std::io::ErrorKind::NotFound.into())));
    let mut engine = Engine::new(ProxyIdentity::pod("istio-system", "edge"), builder, Arc::clone(&store));
    let applied = engine.apply(vec![Text::new("a.yaml", format!("{WORLD}{config}"))], Instant::now()).unwrap();
    let errors: Vec<String> = applied.all_findings().filter(|f| f.is_error()).map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    store.load()
}

fn cluster(config: String) -> Arc<Cluster> {
    Arc::clone(&runtime(config).clusters[CLUSTER])
}

fn with_policy(policy: &str) -> Arc<Cluster> {
    cluster(entry(PLAIN) + &rule(policy))
}

/// How often each endpoint is picked.
fn counts(cluster: &Cluster, picks: usize) -> BTreeMap<String, usize> {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut counts = BTreeMap::new();
    for _ in 0..picks {
        let mut context = PickContext {
            now: Instant::now(),
            rng: &mut rng,
            hash: None,
            tried: &[],
            reselect: 0,
            leave_tried_priorities: false,
        };
        let Some(host) = cluster.pick(&mut context) else { continue };
        *counts.entry(host.name.to_string()).or_default() += 1;
    }
    counts
}

fn counts_of<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.into_iter().map(|(address, count)| (address.to_owned(), count)).collect()
}

fn host(cluster: &Cluster, address: &str) -> Arc<Host> {
    cluster.state.hosts.load().iter().find(|host| &*host.name == address).unwrap().clone()
}

#[test]
fn hash_tables_have_the_size_that_is_asked_for() {
    for (hash, expected) in [
        ("useSourceIp: true", HashRing::Ring { minimum_size: 1024 }),
        ("useSourceIp: true, minimumRingSize: 64", HashRing::Ring { minimum_size: 64 }),
        ("useSourceIp: true, ringHash: {}", HashRing::Ring { minimum_size: 1024 }),
        ("useSourceIp: true, ringHash: {minimumRingSize: 2048}", HashRing::Ring { minimum_size: 2048 }),
        ("useSourceIp: true, maglev: {tableSize: 10007}", HashRing::Maglev { table_size: 10007 }),
    ] {
        let cluster = with_policy(&format!("loadBalancer: {{consistentHash: {{{hash}}}}}"));
        let LbPolicy::ConsistentHash(found) = &cluster.spec.load_balancer.policy else { panic!("{hash}") };
        assert_eq!(found.ring, expected, "{hash}");
        assert_eq!(counts(&cluster, 1000).len(), 2, "{hash}: without a key any endpoint");
    }
}

#[test]
fn generated_cookies_have_the_attributes_that_are_asked_for() {
    let cookie = "httpCookie: {name: a, ttl: 1s, attributes: [{name: SameSite, value: Lax}, {name: Secure}]}";
    let config = entry(PLAIN) + &rule(&format!("loadBalancer: {{consistentHash: {{{cookie}}}}}"));
    let runtime = runtime(config);
    let mut found = Vec::new();
    for table in runtime.snapshot.route_tables.values() {
        for route in table.virtual_hosts.iter().flat_map(|host| &host.routes) {
            if let RouteAction::Forward(forward) = &route.action {
                found.extend(forward.hash_policy.clone());
            }
        }
    }
    let attributes = vec![("SameSite".to_owned(), "Lax".to_owned()), ("Secure".to_owned(), String::new())];
    let ttl = Some(Duration::from_secs(1));
    assert_eq!(found, [HashPolicy::Cookie { name: "a".into(), path: String::new(), ttl, attributes }]);
}

#[test]
fn weights_of_endpoints_in_an_entry() {
    let config = entry("{address: 10.1.0.1, weight: 3}, {address: 10.1.0.2}");
    let expected = counts_of([("10.1.0.1:80", 300), ("10.1.0.2:80", 100)]);
    assert_eq!(counts(&cluster(config.clone()), 400), expected, "LEAST_REQUEST");
    assert_eq!(counts(&cluster(config + &rule("loadBalancer: {simple: ROUND_ROBIN}")), 400), expected);
}

#[test]
fn weights_and_places_of_workload_entries() {
    let workload = |name: &str, rest: &str| {
        format!(
            "apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: {name}, namespace: default, labels: {{app: shop}}}}
spec: {{labels: {{app: shop}}, {rest}}}
---
"
        )
    };
    let config = "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shop, namespace: default}
spec:
  hosts: [shop.example]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: shop}}
---
"
    .to_owned()
        + &workload("a", "address: 10.1.0.1, weight: 4, locality: r1/z1")
        + &workload("b", "address: 10.1.0.2, locality: r1/z1")
        + &workload("c", "address: 10.1.0.3, locality: r2/z1");
    let near = counts_of([("10.1.0.1:80", 400), ("10.1.0.2:80", 100)]);
    let failover = rule("outlierDetection: {}");
    assert_eq!(counts(&cluster(config.clone() + &failover), 500), near, "another region is not asked");
    assert_eq!(counts(&cluster(config), 600)["10.1.0.3:80"], 100);
}

#[test]
fn zone_aware_balancing_keeps_to_the_region() {
    let endpoints = "{address: 10.1.0.1, locality: r1/z1}, {address: 10.1.0.2, locality: r1/z2}, \
                     {address: 10.1.0.3, locality: r2/z1}, {address: 10.1.0.4, locality: r3/z1}";
    let balanced = |setting: &str| {
        let outlier = "outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}";
        cluster(entry(endpoints) + &rule(&format!("loadBalancer: {{zoneAwareLbSetting: {setting}}}, {outlier}")))
    };
    let names = |cluster: &Cluster| -> Vec<String> { counts(cluster, 400).into_keys().collect() };
    assert_eq!(names(&balanced("{}")), ["10.1.0.1:80", "10.1.0.2:80"], "over the zones of the region");
    assert_eq!(names(&balanced("{enabled: false}")).len(), 4);
    let cluster = balanced("{enabled: true, failover: [{from: r1, to: r3}]}");
    for address in ["10.1.0.1:80", "10.1.0.2:80"] {
        cluster.observe(&host(&cluster, address), Observed::Status(500), Instant::now);
    }
    assert_eq!(names(&cluster), ["10.1.0.4:80"], "the region that takes over");
}

#[test]
fn zone_aware_balancing_prefers_labels() {
    let endpoints = "{address: 10.1.0.1, locality: r1/z1}, {address: 10.1.0.2, locality: r2/z1, labels: {tier: gold}}";
    let setting = "loadBalancer: {zoneAwareLbSetting: {failoverPriority: [tier]}}, outlierDetection: {}";
    let cluster = cluster(entry(endpoints) + &rule(setting));
    assert_eq!(counts(&cluster, 100), counts_of([("10.1.0.2:80", 100)]));
}

/// Endpoints that are ejected after these observations of the first.
fn ejected(outlier: &str, observed: &[Observed]) -> bool {
    let cluster = with_policy(&format!("outlierDetection: {{maxEjectionPercent: 100, {outlier}}}"));
    let host = host(&cluster, "10.1.0.1:80");
    observed.iter().for_each(|observed| cluster.observe(&host, *observed, Instant::now));
    host.state.is_ejected()
}

#[test]
fn failures_of_connections_and_answers_are_told_apart() {
    use Observed::{ConnectFailure, Connected, Status, Timeout};
    let split = "splitExternalLocalOriginErrors: true, consecutive5xxErrors: 2";
    let three = format!("{split}, consecutiveLocalOriginFailures: 3");
    for (outlier, observed, expected) in [
        ("consecutive5xxErrors: 2", &[ConnectFailure, Status(500)][..], true),
        (split, &[ConnectFailure, Status(500)], false),
        (split, &[Status(500), Timeout, Status(500)], true),
        (&three, &[ConnectFailure, Timeout], false),
        (&three, &[ConnectFailure, Timeout, ConnectFailure], true),
        (&three, &[ConnectFailure, Timeout, Connected, ConnectFailure], false),
        (split, &[ConnectFailure; 4], false),
        (split, &[ConnectFailure; 5], true),
    ] {
        assert_eq!(ejected(outlier, observed), expected, "{outlier} {observed:?}");
    }
}

#[test]
fn listed_statuses_are_the_errors() {
    use Observed::Status;
    let listed = "consecutive5xxErrors: 2, outlierDetectionHttpErrorCodes: [429, 500]";
    for (observed, expected) in [
        (&[Status(429), Status(429)][..], true),
        (&[Status(429), Status(500)], true),
        (&[Status(503), Status(503), Status(503)], false),
        (&[Status(429), Status(503), Status(429)], false),
    ] {
        assert_eq!(ejected(listed, observed), expected, "{observed:?}");
    }
}

#[test]
fn a_retry_budget_counts_the_requests_of_its_interval() {
    let budget =
        |interval: &str| with_policy(&format!("retryBudget: {{percent: 50, minRetryConcurrency: 1, {interval}}}"));
    let start = Instant::now();
    // Ten requests have come and gone: they allow five retries at once for an interval, and without one none but those
    // that are always allowed.
    for (interval, seconds, expected) in
        [("budgetInterval: 10s", 1, 5), ("budgetInterval: 10s", 9, 5), ("budgetInterval: 10s", 11, 1), ("", 0, 1)]
    {
        let cluster = budget(interval);
        let limits = &cluster.spec.circuit_breakers;
        (0..10).for_each(|_| drop(RequestGuard::try_new(&cluster.state, limits, || start)));
        let now = start + Duration::from_secs(seconds);
        let retries: Vec<_> =
            std::iter::from_fn(|| RetryGuard::try_new(&cluster.state, limits, now)).take(50).collect();
        assert_eq!(retries.len(), expected, "{interval}, {seconds} s later");
    }
}

#[test]
fn health_checks_by_annotation() {
    let annotated = |annotation: &str| {
        rule("tls: {mode: DISABLE}")
            .replace("namespace: default}", &format!("namespace: default, annotations: {annotation}}}"))
    };
    let checked = annotated("{sallyport.dev/health-check: 'http: {path: /healthz}, interval: 2s, port: 8080'}")
        .replace("'http:", "'{http:")
        .replace("8080'", "8080}'");
    let check = cluster(entry(PLAIN) + &checked).spec.health_check.clone().unwrap();
    assert_eq!((check.interval, check.timeout), (Duration::from_secs(2), Duration::from_secs(1)));
    assert_eq!((check.unhealthy_threshold, check.healthy_threshold, check.port), (3, 2, Some(8080)));
    let HealthProbe::Http { path, expected_statuses, .. } = &check.probe else { panic!("{check:?}") };
    assert_eq!((path.as_str(), &expected_statuses[..]), ("/healthz", &[(200, 200)][..]));
    assert!(cluster(entry(PLAIN) + &annotated("{a: b}")).spec.health_check.is_none());
}
