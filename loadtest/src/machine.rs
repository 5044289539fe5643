//! The machine: what it is, and whether somebody else is busy on it.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::process::{Cpu, find_program};

/// How long to look before saying whether the machine is busy.
const LOOK: Duration = Duration::from_millis(250);
/// Up to this share of all CPUs the machine counts as quiet.
const QUIET: f64 = 0.05;

/// What a report says about the machine.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Model of the first CPU.
    pub cpu: String,
    /// CPUs that this process may use.
    pub cpus: usize,
    /// Kernel.
    pub kernel: String,
    /// Memory in MiB.
    pub memory: u64,
    /// Under a hypervisor.
    pub virtual_machine: bool,
}

impl Machine {
    /// Looks at this machine.
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let after = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = after(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or_default();
        Machine {
            cpu: after(&cpuinfo, "model name").unwrap_or_else(|| "unknown".to_owned()),
            cpus: crate::placement::available().len(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory: memory / 1024,
            virtual_machine: after(&cpuinfo, "flags").is_some_and(|flags| flags.contains(" hypervisor")),
        }
    }
}

/// Ticks of the kernel's clock per second.
pub fn ticks_per_second() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .and_then(|ticks| u64::try_from(ticks).ok())
        .filter(|ticks| *ticks > 0)
        .unwrap_or(100)
}

/// Clock ticks that the whole machine has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Busy {
    /// By programs and, for them, by the kernel.
    pub used: u64,
    /// By others on the same host.
    pub stolen: u64,
}

impl Busy {
    /// Reads the machine's clocks.
    pub fn now() -> Self {
        parse(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// Share of one CPU that neither `ours` nor idling has had since: other programs, and other guests of the host.
    pub fn foreign_since(self, before: Busy, ours: &[Cpu], elapsed: Duration) -> f64 {
        let ours: u64 = ours.iter().map(|cpu| cpu.user_ticks + cpu.system_ticks).sum();
        let foreign = (self.used - before.used).saturating_sub(ours) + (self.stolen - before.stolen);
        foreign as f64 / ticks_per_second() as f64 / elapsed.as_secs_f64()
    }
}

/// First line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal.
fn parse(stat: &str) -> Busy {
    let Some(line) = stat.lines().find_map(|line| line.strip_prefix("cpu ")) else { return Busy::default() };
    let ticks: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let at = |n: usize| ticks.get(n).copied().unwrap_or_default();
    Busy { used: at(0) + at(1) + at(2), stolen: at(7) }
}

/// Waits until hardly anything runs on this machine, but no longer than `limit`; whether it is so.
pub fn wait_quiet(limit: Duration) -> bool {
    let until = Instant::now() + limit;
    let cpus = crate::placement::available().len().max(1) as f64;
    loop {
        let (before, begun) = (Busy::now(), Instant::now());
        std::thread::sleep(LOOK);
        if Busy::now().foreign_since(before, &[], begun.elapsed()) <= QUIET * cpus {
            return true;
        }
        if Instant::now() >= until || crate::interrupt::asked() {
            return false;
        }
    }
}

/// The first line that a program prints about its version.
pub fn version(program: &std::path::Path, argument: &str) -> String {
    let Some(path) = find_program(program) else { return "not found".to_owned() };
    let Ok(output) = std::process::Command::new(path).arg(argument).output() else { return "unknown".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_of_stat() {
        let stat = "cpu  100 20 30 1000 5 0 7 9 0 0\ncpu0 1 1 1 1\n";
        assert_eq!(parse(stat), Busy { used: 150, stolen: 9 });
        assert_eq!(parse(""), Busy::default());
    }

    #[test]
    fn what_is_not_ours_is_foreign() {
        let (before, after) = (Busy { used: 1000, stolen: 5 }, Busy { used: 1000 + 180, stolen: 5 + 10 });
        let second = ticks_per_second();
        let ours = Cpu { user_ticks: 100, system_ticks: 40, ..Cpu::default() };
        let share = after.foreign_since(before, &[ours], Duration::from_secs(1));
        assert!((share - 50.0 / second as f64).abs() < 1e-9, "{share}");
    }
}
