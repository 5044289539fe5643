//! Compiling a snapshot: whatever did not change is taken over, whatever cannot be compiled is left out and reported.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use config_schema::snapshot::{self, Discovery, Listener, NetworkFilter, Snapshot, UpstreamTls, UpstreamTlsMode};
use ipnet::IpNet;
use rustc_hash::{FxBuildHasher, FxHasher};

use super::Runtime;
use super::egress;
use super::keep::Kept;
use super::rejection::{Cause, Rejection};
use super::secrets::{Identity, ReadFile, Secrets};
use crate::clock::Clock;
use crate::dns::guard::{AddressGuard, networks};
use crate::l4::TcpContext;
use crate::listen::chain::{Chain, CompiledListener, Filter};
use crate::observe::access_log::{AccessLogger, Sink};
use crate::proxy::{ForwardPolicy, HttpContext};
use crate::route::RouteTable;
use crate::tls::client::ClientTls;
use crate::tls::{ServerTls, TlsError};
use crate::upstream::{Cluster, ClusterStates, Clusters};

/// Opens the sink of an access log by path.
pub(super) type OpenSink = dyn Fn(&str) -> std::io::Result<Arc<Sink>> + Send + Sync;

/// Compiles snapshots, one after the other.
pub struct Builder {
    secrets: Secrets,
    open_sink: Box<OpenSink>,
    sinks: HashMap<String, Arc<Sink>>,
    states: ClusterStates,
    tables: Kept<snapshot::RouteTable, RouteTable>,
    server_tls: Kept<TlsInput, ServerTls>,
    clusters: Kept<ClusterInput, Cluster>,
    /// Networks that names chosen by clients may always resolve to.
    allowed_addresses: Vec<IpNet>,
    version: u64,
}

/// What a chain's TLS is made of: equal input, same result, so that session tickets survive changes elsewhere.
#[derive(PartialEq)]
struct TlsInput {
    spec: snapshot::DownstreamTls,
    pairs: Vec<usize>,
    trust: Option<usize>,
}

/// What a cluster is made of.
#[derive(PartialEq)]
struct ClusterInput {
    spec: Arc<snapshot::Cluster>,
    pair: Option<usize>,
    trust: Option<usize>,
    error: Option<String>,
    guard: Option<Arc<AddressGuard>>,
}

impl Builder {
    /// With the proxy's identity and what opens files.
    pub fn new(identity: Identity, read_file: Box<ReadFile>, open_sink: Box<OpenSink>) -> Self {
        Builder {
            secrets: Secrets::new(identity, read_file),
            open_sink,
            sinks: HashMap::new(),
            states: ClusterStates::default(),
            tables: Kept::default(),
            server_tls: Kept::default(),
            clusters: Kept::default(),
            allowed_addresses: Vec::new(),
            version: 0,
        }
    }

    /// PEM files of the proxy's own identity.
    pub(super) fn identity_files(&self) -> Vec<String> {
        self.secrets.identity_files()
    }

    /// Reads a PEM file.
    pub(super) fn read_file(&self, path: &str) -> Result<Vec<u8>, TlsError> {
        self.secrets.read(path)
    }

    /// Names that clients choose may resolve to these networks, in every cluster.
    #[must_use]
    pub fn allow_addresses(mut self, networks: Vec<IpNet>) -> Self {
        self.allowed_addresses = networks;
        self
    }

