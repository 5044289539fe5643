//! Which route a request takes. Pure: no clock, no randomness, no I/O.
//!
//! The cost of a match does not grow with the number of hosts, and hardly with the number of routes: hosts are hashed,
//! paths are looked up in [`path_index`], routes that share a path are told apart by the values that they ask for
//! ([`candidates`]), and only routes that are left are looked at, in their order.

mod candidates;
mod condition;
mod host;
mod interner;
mod key;
mod literals;
mod path_index;
mod pattern;
mod prefix_index;
mod redirect;
mod rewrite;
mod table;

pub use condition::{CompileError, ValueMatcher};
pub use host::{HostTable, normalize_host};
pub use interner::Interner;
pub use key::parameter as query_parameter;
pub use pattern::Pattern;
pub use redirect::location;
pub use rewrite::PathRewriter;
pub use table::{CompiledRoute, Matched, RouteTable, VirtualHost};

#[cfg(test)]
mod tests;
