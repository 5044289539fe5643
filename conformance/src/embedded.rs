//! The gateway as a library in this process: client connections are pipes, so are those to backends.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use config_schema::Severity;
use config_schema::snapshot::EndpointAddress;
use config_schema::translate::ProxyIdentity;
use gateway::clock::Clock;
use gateway::config::load::Text;
use gateway::config::{Builder, Engine, Identity, Store};
use gateway::dns::{Answer, Dns, DnsClusters, DnsMetrics, Family, Lookup, LookupError, Question, Resolver};
use gateway::listen::connection::{Accepted, OpenConnection, serve};
use gateway::listen::drain::Drain;
use gateway::listen::original_dst::OriginalDestination;
use gateway::net::{Conn, DialOptions, Dialer};
use gateway::observe::Observer;
use gateway::observe::access_log::Sink;
use gateway::proxy::{Shared, Worker};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::binary::mesh_config_map;
use crate::case::Case;
use crate::memory::{Network, pipe};
use crate::pki::Pki;
use crate::run::{Gateway, LaunchError};
use crate::wire::Dialled;
use crate::world::World;

/// A gateway with a case's configuration.
pub struct Embedded {
    worker: Arc<Worker>,
    /// Follows the names of clusters while it lives.
    _clusters: DnsClusters,
    sink: Arc<Sink>,
    drain: Drain,
    next_port: AtomicU16,
}

/// Randomness of every case is the same.
const SEED: u64 = 7;

impl Embedded {
    /// Applies a case's configuration.
    pub fn start(world: &World, case: &Case, network: &Network, pki: &Pki) -> Result<Self, LaunchError> {
        Self::start_with(world, case, network, pki, Arc::new(NetworkResolver(network.clone())))
    }

    /// Applies a case's configuration; names are asked of `resolver` and not of the case.
    pub fn start_with(
        world: &World,
        case: &Case,
        network: &Network,
        pki: &Pki,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, LaunchError> {
        let failed = |error: String| LaunchError::Failed(error);
        let mesh = mesh_config_map(case.mesh.as_deref()).map_err(|e| failed(format!("{e:#}")))?;
        let texts = [("mesh.yaml", mesh), ("world.yaml", world.text.clone()), ("case.yaml", case.config.clone())];
        let texts = texts.map(|(path, text)| Text::new(path, text)).to_vec();
        let (namespace, pod) = case.proxy().split_once('/').unwrap_or(("", case.proxy()));
        let identity = ProxyIdentity::Pod { namespace: namespace.to_owned(), name: pod.to_owned(), role: None };
        let store = Arc::new(Store::default());
        let sink = Arc::new(Sink::Memory(parking_lot::Mutex::default()));
        let mut engine = Engine::new(identity, builder(world, case, pki, &sink), Arc::clone(&store));
        let applied = engine.apply(texts, std::time::Instant::now());
        let findings = applied.map(|applied| applied.findings.clone()).unwrap_or_default();
        let errors: Vec<String> = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error && &*finding.file == "case.yaml")
            .map(ToString::to_string)
            .collect();
        if !errors.is_empty() {
            return Err(LaunchError::Rejected(errors.join("\n")));
        }
        let observer = Arc::new(Observer::new().map_err(|e| failed(e.to_string()))?);
        let dialer = Arc::new(NetworkDialer(network.clone()));
        let handle = Handle::current();
        let metrics = DnsMetrics::new(observer.registry()).map_err(|e| failed(e.to_string()))?;
        let dns = Dns::new(resolver, handle.clone(), SEED, Arc::new(metrics));
        let mut clusters = DnsClusters::new(dns.clone(), handle);
        clusters.reconcile(&store.load());
        let shared = Shared::new(store, dialer, dns, Clock::default(), observer, pod.into())
            .with_original_dst(OriginalDestination::ProxyProtocol);
        Ok(Embedded {
            worker: Arc::new(Worker::new(Arc::new(shared), SEED)),
            _clusters: clusters,
            sink,
            drain: Drain::new(),
            next_port: AtomicU16::new(40_000),
        })
    }
}

fn builder(world: &World, case: &Case, pki: &Pki, sink: &Arc<Sink>) -> Builder {
    let file = |name: String| pki.path(&name).display().to_string();
    let workload = world.workload_of_pod(case.proxy());
    let identity = Identity {
        files: workload
            .map(|name| (file(format!("{name}.crt")), file(format!("{name}.key")), file("mesh-ca.crt".into()))),
    };
    let sink = Arc::clone(sink);
    Builder::new(identity, Box::new(|path| std::fs::read(path)), Box::new(move |_| Ok(Arc::clone(&sink))))
}

impl Gateway for Embedded {
    async fn connect(&self, port: u16, src: Option<IpAddr>) -> io::Result<Dialled> {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let peer = SocketAddr::new(src.unwrap_or(local.ip()), self.next_port.fetch_add(1, Ordering::Relaxed));
        let runtime = self.worker.shared.store.load();
        let listens = |address: SocketAddr| {
            address.port() == port && (address.ip().is_unspecified() || address.ip() == local.ip())
        };
        let listener = runtime.listeners.values().find(|listener| listens(listener.spec.address));
        let listener = listener.ok_or(io::ErrorKind::ConnectionRefused)?;
        let (near, far) = pipe();
        let gauge = self.worker.shared.observer.process.connections.with_label_values(&[&listener.spec.name]);
        let accepted = Accepted {
            conn: Conn::Memory(far),
            peer,
            local,
            own: local,
            listener: Arc::clone(listener),
            drain: self.drain.signal(),
            open: OpenConnection::new(gauge, Vec::new()),
        };
        tokio::spawn(serve(Arc::clone(&self.worker), accepted));
        Ok(Dialled { stream: Box::new(near), from: peer })
    }

    fn take_log(&self) -> Vec<Value> {
        let Sink::Memory(memory) = &*self.sink else { return Vec::new() };
        let lines = std::mem::take(&mut *memory.lock());
        lines.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

/// Knows the names of the case's network.
struct NetworkResolver(Network);

impl Resolver for NetworkResolver {
    fn lookup<'a>(&'a self, question: &'a Question, family: Family) -> Lookup<'a> {
        Box::pin(async move {
            let all = self.0.resolve(&question.name).ok_or(LookupError::NotFound { ttl: None })?;
            let addresses: Vec<IpAddr> = all.iter().copied().filter(|ip| Family::of(*ip) == family).collect();
            match addresses.is_empty() {
                true => Err(LookupError::NoData { ttl: None }),
                false => Ok(Answer { addresses, ttl: None }),
            }
        })
    }
}

/// Dials into the case's network.
struct NetworkDialer(Network);

impl Dialer for NetworkDialer {
    fn dial<'a>(
        &'a self,
        address: &'a EndpointAddress,
        _: &'a DialOptions,
    ) -> Pin<Box<dyn Future<Output = io::Result<(Conn, Option<SocketAddr>)>> + Send + 'a>> {
        Box::pin(async move {
            match address {
                EndpointAddress::Socket(address) => Ok((Conn::Memory(self.0.dial(*address)?), None)),
                EndpointAddress::Host(..) | EndpointAddress::Unix(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
            }
        })
    }
}
