//! Memory of idle TLS connections: of a fresh process, before, with them, and after.

use std::time::Duration;

use super::report::IdleConnections;
use super::say;
use crate::certificate;
use crate::cli::Binaries;
use crate::driver::idle::Idle;
use crate::peer::{Kind, Peer, Scene};
use crate::process::Memory;
use crate::workload::{Protocol, Workload};

/// How long connections rest before memory is read: proxies give buffers back after a while, and allocators too.
const REST: Duration = Duration::from_secs(5);

/// Opens `wanted` connections to each peer, one peer after the other.
pub(super) fn measure(
    kinds: &[Kind],
    binaries: &Binaries,
    scene: &Scene,
    wanted: u32,
) -> anyhow::Result<Vec<IdleConnections>> {
    let tls = certificate::client(&scene.certificate.ca, Protocol::Http1)?;
    let small = Workload::ALL[0];
    let mut all = Vec::with_capacity(kinds.len());
    for kind in kinds {
        say(&format!("{wanted} idle TLS connections: {}\n", kind.name()));
        let peer = Peer::start(*kind, binaries, scene)?;
        let pid = peer.process.pid();
        let before = Memory::of(pid)?;
        let mut idle = Idle::open(peer.tls, &tls, &small, wanted as usize)?;
        idle.rest(REST);
        let with = Memory::of(pid)?;
        let open = idle.count_open();
        drop(idle);
        std::thread::sleep(REST);
        let after = Memory::of(pid)?;
        let each = (with.resident as f64 - before.resident as f64) / f64::from(wanted);
        all.push(IdleConnections { peer: *kind, connections: wanted, open, before, with, after, each });
    }
    Ok(all)
}
