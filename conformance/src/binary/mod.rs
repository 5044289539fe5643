//! The gateway as a process: black-box, on real sockets, with nothing shared but the command line, the configuration
//! folder, the readiness port and standard output.

mod config_dir;
mod dns;
mod listeners;
mod namespace;
mod process;

pub(crate) use config_dir::mesh_config_map;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::net::TcpSocket;

pub use config_dir::ConfigDir;
pub use dns::{Asked, DnsServer, Reply};
pub use listeners::Listeners;
pub use namespace::{EgressNamespaces, Place, isolate};
pub use process::{Command, Process, sallyport_binary};

use crate::case::Case;
use crate::echo::Echo;
use crate::pki::Pki;
use crate::run::{Bench, Failure, Gateway, LaunchError, Pace};
use crate::wire::Dialled;
use crate::world::World;

/// Where the gateway says that it is ready.
pub const READY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 15021);

/// Longest wait for a gateway to become ready.
const STARTUP: Duration = Duration::from_secs(10);

/// Starts the binary `sallyport` for each case. The ports of a gateway are fixed, so of several launchers each needs a
/// network namespace of its own; see [`isolate`].
#[derive(Debug)]
pub struct SallyportLauncher {
    binary: PathBuf,
    pki: Arc<Pki>,
    world: Arc<World>,
    echo: Echo,
    /// The world's endpoints, bound once for all cases.
    _world_listeners: Listeners,
}

/// A running gateway with everything that it needs.
#[derive(Debug)]
pub struct Sallyport {
    process: Process,
    _listeners: Listeners,
    _dns: DnsServer,
    _config: ConfigDir,
}

impl SallyportLauncher {
    /// Binds the world's endpoints. Must be called within the tokio runtime that plays the cases.
    pub fn new(binary: PathBuf, pki: Arc<Pki>, world: Arc<World>, echo: Echo) -> anyhow::Result<Self> {
        let _world_listeners = Listeners::bind(world.endpoints.iter().copied(), &echo)?;
        Ok(Self { binary, pki, world, echo, _world_listeners })
    }

    /// Starts a gateway for the case, plays all its exchanges and kills it; empty if everything is as recorded.
    pub async fn check(&self, case: &Case) -> Vec<Failure> {
        let bench = Bench { echo: &self.echo, pki: &self.pki, pace: Pace::default() };
        let launched = self.start(case).await.map_err(|error| LaunchError::Failed(format!("{error:#}")));
        let mut failures = bench.check(case, &launched).await;
        if let Ok(gateway) = launched {
            failures.extend(gateway.process.stop().await.map(Failure::of_case));
        }
        failures
    }

    async fn start(&self, case: &Case) -> anyhow::Result<Sallyport> {
        let more = case.endpoints.iter().copied().filter(|address| !self.world.endpoints.contains(address));
        let listeners = Listeners::bind(more, &self.echo)?;
        let dns = DnsServer::start(&case.dns).await?;
        let config = ConfigDir::write(&self.world, case)?;
        let identity = self.identity(case.proxy())?;
        let mut command = Command::new(&self.binary);
        command.args(["run", "--config"]).arg(config.path()).args(["--proxy", case.proxy()]);
        command.args(["--dns-server", &dns.address().to_string()]).args(["--identity", &identity]);
        if case.is_sidecar() {
            command.args(["--original-dst", "proxy-protocol"]);
        }
        let mut process = command.spawn()?;
        process.wait_ready(READY, "/healthz/ready", STARTUP).await?;
        Ok(Sallyport { process, _listeners: listeners, _dns: dns, _config: config })
    }

    /// `CERT,KEY,ROOT` of the workload that the proxy stands for.
    fn identity(&self, proxy: &str) -> anyhow::Result<String> {
        let name = self.world.workload_of_pod(proxy).with_context(|| format!("the world has no pod {proxy}"))?;
        let file = |file: String| self.pki.path(&file).display().to_string();
        Ok([file(format!("{name}.crt")), file(format!("{name}.key")), file("mesh-ca.crt".to_owned())].join(","))
    }
}

impl Gateway for Sallyport {
    async fn connect(&self, port: u16, src: Option<IpAddr>) -> io::Result<Dialled> {
        connect(port, src).await
    }

    fn take_log(&self) -> Vec<Value> {
        self.process.take_log()
    }
}

/// Connects to a port on 127.0.0.1, from a given address if there is one.
pub async fn connect(port: u16, src: Option<IpAddr>) -> io::Result<Dialled> {
    let socket = TcpSocket::new_v4()?;
    if let Some(src) = src {
        socket.bind(SocketAddr::new(src, 0))?;
    }
    let stream = socket.connect(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)).await?;
    stream.set_nodelay(true)?;
    let from = stream.local_addr()?;
    Ok(Dialled { stream: Box::new(stream), from })
}
