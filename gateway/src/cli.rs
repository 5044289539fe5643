//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::listen::original_dst::OriginalDestination;

/// Edge gateway that serves Istio's own configuration.
#[derive(Debug, Parser)]
#[command(name = "sallyport", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, at the start")]
pub enum Command {
    /// Serve.
    Run(Run),
    /// Check configuration without serving it; the exit code is 1 if an error was found.
    Validate(Validate),
    /// Make access-log and log lines in JSON, from standard input, readable; other lines stay as they are.
    Pretty,
}

/// Serving.
#[derive(Debug, Args)]
pub struct Run {
    /// Files or directories with Istio and Kubernetes YAML. They are watched.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub config: Vec<PathBuf>,
    /// The Pod of the configuration that this process is. Without it, a gateway labelled `istio: ingressgateway` in
    /// istio-system.
    #[arg(long, value_name = "NAMESPACE/POD", value_parser = namespaced)]
    pub proxy: Option<(String, String)>,
    /// Address to bind instead of all addresses.
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<IpAddr>,
    /// DNS server to ask instead of the system's. Names are then taken as they are: search domains and /etc/hosts do
    /// not count.
    #[arg(long, value_name = "IP:PORT")]
    pub dns_server: Option<SocketAddr>,
    /// Networks that names chosen by clients (resolution DYNAMIC_DNS) may resolve to although they are protected:
    /// loopback, link-local, metadata and cluster addresses. For one ServiceEntry: annotation
    /// `sallyport.dev/allow-addresses`.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub allow_addresses: Vec<IpNet>,
    /// Learn what an egress gateway is used for: hosts that no ServiceEntry has are let out, and ServiceEntries for them
    /// are written to this file (and shown at /egress/learned on the admin port). Protected addresses stay closed. For
    /// egress gateways only: whoever reaches this process reaches the network behind it.
    #[arg(long, value_name = "FILE")]
    pub learn_egress: Option<PathBuf>,
    /// Worker threads. Without it, `concurrency` of the proxy's configuration, else one for each CPU.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// The proxy's own mesh certificate, key and root, as PEM files.
    #[arg(long, value_name = "CERT,KEY,ROOT", value_parser = identity)]
    pub identity: Option<IdentityFiles>,
    /// How redirected connections (sidecar) tell where they were going.
    #[arg(long, value_name = "HOW", default_value = "socket")]
    pub original_dst: OriginalDestination,
    /// Address of the admin server; `off` for none.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:15000", value_parser = address_or_off)]
    pub admin: Endpoint,
    /// Address of the readiness probe.
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:15021", value_parser = address_or_off)]
    pub readiness: Endpoint,
    /// Addresses of the metrics servers.
    #[arg(
        long,
        value_name = "ADDR:PORT",
        num_args = 1..,
        default_values = ["0.0.0.0:15020", "0.0.0.0:15090"],
        value_parser = address_or_off
    )]
    pub metrics: Vec<Endpoint>,
    /// Log level: error, warn, info, debug, trace, or `target=level` directives.
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "SALLYPORT_LOG")]
    pub log: String,
    /// Form of the log on standard error.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub log_format: LogFormat,
}

/// Checking.
#[derive(Debug, Args)]
pub struct Validate {
    /// Files or directories.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The proxy for which to check how objects work together; as for `run`.
    #[arg(long, value_name = "NAMESPACE/POD", value_parser = namespaced)]
    pub proxy: Option<(String, String)>,
    /// Print, as YAML, what ServiceEntries with the annotation `sallyport.dev/egress-gateway` stand for; findings go to
    /// standard error.
    #[arg(long)]
    pub explain: bool,
    /// Form of the findings.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub output: Output,
}

/// Form of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A line each.
    Text,
    /// A JSON array.
    Json,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// PEM files of a mesh identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFiles {
    /// Certificate chain.
    pub certificate: String,
    /// Key.
    pub key: String,
    /// Root.
    pub root: String,
}

/// An address to listen on, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint(pub Option<SocketAddr>);

fn address_or_off(text: &str) -> Result<Endpoint, String> {
    match text {
        "off" => Ok(Endpoint(None)),
        text => text.parse().map(|a| Endpoint(Some(a))).map_err(|_| "expected ADDRESS:PORT or `off`".to_owned()),
    }
}

/// A network, or an address, which is a network of one.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| "expected an address or a network (CIDR)".to_owned())
}

fn namespaced(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        Some(_) | None => Err("expected NAMESPACE/POD".to_owned()),
    }
}

fn identity(text: &str) -> Result<IdentityFiles, String> {
    match text.split(',').collect::<Vec<_>>().as_slice() {
        [certificate, key, root] => Ok(IdentityFiles {
            certificate: (*certificate).to_owned(),
            key: (*key).to_owned(),
            root: (*root).to_owned(),
        }),
        _ => Err("expected three files: CERT,KEY,ROOT".to_owned()),
    }
}
