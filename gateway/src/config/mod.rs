//! From configuration to what serves: a source of snapshots, building off the hot path, one atomic swap.

mod build;
mod keep;
mod runtime;
mod secrets;

mod store;

pub use build::{Builder, Rejection};
pub use runtime::Runtime;
pub use store::Store;
