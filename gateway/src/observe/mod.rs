//! What is told about traffic: metrics with Istio's names, and access logs in Istio's formats.

pub mod access_log;
mod cardinality;
mod clusters;
pub mod egress;
mod istio;
mod json_layout;
pub mod learned;
mod process;

pub use clusters::ClusterMetrics;
pub use istio::{Observer, WorkerMetrics};
pub use process::ProcessMetrics;
