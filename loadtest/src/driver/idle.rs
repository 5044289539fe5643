//! Connections that have had one request and then do nothing: what they cost in memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use rustls::ClientConfig;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use super::{Io, connect, http1};
use crate::workload::Workload;

/// Handshakes at a time.
const AT_A_TIME: usize = 32;

/// Open connections; they close with this value.
pub struct Idle {
    connections: Vec<Io>,
    runtime: tokio::runtime::Runtime,
}

impl Idle {
    /// Opens connections and sends one request on each.
    pub fn open(
        target: SocketAddr,
        tls: &Arc<ClientConfig>,
        workload: &Workload,
        wanted: usize,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connections = runtime.block_on(async {
            let mut opening = JoinSet::new();
            let mut connections = Vec::with_capacity(wanted);
            while connections.len() < wanted {
                crate::interrupt::check()?;
                while opening.len() < AT_A_TIME.min(wanted - connections.len()) {
                    opening.spawn(one(target, Arc::clone(tls), *workload));
                }
                match opening.join_next().await {
                    Some(Ok(Ok(io))) => connections.push(io),
                    Some(Ok(Err(error))) => return Err(error),
                    Some(Err(error)) => return Err(error.into()),
                    None => bail!("nothing opens"),
                }
            }
            Ok(connections)
        })?;
        Ok(Idle { connections, runtime })
    }

    /// Lets time pass.
    pub fn rest(&self, time: Duration) {
        // The timer belongs to the runtime, so it must be made inside.
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// How many the server has not closed.
    pub fn count_open(&mut self) -> usize {
        let connections = &mut self.connections;
        self.runtime.block_on(async {
            let mut open = 0;
            for io in connections {
                // Session tickets are no data; an end or an error is ready at once.
                let mut byte = [0];
                let read = tokio::time::timeout(Duration::ZERO, io.read(&mut byte)).await;
                open += usize::from(read.is_err());
            }
            open
        })
    }
}

async fn one(target: SocketAddr, tls: Arc<ClientConfig>, workload: Workload) -> anyhow::Result<Io> {
    let mut io = connect(target, Some(&tls)).await.map_err(|fault| anyhow!("{fault}"))?;
    http1::once(&mut io, &workload).await.map_err(|fault| anyhow!("{fault}"))?;
    Ok(io)
}
