//! A cluster with a virtual clock and seeded randomness.

use std::sync::Arc;
use std::time::{Duration, Instant};

use config_schema::snapshot::{
    self, CircuitBreakers, ConsistentHash, Discovery, Endpoint, EndpointAddress, Endpoints, Health, HealthCheck,
    HealthProbe, LbPolicy, LoadBalancer, Locality, LocalityEndpoints, OutlierDetection, ServiceRef, UpstreamPool,
    UpstreamProtocol, UpstreamTlsMode, Workload,
};
use gateway::upstream::lb::PickContext;
use gateway::upstream::{Cluster, ClusterState, Host, Observed};
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// The address of an endpoint by number.
pub fn address(number: usize) -> EndpointAddress {
    EndpointAddress::Socket(format!("10.{}.{}.{}:80", number >> 16, number >> 8 & 255, number & 255).parse().unwrap())
}

/// An endpoint by number.
pub fn endpoint(number: usize, weight: u32) -> Endpoint {
    Endpoint {
        address: address(number),
        weight,
        health: Health::Healthy,
        mesh_tls: false,
        service_account: None,
        workload: Arc::new(Workload::default()),
        found_by: None,
    }
}

/// Endpoints of one place.
pub fn locality(name: &str, priority: u32, weight: u32, endpoints: Vec<Endpoint>) -> LocalityEndpoints {
    let locality = Locality { region: name.to_owned(), ..Locality::default() };
    LocalityEndpoints { locality, priority, weight, endpoints }
}

/// Endpoints 0, 1, … with these weights, all in one place.
pub fn weighted(weights: &[u32]) -> Endpoints {
    let endpoints = weights.iter().enumerate().map(|(number, weight)| endpoint(number, *weight)).collect();
    Endpoints { localities: vec![locality("here", 0, 1, endpoints)] }
}

/// So many equal endpoints.
pub fn equal(n: usize) -> Endpoints {
    weighted(&vec![1; n])
}

/// Hashing on a ring of Istio's default size.
pub fn ring() -> LbPolicy {
    LbPolicy::ConsistentHash(ConsistentHash { ring: snapshot::HashRing::Ring { minimum_size: 1024 } })
}

/// Hashing by a table of Envoy's default size.
pub fn maglev() -> LbPolicy {
    LbPolicy::ConsistentHash(ConsistentHash { ring: snapshot::HashRing::Maglev { table_size: 65537 } })
}

/// A cluster with a balancing policy and Istio's defaults for the rest.
pub fn spec(policy: LbPolicy) -> snapshot::Cluster {
    snapshot::Cluster {
        name: "outbound|80||a.example".to_owned(),
        service: ServiceRef::default(),
        destination_rule: None,
        discovery: Discovery::Endpoints,
        load_balancer: LoadBalancer { policy, warmup: None, panic_threshold: 0, locality_weighted: false },
        circuit_breakers: CircuitBreakers::default(),
        outlier_detection: None,
        health_check: None,
        protocol: UpstreamProtocol::Http1,
        pool: UpstreamPool {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Some(Duration::from_secs(3600)),
            tcp_idle_timeout: None,
            max_connection_duration: None,
            max_requests_per_connection: None,
            max_concurrent_streams: None,
            http2_keepalive: None,
            tcp_keepalive: None,
        },
        tls: UpstreamTlsMode::Disable,
        proxy_protocol: None,
        external: false,
    }
}

/// Outlier detection that ejects at the first 5xx.
pub fn outlier(max_ejection_percent: u32) -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx: 1,
        consecutive_gateway_errors: 0,
        consecutive_local_origin_failures: 0,
        split_external_local_origin_errors: false,
        interval: Duration::from_secs(10),
        base_ejection_time: Duration::from_secs(30),
        max_ejection_percent,
        http_errors: Vec::new(),
    }
}

/// Health checks, of which only that they exist matters here.
pub fn health_check() -> HealthCheck {
    HealthCheck {
        probe: HealthProbe::Tcp { send: Vec::new(), receive: Vec::new() },
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
        unhealthy_threshold: 1,
        healthy_threshold: 1,
        port: None,
    }
}

/// A cluster at work.
pub struct Bench {
    pub cluster: Arc<Cluster>,
    pub now: Instant,
    pub rng: SmallRng,
}

impl Bench {
    pub fn new(spec: snapshot::Cluster, endpoints: &Endpoints, seed: u64) -> Self {
        let now = Instant::now();
        let state = Arc::new(ClusterState::new("a", 0, now));
        state.configure(&spec, now);
        state.set_endpoints(endpoints, now);
        let cluster = Cluster { name: "a".into(), spec: Arc::new(spec), tls: None, guard: None, pool_id: 1, state };
        Bench { cluster: Arc::new(cluster), now, rng: SmallRng::seed_from_u64(seed) }
    }

    /// A version of the cluster with another configuration and the same state.
    pub fn configure(&mut self, spec: snapshot::Cluster) {
        self.cluster.state.configure(&spec, self.now);
        let Cluster { name, pool_id, state, .. } = &*self.cluster;
        let (name, state, pool_id) = (name.clone(), state.clone(), *pool_id);
        self.cluster = Arc::new(Cluster { name, spec: Arc::new(spec), tls: None, guard: None, pool_id, state });
    }

    pub fn advance(&mut self, duration: Duration) {
        self.now += duration;
    }

    pub fn pick_for(&mut self, hash: Option<u64>, tried: &[Arc<Host>], reselect: u32) -> Option<Arc<Host>> {
        let context =
            PickContext { now: self.now, rng: &mut self.rng, hash, tried, reselect, leave_tried_priorities: false };
        self.cluster.pick(&mut { context })
    }

    pub fn pick(&mut self) -> Option<Arc<Host>> {
        self.pick_for(None, &[], 0)
    }

    pub fn pick_key(&mut self, hash: u64) -> Option<Arc<Host>> {
        self.pick_for(Some(hash), &[], 0)
    }

    pub fn observe(&self, host: &Host, observed: Observed) {
        let now = self.now;
        self.cluster.observe(host, observed, || now);
    }

    /// An endpoint by number.
    pub fn host(&self, number: usize) -> Arc<Host> {
        let hosts = self.cluster.state.hosts.load_full();
        hosts.iter().find(|host| host.spec.address == address(number)).unwrap().clone()
    }

    /// How often each of `n` endpoints is picked in `picks` picks.
    pub fn counts(&mut self, n: usize, picks: usize) -> Vec<usize> {
        let mut counts = vec![0; n];
        for _ in 0..picks {
            if let Some(host) = self.pick() {
                counts[number(&host)] += 1;
            }
        }
        counts
    }
}

/// The number of an endpoint.
pub fn number(host: &Host) -> usize {
    let EndpointAddress::Socket(std::net::SocketAddr::V4(address)) = &host.spec.address else {
        panic!("{} is none of ours", host.name)
    };
    let [_, a, b, c] = address.ip().octets();
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}
