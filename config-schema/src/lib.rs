//! Everything about Sallyport configuration that is pure: reading what people write, the rules it must keep, and
//! what a proxy makes of it. No I/O, no clock, no randomness, no Kubernetes client.
//!
//! The way of a text: [`parse::parse_documents`] turns it into typed objects that remember their lines,
//! [`resources::Resources`] collects them, and what a proxy runs is a [`snapshot::Snapshot`].
#![forbid(unsafe_code)]

pub mod document;
pub mod parse;
pub mod re2;
pub mod resources;
pub mod snapshot;

mod violation;

pub use violation::{Severity, Violation};
