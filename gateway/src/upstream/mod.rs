//! Clusters at run time: endpoints and their health, balancing, limits, connections.
//!
//! What must survive a configuration change (in-flight counts, ejections, the balancer's place) lives in
//! [`ClusterState`] and [`HostState`], keyed by cluster and endpoint; what the configuration says lives in [`Cluster`].

mod address;
pub mod choose;
mod cluster;
pub mod connect;
mod host;
pub mod lb;
pub mod pool;
mod stream;

pub use cluster::{Cluster, ClusterState, ClusterStates, Clusters, RequestGuard};
pub use host::{ActiveGuard, Host, HostSet, HostState, Observed, Priority};
pub use stream::{UpstreamIo, UpstreamStream};
