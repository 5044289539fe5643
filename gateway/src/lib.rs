//! The Sallyport data plane: it serves snapshots of configuration as an ingress gateway, an egress gateway or a
//! sidecar. It knows snapshots, never a Kubernetes client.
#![forbid(unsafe_code)]

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dns;
pub mod format;
pub mod headers;
pub mod http1;
pub mod http2;
pub mod l4;
pub mod listen;
pub mod logging;
pub mod message;
pub mod net;
pub mod observe;
pub mod outcome;
pub mod policy;
pub mod pretty;
pub mod proxy;
pub mod route;
pub mod tls;
pub mod upstream;
pub mod validate;
