//! TLS on both sides: certificates and trust out of secrets, and the configurations made of them.

pub mod accept;
mod boring;
mod certificate;
pub mod client;
mod client_auth;
mod names;
mod server;
mod suites;
mod trust;

use std::fmt;

pub use certificate::{KeyPair, describe, escape_pem};
pub use server::ServerTls;
pub use trust::Trust;

/// A certificate, key, or trust bundle that cannot be used. It breaks only what asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError(pub String);

impl TlsError {
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        TlsError(text.to_string())
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}