    /// Certificates are held against this clock; against the time of day unless it is called.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.secrets.set_clock(clock);
        self
    }

    /// Rotations among endpoints begin at `seed`, which should differ between gateways; at 0 unless it is called.
    pub fn with_seed(mut self, seed: usize) -> Self {
        self.states = ClusterStates::new(seed);
        self
    }

    /// Compiles a snapshot.
    pub fn build(&mut self, snapshot: Arc<Snapshot>, now: Instant) -> (Runtime, Vec<Rejection>) {
        let mut rejections = Vec::new();
        self.version += 1;
        let clusters = self.build_clusters(&snapshot, now, &mut rejections);
        let mut route_tables: HashMap<String, Arc<RouteTable>, FxBuildHasher> = HashMap::default();
        for (name, table) in &snapshot.route_tables {
            route_tables.insert(name.clone(), self.build_table(name, table, &mut rejections));
        }
        let mut listeners: HashMap<String, Arc<CompiledListener>, FxBuildHasher> = HashMap::default();
        for (name, listener) in &snapshot.listeners {
            listeners.insert(name.clone(), Arc::new(self.build_listener(&snapshot, listener, &mut rejections)));
        }
        let access_log = self.build_access_log(&snapshot, &mut rejections);
        self.forget_unused(&snapshot);
        let certificates = || "certificates".to_owned();
        let stale = self.secrets.take_stale();
        rejections.extend(stale.iter().map(|error| Rejection::of_tls(&snapshot, certificates(), error)));
        let out_of_date = self.secrets.take_out_of_date();
        rejections.extend(out_of_date.iter().map(|fault| Rejection::of_dates(&snapshot, certificates(), fault)));
        let runtime = Runtime {
            version: self.version,
            node: Arc::new(snapshot.node.clone()),
            settings: Arc::new(snapshot.settings.clone()),
            listeners,
            route_tables,
            clusters,
            access_log,
            snapshot,
        };
        (runtime, rejections)
    }

    fn forget_unused(&mut self, snapshot: &Snapshot) {
        self.tables.retain(|name| snapshot.route_tables.contains_key(name));
        self.clusters.retain(|name| snapshot.clusters.contains_key(name));
        self.states.retain(|name| snapshot.clusters.contains_key(name));
        self.server_tls.retain(|name| {
            snapshot.listeners.iter().any(|(listener, spec)| {
                spec.filter_chains.iter().enumerate().any(|(n, _)| name == chain_key(listener, n))
            })
        });
        self.secrets.sweep();
    }

    fn build_table(
        &mut self,
        name: &str,
        table: &Arc<snapshot::RouteTable>,
        rejections: &mut Vec<Rejection>,
    ) -> Arc<RouteTable> {
        if let Some(known) = self.tables.get(name, table) {
            return known;
        }
        let mut errors = Vec::new();
        let compiled = Arc::new(RouteTable::new(table, &mut errors));
        for (object, error) in errors {
            let what = format!("{} {}/{}", object.kind, object.namespace, object.name);
            rejections.push(Rejection::new(what, error.to_string(), Some(Cause::Object(object))));
        }
        self.tables.put(name, Arc::clone(table), Arc::clone(&compiled));
        compiled
    }

    fn build_listener(
        &mut self,
        snapshot: &Snapshot,
        listener: &Arc<Listener>,
        rejections: &mut Vec<Rejection>,
    ) -> CompiledListener {
        let leaves_mesh = egress::leaves_mesh(snapshot, listener);
        let learning = egress::learning_route(snapshot);
        let mut chains = Vec::with_capacity(listener.filter_chains.len());
        for (n, chain) in listener.filter_chains.iter().enumerate() {
            let tls = chain.tls.as_ref().map(|spec| {
                let (tls, errors) = self.build_server_tls(snapshot, &chain_key(&listener.name, n), spec);
                let what = format!("listener {} chain {}", listener.name, chain.name);
                rejections.extend(errors.iter().map(|error| Rejection::of_tls(snapshot, what.clone(), error)));
                tls
            });
            let filter = match &chain.filter {
                NetworkFilter::Http(http) => {
                    let forward_proxy = http.forward_proxy.as_ref().and_then(|spec| {
                        let what = format!("forward proxy of listener {} chain {}", listener.name, chain.name);
                        ForwardPolicy::new(spec)
                            .map_err(|error| {
                                rejections.push(Rejection::new(what, error.to_string(), None));
                            })
                            .ok()
                    });
                    Filter::Http(Arc::new(HttpContext {
                        route_table: http.route_table.as_str().into(),
                        grpc_web: http.grpc_web,
                        siblings: if http.misdirected { sibling_tables(listener, n) } else { Vec::new() },
                        forward_proxy: forward_proxy.map(Arc::new),
                        class: http.class,
                        egress: leaves_mesh,
                        learning: learning.clone(),
                    }))
                }
                NetworkFilter::Tcp(tcp) => Filter::Tcp(Arc::new(TcpContext { spec: tcp.clone() })),
            };
            chains.push(Arc::new(Chain { name: chain.name.clone(), tls, filter }));
        }
        let mut compiled = CompiledListener::new(Arc::clone(listener), chains);
        compiled.egress = leaves_mesh;
        compiled.learning = egress::learning_chain(snapshot);
        compiled
    }

    /// TLS of a chain. Certificates that cannot be had are left out; without the trust that clients are checked
    /// against every handshake is closed.
    fn build_server_tls(
        &mut self,
        snapshot: &Snapshot,
        key: &str,
        spec: &snapshot::DownstreamTls,
    ) -> (Arc<ServerTls>, Vec<TlsError>) {
        let mut errors = Vec::new();
        let mut pairs = Vec::new();
        for source in &spec.certificates {
            match self.secrets.key_pair(snapshot, source) {
                Ok(pair) => pairs.push(pair),
                Err(error) => errors.push(error),
            }
        }
        let mut trust = None;
        if let Some(source) = spec.client.trust.as_ref().filter(|_| spec.client.request) {
            match self.secrets.trust(snapshot, source) {
                Ok(found) => trust = Some(found),
                Err(error) => {
                    errors.push(error);
                    pairs.clear();
                }
            }
        }
        let input = Arc::new(TlsInput {
            spec: spec.clone(),
            pairs: pairs.iter().map(|pair| Arc::as_ptr(pair) as usize).collect(),
            trust: trust.as_ref().map(|trust| Arc::as_ptr(trust) as usize),
        });
        if let Some(known) = self.server_tls.get(key, &input) {
            return (known, errors);
        }
        let pairs = pairs.iter().map(|pair| (**pair).clone()).collect();
        let tls = match ServerTls::new(spec, pairs, trust) {
            Ok(tls) => Arc::new(tls),
            Err(error) => {
                errors.push(error);
                Arc::new(ServerTls::closed(spec))
            }
        };
        self.server_tls.put(key, input, Arc::clone(&tls));
        (tls, errors)
    }

    fn build_clusters(&mut self, snapshot: &Snapshot, now: Instant, rejections: &mut Vec<Rejection>) -> Clusters {
        let mut clusters = Clusters::default();
        for (name, spec) in &snapshot.clusters {
            let cluster = self.build_cluster(snapshot, name, spec, now);
            let endpoints = snapshot.endpoints.get(name).map(|endpoints| &**endpoints);
            if let Some(Err(error)) = &cluster.tls
                && needs_tls(spec, endpoints)
            {
                rejections.push(Rejection::of_tls(snapshot, format!("cluster {name}: TLS"), error));
            }
            cluster.state.configure(spec, now);
            if spec.discovery == Discovery::Endpoints {
                let empty = snapshot::Endpoints::default();
                let endpoints = snapshot.endpoints.get(name).map_or(&empty, |endpoints| &**endpoints);
                cluster.update_hosts(endpoints, now);
            }
            clusters.insert(Arc::clone(&cluster.name), cluster);
        }
        clusters
    }

    fn build_cluster(
        &mut self,
        snapshot: &Snapshot,
        name: &str,
        spec: &Arc<snapshot::Cluster>,
        now: Instant,
    ) -> Arc<Cluster> {
        let tls_spec = match &spec.tls {
            UpstreamTlsMode::Disable => None,
            UpstreamTlsMode::Tls(tls) | UpstreamTlsMode::Auto(tls) => Some(tls),
        };
        let parts = tls_spec.map(|tls| self.client_parts(snapshot, tls));
        let input = Arc::new(ClusterInput {
            spec: Arc::clone(spec),
            pair: parts.as_ref().and_then(|p| p.as_ref().ok()?.0.as_ref().map(|pair| Arc::as_ptr(pair) as usize)),
            trust: parts.as_ref().and_then(|p| p.as_ref().ok()?.1.as_ref().map(|trust| Arc::as_ptr(trust) as usize)),
            error: parts.as_ref().and_then(|p| p.as_ref().err().map(TlsError::to_string)),
            guard: self.guard(snapshot, spec),
        });
        if let Some(known) = self.clusters.get(name, &input) {
            return known;
        }
        let tls = match (tls_spec, parts) {
            (Some(spec), Some(parts)) => {
                let built = parts.and_then(|(pair, trust)| ClientTls::new(spec, pair.as_deref(), trust).map(Arc::new));
                Some(built)
            }
            _ => None,
        };
        let cluster = Arc::new(Cluster {
            name: name.into(),
            pool_id: pool_id(spec, &input),
            spec: Arc::clone(spec),
            tls,
            guard: input.guard.clone(),
            state: self.states.get(name, now),
        });
        self.clusters.put(name, input, Arc::clone(&cluster));
        cluster
    }

    /// What the names that requests choose may resolve to.
    fn guard(&self, snapshot: &Snapshot, spec: &snapshot::Cluster) -> Option<Arc<AddressGuard>> {
        let Discovery::DynamicDns { allow_addresses, .. } = &spec.discovery else { return None };
        let mut allowed = self.allowed_addresses.clone();
        allowed.extend(networks(allow_addresses));
        let cluster = Arc::clone(&snapshot.cluster_addresses);
        Some(Arc::new(AddressGuard::new(cluster, snapshot.node.address, allowed)))
    }

    /// Certificate and trust towards endpoints.
    #[allow(clippy::type_complexity, reason = "a pair of optional parts, used once")]
    fn client_parts(
        &mut self,
        snapshot: &Snapshot,
        tls: &UpstreamTls,
    ) -> Result<(Option<Arc<crate::tls::KeyPair>>, Option<Arc<crate::tls::Trust>>), TlsError> {
        let pair = tls.certificate.as_ref().map(|source| self.secrets.key_pair(snapshot, source)).transpose()?;
        if tls.insecure_skip_verify {
            return Ok((pair, None));
        }
        Ok((pair, Some(self.secrets.trust(snapshot, &tls.trust)?)))
    }

    fn build_access_log(&mut self, snapshot: &Snapshot, rejections: &mut Vec<Rejection>) -> Option<Arc<AccessLogger>> {
        let spec = snapshot.settings.access_log.as_ref()?;
        let mut reject = |reason| rejections.push(Rejection::new("MeshConfig accessLogFile".into(), reason, None));
        let sink = match self.sinks.get(&spec.path) {
            Some(sink) => Arc::clone(sink),
            None => match (self.open_sink)(&spec.path) {
                Ok(sink) => Arc::clone(self.sinks.entry(spec.path.clone()).or_insert(sink)),
                Err(error) => {
                    reject(format!("cannot open {}: {error}", spec.path));
                    return None;
                }
            },
        };
        let by_default = AccessLogger::with_default_fields(spec);
        if let Some((_, error)) = &by_default {
            reject(format!("{error}; the default fields are logged"));
        }
        match AccessLogger::new(by_default.as_ref().map_or(spec, |(spec, _)| spec), sink) {
            Ok(logger) => Some(Arc::new(logger)),
            Err(error) => {
                reject(error.to_string());
                None
            }
        }
    }
}

