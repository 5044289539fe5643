//! Endpoints that are not there to be picked: those that wait for their first DNS answer, and those that the request
//! itself names.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use config_schema::snapshot::{ANY_DYNAMIC_DNS, Discovery, LEARNED_EGRESS};
use tokio::time::{Instant, timeout};

use super::cluster::Cluster;
use super::host::Host;
use crate::dns::client_host::{self, ClientHost};
use crate::dns::{Dns, Families, Family, NameKey, Question};
use crate::outcome::Outcome;

/// How long requests wait for the first answer about a name (Envoy's `dns_query_timeout`).
const PATIENCE: Duration = Duration::from_secs(5);
/// Refresh of names that requests choose, for answers without TTL (Envoy's `dns_refresh_rate`).
const REFRESH: Duration = Duration::from_secs(60);

/// Why there is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoEndpoint {
    /// The name has no address; the text is DNS' reason.
    Unresolved(String),
    /// The same of a name that nothing in the configuration has.
    UnknownUnresolved(String),
    /// As many names as there may be are being resolved.
    Overflow,
    /// The destination is forbidden: the details.
    Forbidden(&'static str),
}

impl NoEndpoint {
    /// How a request ends that finds no endpoint.
    pub fn outcome(self) -> Outcome {
        match self {
            NoEndpoint::Unresolved(why) => Outcome::DnsResolutionFailed(why),
            NoEndpoint::UnknownUnresolved(why) => Outcome::UnknownHostUnresolved(why),
            NoEndpoint::Overflow => Outcome::DnsOverflow,
            NoEndpoint::Forbidden(details) => Outcome::Forbidden(details),
        }
    }
}

/// What a request asks for by name.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Host and perhaps port: the request's authority after rewrites, or the SNI of a connection.
    pub authority: &'a str,
    /// The port if neither the cluster nor the authority has one.
    pub default_port: Option<u16>,
}

impl<'a> Asked<'a> {
    /// What an HTTP request asks for: without a port, that of its scheme towards the cluster.
    pub fn http(authority: &'a str, cluster: &Cluster) -> Self {
        Asked { authority, default_port: Some(if cluster.tls.is_some() { 443 } else { 80 }) }
    }
}

impl Cluster {
    /// Requests themselves say which name to connect to.
    pub fn is_dynamic(&self) -> bool {
        matches!(self.spec.discovery, Discovery::DynamicDns { .. })
    }

    /// It takes hosts that nothing in the configuration has, to learn them.
    pub fn is_learning(&self) -> bool {
        &*self.name == LEARNED_EGRESS
    }

    fn unresolved(&self, why: String) -> NoEndpoint {
        match &*self.name {
            ANY_DYNAMIC_DNS => NoEndpoint::UnknownUnresolved(why),
            _ => NoEndpoint::Unresolved(why),
        }
    }

    /// Its endpoints are what DNS says of the names in the configuration.
    pub fn asks_dns(&self) -> bool {
        matches!(self.spec.discovery, Discovery::Dns(_) | Discovery::DnsRoundRobin(_))
    }

    /// Answers about its names are still to come, so that it is not known yet which endpoints it has.
    pub fn awaits_answers(&self) -> bool {
        self.asks_dns() && !self.state.resolution.is_ready()
    }

    /// Waits for the first answers, but not for long.
    pub async fn first_answers(&self) {
        // Who has waited in vain finds no endpoint, as if the answer were that there is none.
        let _ = timeout(PATIENCE, self.state.resolution.ready()).await;
    }

    /// The endpoint that a request asks for by name.
    pub async fn dynamic_endpoint(
        &self,
        dns: &Dns,
        preferred: Family,
        asked: Asked<'_>,
    ) -> Result<Arc<Host>, NoEndpoint> {
        let chosen = self.choose_dynamic(dns, preferred, asked).await;
        if matches!(chosen, Err(NoEndpoint::Overflow)) {
            dns.metrics().dynamic_overflow.with_label_values(&[&self.name]).inc();
        }
        chosen
    }

    async fn choose_dynamic(&self, dns: &Dns, preferred: Family, asked: Asked<'_>) -> Result<Arc<Host>, NoEndpoint> {
        let Discovery::DynamicDns { hosts, port: own_port, .. } = &self.spec.discovery else {
            return Err(NoEndpoint::Unresolved("not a cluster of dynamic names".to_owned()));
        };
        if hosts.iter().any(|host| host == "*")
            && let Some(address) = literal(asked)
        {
            // Whoever may name any host may name any address.
            if let Some(Err(refusal)) = self.guard.as_ref().map(|guard| guard.check(address.ip())) {
                return Err(NoEndpoint::Forbidden(refusal.details()));
            }
            return Ok(self.state.dialled.get(address, false, Instant::now().into_std()));
        }
        let ClientHost { name, port } =
            client_host::parse(asked.authority).map_err(|bad| NoEndpoint::Forbidden(bad.details()))?;
        if !client_host::matches_any(&name, hosts) {
            return Err(NoEndpoint::Forbidden("destination_forbidden[host_outside_entry]"));
        }
        let port = own_port.or(port).or(asked.default_port);
        let port = port.ok_or_else(|| NoEndpoint::Unresolved("no port is known".to_owned()))?;
        let key = NameKey {
            // A name that a client chose is never completed: that would lead into the cluster's own domain.
            question: Question { name: name.as_str().into(), search: false },
            families: Families { preferred, both: true },
            refresh: REFRESH,
        };
        let dynamic = &self.state.resolution.dynamic;
        let entry =
            dynamic.get(&name, port, Instant::now(), || dns.watch(key, None)).map_err(|_| NoEndpoint::Overflow)?;
        let known = match timeout(PATIENCE, entry.decided()).await {
            Ok(known) => known,
            Err(_) => return Err(self.unresolved("Timeout while contacting DNS servers".to_owned())),
        };
        if known.addresses.is_empty() {
            return Err(self.unresolved(known.error().map(ToString::to_string).unwrap_or_default()));
        }
        match self.addresses(&name, port) {
            Ok(addresses) if !addresses.is_empty() => Ok(Arc::clone(&entry.host)),
            Ok(_) => Err(self.unresolved("the name is gone".to_owned())),
            Err(refusal) => Err(NoEndpoint::Forbidden(refusal.details())),
        }
    }
}

/// The address that an authority is, with its port or the default one.
fn literal(asked: Asked<'_>) -> Option<SocketAddr> {
    if let Ok(address) = asked.authority.parse() {
        return Some(address);
    }
    let host = asked.authority.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(asked.authority);
    Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, asked.default_port?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_that_are_addresses() {
        for (authority, expected) in [
            ("10.0.0.1", Some("10.0.0.1:80")),
            ("10.0.0.1:8080", Some("10.0.0.1:8080")),
            ("[2001:db8::1]", Some("[2001:db8::1]:80")),
            ("[2001:db8::1]:8080", Some("[2001:db8::1]:8080")),
            ("example.com", None),
            ("2130706433", None),
            ("", None),
        ] {
            let found = literal(Asked { authority, default_port: Some(80) });
            assert_eq!(found, expected.map(|address| address.parse().unwrap()), "{authority}");
        }
        assert_eq!(literal(Asked { authority: "10.0.0.1", default_port: None }), None);
    }
}
