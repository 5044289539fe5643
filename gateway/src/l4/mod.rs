//! Bytes: TCP routes and TLS pass-through.

mod copy;
mod endpoint;
mod serve;
mod splice;
mod tunnel;

use config_schema::snapshot::TcpProxy;

pub use serve::{Opened, open};

/// What a chain says about its bytes.
#[derive(Debug)]
pub struct TcpContext {
    /// As configured.
    pub spec: TcpProxy,
}
