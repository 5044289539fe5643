//! The resolver and the cache of names against a real DNS server on loopback that does as a script says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use conformance::answer::Answer;
use conformance::binary::{Asked, DnsServer, Reply};
use conformance::case::{Case, behaviour_dir};
use conformance::echo::Echo;
use conformance::embedded::Embedded;
use conformance::memory::Network;
use conformance::pki::Pki;
use conformance::run::{Bench, Pace};
use conformance::world::World;
use gateway::dns::{
    Condition, Dns, DnsMetrics, Families, Family, HickoryResolver, LookupError, NameKey, NameState, Question, Watched,
};
use tokio::runtime::Handle;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn cache(server: &DnsServer) -> Dns {
    let metrics = DnsMetrics::new(&prometheus::Registry::new()).unwrap();
    Dns::new(Arc::new(HickoryResolver::server(server.address())), Handle::current(), 7, Arc::new(metrics))
}

fn watch(dns: &Dns, name: &str, both: bool) -> Watched {
    let key = NameKey {
        question: Question { name: name.into(), search: false },
        families: Families { preferred: Family::V4, both },
        refresh: Duration::from_secs(60),
    };
    dns.watch(key, None)
}

/// Answers by turns, then with the last one for ever.
fn in_turn(replies: Vec<Reply>) -> impl Fn(&Asked) -> Reply + Send + Sync {
    let next = AtomicUsize::new(0);
    move |asked| match asked.a {
        true => replies[next.fetch_add(1, Ordering::SeqCst).min(replies.len() - 1)].clone(),
        false => Reply::Addresses(Vec::new(), 1),
    }
}

fn one(address: &str) -> Reply {
    Reply::Addresses(vec![ip(address)], 1)
}

#[tokio::test]
async fn ttl_of_one_second_and_answers_that_flap() {
    let server =
        DnsServer::scripted(in_turn(vec![one("192.0.2.1"), one("192.0.2.2"), one("192.0.2.1")])).await.unwrap();
    let dns = cache(&server);
    let started = Instant::now();
    let name = watch(&dns, "flap.example.com", false);
    for (lookup, address) in [(1, "192.0.2.1"), (2, "192.0.2.2"), (3, "192.0.2.1")] {
        let state = name.until(|state| state.lookups >= lookup).await;
        assert_eq!((&*state.addresses, state.lookups), (&[ip(address)][..], lookup));
    }
    // Never earlier than the TTL, and not much later.
    assert!((2.0..4.0).contains(&started.elapsed().as_secs_f64()), "{:?}", started.elapsed());
    assert_eq!(dns.metrics().changes.get(), 2);
}

#[tokio::test]
async fn a_server_that_fails_takes_nothing_away() {
    let script = vec![one("192.0.2.1"), Reply::Failure, Reply::Failure, Reply::Failure, one("192.0.2.2")];
    let server = DnsServer::scripted(in_turn(script)).await.unwrap();
    let dns = cache(&server);
    let name = watch(&dns, "stale.example.com", false);
    let stale = name.until(NameState::is_stale).await;
    assert_eq!(&*stale.addresses, [ip("192.0.2.1")]);
    assert!(stale.error().unwrap().to_string().contains("Server Failure"), "{stale:?}");
    assert_eq!(dns.metrics().stale.get(), 1);
    let again = name.until(|state| state.addresses[..] == [ip("192.0.2.2")]).await;
    assert_eq!(again.condition, Condition::Fresh);
    assert_eq!(dns.metrics().stale.get(), 0);
}

