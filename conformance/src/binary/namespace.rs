//! A network of one's own, so that several gateways with the same ports can run side by side.

use anyhow::{Context, ensure};
use nix::sched::{CloneFlags, unshare};

/// Gives the calling thread, and every process that it starts, a network namespace with nothing but loopback. Sockets
/// that other threads have are not touched. Needs root; without it the thread stays where it is and gets an error.
pub fn isolate() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("no network namespace")?;
    let status = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
    ensure!(status.context("ip link set lo up")?.success(), "ip link set lo up failed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_same_port_twice() {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        assert!(TcpListener::bind(address).is_err());
        let isolated = std::thread::spawn(move || isolate().map(|()| TcpListener::bind(address).is_ok()));
        // Without root there is nothing to see here.
        if let Ok(bound) = isolated.join().unwrap() {
            assert!(bound);
        }
    }
}
