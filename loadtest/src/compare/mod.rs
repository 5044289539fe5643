//! Peers side by side: started together, driven in turns, reported as ratios.
//!
//! Absolute times of a shared machine say little. What is driven within the same seconds is comparable, so every figure
//! is also given as a ratio to the same figure of other peers in the same round.

mod memory;
mod report;
mod rounds;
mod summary;
mod table;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::certificate::Certificate;
use crate::cli::{Binaries, Compare};
use crate::driver::Driven;
use crate::peer::{Kind, Peer, Scene};
use crate::placement::{self, Placement};
use crate::process::{Cpu, Process};
use crate::workload::Workload;
use crate::{limits, machine, peer};
pub use report::Report;

/// The command `compare`.
pub fn run(options: &Compare) -> anyhow::Result<ExitCode> {
    crate::interrupt::listen()?;
    let open_files = limits::raise_open_files();
    let mut binaries = options.binaries.clone();
    let kinds = kinds(options, &mut binaries)?;
    let workloads = if options.workloads.is_empty() { Workload::ALL } else { &options.workloads };
    let placement = Placement::choose(&placement::available(), options.workers.into());
    let directory = tempfile::Builder::new().prefix("loadtest-").tempdir()?;
    let (backend, address) = peer::start_backend(directory.path(), &placement.backend)?;
    let scene = Scene {
        directory: directory.path().to_owned(),
        backend: address,
        certificate: Certificate::write(directory.path())?,
        workers: options.workers,
        cpus: placement.proxy.clone(),
        connections: limits::connections(open_files),
        under: String::new(),
    };
    let mut report = Report::new(options, &binaries, &kinds, placement);
    placement::bind(&report.placement.driver)?;
    say(&format!("{}\n", report.placement.note));
    let bench = Bench { options, binaries: &binaries, scene: &scene, backend: &backend, report: &report };
    let measured = bench.measure(&kinds, workloads)?;
    report.workloads = summary::summarise(workloads, &kinds, &measured.runs);
    report.resident_after_load = measured.resident;
    let idle = limits::affordable(options.idle_connections, open_files);
    if idle > 0 {
        report.idle_connections = memory::measure(&kinds, &binaries, &scene, idle)?;
    }
    write!(std::io::stdout(), "{}", table::print(&report))?;
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text + "\n").with_context(|| path.display().to_string())?;
    }
    Ok(if report.has_faults() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The peers to be measured. Those that were named must be there; of the others, those that are.
fn kinds(options: &Compare, binaries: &mut Binaries) -> anyhow::Result<Vec<Kind>> {
    let built = |kind: &Kind| matches!(kind, Kind::Sallyport | Kind::SallyportLog | Kind::RawPingora);
    if options.peers.is_empty() || options.peers.iter().any(built) {
        peer::build(binaries)?;
    }
    if options.peers.is_empty() {
        return Ok(Kind::value_variants().iter().copied().filter(|kind| kind.is_installed(binaries)).collect());
    }
    match options.peers.iter().find(|kind| !kind.is_installed(binaries)) {
        Some(missing) => bail!("{}: there is no such binary", missing.name()),
        None => Ok(options.peers.clone()),
    }
}

/// Everything that measuring needs.
struct Bench<'a> {
    options: &'a Compare,
    binaries: &'a Binaries,
    scene: &'a Scene,
    backend: &'a Process,
    report: &'a Report,
}

/// What was measured under load.
struct Measured {
    runs: Vec<rounds::Run>,
    resident: Vec<report::Resident>,
}

impl Bench<'_> {
    /// Starts all peers, drives them in turns, and looks at their memory.
    fn measure(&self, kinds: &[Kind], workloads: &[Workload]) -> anyhow::Result<Measured> {
        let mut peers = Vec::with_capacity(kinds.len());
        let mut before = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let peer = Peer::start(*kind, self.binaries, self.scene)?;
            before.push(crate::process::Memory::of(peer.process.pid())?);
            peers.push(peer);
        }
        let mut runs = Vec::new();
        for round in 0..self.options.rounds {
            for workload in workloads {
                // Who comes first differs from round to round.
                for turn in 0..peers.len() {
                    let peer = &peers[(turn + round as usize) % peers.len()];
                    let quiet = machine::wait_quiet(Duration::from_secs_f64(self.options.wait_quiet));
                    let run = rounds::run(self, round, workload, peer, quiet)?;
                    say(&run.line());
                    runs.push(run);
                }
            }
        }
        let mut resident = Vec::with_capacity(peers.len());
        for (peer, before) in peers.iter().zip(before) {
            let after = crate::process::Memory::of(peer.process.pid())?;
            resident.push(report::Resident { peer: peer.kind, before, after });
        }
        Ok(Measured { runs, resident })
    }
}

/// Tells how far things are.
fn say(text: &str) {
    // Progress is for people who watch; nobody may be.
    let _ = write!(std::io::stderr(), "{text}");
}

/// What the command `drive` prints.
pub(crate) fn print_driven(workload: &Workload, driven: &Driven<Option<Cpu>>) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{}: {}", workload.name, workload.about)?;
    let rate = driven.requests as f64 / driven.elapsed.as_secs_f64();
    writeln!(out, "{} requests in {:.2?}, {rate:.0}/s", driven.requests, driven.elapsed)?;
    let micros = |quantile| driven.latency.quantile(quantile);
    writeln!(out, "latency p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us", micros(0.5), micros(0.99), micros(0.999))?;
    if let (Some(before), Some(after)) = driven.looks {
        let cpu = after.since(before);
        let each = cpu.run as f64 / 1_000.0 / driven.requests.max(1) as f64;
        let share = cpu.run as f64 / driven.elapsed.as_nanos() as f64;
        writeln!(out, "{each:.2} us CPU per request, {share:.2} of a CPU used")?;
    }
    driven.faults.iter().try_for_each(|fault| writeln!(out, "fault: {fault}"))
}
