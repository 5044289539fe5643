//! A configuration, compiled. Requests pin one for their life.

use std::collections::HashMap;
use std::sync::Arc;

use config_schema::snapshot::{Node, ProxySettings, Snapshot};
use rustc_hash::FxBuildHasher;

use crate::listen::chain::CompiledListener;
use crate::observe::access_log::AccessLogger;
use crate::route::RouteTable;
use crate::upstream::Clusters;

/// What serves.
#[derive(Default)]
pub struct Runtime {
    /// Counts up with every change.
    pub version: u64,
    /// What it was compiled from, for dumps.
    pub snapshot: Arc<Snapshot>,
    /// Who this proxy is.
    pub node: Arc<Node>,
    /// What holds for all listeners.
    pub settings: Arc<ProxySettings>,
    /// By name.
    pub listeners: HashMap<String, Arc<CompiledListener>, FxBuildHasher>,
    /// By name.
    pub route_tables: HashMap<String, Arc<RouteTable>, FxBuildHasher>,
    /// By name.
    pub clusters: Clusters,
    /// `None`: off.
    pub access_log: Option<Arc<AccessLogger>>,
}

impl Runtime {
    /// A routing table by name.
    pub fn route_table(&self, name: &str) -> Option<&RouteTable> {
        self.route_tables.get(name).map(|table| &**table)
    }
}
