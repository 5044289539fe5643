//! The echo servers: what stands behind every endpoint of a case.
//!
//! One server speaks everything, whatever comes: TLS, HTTP/2 with prior knowledge, HTTP/1, and other bytes. It works on
//! any stream, so the same code answers on real sockets and in memory. Everything that it sees goes into a log.

mod http1;
mod http2;
mod log;
mod raw;
mod sniff;
mod steering;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use log::EchoLog;
pub(crate) use log::attempt_count;
use sniff::{Protocol, sniff};
use tls::EchoTls;

use crate::answer::{HANDSHAKE_FAILED, Seen, SeenTls};
use crate::pki::Pki;
use crate::wire::{BoxedStream, Peek};
use crate::world::World;

/// How long bytes that may or may not become HTTP are waited for.
const UNDECIDED: Duration = Duration::from_millis(50);

/// All echo servers of a run: their certificates and their common log. Clones share both.
#[derive(Debug, Clone)]
pub struct Echo {
    log: Arc<EchoLog>,
    tls: Arc<EchoTls>,
}

/// One connection to one backend.
#[derive(Clone)]
struct Connection {
    log: Arc<EchoLog>,
    backend: SocketAddr,
    tls: Option<SeenTls>,
}

impl Echo {
    /// Echo servers with the certificates of `pki`, workloads known by their address in `world`.
    pub fn new(pki: &Pki, world: &World) -> anyhow::Result<Self> {
        Ok(Self { log: Arc::default(), tls: Arc::new(EchoTls::new(pki, world)?) })
    }

    /// What the servers have seen.
    pub fn log(&self) -> &EchoLog {
        &self.log
    }

    /// Serves one connection that was made to the address `backend`, until it ends.
    pub async fn serve(&self, stream: BoxedStream, backend: SocketAddr) {
        let mut stream = Peek::new(stream);
        let mut connection = Connection { log: Arc::clone(&self.log), backend, tls: None };
        let mut protocol = sniffed(&mut stream).await;
        if protocol == Some(Protocol::Tls) {
            match self.tls.accept(stream, backend.ip()).await {
                Ok((inner, session)) => {
                    stream = Peek::new(inner);
                    connection.tls = Some(session);
                    protocol = sniffed(&mut stream).await;
                }
                Err(_) => {
                    let session = SeenTls { sni: Some(HANDSHAKE_FAILED.to_owned()), ..SeenTls::default() };
                    connection.log.bytes(Seen { tls: Some(session), ..connection.seen() });
                    return;
                }
            }
        }
        match protocol {
            Some(Protocol::Http1) => http1::serve(&connection, stream).await,
            Some(Protocol::Http2) => http2::serve(&connection, stream).await,
            Some(Protocol::Raw | Protocol::Tls) => raw::serve(&connection, stream).await,
            None => drop(connection.log.bytes(connection.seen())),
        }
    }
}

impl Connection {
    /// An entry for the log with what is known of every request of the connection.
    fn seen(&self) -> Seen {
        Seen { backend: Some(self.backend), tls: self.tls.clone(), ..Seen::default() }
    }
}

/// Looks ahead until the protocol is clear; `None` if the connection ended without a byte.
async fn sniffed(stream: &mut Peek<BoxedStream>) -> Option<Protocol> {
    loop {
        if let Some(protocol) = sniff(stream.ahead()) {
            return Some(protocol);
        }
        let started = !stream.ahead().is_empty();
        let read = match started {
            true => tokio::time::timeout(UNDECIDED, stream.look()).await.unwrap_or(Ok(0)),
            false => stream.look().await,
        };
        if matches!(read, Ok(0) | Err(_)) {
            return started.then_some(Protocol::Raw);
        }
    }
}
