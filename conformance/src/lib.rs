//! The test bench: plays the recorded behaviour cases of `behaviour/` against a gateway and compares the answers.
//!
//! A [`case::Case`] is a configuration with exchanges. [`run::Bench`] plays them against anything that is a
//! [`run::Gateway`], with [`echo::Echo`] servers behind it, and [`compare`] tells where an answer differs from the
//! recorded one. Gateways run in memory ([`memory::Network`] is what they dial then) or as a process ([`binary`]).
#![forbid(unsafe_code)]

pub mod answer;
pub mod binary;
pub mod broken;
pub mod case;
pub mod client;
pub mod compare;
pub mod echo;
pub mod embedded;
pub mod ledger;
pub mod memory;
pub mod pki;
pub mod run;
pub mod suite;
mod wire;
pub mod world;

pub use wire::{BoxedStream, Dialled, Peek, Stream};
