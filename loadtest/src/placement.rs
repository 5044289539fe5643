//! Which process runs on which CPU.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;

/// CPUs of each part. Empty lists: wherever the kernel likes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// The proxy that is measured.
    pub proxy: Vec<usize>,
    /// The backend.
    pub backend: Vec<usize>,
    /// The load driver.
    pub driver: Vec<usize>,
    /// For people.
    pub note: String,
}

impl Placement {
    /// Gives a proxy with `workers` threads CPUs that it shares with nobody of ours, as far as there are enough.
    pub fn choose(cpus: &[usize], workers: usize) -> Self {
        if cpus.len() < 2 {
            let note = "one CPU: proxy, driver and backend share it, so wake-ups and caches distort the figures";
            return Placement { proxy: Vec::new(), backend: Vec::new(), driver: Vec::new(), note: note.to_owned() };
        }
        let (proxy, rest) = cpus.split_at(workers.clamp(1, cpus.len() - 1));
        let (backend, driver) = match rest {
            [_] => (rest, rest),
            _ => rest.split_at(1),
        };
        let shared = if backend == driver { ", which driver and backend share" } else { "" };
        let note = format!("proxy on CPU {proxy:?}, backend on {backend:?}, driver on {driver:?}{shared}");
        Placement { proxy: proxy.to_vec(), backend: backend.to_vec(), driver: driver.to_vec(), note }
    }

    /// Threads for the driver: one for each of its CPUs, but few.
    pub fn driver_threads(&self) -> usize {
        self.driver.len().clamp(1, 4)
    }
}

/// CPUs that this thread may use.
pub fn available() -> Vec<usize> {
    match sched_getaffinity(Pid::from_raw(0)) {
        Ok(set) => (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect(),
        Err(_) => Vec::new(),
    }
}

/// Binds this thread, and what it starts from now on, to CPUs. An empty list changes nothing.
pub fn bind(cpus: &[usize]) -> nix::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_stand_alone_where_possible() {
        for (cpus, workers, proxy, backend, driver) in [
            (&[3][..], 1, &[][..], &[][..], &[][..]),
            (&[0, 1], 1, &[0], &[1], &[1]),
            (&[0, 1], 4, &[0], &[1], &[1]),
            (&[0, 1, 4], 1, &[0], &[1], &[4]),
            (&[0, 1, 2, 3, 4, 5], 2, &[0, 1], &[2], &[3, 4, 5]),
        ] {
            let placement = Placement::choose(cpus, workers);
            assert_eq!((&*placement.proxy, &*placement.backend, &*placement.driver), (proxy, backend, driver));
        }
    }

    #[test]
    fn few_driver_threads() {
        let many: Vec<usize> = (0..64).collect();
        assert_eq!(Placement::choose(&many, 1).driver_threads(), 4);
        assert_eq!(Placement::choose(&many[..1], 1).driver_threads(), 1);
    }
}
