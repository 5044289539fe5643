//! What a comparison found.

use serde::Serialize;

use super::summary::WorkloadSummary;
use crate::cli::{Binaries, Compare};
use crate::machine::Machine;
use crate::peer::Kind;
use crate::placement::Placement;
use crate::process::Memory;

/// What a comparison found. Its JSON form is the report for programs.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// When it began (RFC 3339).
    pub began: String,
    /// Where.
    pub machine: Machine,
    /// Who ran on which CPU.
    pub placement: Placement,
    /// Versions of the peers.
    pub peers: Vec<Version>,
    /// Worker threads of each proxy.
    pub workers: u16,
    /// Rounds.
    pub rounds: u32,
    /// Seconds of each measurement.
    pub seconds: f64,
    /// Seconds of load before it.
    pub warmup: f64,
    /// CPU time, rate and latency.
    pub workloads: Vec<WorkloadSummary>,
    /// Memory of the processes that were driven.
    pub resident_after_load: Vec<Resident>,
    /// Memory of idle connections.
    pub idle_connections: Vec<IdleConnections>,
}

/// Version of a peer.
#[derive(Debug, Clone, Serialize)]
pub struct Version {
    /// The peer.
    pub peer: Kind,
    /// As it says.
    pub version: String,
}

/// Memory of a process before and after all workloads.
#[derive(Debug, Clone, Serialize)]
pub struct Resident {
    /// The peer.
    pub peer: Kind,
    /// Right after its start.
    pub before: Memory,
    /// After all rounds.
    pub after: Memory,
}

/// Memory of idle TLS connections.
#[derive(Debug, Clone, Serialize)]
pub struct IdleConnections {
    /// The peer.
    pub peer: Kind,
    /// Connections that were opened.
    pub connections: u32,
    /// Of these, those that the proxy kept.
    pub open: usize,
    /// Before the first.
    pub before: Memory,
    /// With all.
    pub with: Memory,
    /// After they were closed.
    pub after: Memory,
    /// KiB for each.
    pub each: f64,
}

impl Report {
    /// Without figures.
    pub(super) fn new(options: &Compare, binaries: &Binaries, kinds: &[Kind], placement: Placement) -> Self {
        let version = |kind: &Kind| Version { peer: *kind, version: kind.version(binaries) };
        Report {
            began: jiff::Timestamp::now().to_string(),
            machine: Machine::this(),
            placement,
            peers: kinds.iter().map(version).collect(),
            workers: options.workers,
            rounds: options.rounds,
            seconds: options.seconds,
            warmup: options.warmup,
            workloads: Vec::new(),
            resident_after_load: Vec::new(),
            idle_connections: Vec::new(),
        }
    }

    /// Whether any answer was wrong, or any idle connection lost.
    pub fn has_faults(&self) -> bool {
        self.workloads.iter().flat_map(|workload| &workload.peers).any(|peer| peer.faulty > 0)
            || self.idle_connections.iter().any(|idle| idle.open < idle.connections as usize)
    }
}
