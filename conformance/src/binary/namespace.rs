//! A network of one's own, so that several gateways with the same ports can run side by side.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, ensure};
use nix::sched::{CloneFlags, setns, unshare};

/// Gives the calling thread, and every process that it starts, a network namespace with nothing but loopback. Sockets
/// that other threads have are not touched. Needs root; without it the thread stays where it is and gets an error.
pub fn isolate() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("no network namespace")?;
    let status = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
    ensure!(status.context("ip link set lo up")?.success(), "ip link set lo up failed");
    Ok(())
}

/// A client, an egress gateway and a host outside, each in a network namespace of its own, as the script
/// `deploy/examples/egress-namespaces` makes them. They are removed with this value.
#[derive(Debug)]
pub struct EgressNamespaces {
    prefix: String,
    own: File,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// 10.99.1.1; reaches the gateway and nothing else.
    Client,
    /// 10.99.1.2 and 192.0.2.2.
    Gateway,
    /// 192.0.2.10.
    External,
}

impl EgressNamespaces {
    /// Makes them. Needs root, and `ip`.
    pub fn up(prefix: &str) -> anyhow::Result<Self> {
        let own = File::open("/proc/thread-self/ns/net").context("no network namespaces")?;
        // What an earlier run left behind, killed.
        script("down", prefix)?;
        script("up", prefix)?;
        Ok(Self { prefix: prefix.to_owned(), own })
    }

    /// Takes the calling thread, and every process that it starts from now on, there. Sockets that are open stay where
    /// they are.
    pub fn enter(&self, place: Place) -> anyhow::Result<()> {
        let name = match place {
            Place::Client => "client",
            Place::Gateway => "gateway",
            Place::External => "external",
        };
        let path = format!("/var/run/netns/{}-{name}", self.prefix);
        let namespace = File::open(&path).with_context(|| path.clone())?;
        setns(namespace, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter {path}"))
    }
}

impl Drop for EgressNamespaces {
    fn drop(&mut self) {
        // Nothing is left to be done if this fails.
        let _ = setns(&self.own, CloneFlags::CLONE_NEWNET);
        let _ = script("down", &self.prefix);
    }
}

fn script(command: &str, prefix: &str) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/egress-namespaces");
    let output = std::process::Command::new(&path).args([command, prefix]).output().context("egress-namespaces")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "egress-namespaces {command} {prefix}: {}", said.trim());
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
