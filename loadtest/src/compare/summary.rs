//! From runs to figures. Pure.

use serde::Serialize;

use super::rounds::Run;
use crate::peer::Kind;
use crate::workload::Workload;

/// Peers that others are compared with.
pub(super) const BASELINES: &[Kind] = &[Kind::RawPingora, Kind::Envoy, Kind::SallyportBase];

/// A workload through all peers.
#[derive(Debug, Clone, Serialize)]
pub struct WorkloadSummary {
    /// The workload.
    pub workload: Workload,
    /// What it cost each peer.
    pub peers: Vec<PeerSummary>,
    /// All runs.
    pub runs: Vec<Run>,
}

/// A workload through one peer.
#[derive(Debug, Clone, Serialize)]
pub struct PeerSummary {
    /// The peer.
    pub peer: Kind,
    /// Runs, and how many of them nobody disturbed.
    pub runs: usize,
    /// Runs that nobody disturbed. If there are at least three, the figures below are of these alone.
    pub clean: usize,
    /// CPU time for each request in nanoseconds: the median and the least.
    pub cpu_per_request: Figures,
    /// Part of it in user mode.
    pub user_share: f64,
    /// CPU time as a multiple of a baseline's.
    pub ratios: Vec<Ratio>,
    /// Requests per second, the median.
    pub rate: f64,
    /// CPUs that the proxy kept busy, the median.
    pub proxy_cpus: f64,
    /// Latency in microseconds, medians of p50, p99 and p99.9.
    pub latency: [f64; 3],
    /// Runs in which something went wrong.
    pub faulty: usize,
}

/// Median and best of some runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Median.
    pub median: f64,
    /// The run that was disturbed least.
    pub best: f64,
}

/// A peer's CPU time per request as a multiple of a baseline's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// The baseline.
    pub to: Kind,
    /// Median of the ratios within each round.
    pub paired: f64,
    /// Least and greatest of them.
    pub spread: (f64, f64),
    /// Best run to best run.
    pub best: f64,
}

/// Least number of undisturbed runs for which the others are left out.
const ENOUGH: usize = 3;

/// Summarises all runs.
pub(super) fn summarise(workloads: &[Workload], peers: &[Kind], runs: &[Run]) -> Vec<WorkloadSummary> {
    let of_workload = |workload: &Workload| {
        let runs: Vec<Run> = runs.iter().filter(|run| run.workload == workload.name).cloned().collect();
        let peers = peers.iter().filter_map(|peer| peer_summary(*peer, &runs)).collect();
        WorkloadSummary { workload: *workload, peers, runs }
    };
    workloads.iter().map(of_workload).collect()
}

fn peer_summary(peer: Kind, runs: &[Run]) -> Option<PeerSummary> {
    let all: Vec<&Run> = runs.iter().filter(|run| run.peer == peer).collect();
    let used = usable(runs, peer);
    let median_of = |value: &dyn Fn(&Run) -> f64| median(used.iter().map(|run| value(run)).collect());
    let at = |n: usize| median_of(&|run| run.latency[n]);
    let ratios = BASELINES.iter().filter(|baseline| **baseline != peer).filter_map(|to| ratio(runs, peer, *to));
    Some(PeerSummary {
        peer,
        runs: all.len(),
        clean: all.iter().filter(|run| run.clean).count(),
        cpu_per_request: Figures { median: median_of(&|run| run.cpu_per_request)?, best: least(&used)? },
        user_share: median_of(&|run| run.user_share)?,
        ratios: ratios.collect(),
        rate: median_of(&|run| run.requests as f64 / run.seconds)?,
        proxy_cpus: median_of(&|run| run.proxy_cpus)?,
        latency: [at(0)?, at(1)?, at(2)?],
        faulty: all.iter().filter(|run| !run.faults.is_empty()).count(),
    })
}

