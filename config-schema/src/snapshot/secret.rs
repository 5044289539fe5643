//! Certificates, keys and trust bundles.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a secret name stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secret {
    /// A certificate to show.
    Certificate(TlsCertificate),
    /// Whom to trust.
    Trust(TrustBundle),
}

/// A certificate chain and its key, in PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsCertificate {
    /// Leaf first.
    pub chain: Vec<u8>,
    /// Private key.
    pub key: Vec<u8>,
    /// OCSP response in DER to staple.
    pub ocsp_staple: Option<Vec<u8>>,
}

impl fmt::Debug for TlsCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCertificate")
            .field("chain", &format_args!("{} bytes", self.chain.len()))
            .field("key", &"redacted")
            .field("ocsp_staple", &self.ocsp_staple.as_ref().map(Vec::len))
            .finish()
    }
}

/// Certificate authorities and what they revoked, in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustBundle {
    /// Certificate authorities; empty trusts nobody.
    pub ca: Vec<u8>,
    /// Revocation lists.
    pub crl: Option<Vec<u8>>,
}
