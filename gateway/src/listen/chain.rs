//! Which filter chain serves a connection: Envoy's order of port, network, SNI, transport, ALPN.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use config_schema::snapshot::{FilterChainMatch, Listener, Transport};
use rustc_hash::FxBuildHasher;

use super::sniff::ClientHello;
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
    /// A ClientHello decides between chains, or TLS is terminated.
    pub inspects: bool,
    chains: Vec<Arc<Chain>>,
    ports: HashMap<Option<u16>, Networks, FxBuildHasher>,
}

/// Networks, longest prefix first; the one without network last.
#[derive(Debug, Default)]
struct Networks(Vec<(Option<(IpAddr, u8)>, Names)>);

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
                [] => networks.insert(None, &chain.matches, index),
                list => list.iter().for_each(|network| networks.insert(Some(*network), &chain.matches, index)),
            }
        }
        ports.values_mut().for_each(Networks::sort);
        let inspects = spec.filter_chains.iter().any(|chain| {
            let matches = &chain.matches;
            chain.tls.is_some()
                || !matches.server_names.is_empty()
                || matches.transport.is_some()
                || !matches.application_protocols.is_empty()
        });
        CompiledListener { spec, inspects, chains, ports }
    }

    /// The chain of a connection; `None` closes it.
    pub fn find(&self, destination: SocketAddr, hello: Option<&ClientHello>) -> Option<&Arc<Chain>> {
        let networks = self.ports.get(&Some(destination.port())).or_else(|| self.ports.get(&None))?;
        let index = networks.find(destination.ip())?.find(hello)?;
        self.chains.get(index)
    }

    /// All chains.
    pub fn chains(&self) -> &[Arc<Chain>] {
        &self.chains
    }
}

impl Networks {
    fn insert(&mut self, network: Option<(IpAddr, u8)>, matches: &FilterChainMatch, index: usize) {
        let position = self.0.iter().position(|(known, _)| *known == network).unwrap_or_else(|| {
            self.0.push((network, Names::default()));
            self.0.len() - 1
        });
        self.0[position].1.insert(matches, index);
    }

    fn sort(&mut self) {
        self.0.sort_by_key(|(network, _)| std::cmp::Reverse(network.map(|(_, length)| length)));
    }

    fn find(&self, address: IpAddr) -> Option<&Names> {
        self.0
            .iter()
            .find(|(network, _)| network.is_none_or(|(base, length)| in_network(address, base, length)))
            .map(|(_, names)| names)
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

    fn find(&self, hello: Option<&ClientHello>) -> Option<usize> {
        let name = hello.and_then(|hello| hello.server_name.as_deref()).unwrap_or("");
        let by_suffix = || {
            memchr::memchr_iter(b'.', name.as_bytes())
                .filter(|dot| *dot > 0)
                .find_map(|dot| self.suffix.get(name.get(dot..)?))
        };
        let transports = self.exact.get(name).or_else(by_suffix).or(self.any.as_ref())?;
        transports.find(hello)
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

    fn find(&self, hello: Option<&ClientHello>) -> Option<usize> {
        let transport = if hello.is_some() { Transport::Tls } else { Transport::Raw };
        let of = |wanted| self.0.iter().find(|(known, _)| *known == wanted).map(|(_, protocols)| protocols);
        of(Some(transport)).or_else(|| of(None))?.find(hello)
    }
}

impl Protocols {
    fn find(&self, hello: Option<&ClientHello>) -> Option<usize> {
        let offered = hello.map(|hello| hello.alpn.as_slice()).unwrap_or_default();
        // The client's order counts.
        offered
            .iter()
            .find_map(|offer| self.named.iter().find(|(names, _)| names.iter().any(|name| name.as_bytes() == offer)))
            .map(|(_, index)| *index)
            .or(self.any)
    }
}
