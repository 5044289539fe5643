//! What a request is to the report of egress: something that left, or that was not let out.

use std::borrow::Cow;

use super::downstream::Downstream;
use super::exchange::Exchange;
use super::record::Connection;
use crate::dns::client_host;
use crate::observe::egress::{Passage, Spoken};
use crate::outcome::Outcome;
use crate::upstream::Cluster;

impl<D: Downstream> Exchange<'_, D> {
    /// Tells the report how the request ended, if it was for a host outside of the mesh.
    pub(super) fn report_egress(&self, outcome: &Outcome) {
        let cluster = self.runtime.clusters.get(&*self.record.upstream_cluster).filter(|cluster| cluster.spec.external);
        if cluster.is_none() && !self.http.egress {
            return;
        }
        let authority = self.request.authority_str();
        let asked = client_host::parse(authority);
        let source = source(&self.record.connection);
        let port = asked.as_ref().ok().and_then(|asked| asked.port);
        let connect = &self.request.method[..] == b"CONNECT";
        let default_port = if &self.request.scheme[..] == b"https" { 443 } else { 80 };
        let mut passage = Passage {
            host: asked.as_ref().map_or(authority, |asked| asked.name.as_str()),
            port: port.or((!connect).then_some(default_port)),
            spoken: if connect { Spoken::Tls } else { Spoken::Http },
            source: &source,
            now: self.worker.shared.clock.now(),
        };
        let egress = &self.worker.shared.observer.egress;
        let learned = cluster.is_some_and(|cluster| cluster.is_learning());
        let unknown = self.http.egress && is_unknown(outcome) && self.is_unrouted();
        if (learned || unknown)
            && let (Ok(_), Some(port)) = (&asked, passage.port)
        {
            egress.learn(&passage, port);
        }
        if is_refusal(outcome) {
            egress.refused(&passage, &outcome.details());
        } else if let Some(cluster) = cluster.filter(|_| self.record.upstream.is_some()) {
            let service = &cluster.spec.service;
            if !is_by_name(cluster) {
                (passage.host, passage.port) = (&service.host, Some(service.port));
            }
            egress.left(&passage, self.record.bytes_received, self.record.bytes_sent);
        }
    }
}

/// The host comes with each request and is not the cluster's own.
pub(crate) fn is_by_name(cluster: &Cluster) -> bool {
    cluster.is_dynamic() || cluster.spec.service.host.starts_with('*')
}

/// Who asks: the identity of a verified certificate, else the other end's address.
pub(crate) fn source(connection: &Connection) -> Cow<'_, str> {
    let peer = connection.tls.as_ref().filter(|tls| tls.peer_verified).and_then(|tls| tls.peer.as_ref());
    match peer.and_then(|peer| peer.uris.first()) {
        Some(identity) => Cow::Borrowed(identity),
        None => Cow::Owned(connection.peer.ip().to_string()),
    }
}

/// The request was not let out; other ends are those of requests that were.
fn is_refusal(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Forbidden(_) | Outcome::RouteNotFound | Outcome::Misdirected | Outcome::ClusterNotFound)
}

/// It was refused because nothing in the configuration has its host and port.
fn is_unknown(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::RouteNotFound => true,
        Outcome::Forbidden(details) => {
            ["destination_forbidden[unknown_host]", "destination_forbidden[port_not_allowed]"].contains(details)
        }
        _ => false,
    }
}
