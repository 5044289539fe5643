//! Everything about Sallyport configuration that is pure: reading what people write, the rules it must keep, and
//! what a proxy makes of it. No I/O, no clock, no randomness, no Kubernetes client.
//!
//! The way of a text: [`parse::parse_documents`] turns it into typed objects that remember their lines,
//! [`validate::validate`] judges each by itself, [`support::check`] refuses what is not built,
//! [`resources::Resources`] collects them, [`translate`] makes of them what a proxy runs: a [`snapshot::Snapshot`].
#![forbid(unsafe_code)]

pub mod document;
pub mod grpc_status;
pub mod host;
pub mod parse;
pub mod re2;
pub mod resources;
pub mod snapshot;
pub mod support;
pub mod translate;
pub mod validate;

mod violation;

pub use violation::{Severity, Violation};
