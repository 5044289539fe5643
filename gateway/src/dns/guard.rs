//! Which addresses a name may resolve to when a client has chosen the name (server-side request forgery, DNS
//! rebinding). Pure.
//!
//! Names that the configuration itself spells out are their writer's business, but for addresses that no service can
//! have. Names that clients choose under a wildcard are resolved by whoever runs their DNS: they must lead outside, not
//! to this machine, its cluster, or the metadata service of its cloud.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// `0.0.0.0/8`, `::`: this machine, by another name.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `240.0.0.0/4`: broadcast, and what nobody has.
    Reserved,
    /// A cloud's service that tells a machine its secrets.
    Metadata,
    /// A Pod, Service or Node of the cluster.
    Cluster,
}

impl Refusal {
    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Unspecified => "unspecified_address",
            Refusal::Loopback => "loopback_address",
            Refusal::LinkLocal => "link_local_address",
            Refusal::Multicast => "multicast_address",
            Refusal::Reserved => "reserved_address",
            Refusal::Metadata => "metadata_address",
            Refusal::Cluster => "cluster_address",
        }
    }

    /// `%RESPONSE_CODE_DETAILS%`
    pub fn details(self) -> &'static str {
        match self {
            Refusal::Unspecified => "destination_forbidden[unspecified_address]",
            Refusal::Loopback => "destination_forbidden[loopback_address]",
            Refusal::LinkLocal => "destination_forbidden[link_local_address]",
            Refusal::Multicast => "destination_forbidden[multicast_address]",
            Refusal::Reserved => "destination_forbidden[reserved_address]",
            Refusal::Metadata => "destination_forbidden[metadata_address]",
            Refusal::Cluster => "destination_forbidden[cluster_address]",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Metadata services outside of the link-local networks: AWS, Google, Azure, Alibaba, Oracle.
const METADATA: [IpAddr; 6] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // Of the link-local network, but worth its own word.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
];

/// Addresses that no name may resolve to: a connection to them goes nowhere, or to this machine.
pub fn refuse_always(address: IpAddr) -> Option<Refusal> {
    address_forms(address).into_iter().flatten().find_map(|form| match form {
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some(Refusal::Unspecified),
        IpAddr::V6(v6) if v6.is_unspecified() => Some(Refusal::Unspecified),
        other if other.is_multicast() => Some(Refusal::Multicast),
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some(Refusal::Reserved),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    })
}

/// What names chosen by clients may resolve to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressGuard {
    /// Addresses of the cluster.
    cluster: Arc<BTreeSet<IpAddr>>,
    /// The cluster's own network is the loopback network, so that loopback as such is as good as any address.
    cluster_on_loopback: bool,
    /// Networks that are allowed all the same.
    allowed: Vec<IpNet>,
}

impl AddressGuard {
    /// `cluster` are the addresses of Pods, Services and Nodes, `own` this proxy's. Where the proxy's own Pod lives on
    /// the loopback network (a test bench; no kubelet gives such addresses), loopback is what any network is elsewhere:
    /// only the cluster's addresses on it are protected.
    pub fn new(cluster: Arc<BTreeSet<IpAddr>>, own: Option<IpAddr>, allowed: Vec<IpNet>) -> Self {
        let cluster_on_loopback = own.is_some_and(|own| own.is_loopback());
        AddressGuard { cluster, cluster_on_loopback, allowed }
    }

    /// Whether a connection may be made.
    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        for form in address_forms(address).into_iter().flatten() {
            if let Some(refusal) = self.refuse(form) {
                return Err(refusal);
            }
        }
        Ok(())
    }

    fn refuse(&self, address: IpAddr) -> Option<Refusal> {
        if self.allowed.iter().any(|network| network.contains(&address)) {
            return None;
        }
        if self.cluster.contains(&address) {
            return Some(Refusal::Cluster);
        }
        if METADATA.contains(&address) {
            return Some(Refusal::Metadata);
        }
        if address.is_loopback() {
            return (!self.cluster_on_loopback).then_some(Refusal::Loopback);
        }
        let other = match address {
            IpAddr::V4(v4) if v4.is_link_local() => Some(Refusal::LinkLocal),
            IpAddr::V4(v4) if v4.octets()[0] >= 240 => Some(Refusal::Reserved),
            IpAddr::V6(v6) if v6.is_unicast_link_local() || is_site_local(v6) => Some(Refusal::LinkLocal),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        };
        refuse_always(address).or(other)
    }
}

/// `fec0::/10`, which link-local hosts once had (RFC 3879).
fn is_site_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfec0
}

/// The address, and the IPv4 address that it carries or is translated to on its way.
fn address_forms(address: IpAddr) -> [Option<IpAddr>; 2] {
    let embedded = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => embedded_v4(v6).map(IpAddr::V4),
    };
    match embedded {
        // `::1` and `::` are no IPv4 addresses.
        Some(_) if address.is_loopback() || address.is_unspecified() => [Some(address), None],
        embedded => [Some(address), embedded],
    }
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let last = Ipv4Addr::from((u32::from(s[6]) << 16) | u32::from(s[7]));
    match s {
        // IPv4-compatible, IPv4-mapped (RFC 4291 §2.5.5), IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => Some(last),
        // NAT64 (RFC 6052), its local form (RFC 8215).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => Some(last),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
        // Teredo (RFC 4380): the client's address, all bits turned.
        [0x2001, 0, ..] => Some(Ipv4Addr::from(!u32::from(last))),
        _ => None,
    }
}

