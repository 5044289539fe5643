//! A report as tables for people (Markdown).

use std::fmt::Write;

use super::report::Report;
use super::summary::{BASELINES, PeerSummary, WorkloadSummary};
use crate::peer::Kind;

/// The whole report.
pub(super) fn print(report: &Report) -> String {
    let mut out = String::new();
    let machine = &report.machine;
    let kind = if machine.virtual_machine { ", a virtual machine" } else { "" };
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!(
        "{}: {}, {} CPUs, {} MiB, Linux {}{kind}",
        report.began, machine.cpu, machine.cpus, machine.memory, machine.kernel
    ));
    line(format!(
        "{}; {} worker(s); {} rounds of {} s each",
        report.placement.note, report.workers, report.rounds, report.seconds
    ));
    for version in &report.peers {
        line(format!("{}: {}", version.peer.name(), version.version));
    }
    for workload in &report.workloads {
        out.push_str(&workload_table(workload));
    }
    out.push_str(&memory_table(report));
    out
}

fn workload_table(summary: &WorkloadSummary) -> String {
    let baselines: Vec<Kind> =
        BASELINES.iter().copied().filter(|kind| summary.peers.iter().any(|peer| peer.peer == *kind)).collect();
    let mut head = vec!["peer".to_owned(), "CPU us/request".to_owned(), "best".to_owned(), "user".to_owned()];
    for baseline in &baselines {
        head.push(format!("/ {} (spread)", baseline.name()));
        head.push("best/best".to_owned());
    }
    head.extend(["requests/s", "CPUs", "p50 us", "p99 us", "p99.9 us", "clean runs", "faulty"].map(str::to_owned));
    let rows: Vec<Vec<String>> = summary.peers.iter().map(|peer| row(peer, &baselines)).collect();
    format!("\n{}: {}\n\n{}", summary.workload.name, summary.workload.about, markdown(&head, &rows))
}

fn row(peer: &PeerSummary, baselines: &[Kind]) -> Vec<String> {
    let cpu = peer.cpu_per_request;
    let mut row = vec![
        peer.peer.name().to_owned(),
        format!("{:.2}", cpu.median / 1_000.0),
        format!("{:.2}", cpu.best / 1_000.0),
        format!("{:.0} %", peer.user_share * 100.0),
    ];
    for baseline in baselines {
        match peer.ratios.iter().find(|ratio| ratio.to == *baseline) {
            Some(ratio) => {
                row.push(format!("{:.2} ({:.2}-{:.2})", ratio.paired, ratio.spread.0, ratio.spread.1));
                row.push(format!("{:.2}", ratio.best));
            }
            None => row.extend(["1".to_owned(), "1".to_owned()]),
        }
    }
    row.push(format!("{:.0}", peer.rate));
    row.push(format!("{:.2}", peer.proxy_cpus));
    row.extend(peer.latency.iter().map(|micros| format!("{micros:.0}")));
    row.push(format!("{}/{}", peer.clean, peer.runs));
    row.push(peer.faulty.to_string());
    row
}

fn memory_table(report: &Report) -> String {
    let mib = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
    let mut head = vec!["peer", "start MiB", "after load MiB"];
    let with_idle = !report.idle_connections.is_empty();
    if with_idle {
        head.extend(["idle connections", "with them MiB", "KiB each", "kept", "after closing MiB"]);
    }
    let head: Vec<String> = head.into_iter().map(str::to_owned).collect();
    let row = |resident: &super::report::Resident| {
        let mut row =
            vec![resident.peer.name().to_owned(), mib(resident.before.resident), mib(resident.after.resident)];
        if let Some(idle) = report.idle_connections.iter().find(|idle| idle.peer == resident.peer) {
            row.push(idle.connections.to_string());
            row.push(mib(idle.with.resident));
            row.push(format!("{:.1}", idle.each));
            row.push(idle.open.to_string());
            row.push(mib(idle.after.resident));
        }
        row
    };
    let rows: Vec<Vec<String>> = report.resident_after_load.iter().map(row).collect();
    format!("\nResident memory\n\n{}", markdown(&head, &rows))
}

/// A table with columns of even width: the first to the left, the others to the right.
fn markdown(head: &[String], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..head.len())
        .map(|column| rows.iter().chain([&head.to_vec()]).filter_map(|row| row.get(column)).map(String::len).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut out = String::new();
    let mut put = |cells: &[String]| {
        for (column, width) in widths.iter().enumerate() {
            let cell = cells.get(column).map_or("", String::as_str);
            // Writing to a String does not fail.
            let _ = if column == 0 { write!(out, "| {cell:<width$} ") } else { write!(out, "| {cell:>width$} ") };
        }
        out.push_str("|\n");
    };
    put(head);
    let rule: Vec<String> = widths
        .iter()
        .enumerate()
        .map(
            |(column, width)| {
                if column == 0 { "-".repeat(*width) } else { format!("{}:", "-".repeat(width.saturating_sub(1))) }
            },
        )
        .collect();
    put(&rule);
    rows.iter().for_each(|row| put(row));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_even() {
        let text = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let table = markdown(&text(&["peer", "n"]), &[text(&["a", "100"]), text(&["longer", "1"])]);
        assert_eq!(table, "| peer   |   n |\n| ------ | --: |\n| a      | 100 |\n| longer |   1 |\n");
    }
}
