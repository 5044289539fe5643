//! What the gateway costs: a load driver, a cheap backend, peers side by side, and reports.
//!
//! [`compare`] starts a backend and several proxies on loopback ([`peer`]), drives them one after the other in rounds
//! ([`driver`]), reads the CPU time and memory of their processes ([`process`]), and prints what each request cost.
#![forbid(unsafe_code)]

pub mod backend;
pub mod certificate;
pub mod cli;
pub mod compare;
pub mod driver;
pub mod interrupt;
pub mod limits;
pub mod machine;
pub mod peer;
pub mod placement;
pub mod process;
pub mod workload;
