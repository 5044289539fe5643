//! Groups of filter chains by the address and port that an application dials, and what happens where several services
//! want the same group.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::snapshot::NetworkFilter;
use crate::translate::protocol::Protocol;

/// Which application protocol a group has to be ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
    Bytes,
    /// Both: the first bytes tell.
    Either,
}

impl Kind {
    /// `None` for what no listener serves.
    pub(super) fn of(protocol: Protocol) -> Option<Self> {
        match protocol {
            Protocol::Udp => None,
            Protocol::Unknown => Some(Self::Either),
            protocol if protocol.is_http() => Some(Self::Http),
            _ => Some(Self::Bytes),
        }
    }
}

/// A filter chain in the making.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Draft {
    pub(super) name: String,
    /// Only connections that begin with an HTTP request.
    pub(super) http_only: bool,
    /// Names for SNI; none for all.
    pub(super) server_names: Vec<String>,
    /// None for all.
    pub(super) networks: Vec<IpNet>,
    pub(super) filter: NetworkFilter,
}

impl Draft {
    /// It sends to that cluster.
    pub(super) fn sends_to(&self, cluster: &str) -> bool {
        match &self.filter {
            NetworkFilter::Tcp(proxy) => proxy.clusters.iter().any(|own| own.cluster == cluster),
            NetworkFilter::Http(_) => false,
        }
    }

    /// It takes every connection of its group.
    pub(super) fn takes_all(&self) -> bool {
        !self.http_only && self.server_names.is_empty() && self.networks.is_empty()
    }

    fn conflicts_with(&self, other: &Self) -> bool {
        let sorted = |names: &[String]| {
            let mut names = names.to_vec();
            names.sort();
            names
        };
        let networks = |networks: &[IpNet]| {
            let mut networks: Vec<IpNet> = networks.iter().map(IpNet::trunc).collect();
            networks.sort();
            networks
        };
        self.http_only == other.http_only
            && sorted(&self.server_names) == sorted(&other.server_names)
            && networks(&self.networks) == networks(&other.networks)
    }
}

/// A group.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    protocol: Protocol,
    /// An egress listener with a port has it for itself.
    locked: bool,
    /// It has a socket of its own.
    pub(super) binds: bool,
    pub(super) drafts: Vec<Draft>,
}

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Entries(pub(super) BTreeMap<(IpAddr, u16), Entry>);

/// What a service asks of a group.
pub(super) struct Request {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) kind: Kind,
    pub(super) protocol: Protocol,
    pub(super) binds: bool,
}

impl Entries {
    /// Services of listeners to come may not use the groups that there are.
    pub(super) fn lock(&mut self) {
        self.0.values_mut().for_each(|entry| entry.locked = true);
    }

    /// Adds the chains that `drafts` makes, older services first. HTTP chains are not made where there are some.
    /// Gives back the chains that others stand in the way of.
    pub(super) fn add(&mut self, request: &Request, drafts: impl FnOnce(Wants) -> Vec<Draft>) -> Vec<Draft> {
        let Some(entry) = self.0.get_mut(&(request.address, request.port)) else {
            let wants = Wants { http: request.kind != Kind::Bytes, bytes: request.kind != Kind::Http };
            let entry = Entry {
                kind: request.kind,
                protocol: request.protocol,
                locked: false,
                binds: request.binds,
                drafts: drafts(wants),
            };
            self.0.insert((request.address, request.port), entry);
            return Vec::new();
        };
        let only_one = |protocol| matches!(protocol, Protocol::Mongo | Protocol::MySql);
        let alone = only_one(request.protocol) || only_one(entry.protocol);
        let has_http = entry.kind != Kind::Bytes;
        let wants = Wants { http: request.kind != Kind::Bytes && !has_http, bytes: request.kind != Kind::Http };
        if entry.locked || !(wants.http || wants.bytes) {
            return Vec::new();
        }
        let new = drafts(wants);
        if alone && request.protocol != entry.protocol {
            return new;
        }
        if entry.kind != request.kind {
            entry.kind = Kind::Either;
            entry.protocol = Protocol::Unknown;
            for draft in &mut entry.drafts {
                draft.http_only |= matches!(draft.filter, NetworkFilter::Http(_));
            }
        }
        let mut refused = Vec::new();
        for draft in new {
            if entry.drafts.iter().any(|existing| existing.conflicts_with(&draft)) {
                refused.push(draft);
            } else {
                entry.drafts.push(draft);
            }
        }
        refused
    }
}

/// Which chains to make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wants {
    pub(super) http: bool,
    pub(super) bytes: bool,
}
