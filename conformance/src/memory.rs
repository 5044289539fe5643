//! The gateway as a library: its connections are pipes in memory, its time is virtual.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{DuplexStream, duplex};

use crate::case::Case;
use crate::echo::Echo;
use crate::pki::Pki;
use crate::run::{Bench, Failure, Gateway, LaunchError, Pace};
use crate::world::{World, refuses};

/// Timing where waiting costs nothing: whoever is idle lets the clock jump.
const PACE: Pace =
    Pace { patience: Duration::from_secs(5), settle: Duration::from_secs(2), grace: Duration::from_millis(100) };

/// Bytes that a connection holds in each direction before its writer waits.
const PIPE: usize = 64 * 1024;

/// A connection in memory: the client's end and the server's.
pub fn pipe() -> (DuplexStream, DuplexStream) {
    duplex(PIPE)
}

/// Plays cases against gateways in this process.
#[derive(Debug)]
pub struct Memory {
    pki: Pki,
    world: World,
}

impl Memory {
    /// With the world and the certificates of a folder of recorded behaviour.
    pub fn load(behaviour: &Path) -> anyhow::Result<Self> {
        let world = World::load(&behaviour.join("world.yaml"))?;
        Ok(Self { pki: Pki::new(behaviour.join("pki")), world })
    }

    /// Without a cluster around the cases: they bring what they need.
    pub fn bare(behaviour: &Path) -> Self {
        Self { pki: Pki::new(behaviour.join("pki")), world: World::empty() }
    }

    /// Plays a case in a runtime of its own with a paused clock; empty if everything is as recorded. `start` makes the
    /// case's gateway, which finds its backends and names in the network that it is given.
    pub fn check<G: Gateway>(
        &self,
        case: &Case,
        start: impl AsyncFnOnce(&World, &Network) -> Result<G, LaunchError>,
    ) -> Vec<Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let prepared = runtime.map_err(anyhow::Error::from).and_then(|rt| Ok((rt, Echo::new(&self.pki, &self.world)?)));
        let (runtime, echo) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return vec![Failure::of_case(format!("{error:#}"))],
        };
        runtime.block_on(async {
            let network = Network::new(&echo, &self.world, case);
            let launched = start(&self.world, &network).await;
            Bench { echo: &echo, pki: &self.pki, pace: PACE }.check(case, &launched).await
        })
    }
}

/// The network behind the gateway as a case has it: who listens, and what names resolve to. Clones are the same
/// network.
#[derive(Debug, Clone)]
pub struct Network {
    echo: Echo,
    listening: Arc<BTreeSet<SocketAddr>>,
    names: Arc<BTreeMap<String, Vec<IpAddr>>>,
}

impl Network {
    /// The world's endpoints and the case's, each with an echo server.
    pub fn new(echo: &Echo, world: &World, case: &Case) -> Self {
        let all = world.endpoints.iter().chain(&case.endpoints).copied();
        Self {
            echo: echo.clone(),
            listening: Arc::new(all.filter(|address| !refuses(*address)).collect()),
            names: Arc::new(case.dns.iter().map(|(name, ips)| (canonical(name), ips.clone())).collect()),
        }
    }

    /// Connects to a backend; refused where nothing listens. Must be called within a tokio runtime, which then serves
    /// the other end.
    pub fn dial(&self, to: SocketAddr) -> io::Result<DuplexStream> {
        if !self.listening.contains(&to) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (near, far) = pipe();
        let echo = self.echo.clone();
        tokio::spawn(async move { echo.serve(Box::new(far), to).await });
        Ok(near)
    }

    /// The addresses of a name, perhaps none; `None` if the name does not exist (NXDOMAIN).
    pub fn resolve(&self, name: &str) -> Option<&[IpAddr]> {
        self.names.get(&canonical(name)).map(Vec::as_slice)
    }
}

/// Names are compared without case and without the final dot.
fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::behaviour_dir;

    #[tokio::test]
    async fn who_listens_and_what_resolves() {
        let world = World::load(&behaviour_dir().join("world.yaml")).unwrap();
        let echo = Echo::new(&Pki::new(behaviour_dir().join("pki")), &world).unwrap();
        let case = Case::parse(
            "name: a\nfamily: edge\nabout: x\nconfig: ''\nrejected: x\nendpoints: ['127.2.0.1:80', '127.9.0.1:60001']\n\
             dns: {Ext.example.com: [127.2.0.1], empty.example.com: []}\n",
        );
        let network = Network::new(&echo, &world, &case.unwrap());
        let dial = |address: &str| network.dial(address.parse().unwrap()).map(|_| ()).map_err(|e| e.kind());
        assert_eq!(dial("127.1.4.1:9080"), Ok(()));
        assert_eq!(dial("127.2.0.1:80"), Ok(()));
        assert_eq!(dial("127.2.0.1:81"), Err(io::ErrorKind::ConnectionRefused));
        assert_eq!(dial("127.9.0.1:60001"), Err(io::ErrorKind::ConnectionRefused));
        assert_eq!(network.resolve("ext.EXAMPLE.com.").map(<[_]>::len), Some(1));
        assert_eq!(network.resolve("empty.example.com").map(<[_]>::len), Some(0));
        assert_eq!(network.resolve("other.example.com"), None);
    }
}
