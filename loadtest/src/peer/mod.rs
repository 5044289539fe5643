//! The proxies that are measured, all with the same task: one host, one route, one backend, plaintext and TLS.

mod envoy;
mod haproxy;
mod nginx;
mod raw_pingora;
mod sallyport;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde::Serialize;

use crate::certificate::{self, Certificate};
use crate::cli::Binaries;
use crate::process::{Process, Start, find_program};
use crate::workload::{Protocol, Workload};
use crate::{arguments, backend, driver};

/// How long a proxy may take to serve.
const START: Duration = Duration::from_secs(60);

/// A proxy to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The gateway, with metrics, retries, timeouts and limits, without access log.
    Sallyport,
    /// The same with Istio's access log to a file.
    SallyportLog,
    /// Another build of the gateway (`--sallyport-base`), configured like `sallyport`.
    SallyportBase,
    /// The smallest Pingora proxy.
    RawPingora,
    /// HAProxy.
    Haproxy,
    /// nginx.
    Nginx,
    /// Envoy.
    Envoy,
}

impl Kind {
    /// Name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Sallyport => "sallyport",
            Kind::SallyportLog => "sallyport-log",
            Kind::SallyportBase => "sallyport-base",
            Kind::RawPingora => "raw-pingora",
            Kind::Haproxy => "haproxy",
            Kind::Nginx => "nginx",
            Kind::Envoy => "envoy",
        }
    }

    /// Whether its binary is there.
    pub fn is_installed(self, binaries: &Binaries) -> bool {
        self.program(binaries).is_some_and(|program| find_program(&program).is_some())
    }

    /// Its binary; `None` if none was named.
    fn program(self, binaries: &Binaries) -> Option<PathBuf> {
        match self {
            Kind::Sallyport | Kind::SallyportLog => binaries.sallyport.clone(),
            Kind::SallyportBase => binaries.sallyport_base.clone(),
            Kind::RawPingora => binaries.raw_pingora.clone(),
            Kind::Haproxy => Some(binaries.haproxy.clone()),
            Kind::Nginx => Some(binaries.nginx.clone()),
            Kind::Envoy => Some(binaries.envoy.clone()),
        }
    }

    /// What it says its version is.
    pub fn version(self, binaries: &Binaries) -> String {
        let argument = match self {
            Kind::Haproxy | Kind::Nginx => "-v",
            Kind::Sallyport | Kind::SallyportLog | Kind::SallyportBase | Kind::RawPingora | Kind::Envoy => "--version",
        };
        self.program(binaries).map_or_else(String::new, |program| crate::machine::version(&program, argument))
    }
}

/// What all proxies have to know.
#[derive(Debug)]
pub struct Scene {
    /// Directory for configuration and logs; each proxy gets one of its own in it.
    pub directory: PathBuf,
    /// Where requests go.
    pub backend: SocketAddr,
    /// The certificate to serve.
    pub certificate: Certificate,
    /// Worker threads.
    pub workers: u16,
    /// CPUs of the proxies.
    pub cpus: Vec<usize>,
    /// Connections from clients that a proxy must be able to hold; it needs another for each towards the backend.
    pub connections: u64,
    /// Words in front of their command lines.
    pub under: String,
}

/// Where a proxy is to listen, and what it is to serve.
#[derive(Debug)]
struct Task<'a> {
    scene: &'a Scene,
    directory: &'a Path,
    plain: SocketAddr,
    tls: SocketAddr,
}

impl Task<'_> {
    /// Writes a file of configuration.
    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.directory.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

/// A proxy that runs.
#[derive(Debug)]
pub struct Peer {
    /// Which.
    pub kind: Kind,
    /// Where it speaks plaintext.
    pub plain: SocketAddr,
    /// Where it speaks TLS.
    pub tls: SocketAddr,
    /// Its process.
    pub process: Process,
}

impl Peer {
    /// Starts a proxy and waits until it serves.
    pub fn start(kind: Kind, binaries: &Binaries, scene: &Scene) -> anyhow::Result<Self> {
        start(kind, binaries, scene).with_context(|| kind.name())
    }

    /// Where a workload goes.
    pub fn target(&self, workload: &Workload) -> SocketAddr {
        if workload.tls { self.tls } else { self.plain }
    }
}

