//! How many files this process and those it starts may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that a process has open beside its connections.
const OTHERS: u64 = 512;

/// Raises the limit as far as this process may; returns what it is then.
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// How many connections a proxy may hold with clients, each of them with one to a backend.
pub fn connections(limit: u64) -> u64 {
    (limit.saturating_sub(OTHERS) / 2).clamp(256, 20_000)
}

/// How many of `wanted` connections a process may hold under a limit of open files, with room for everything else.
pub fn affordable(wanted: u32, limit: u64) -> u32 {
    wanted.min(u32::try_from(limit.saturating_sub(OTHERS)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_room() {
        assert_eq!(affordable(5_000, 20_000), 5_000);
        assert_eq!(affordable(5_000, 1_024), 512);
        assert_eq!(affordable(5_000, 100), 0);
        assert_eq!(affordable(5_000, u64::MAX), 5_000);
        assert_eq!(connections(20_000), 9_744);
        assert_eq!(connections(u64::MAX), 20_000);
    }
}