#[tokio::test]
async fn a_name_that_is_gone_is_gone() {
    let server = DnsServer::scripted(in_turn(vec![one("192.0.2.1"), Reply::Missing(Some(7))])).await.unwrap();
    let name = watch(&cache(&server), "gone.example.com", false);
    let gone = name.until(|state| state.addresses.is_empty() && state.is_decided()).await;
    let ttl = Some(Duration::from_secs(7));
    assert_eq!(gone.condition, Condition::Absent(LookupError::NotFound { ttl }));
    let wait = gone.refresh_at.unwrap() - gone.answered.unwrap();
    assert!((7.0..8.5).contains(&wait.as_secs_f64()), "the negative TTL: {wait:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let server = DnsServer::scripted(|_| Reply::Silence).await.unwrap();
    let started = Instant::now();
    let state = watch(&cache(&server), "silent.example.com", false).decided().await;
    assert!(matches!(&state.condition, Condition::Failed(error) if error.to_string().contains("Timeout")), "{state:?}");
    assert!(started.elapsed() < Duration::from_secs(11), "{:?}", started.elapsed());
}

#[tokio::test]
async fn answers_that_do_not_fit_come_over_tcp() {
    let all: Vec<IpAddr> = (0..200).map(|n| IpAddr::V4(Ipv4Addr::new(192, 0, 2, n))).collect();
    let long = all.clone();
    let server = DnsServer::scripted(move |asked| match asked.tcp {
        true => Reply::Addresses(long.clone(), 60),
        false => Reply::Truncated,
    });
    let server = server.await.unwrap();
    let state = watch(&cache(&server), "long.example.com", false).decided().await;
    assert_eq!(&*state.addresses, all);
}

#[tokio::test]
async fn families() {
    let server = DnsServer::scripted(|asked| match asked.name.as_str() {
        "four.example.com" => Reply::Addresses(vec![ip("192.0.2.1")], 60),
        "six.example.com" => Reply::Addresses(vec![ip("2001:db8::1")], 60),
        "both.example.com" => Reply::Addresses(vec![ip("192.0.2.1"), ip("2001:db8::1")], 60),
        "half.example.com" if asked.a => Reply::Failure,
        "half.example.com" => Reply::Addresses(vec![ip("2001:db8::1")], 60),
        _ => Reply::Addresses(Vec::new(), 60),
    });
    let server = server.await.unwrap();
    let dns = cache(&server);
    for (name, both, expected) in [
        ("four.example.com", false, vec!["192.0.2.1"]),
        ("six.example.com", false, vec!["2001:db8::1"]),
        ("both.example.com", false, vec!["192.0.2.1"]),
        ("four.example.com", true, vec!["192.0.2.1"]),
        ("six.example.com", true, vec!["2001:db8::1"]),
        ("both.example.com", true, vec!["192.0.2.1", "2001:db8::1"]),
        ("half.example.com", true, vec!["2001:db8::1"]),
        ("neither.example.com", true, vec![]),
    ] {
        let state = watch(&dns, name, both).decided().await;
        let expected: Vec<IpAddr> = expected.into_iter().map(ip).collect();
        assert_eq!(&*state.addresses, expected, "{name} both={both}");
    }
    let failed = watch(&dns, "half.example.com", false).decided().await;
    assert!(matches!(failed.condition, Condition::Failed(_)), "a failure of one family is no absence: {failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_names() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = DnsServer::scripted(move |asked| {
        count.fetch_add(1, Ordering::SeqCst);
        let n: u16 = asked.name.trim_start_matches('n').split('.').next().unwrap_or_default().parse().unwrap_or(0);
        let [high, low] = n.to_be_bytes();
        Reply::Addresses(vec![IpAddr::V4(Ipv4Addr::new(10, 1, high, low))], 60)
    });
    let server = server.await.unwrap();
    let dns = cache(&server);
    // Everyone who wants a name shares its lookup.
    let names: Vec<Watched> = (0..3000).map(|n| watch(&dns, &format!("n{}.example.com", n % 1000), false)).collect();
    let mut addresses = BTreeSet::new();
    for name in &names {
        addresses.extend(name.decided().await.addresses.iter().copied());
    }
    assert_eq!(addresses.len(), 1000);
    assert_eq!(asked.load(Ordering::SeqCst), 1000);
    assert_eq!(dns.metrics().names.get(), 1000);
    assert_eq!(dns.list().iter().map(|(_, _, users)| users).sum::<usize>(), 3000);
}

/// What every case begins its configuration with.
const GATEWAY: &str = r#"
  apiVersion: v1
  kind: Pod
  metadata: {name: istio-ingressgateway-0, namespace: istio-system, labels: {istio: ingressgateway}}
  status: {podIP: 10.77.0.1}
  ---
  apiVersion: networking.istio.io/v1
  kind: Gateway
  metadata: {name: gateway, namespace: istio-system}
  spec:
    selector: {istio: ingressgateway}
    servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]
  ---
"#;

/// A gateway that asks a DNS server of its own, and one request for it.
struct Stage {
    case: Case,
    pki: Pki,
    echo: Echo,
    gateway: Embedded,
    _server: DnsServer,
}

impl Stage {
    async fn new(case: &str, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let server = DnsServer::scripted(script).await.unwrap();
        let case = case.replace("config: |\n", &format!("config: |{GATEWAY}"));
        let (world, case) = (World::empty(), Case::parse(&case).unwrap());
        let pki = Pki::new(behaviour_dir().join("pki"));
        let echo = Echo::new(&pki, &world).unwrap();
        let network = Network::new(&echo, &world, &case);
        let resolver = Arc::new(HickoryResolver::server(server.address()));
        let gateway = Embedded::start_with(&world, &case, &network, &pki, resolver).unwrap();
        Stage { case, pki, echo, gateway, _server: server }
    }

    async fn ask(&self) -> Answer {
        let bench = Bench { echo: &self.echo, pki: &self.pki, pace: Pace::default() };
        bench.exchange(&self.gateway, &self.case.exchanges[0]).await
    }
}

/// The name leads outside when it is first asked for, and inside afterwards.
const REBINDING: &str = r#"
name: rebinding
family: egress
about: a name that turns around is followed no further
config: |
  apiVersion: networking.istio.io/v1
  kind: ServiceEntry
  metadata: {name: wild, namespace: default}
  spec:
    hosts: ["*.wild.example.org"]
    resolution: DYNAMIC_DNS
    ports: [{number: 80, name: http, protocol: HTTP}]
  ---
  apiVersion: networking.istio.io/v1
  kind: VirtualService
  metadata: {name: wild, namespace: default}
  spec:
    hosts: ["*.wild.example.org"]
    gateways: [istio-system/gateway]
    http: [{route: [{destination: {host: "*.wild.example.org", port: {number: 80}}}]}]
