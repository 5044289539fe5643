//! One measurement: one workload through one peer.

use std::time::Duration;

use serde::Serialize;

use super::Bench;
use crate::certificate;
use crate::driver::{self, Driven, Job, Length};
use crate::machine::Busy;
use crate::peer::{Kind, Peer};
use crate::process::Cpu;
use crate::workload::Workload;

/// Up to this share of one CPU others may use without a run counting as disturbed.
const DISTURBED: f64 = 0.08;

/// What one workload through one peer cost, once.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// Number of the round.
    pub round: u32,
    /// Name of the workload.
    pub workload: &'static str,
    /// The peer.
    pub peer: Kind,
    /// Right answers in the measured time.
    pub requests: u64,
    /// Measured time in seconds.
    pub seconds: f64,
    /// CPU time of the proxy's process for each request, in nanoseconds.
    pub cpu_per_request: f64,
    /// Part of that in user mode, as far as the kernel's clock ticks tell.
    pub user_share: f64,
    /// CPUs that the proxy kept busy.
    pub proxy_cpus: f64,
    /// Share of one CPU that programs other than proxy, backend and driver used, or other guests of the host.
    pub foreign: f64,
    /// Nobody else was busy.
    pub clean: bool,
    /// Latency in microseconds: p50, p99, p99.9.
    pub latency: [f64; 3],
    /// What went wrong.
    pub faults: Vec<String>,
}

impl Run {
    /// For people who watch.
    pub(super) fn line(&self) -> String {
        let rate = self.requests as f64 / self.seconds;
        let mut line = format!(
            "round {} {:<9} {:<14} {:>9.2} us CPU/request {:>8.0}/s, {:.2} CPU, others {:.2}{}\n",
            self.round + 1,
            self.workload,
            self.peer.name(),
            self.cpu_per_request / 1_000.0,
            rate,
            self.proxy_cpus,
            self.foreign,
            if self.clean { "" } else { " (disturbed)" },
        );
        self.faults.iter().for_each(|fault| line += &format!("  fault: {fault}\n"));
        line
    }
}

/// The clocks that count.
struct Clocks {
    proxy: Cpu,
    backend: Cpu,
    driver: Cpu,
    machine: Busy,
}

/// Drives one workload through one peer.
pub(super) fn run(bench: &Bench<'_>, round: u32, workload: &Workload, peer: &Peer, quiet: bool) -> anyhow::Result<Run> {
    let tls = match workload.tls {
        true => Some(certificate::client(&bench.scene.certificate.ca, workload.protocol)?),
        false => None,
    };
    let job = Job {
        workload: *workload,
        target: peer.target(workload),
        tls,
        warmup: Duration::from_secs_f64(bench.options.warmup),
        length: Length::Time(Duration::from_secs_f64(bench.options.seconds)),
        threads: bench.report.placement.driver_threads(),
    };
    let driven = driver::drive(&job, || {
        Ok(Clocks {
            machine: Busy::now(),
            proxy: Cpu::of(peer.process.pid())?,
            backend: Cpu::of(bench.backend.pid())?,
            driver: Cpu::of(std::process::id())?,
        })
    })?;
    Ok(judge(round, workload, peer.kind, quiet, driven))
}

fn judge(round: u32, workload: &Workload, peer: Kind, quiet: bool, driven: Driven<Clocks>) -> Run {
    let (before, after) = &driven.looks;
    let proxy = after.proxy.since(before.proxy);
    let ours = [proxy, after.backend.since(before.backend), after.driver.since(before.driver)];
    let foreign = after.machine.foreign_since(before.machine, &ours, driven.elapsed);
    let ticks = (proxy.user_ticks + proxy.system_ticks).max(1) as f64;
    let micros = |quantile| driven.latency.quantile(quantile);
    Run {
        round,
        workload: workload.name,
        peer,
        requests: driven.requests,
        seconds: driven.elapsed.as_secs_f64(),
        cpu_per_request: proxy.run as f64 / driven.requests.max(1) as f64,
        user_share: proxy.user_ticks as f64 / ticks,
        proxy_cpus: proxy.run as f64 / driven.elapsed.as_nanos() as f64,
        foreign,
        clean: quiet && foreign <= DISTURBED,
        latency: [micros(0.5), micros(0.99), micros(0.999)],
        faults: driven.faults,
    }
}
