//! Sockets come and go with the configuration.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::drain::Drain;
use crate::config::Runtime;
use crate::net::bind_reuseport;

/// Tells a worker to serve a socket.
#[derive(Debug)]
pub struct Serve {
    /// Name of the listener.
    pub name: String,
    /// Its socket, this worker's own.
    pub socket: std::net::TcpListener,
    /// Stop accepting.
    pub stop: Drain,
    /// Ask connections to end.
    pub drain: Drain,
    /// Open connections of the listener, over all workers.
    pub open: Arc<AtomicUsize>,
}

/// What became of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenerState {
    /// It accepts connections at this address.
    Bound(SocketAddr),
    /// It could not be bound; it is tried again with the next configuration.
    Failed(String),
}

/// Listeners by name.
pub type ListenerStates = BTreeMap<String, ListenerState>;

struct Bound {
    address: SocketAddr,
    stop: Drain,
    drain: Drain,
}

/// Binds and unbinds.
pub struct Manager {
    workers: Vec<mpsc::UnboundedSender<Serve>>,
    bound: HashMap<String, Bound>,
    /// Overrides the address of every listener that would take all addresses.
    bind: Option<IpAddr>,
    /// Asked when the process leaves.
    drain: Drain,
    states: Arc<Mutex<ListenerStates>>,
}

impl Manager {
    /// For some workers.
    pub fn new(workers: Vec<mpsc::UnboundedSender<Serve>>, bind: Option<IpAddr>, drain: Drain) -> Self {
        Manager { workers, bound: HashMap::new(), bind, drain, states: Arc::default() }
    }

    /// What became of each listener.
    pub fn states(&self) -> Arc<Mutex<ListenerStates>> {
        Arc::clone(&self.states)
    }

    /// Makes the sockets what the configuration says: new ones first, then the others go.
    pub fn reconcile(&mut self, runtime: &Runtime) {
        let mut states = ListenerStates::new();
        let mut names: Vec<&String> = runtime.listeners.keys().collect();
        names.sort();
        for name in names {
            let address = self.address(runtime.listeners[name].spec.address);
            if self.bound.get(name).is_some_and(|bound| bound.address == address) {
                states.insert(name.clone(), ListenerState::Bound(address));
                continue;
            }
            states.insert(name.clone(), self.bind(name, address));
        }
        let gone: Vec<String> =
            self.bound.keys().filter(|name| !runtime.listeners.contains_key(*name)).cloned().collect();
        for name in gone {
            if let Some(bound) = self.bound.remove(&name) {
                tracing::info!(listener = %name, address = %bound.address, "listener removed, its connections drain");
                bound.stop.start();
                bound.drain.start();
            }
        }
        *self.states.lock() = states;
    }

    /// Stops accepting everywhere.
    pub fn stop(&mut self) {
        for bound in self.bound.values() {
            bound.stop.start();
        }
    }

    fn address(&self, address: SocketAddr) -> SocketAddr {
        match self.bind {
            Some(ip) if address.ip().is_unspecified() => SocketAddr::new(ip, address.port()),
            Some(_) | None => address,
        }
    }

    fn bind(&mut self, name: &str, address: SocketAddr) -> ListenerState {
        let mut sockets = Vec::with_capacity(self.workers.len());
        for _ in &self.workers {
            match bind_reuseport(address) {
                Ok(socket) => sockets.push(socket),
                Err(error) => {
                    tracing::error!(listener = %name, %address, %error, "cannot bind");
                    return ListenerState::Failed(format!("cannot bind {address}: {error}"));
                }
            }
        }
        let (stop, drain, open) = (Drain::new(), self.drain.child(), Arc::new(AtomicUsize::new(0)));
        for (worker, socket) in self.workers.iter().zip(sockets) {
            let serve = Serve {
                name: name.to_owned(),
                socket,
                stop: stop.clone(),
                drain: drain.clone(),
                open: Arc::clone(&open),
            };
            // A worker that is gone takes no more sockets; the process is on its way out.
            let _ = worker.send(serve);
        }
        tracing::info!(listener = %name, %address, "listening");
        if let Some(old) = self.bound.insert(name.to_owned(), Bound { address, stop, drain }) {
            old.stop.start();
            old.drain.start();
        }
        ListenerState::Bound(address)
    }
}
