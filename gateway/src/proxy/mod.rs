//! One request from head to last byte: checks, headers, routing, policies, forwarding, answer, record.

pub(crate) mod admit;
mod attempt;
mod body;
mod connect;
pub mod downstream;
pub(crate) mod egress;
mod exchange;
mod finish;
mod forward;
mod forward_proxy;
mod forwarded;
mod hash;
pub mod http1;
pub mod http2;
mod local_reply;
mod mirror;
mod path;
pub mod record;
mod relay;
mod resolve;
mod response;
mod retry;
mod sanitize;
mod timeouts;
mod timers;
mod worker;
mod xfcc;

use std::sync::Arc;

use config_schema::snapshot::ListenerClass;

pub use forward_proxy::ForwardPolicy;
pub use hash::connection_key as connection_hash;
pub use timers::Deadline;
pub use worker::{Shared, Worker};

use crate::route::CompiledRoute;

/// What a chain says about its HTTP requests.
#[derive(Debug)]
pub struct HttpContext {
    /// Name of the routing table.
    pub route_table: Arc<str>,
    /// Translate gRPC-Web requests.
    pub grpc_web: bool,
    /// Routing tables of the listener's other servers with TLS, whose hosts are answered with 421; empty: with 404.
    pub siblings: Vec<Arc<str>>,
    /// Serve clients that use this server as their HTTP proxy.
    pub forward_proxy: Option<Arc<ForwardPolicy>>,
    /// Whose requests they are.
    pub class: ListenerClass,
    /// Requests leave the mesh here: those that are refused are reported by host and source.
    pub egress: bool,
    /// The route of requests for hosts that nothing in the configuration has, while those are learned.
    pub learning: Option<Arc<CompiledRoute>>,
}
