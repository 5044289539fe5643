//! Where an endpoint is when it is connected to.

use std::io;
use std::net::SocketAddr;

use config_schema::snapshot::EndpointAddress;

use super::cluster::Cluster;
use super::host::Host;
use crate::dns::guard::Refusal;
use crate::net::{Conn, DialOptions, Dialer, interleave, race};

/// Connects to an endpoint. One that stands for a name is at the addresses that the name has now, the first that
/// answers; each is judged again, because the answer may be younger than the choice of the endpoint.
pub(super) async fn dial(
    dialer: &dyn Dialer,
    cluster: &Cluster,
    host: &Host,
    options: &DialOptions,
) -> io::Result<Dialled> {
    let EndpointAddress::Host(name, port) = &host.spec.address else {
        let (conn, local) = dialer.dial(&host.spec.address, options).await?;
        return Ok(Dialled { conn, local, remote: None });
    };
    let addresses = match cluster.addresses(name, *port) {
        Ok(addresses) => addresses,
        Err(refusal) => return Err(io::Error::new(io::ErrorKind::PermissionDenied, refusal.details())),
    };
    let (conn, local, remote) = race(dialer, &interleave(&addresses), options).await?;
    Ok(Dialled { conn, local, remote: Some(remote) })
}

/// A connection to an endpoint.
pub(super) struct Dialled {
    pub(super) conn: Conn,
    /// Our address.
    pub(super) local: Option<SocketAddr>,
    /// The address of a name that took it; `None` where the endpoint is an address itself.
    pub(super) remote: Option<SocketAddr>,
}

impl Cluster {
    /// The addresses that a name of this cluster has now and that may be connected to; an error if there are some, and
    /// none of them may be.
    pub fn addresses(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, Refusal> {
        let found = self.state.resolution.addresses(name, port).unwrap_or_default();
        let mut refused = None;
        let mut addresses = Vec::with_capacity(found.len());
        for address in found.iter() {
            match self.guard.as_ref().map_or(Ok(()), |guard| guard.check(*address)) {
                Ok(()) => addresses.push(SocketAddr::new(*address, port)),
                Err(refusal) => refused = Some(refusal),
            }
        }
        match refused {
            Some(refusal) if addresses.is_empty() => Err(refusal),
            _ => Ok(addresses),
        }
    }
}