fn start(kind: Kind, binaries: &Binaries, scene: &Scene) -> anyhow::Result<Peer> {
    let program = kind.program(binaries).context("its binary was not named")?;
    let directory = scene.directory.join(format!("{}-{}", kind.name(), free_port()?));
    std::fs::create_dir(&directory)?;
    let [plain, tls] = free_addresses()?;
    let task = Task { scene, directory: &directory, plain, tls };
    let arguments: Vec<OsString> = match kind {
        Kind::Sallyport | Kind::SallyportBase => sallyport::configure(&task, false)?,
        Kind::SallyportLog => sallyport::configure(&task, true)?,
        Kind::RawPingora => raw_pingora::configure(&task),
        Kind::Haproxy => haproxy::configure(&task)?,
        Kind::Nginx => nginx::configure(&task)?,
        Kind::Envoy => envoy::configure(&task)?,
    };
    let log = directory.join("output");
    let (under, cpus) = (scene.under.as_str(), scene.cpus.as_slice());
    let mut process = Process::start(Start { under, program: &program, arguments, cpus, log, piped: false })?;
    let small = Workload::ALL[0];
    let client = certificate::client(&scene.certificate.ca, Protocol::Http1)?;
    process
        .wait_until(START, || driver::answers(plain, None, &small) && driver::answers(tls, Some(&client), &small))?;
    Ok(Peer { kind, plain, tls, process })
}

/// A port that was free a moment ago. Between now and its use somebody might take it; then the proxy says so and ends.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn free_addresses<const N: usize>() -> std::io::Result<[SocketAddr; N]> {
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); N];
    // All of them are held until all are known, so that no two are the same.
    let mut held = Vec::with_capacity(N);
    for address in &mut addresses {
        let listener = TcpListener::bind(*address)?;
        *address = listener.local_addr()?;
        held.push(listener);
    }
    Ok(addresses)
}

/// Starts a backend in a process of its own, so that its CPU time is nobody else's.
pub fn start_backend(directory: &Path, cpus: &[usize]) -> anyhow::Result<(Process, SocketAddr)> {
    let program = std::env::current_exe()?;
    let log = directory.join("backend");
    let arguments = arguments!["backend"];
    let mut process = Process::start(Start { under: "", program: &program, arguments, cpus, log, piped: true })?;
    let output = process.take_output().context("the backend has no output")?;
    let address = backend::address(output)?;
    Ok((process, address))
}

/// Builds what was not named, with cargo, beside this program.
pub fn build(binaries: &mut Binaries) -> anyhow::Result<()> {
    let beside = |name: &str| anyhow::Ok(std::env::current_exe()?.with_file_name(name));
    for (package, binary, path) in
        [("gateway", "sallyport", &mut binaries.sallyport), ("raw-pingora", "raw-pingora", &mut binaries.raw_pingora)]
    {
        if path.is_some() {
            continue;
        }
        let built = beside(binary)?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = std::process::Command::new(cargo);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "-p", package, "--bin", binary]);
        if built.parent().is_some_and(|profile| profile.ends_with("release")) {
            command.arg("--release");
        }
        if !command.status().context("cargo")?.success() {
            bail!("cannot build {binary}; name its file, or leave it out of --peers");
        }
        *path = Some(built);
    }
    Ok(())
}

/// The command `serve`.
pub fn serve(options: &crate::cli::Serve) -> anyhow::Result<ExitCode> {
    crate::interrupt::listen()?;
    let open_files = crate::limits::raise_open_files();
    let mut binaries = options.binaries.clone();
    if matches!(options.peer, Kind::Sallyport | Kind::SallyportLog | Kind::RawPingora) {
        build(&mut binaries)?;
    }
    let directory = tempfile::Builder::new().prefix("loadtest-").tempdir()?;
    let placement = crate::placement::Placement::choose(&crate::placement::available(), options.workers.into());
    let (_backend, backend) = start_backend(directory.path(), &placement.backend)?;
    let scene = Scene {
        directory: directory.path().to_owned(),
        backend,
        certificate: Certificate::write(directory.path())?,
        workers: options.workers,
        cpus: placement.proxy,
        connections: crate::limits::connections(open_files),
        under: options.under.clone(),
    };
    let peer = Peer::start(options.peer, &binaries, &scene)?;
    let (ca, pid) = (scene.certificate.ca.display(), peer.process.pid());
    writeln!(std::io::stdout(), "pid {pid}\nplain {}\ntls {}\nca {ca}\nbackend {backend}", peer.plain, peer.tls)?;
    wait_for_end();
    Ok(ExitCode::SUCCESS)
}

/// Until standard input ends or somebody asks us to stop.
fn wait_for_end() {
    let (sender, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut rest = [0; 256];
        while std::io::stdin().read(&mut rest).is_ok_and(|n| n > 0) {}
        // Whoever waited may have been asked to stop.
        let _ = sender.send(());
    });
    while !crate::interrupt::asked() && end.recv_timeout(Duration::from_millis(100)).is_err() {}
}

#[cfg(test)]
mod tests;
