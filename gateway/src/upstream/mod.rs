//! Clusters at run time: endpoints and their health, balancing, limits, connections.
//!
//! What must survive a configuration change (in-flight counts, ejections, the balancer's place) lives in
//! [`ClusterState`] and [`HostState`], keyed by cluster and endpoint; what the configuration says lives in [`Cluster`].

mod address;
pub mod choose;
mod circuit_breaker;
mod cluster;
pub mod connect;
pub mod ends;
pub mod health_check;
mod host;
mod host_set;
pub mod lb;
pub mod lease;
mod original_destination;
mod outlier;
pub mod pool;
mod request_window;
mod state;
mod stream;
mod waiting;

pub use circuit_breaker::{Breakers, ConnectionGuard, Overflows, PendingGuard, RequestGuard, RetryGuard};
pub use cluster::{Cluster, Clusters};
pub use host::{ActiveGuard, Checked, Host, HostState};
pub use host_set::{HostSet, Priority};
pub use outlier::{Observed, Trigger};
pub use state::{ClusterState, ClusterStates};
pub use stream::{UpstreamIo, UpstreamStream};
