//! Which filter chain serves a connection: Envoy's order of port, network, SNI, transport, ALPN.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use config_schema::snapshot::{FilterChain, FilterChainMatch, Listener, Transport};
use rustc_hash::FxBuildHasher;

use super::sniff::Beginning;
use crate::l4::TcpContext;
use crate::proxy::HttpContext;
use crate::tls::ServerTls;

/// A filter chain, compiled.
#[derive(Debug)]
pub struct Chain {
    /// Name in the snapshot.
    pub name: String,
    /// TLS termination.
    pub tls: Option<Arc<ServerTls>>,
    /// What reads the bytes.
    pub filter: Filter,
}

/// What reads the bytes of a connection.
#[derive(Debug, Clone)]
pub enum Filter {
    /// HTTP.
    Http(Arc<HttpContext>),
    /// Bytes to a cluster.
    Tcp(Arc<TcpContext>),
}

/// A listener, compiled.
#[derive(Debug)]
pub struct CompiledListener {
    /// As configured.
    pub spec: Arc<Listener>,
    /// Connections leave the mesh here: those that are refused are reported by host and source.
    pub egress: bool,
    /// The chain of TLS connections for hosts that no other chain has, while those are learned.
    pub learning: Option<Arc<Chain>>,
    chains: Vec<Arc<Chain>>,
    ports: HashMap<Option<u16>, Networks, FxBuildHasher>,
}

/// Chains by the address that was dialled: single addresses, networks with the longest prefix first, all.
#[derive(Debug, Default)]
struct Networks {
    addresses: HashMap<IpAddr, Group, FxBuildHasher>,
    networks: Vec<((IpAddr, u8), Group)>,
    any: Option<Group>,
}

/// The chains of a port and network. What a client begins with decides between them.
#[derive(Debug, Default)]
pub struct Group {
    /// A ClientHello decides, or TLS is terminated.
    pub inspects_tls: bool,
    /// An HTTP request decides.
    pub inspects_http: bool,
    names: Names,
}

#[derive(Debug, Default)]
struct Names {
    exact: HashMap<String, Transports, FxBuildHasher>,
    /// Keys start with a dot.
    suffix: HashMap<String, Transports, FxBuildHasher>,
    any: Option<Transports>,
}

/// Chains by transport: of a matching transport first, then of any.
#[derive(Debug, Default)]
struct Transports(Vec<(Option<Transport>, Protocols)>);

/// Chains by ALPN: with a common name first, then without condition.
#[derive(Debug, Default)]
struct Protocols {
    named: Vec<(Vec<String>, usize)>,
    any: Option<usize>,
}

impl CompiledListener {
    /// Compiles; `chains` are those of the specification, in its order.
    pub fn new(spec: Arc<Listener>, chains: Vec<Arc<Chain>>) -> Self {
        let mut ports: HashMap<Option<u16>, Networks, FxBuildHasher> = HashMap::default();
        for (index, chain) in spec.filter_chains.iter().enumerate() {
            let networks = ports.entry(chain.matches.destination_port).or_default();
            match chain.matches.destination_networks.as_slice() {
                [] => networks.any.get_or_insert_default().insert(chain, index),
                list => list.iter().for_each(|network| networks.group(*network).insert(chain, index)),
            }
        }
        ports.values_mut().for_each(Networks::sort);
        CompiledListener { spec, egress: false, learning: None, chains, ports }
    }

    /// The chains for what a connection's client dialled: an address that no chain of its port is for goes to those of
    /// all ports, as Istio's listener of all connections does. `None` closes it.
    pub fn group(&self, destination: SocketAddr) -> Option<&Group> {
        let address = destination.ip().to_canonical();
        let find = |port: Option<u16>| self.ports.get(&port)?.find(address);
        find(Some(destination.port())).or_else(|| find(None))
    }

    /// The chain of a group for a client that begins so; `None` closes it.
    pub fn find(&self, group: &Group, beginning: &Beginning) -> Option<&Arc<Chain>> {
        self.chains.get(group.names.find(beginning)?)
    }

    /// The chain of a client that no other chain is for, while hosts are learned: TLS that says for which host it is.
    pub fn learn(&self, beginning: &Beginning) -> Option<&Arc<Chain>> {
        match beginning {
            Beginning::Tls(hello) => self.learning.as_ref().filter(|_| hello.server_name.is_some()),
            Beginning::Http | Beginning::Raw => None,
        }
    }