fn chain_key(listener: &str, chain: usize) -> String {
    format!("{listener}#{chain}")
}

/// Connections may be shared by clusters and versions of clusters with the same id: same name, same policy towards
/// endpoints, same certificates.
fn pool_id(spec: &snapshot::Cluster, input: &ClusterInput) -> u64 {
    let mut hasher = FxHasher::default();
    spec.name.hash(&mut hasher);
    format!("{:?} {:?} {:?}", spec.tls, spec.proxy_protocol, spec.pool).hash(&mut hasher);
    (input.pair, input.trust, &input.error).hash(&mut hasher);
    hasher.finish()
}

/// Whether requests fail without TLS: a proxy outside the mesh has no certificate for it, and may need none.
fn needs_tls(spec: &snapshot::Cluster, endpoints: Option<&snapshot::Endpoints>) -> bool {
    match spec.tls {
        UpstreamTlsMode::Disable => false,
        UpstreamTlsMode::Tls(_) => true,
        UpstreamTlsMode::Auto(_) => endpoints.is_some_and(|endpoints| {
            endpoints.localities.iter().any(|group| group.endpoints.iter().any(|endpoint| endpoint.mesh_tls))
        }),
    }
}

/// Tables that requests would be routed by if they had come to another chain with TLS.
fn sibling_tables(listener: &Listener, own: usize) -> Vec<Arc<str>> {
    let others = listener.filter_chains.iter().enumerate().filter(|(n, chain)| *n != own && chain.tls.is_some());
    others
        .filter_map(|(_, chain)| match &chain.filter {
            NetworkFilter::Http(http) => Some(http.route_table.as_str().into()),
            NetworkFilter::Tcp(_) => None,
        })
        .collect()
}
