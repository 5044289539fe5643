//! TLS of the mesh and elsewhere: settings, roots, an external CA.

use crate::resources::destination_rule::ClientTlsSettings;
use crate::resources::wire::{Duration, scalar};
use serde::Deserialize;

/// A root certificate. At most one of `pem` and `spiffeBundleUrl` is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateData {
    /// The certificate.
    pub pem: Option<String>,
    /// Where a SPIFFE bundle is fetched.
    pub spiffe_bundle_url: Option<String>,
    /// Kubernetes signers it is for.
    #[serde(default)]
    pub cert_signers: Vec<String>,
    /// Trust domains it is for.
    #[serde(default)]
    pub trust_domains: Vec<String>,
}

/// Deprecated: a certificate for a control plane component.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Secret to put it in.
    #[serde(default, deserialize_with = "scalar")]
    pub secret_name: Option<String>,
    /// Names it is for.
    #[serde(default)]
    pub dns_names: Vec<String>,
}

/// An external CA.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ca {
    /// Address of its gRPC server.
    #[serde(default, deserialize_with = "scalar")]
    pub address: Option<String>,
    /// TLS towards it.
    pub tls_settings: Option<ClientTlsSettings>,
    /// Time to wait for an answer; default 10 s.
    pub request_timeout: Option<Duration>,
    /// Asked by the control plane rather than by proxies.
    #[serde(default)]
    pub istiod_side: bool,
}

/// Settings of TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsConfig {
    /// Lowest version.
    #[serde(default)]
    pub min_protocol_version: MeshTlsProtocol,
    /// Key exchanges of TLS 1.2 and 1.3, by OpenSSL names; those that are not of [`ECDH_CURVES`] are left out.
    #[serde(default)]
    pub ecdh_curves: Vec<String>,
    /// Cipher suites up to TLS 1.2, by OpenSSL names.
    #[serde(default)]
    pub cipher_suites: Vec<String>,
}

/// What `ecdhCurves` can name. Istio knows P-224 and X25519Kyber768Draft00, too, with which Envoy refuses the listener.
pub const ECDH_CURVES: [&str; 5] = ["P-256", "P-384", "P-521", "X25519", "X25519MLKEM768"];

impl TlsConfig {
    /// The curves that can be chosen, as ordered.
    pub fn usable_ecdh_curves(&self) -> Vec<String> {
        self.ecdh_curves.iter().filter(|name| ECDH_CURVES.contains(&name.as_str())).cloned().collect()
    }
}

/// A TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum MeshTlsProtocol {
    /// The default: 1.2.
    #[default]
    #[serde(rename = "TLS_AUTO")]
    Auto,
    /// TLS 1.2.
    #[serde(rename = "TLSV1_2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "TLSV1_3")]
    V1_3,
}