endpoints: ['192.0.2.1:80', '192.0.2.2:80', '127.0.0.1:80']
exchanges:
- {host: rebind.wild.example.org, answer: {status: 200}}
"#;

/// Asks again and again while the name leads to `before` and then to `after`, until an answer is none of `before`.
async fn turn(case: &str, before: &'static str, after: &'static str) -> Answer {
    let turned = Arc::new(AtomicUsize::new(0));
    let script = Arc::clone(&turned);
    let stage = Stage::new(case, move |asked| match (asked.a, script.load(Ordering::SeqCst)) {
        (false, _) => Reply::Addresses(Vec::new(), 1),
        (true, 0) => one(before),
        (true, _) => one(after),
    });
    let stage = stage.await;
    let old: SocketAddr = format!("{before}:80").parse().unwrap();
    let first = stage.ask().await;
    assert_eq!((first.status, first.reached.as_slice()), (Some(200), &[old][..]));
    turned.store(1, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let later = stage.ask().await;
        if later.reached != [old] {
            return later;
        }
        assert!(Instant::now() < until, "{later:?}");
    }
}

#[tokio::test]
async fn a_name_that_turns_inwards() {
    let later = turn(REBINDING, "192.0.2.1", "127.0.0.1").await;
    assert_eq!((later.status, later.reached.len()), (Some(403), 0));
    assert_eq!(later.details.as_deref(), Some("destination_forbidden[loopback_address]"));
}

/// Connections that are kept alive lead to the old address; they are not used again.
#[tokio::test]
async fn a_name_that_moves() {
    let moved: SocketAddr = "192.0.2.2:80".parse().unwrap();
    let dynamic = turn(REBINDING, "192.0.2.1", "192.0.2.2").await;
    assert_eq!((dynamic.status, dynamic.reached.as_slice()), (Some(200), &[moved][..]));
    for resolution in ["DNS", "DNS_ROUND_ROBIN"] {
        let case =
            REBINDING.replace("DYNAMIC_DNS", resolution).replace("*.wild.example.org", "rebind.wild.example.org");
        let later = turn(&case, "192.0.2.1", "192.0.2.2").await;
        assert_eq!((later.status, later.reached.as_slice()), (Some(200), &[moved][..]), "{resolution}");
    }
}

/// Two names, one of them far away in answering.
const TWO_NAMES: &str = r#"
name: two-names
family: egress
about: a cluster of two names
config: |
  apiVersion: networking.istio.io/v1
  kind: ServiceEntry
  metadata: {name: two, namespace: default}
  spec:
    hosts: [two.example.org]
    resolution: DNS
    ports: [{number: 80, name: http, protocol: HTTP}]
    endpoints: [{address: near.example.org}, {address: far.example.org}]
  ---
  apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata: {name: two, namespace: default}
  spec: {host: two.example.org, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}
  ---
  apiVersion: networking.istio.io/v1
  kind: VirtualService
  metadata: {name: two, namespace: default}
  spec:
    hosts: [two.example.org]
    gateways: [istio-system/gateway]
    http: [{route: [{destination: {host: two.example.org}}]}]
endpoints: ['192.0.2.1:80', '192.0.2.2:80']
exchanges:
- {host: two.example.org, answer: {status: 200}}
"#;

/// Where the first two requests go, and how long they took.
async fn first_two(far: impl Fn() -> Reply + Send + Sync + 'static) -> (BTreeSet<SocketAddr>, Duration) {
    let stage = Stage::new(TWO_NAMES, move |asked| match (asked.a, &*asked.name) {
        (true, "near.example.org") => one("192.0.2.1"),
        (true, "far.example.org") => far(),
        _ => Reply::Addresses(Vec::new(), 1),
    });
    let stage = stage.await;
    let started = Instant::now();
    let mut reached = BTreeSet::new();
    for _ in 0..2 {
        let answer = stage.ask().await;
        assert_eq!(answer.status, Some(200), "{answer:?}");
        reached.extend(answer.reached);
    }
    (reached, started.elapsed())
}

/// What comes first in a cluster is known only when all its names are, but not at any price.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_cluster_waits_a_little_for_all_its_names() {
    let late = || {
        std::thread::sleep(Duration::from_millis(100));
        one("192.0.2.2")
    };
    let both: BTreeSet<SocketAddr> = ["192.0.2.1:80", "192.0.2.2:80"].iter().map(|a| a.parse().unwrap()).collect();
    assert_eq!(first_two(late).await.0, both);
    let (near, took) = first_two(|| Reply::Silence).await;
    assert_eq!(near, BTreeSet::from(["192.0.2.1:80".parse().unwrap()]));
    // A name that nobody answers for is given up after seconds: that is not waited for.
    assert!(took < Duration::from_millis(2500), "{took:?}");
}
