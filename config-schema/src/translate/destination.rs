//! Destinations of routes: the cluster that a host, subset and port name.

use super::cluster::ClusterKey;
use super::registry::{Resolution, Service};
use crate::resources::virtual_service::Destination;

/// The cluster of a destination whose full host name is `host`, of which `service` is known. Without a port it is the
/// only port of the service, else `default_port`.
pub(super) fn cluster_key(
    destination: &Destination,
    host: &str,
    service: Option<&Service>,
    default_port: u16,
) -> ClusterKey {
    let written = destination.port.map(|port| port.number).filter(|number| *number > 0);
    let port = match written {
        Some(number) => u16::try_from(number).unwrap_or(0),
        None => service.and_then(Service::only_port).map_or(default_port, |port| port.number),
    };
    let host = match service.map(|service| &service.resolution) {
        Some(Resolution::Alias(target)) => target,
        _ => host,
    };
    ClusterKey::new(host, port, destination.subset.as_deref().unwrap_or_default())
}