    /// All chains.
    pub fn chains(&self) -> &[Arc<Chain>] {
        &self.chains
    }
}

impl Networks {
    fn group(&mut self, (base, length): (IpAddr, u8)) -> &mut Group {
        if length == if base.is_ipv4() { 32 } else { 128 } {
            return self.addresses.entry(base).or_default();
        }
        let known = self.networks.iter().position(|(network, _)| *network == (base, length));
        let position = known.unwrap_or_else(|| {
            self.networks.push(((base, length), Group::default()));
            self.networks.len() - 1
        });
        &mut self.networks[position].1
    }

    fn sort(&mut self) {
        self.networks.sort_by_key(|((_, length), _)| std::cmp::Reverse(*length));
    }

    fn find(&self, address: IpAddr) -> Option<&Group> {
        let of_network = || {
            let holds = |(base, length): &(IpAddr, u8)| in_network(address, *base, *length);
            self.networks.iter().find(|(network, _)| holds(network)).map(|(_, group)| group)
        };
        self.addresses.get(&address).or_else(of_network).or(self.any.as_ref())
    }
}

fn in_network(address: IpAddr, base: IpAddr, length: u8) -> bool {
    let shift = |bits: u32| bits.saturating_sub(u32::from(length));
    match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0,
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

impl Group {
    fn insert(&mut self, chain: &FilterChain, index: usize) {
        let matches = &chain.matches;
        self.inspects_tls |= chain.tls.is_some()
            || !matches.server_names.is_empty()
            || matches.transport.is_some()
            || !matches.application_protocols.is_empty();
        self.inspects_http |= matches.transport == Some(Transport::Http);
        self.names.insert(matches, index);
    }
}

impl Names {
    fn insert(&mut self, matches: &FilterChainMatch, index: usize) {
        if matches.server_names.is_empty() {
            self.any.get_or_insert_default().insert(matches, index);
        }
        for name in &matches.server_names {
            let name = name.to_ascii_lowercase();
            match name.strip_prefix('*') {
                Some("") => self.any.get_or_insert_default().insert(matches, index),
                Some(suffix) => self.suffix.entry(suffix.to_owned()).or_default().insert(matches, index),
                None => self.exact.entry(name).or_default().insert(matches, index),
            }
        }
    }

    fn find(&self, beginning: &Beginning) -> Option<usize> {
        let name = beginning.hello().and_then(|hello| hello.server_name.as_deref()).unwrap_or("");
        let by_suffix = || {
            memchr::memchr_iter(b'.', name.as_bytes())
                .filter(|dot| *dot > 0)
                .find_map(|dot| self.suffix.get(name.get(dot..)?))
        };
        let transports = self.exact.get(name).or_else(by_suffix).or(self.any.as_ref())?;
        transports.find(beginning)
    }
}

impl Transports {
    fn insert(&mut self, matches: &FilterChainMatch, index: usize) {
        let position = self.0.iter().position(|(known, _)| *known == matches.transport).unwrap_or_else(|| {
            self.0.push((matches.transport, Protocols::default()));
            self.0.len() - 1
        });
        let protocols = &mut self.0[position].1;
        match matches.application_protocols.as_slice() {
            [] => {
                protocols.any.get_or_insert(index);
            }
            names => protocols.named.push((names.to_vec(), index)),
        }
    }

    fn find(&self, beginning: &Beginning) -> Option<usize> {
        let of = |wanted| self.0.iter().find(|(known, _)| *known == wanted).map(|(_, protocols)| protocols);
        let found = match beginning {
            Beginning::Tls(_) => of(Some(Transport::Tls)),
            Beginning::Http => of(Some(Transport::Http)).or_else(|| of(Some(Transport::Raw))),
            Beginning::Raw => of(Some(Transport::Raw)),
        };
        found.or_else(|| of(None))?.find(beginning)
    }
}

impl Protocols {
    fn find(&self, beginning: &Beginning) -> Option<usize> {
        let offered = beginning.hello().map(|hello| hello.alpn.as_slice()).unwrap_or_default();
        // The client's order counts.
        offered
            .iter()
            .find_map(|offer| self.named.iter().find(|(names, _)| names.iter().any(|name| name.as_bytes() == offer)))
            .map(|(_, index)| *index)
            .or(self.any)
    }
}
