//! From configuration to what serves: a source of snapshots, building off the hot path, one atomic swap.

mod announce;
mod build;
mod changes;
mod egress;
mod engine;
mod health_checks;
mod keep;
pub mod load;
mod origin;
mod rejection;
mod runtime;
mod secrets;
pub mod source;
mod store;

pub(crate) use announce::announce;
pub use build::Builder;
pub use changes::Change;
pub use engine::{Applied, Engine};
pub use health_checks::check_health;
pub use rejection::{Cause, Rejection};
pub use runtime::Runtime;
pub use secrets::Identity;
pub use store::Store;