/// Networks as the snapshot has them; a prefix that is too long means the one address.
pub fn networks(list: &[(IpAddr, u8)]) -> Vec<IpNet> {
    list.iter()
        .map(|(address, length)| match address {
            IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new(*v4, *length).unwrap_or_else(|_| Ipv4Net::from(*v4))),
            IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new(*v6, *length).unwrap_or_else(|_| Ipv6Net::from(*v6))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(own: Option<&str>, allowed: &[&str]) -> AddressGuard {
        let cluster = ["10.0.0.7", "127.1.3.1", "fd00::7"].iter().map(|a| a.parse().unwrap()).collect();
        let allowed = allowed.iter().map(|network| network.parse().unwrap()).collect();
        AddressGuard::new(Arc::new(cluster), own.map(|own| own.parse().unwrap()), allowed)
    }

    fn verdict(guard: &AddressGuard, address: &str) -> &'static str {
        guard.check(address.parse().unwrap()).err().map_or("allowed", Refusal::as_str)
    }

    #[test]
    fn what_clients_may_not_reach() {
        let guard = guard(Some("10.0.0.1"), &[]);
        for (address, expected) in [
            ("192.0.2.1", "allowed"),
            ("10.1.2.3", "allowed"),
            ("2606:4700::1", "allowed"),
            ("fd12::1", "allowed"),
            ("0.0.0.0", "unspecified_address"),
            ("0.1.2.3", "unspecified_address"),
            ("::", "unspecified_address"),
            ("127.0.0.1", "loopback_address"),
            ("127.255.255.254", "loopback_address"),
            ("::1", "loopback_address"),
            ("169.254.0.1", "link_local_address"),
            ("169.254.169.254", "metadata_address"),
            ("fe80::1", "link_local_address"),
            ("fec0::1", "link_local_address"),
            ("224.0.0.1", "multicast_address"),
            ("ff02::1", "multicast_address"),
            ("240.240.0.1", "reserved_address"),
            ("255.255.255.255", "reserved_address"),
            ("100.100.100.200", "metadata_address"),
            ("168.63.129.16", "metadata_address"),
            ("fd00:ec2::254", "metadata_address"),
            ("10.0.0.7", "cluster_address"),
            ("fd00::7", "cluster_address"),
            // IPv4 in disguise.
            ("::ffff:127.0.0.1", "loopback_address"),
            ("::ffff:169.254.169.254", "metadata_address"),
            ("::ffff:10.0.0.7", "cluster_address"),
            ("::ffff:192.0.2.1", "allowed"),
            ("::127.0.0.1", "loopback_address"),
            ("::ffff:0:127.0.0.1", "loopback_address"),
            ("64:ff9b::127.0.0.1", "loopback_address"),
            ("64:ff9b::10.0.0.7", "cluster_address"),
            ("64:ff9b:1::a9fe:a9fe", "metadata_address"),
            ("2002:7f00:1::", "loopback_address"),
            ("2001:0:0:0:0:0:80ff:fffe", "loopback_address"),
        ] {
            assert_eq!(verdict(&guard, address), expected, "{address}");
        }
    }

    #[test]
    fn a_cluster_on_loopback() {
        let guard = guard(Some("127.1.0.1"), &[]);
        assert_eq!(verdict(&guard, "127.2.0.1"), "allowed");
        assert_eq!(verdict(&guard, "::ffff:127.2.0.1"), "allowed");
        assert_eq!(verdict(&guard, "127.1.3.1"), "cluster_address");
        assert_eq!(verdict(&guard, "169.254.1.1"), "link_local_address");
    }

    #[test]
    fn what_is_allowed_all_the_same() {
        let guard = guard(None, &["10.0.0.0/24", "::1/128"]);
        assert_eq!(verdict(&guard, "10.0.0.7"), "allowed");
        assert_eq!(verdict(&guard, "::1"), "allowed");
        assert_eq!(verdict(&guard, "127.0.0.1"), "loopback_address");
        assert_eq!(verdict(&guard, "::ffff:10.0.0.7"), "allowed");
    }

    #[test]
    fn what_nobody_may_reach() {
        let verdict = |address: &str| refuse_always(address.parse().unwrap()).map(Refusal::as_str);
        assert_eq!(verdict("0.0.0.0"), Some("unspecified_address"));
        assert_eq!(verdict("::ffff:0.0.0.0"), Some("unspecified_address"));
        assert_eq!(verdict("239.1.1.1"), Some("multicast_address"));
        for named in ["127.0.0.1", "169.254.169.254", "10.0.0.7", "::1", "192.0.2.1", "240.240.0.1"] {
            assert_eq!(verdict(named), None, "{named}");
        }
    }
}
