//! The smallest Pingora proxy: it sends every request to one backend over kept-alive HTTP/1 connections and knows
//! nothing else. Work stealing is off and the allocator is the gateway's, so that what differs is what a gateway does.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Parser;
use pingora_core::Result;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Connections to the backend that are kept, for each worker.
const POOL: usize = 512;

/// The smallest Pingora proxy.
#[derive(Debug, Parser)]
struct Options {
    /// Address for plaintext.
    #[arg(long)]
    listen: SocketAddr,
    /// Address for TLS.
    #[arg(long)]
    tls_listen: SocketAddr,
    /// Certificate chain (PEM).
    #[arg(long)]
    certificate: PathBuf,
    /// Key (PEM).
    #[arg(long)]
    key: PathBuf,
    /// Where requests go.
    #[arg(long)]
    backend: SocketAddr,
    /// Worker threads.
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

struct Forward {
    backend: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Forward {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.backend, false, String::new())))
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let conf = ServerConf {
        threads: options.workers,
        work_stealing: false,
        upstream_keepalive_pool_size: POOL,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut proxy = http_proxy_service(&Arc::clone(&server.configuration), Forward { backend: options.backend });
    proxy.threads = Some(options.workers);
    proxy.add_tcp(&options.listen.to_string());
    let mut tls = TlsSettings::intermediate(&options.certificate.to_string_lossy(), &options.key.to_string_lossy())?;
    tls.enable_h2();
    proxy.add_tls_with_settings(&options.tls_listen.to_string(), None, tls);
    server.add_service(proxy);
    server.run_forever()
}