/// The undisturbed runs of a peer if there are enough, else all.
fn usable(runs: &[Run], peer: Kind) -> Vec<&Run> {
    let of_peer = || runs.iter().filter(move |run| run.peer == peer);
    let clean: Vec<&Run> = of_peer().filter(|run| run.clean).collect();
    if clean.len() >= ENOUGH { clean } else { of_peer().collect() }
}

fn least(runs: &[&Run]) -> Option<f64> {
    runs.iter().map(|run| run.cpu_per_request).min_by(f64::total_cmp)
}

fn ratio(runs: &[Run], peer: Kind, to: Kind) -> Option<Ratio> {
    let (own, base) = (usable(runs, peer), usable(runs, to));
    let best = least(&own)? / least(&base)?;
    let pair = |run: &Run, base: &[&Run]| {
        let other = base.iter().find(|other| other.round == run.round)?;
        Some(run.cpu_per_request / other.cpu_per_request)
    };
    let mut pairs: Vec<f64> = own.iter().filter_map(|run| pair(run, &base)).collect();
    if pairs.is_empty() {
        // No round was undisturbed for both.
        let all = |kind: Kind| runs.iter().filter(move |run| run.peer == kind).collect::<Vec<_>>();
        let base = all(to);
        pairs = all(peer).iter().filter_map(|run| pair(run, &base)).collect();
    }
    pairs.sort_by(f64::total_cmp);
    let spread = (*pairs.first()?, *pairs.last()?);
    Some(Ratio { to, paired: median(pairs)?, spread, best })
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    Some(if values.len() % 2 == 1 { values[middle] } else { (values[middle] + values[middle + 1]) / 2.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(round: u32, peer: Kind, cpu: f64, clean: bool) -> Run {
        Run {
            round,
            workload: "h1",
            peer,
            requests: 1000,
            seconds: 0.5,
            cpu_per_request: cpu,
            user_share: 0.5,
            proxy_cpus: 1.0,
            foreign: 0.0,
            clean,
            latency: [1.0, 2.0, 3.0],
            faults: Vec::new(),
        }
    }

    fn first_ratio(runs: &[Run]) -> Ratio {
        peer_summary(Kind::Sallyport, runs).unwrap().ratios[0]
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // The machine becomes slower and slower; the ratio stays.
        let runs: Vec<Run> = (0..5)
            .flat_map(|round| {
                let slow = 1.0 + f64::from(round);
                [run(round, Kind::Sallyport, 12.0 * slow, true), run(round, Kind::RawPingora, 10.0 * slow, true)]
            })
            .collect();
        let ratio = first_ratio(&runs);
        assert!((ratio.paired - 1.2).abs() < 1e-9 && (ratio.best - 1.2).abs() < 1e-9, "{ratio:?}");
        assert!((ratio.spread.0 - 1.2).abs() < 1e-9 && (ratio.spread.1 - 1.2).abs() < 1e-9, "{ratio:?}");
    }

    #[test]
    fn disturbed_runs_are_left_out_if_enough_are_left() {
        let mut runs: Vec<Run> =
            (0..3).flat_map(|n| [run(n, Kind::Sallyport, 10.0, true), run(n, Kind::RawPingora, 10.0, true)]).collect();
        runs.push(run(3, Kind::Sallyport, 90.0, false));
        runs.push(run(3, Kind::RawPingora, 10.0, true));
        assert_eq!(first_ratio(&runs).spread, (1.0, 1.0));
        let summary = peer_summary(Kind::Sallyport, &runs).unwrap();
        assert_eq!((summary.runs, summary.clean), (4, 3));
        assert_eq!(summary.cpu_per_request, Figures { median: 10.0, best: 10.0 });
        // With fewer than three, all of them count.
        runs.retain(|run| run.round > 1);
        assert_eq!(first_ratio(&runs).spread, (1.0, 9.0));
    }

    #[test]
    fn without_a_baseline_there_is_no_ratio() {
        let summary = peer_summary(Kind::Sallyport, &[run(0, Kind::Sallyport, 10.0, true)]).unwrap();
        assert_eq!(summary.ratios, []);
        assert!(peer_summary(Kind::Nginx, &[]).is_none());
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
