//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::peer::Kind;
use crate::workload::Workload;

/// Measures what the gateway costs, beside its peers. Everything runs on loopback.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the gateway and its peers, drive them in turns, and report what a request costs.
    Compare(Compare),
    /// Start a backend and one proxy, say where they listen, and serve until standard input ends.
    Serve(Serve),
    /// Drive something that runs.
    Drive(Drive),
    /// Serve `/api/bytes/N` with N bytes until standard input ends.
    Backend(Backend),
}

/// Peers side by side.
#[derive(Debug, Args)]
pub struct Compare {
    /// Times that every workload is driven through every peer.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Seconds that are measured, each time.
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// Seconds of load before measuring, each time.
    #[arg(long, value_name = "S", default_value_t = 0.5, value_parser = seconds)]
    pub warmup: f64,
    /// Workloads; all of them if absent.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = workload)]
    pub workloads: Vec<Workload>,
    /// Peers; all that are found on this machine if absent.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub peers: Vec<Kind>,
    /// Worker threads of each proxy.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
    /// Idle TLS connections held to measure memory; 0 leaves that out.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    pub idle_connections: u32,
    /// Seconds to wait for the machine to be quiet before each measurement.
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = seconds)]
    pub wait_quiet: f64,
    /// Where the JSON report goes.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Where the binaries are.
    #[command(flatten)]
    pub binaries: Binaries,
}

/// Binaries of the peers.
#[derive(Debug, Clone, Args)]
pub struct Binaries {
    /// The gateway; built with cargo if absent.
    #[arg(long, value_name = "FILE")]
    pub sallyport: Option<PathBuf>,
    /// Another build of the gateway, to be the peer `sallyport-base`.
    #[arg(long, value_name = "FILE")]
    pub sallyport_base: Option<PathBuf>,
    /// The yardstick; built with cargo if absent.
    #[arg(long, value_name = "FILE")]
    pub raw_pingora: Option<PathBuf>,
    /// HAProxy 2.4 or later.
    #[arg(long, value_name = "FILE", default_value = "haproxy")]
    pub haproxy: PathBuf,
    /// nginx 1.16 or later with its TLS and HTTP/2 modules.
    #[arg(long, value_name = "FILE", default_value = "nginx")]
    pub nginx: PathBuf,
    /// Envoy 1.28 or later.
    #[arg(long, value_name = "FILE", default_value = "envoy")]
    pub envoy: PathBuf,
}

/// One peer.
#[derive(Debug, Args)]
pub struct Serve {
    /// The peer.
    pub peer: Kind,
    /// Worker threads.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
    /// Words to put in front of the peer's command line, such as a profiler's.
    #[arg(long, value_name = "WORDS", default_value = "")]
    pub under: String,
    /// Where the binaries are.
    #[command(flatten)]
    pub binaries: Binaries,
}

/// Driving something that runs.
#[derive(Debug, Args)]
pub struct Drive {
    /// Where it listens, with TLS if the workload has it.
    pub target: SocketAddr,
    /// The workload.
    #[arg(long, value_name = "NAME", default_value = "h1", value_parser = workload)]
    pub workload: Workload,
    /// Seconds that are measured.
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = seconds)]
    pub seconds: f64,
    /// Seconds of load before measuring.
    #[arg(long, value_name = "S", default_value_t = 0.5, value_parser = seconds)]
    pub warmup: f64,
    /// Measure this many requests instead of seconds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub requests: Option<u64>,
    /// Connections, instead of the workload's own number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub connections: Option<u32>,
    /// Threads that drive.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub threads: u16,
    /// Authority that the server's certificate is checked against (PEM); needed for TLS.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Process whose CPU time is measured.
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
}

/// The backend.
#[derive(Debug, Args)]
pub struct Backend {
    /// Address to listen on.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}

fn workload(name: &str) -> Result<Workload, String> {
    Workload::named(name).ok_or_else(|| {
        let names: Vec<&str> = Workload::ALL.iter().map(|workload| workload.name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// An hour is more than enough for anything here.
fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|n| (0.0..=3600.0).contains(n)).ok_or_else(|| "expected 0 to 3600 seconds".to_owned())
}
