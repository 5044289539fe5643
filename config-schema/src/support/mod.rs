//! What is done with each field of Istio's API: implemented, refused, without effect, or not built yet.
//!
//! The truth is in `support/<Kind>.yaml`, one line a field. It is compiled in: [`check`] refuses at run time what it
//! says is refused, [`markdown`] prints `docs/support.md` from it, and tests compare it with the CRDs.

mod check;
mod envoy_filter;
mod markdown;
mod table;

pub use check::check;
pub use markdown::markdown;
pub use table::{Field, Status, fields, problems};
