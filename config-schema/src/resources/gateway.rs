//! `networking.istio.io` Gateway: the ports a gateway opens, with their hosts and certificates.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::scalar;

/// Annotation of a Gateway: `"421"` answers HTTP/2 requests for a host of another server, which a client sends because
/// both are in one certificate, with 421, so that it comes again on a connection of its own. Default `"404"`, as Istio.
pub const MISDIRECTED_REQUESTS: &str = "sallyport.dev/misdirected-requests";

/// `spec` of a Gateway.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Gateway {
    /// The gateway workloads, in any namespace, that serve it: all of these labels. Empty means every gateway.
    #[serde(default)]
    pub selector: BTreeMap<String, String>,
    /// The servers.
    #[serde(default)]
    pub servers: Vec<Server>,
}

/// A port with its hosts and TLS.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// The port.
    pub port: Port,
    /// The address to listen on; default all.
    #[serde(default, deserialize_with = "scalar")]
    pub bind: Option<String>,
    /// Hosts served, as `host`, `namespace/host`, `./host` or `*/host`, each possibly with a wildcard first label.
    /// The namespace says whose VirtualServices may bind.
    pub hosts: Vec<String>,
    /// TLS; without it the port is plain.
    pub tls: Option<ServerTlsSettings>,
    /// Documented by Istio as not implemented.
    #[serde(default, deserialize_with = "scalar")]
    pub default_endpoint: Option<String>,
    /// A name for people; unique within the Gateway.
    #[serde(default, deserialize_with = "scalar")]
    pub name: Option<String>,
}

/// A port of a server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// The number; that of the Service in front of the gateway, which may lead to another one in the pod.
    pub number: u32,
    /// `HTTP`, `HTTPS`, `GRPC`, `GRPC-WEB`, `HTTP2`, `MONGO`, `TCP` or `TLS`, in any case.
    pub protocol: String,
    /// A name for people and for the name of the route table.
    pub name: String,
    /// Deprecated and without effect.
    #[serde(default, deserialize_with = "scalar")]
    pub target_port: Option<u32>,
}

/// TLS as a server.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTlsSettings {
    /// Answer every plain request with 301 to https.
    #[serde(default)]
    pub https_redirect: bool,
    /// What to do with a connection; default `PASSTHROUGH`.
    #[serde(default)]
    pub mode: ServerTlsMode,
    /// File with the certificate chain (PEM).
    #[serde(default, deserialize_with = "scalar")]
    pub server_certificate: Option<String>,
    /// File with the private key (PEM).
    #[serde(default, deserialize_with = "scalar")]
    pub private_key: Option<String>,
    /// File with the CAs that sign client certificates (PEM).
    #[serde(default, deserialize_with = "scalar")]
    pub ca_certificates: Option<String>,
    /// File with a revocation list for client certificates (PEM).
    #[serde(default, deserialize_with = "scalar")]
    pub ca_crl: Option<String>,
    /// Secret with certificate and key, in the namespace of the gateway workload.
    #[serde(default, deserialize_with = "scalar")]
    pub credential_name: Option<String>,
    /// Up to two Secrets: one RSA, one ECDSA.
    #[serde(default)]
    pub credential_names: Vec<String>,
    /// Secret or ConfigMap with the CAs that sign client certificates, instead of those beside `credentialName`.
    #[serde(default, deserialize_with = "scalar")]
    pub ca_cert_credential_name: Option<String>,
    /// Up to two certificates from files: one RSA, one ECDSA.
    #[serde(default)]
    pub tls_certificates: Vec<TlsCertificate>,
    /// Names of which a client certificate must have one.
    #[serde(default)]
    pub subject_alt_names: Vec<String>,
    /// Base64 SHA-256 of the SPKI of which a client certificate must have one.
    #[serde(default)]
    pub verify_certificate_spki: Vec<String>,
    /// Hex SHA-256 of which a client certificate must have one.
    #[serde(default)]
    pub verify_certificate_hash: Vec<String>,
    /// Lowest version; default 1.2.
    #[serde(default)]
    pub min_protocol_version: TlsProtocol,
    /// Highest version; default 1.3.
    #[serde(default)]
    pub max_protocol_version: TlsProtocol,
    /// Cipher suites up to TLS 1.2, by OpenSSL names.
    #[serde(default)]
    pub cipher_suites: Vec<String>,
    /// With `MUTUAL`: ask for a client certificate, but do not check who signed it.
    pub insecure_skip_verify: Option<bool>,
}

/// A certificate from files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsCertificate {
    /// File with the certificate chain (PEM).
    #[serde(default, deserialize_with = "scalar")]
    pub server_certificate: Option<String>,
    /// File with the private key (PEM).
    #[serde(default, deserialize_with = "scalar")]
    pub private_key: Option<String>,
    /// File with the CAs that sign client certificates (PEM).
    #[serde(default, deserialize_with = "scalar")]
    pub ca_certificates: Option<String>,
}

/// What a server does with a TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerTlsMode {
    /// Forward it by its SNI, unopened.
    #[default]
    Passthrough,
    /// Terminate.
    Simple,
    /// Terminate; a client certificate is required.
    Mutual,
    /// Forward to the service that the SNI names; for gateways between clusters.
    AutoPassthrough,
    /// Terminate with the workload's mesh certificate and ask for one.
    IstioMutual,
    /// Terminate; a client certificate is asked for and checked if there is one.
    OptionalMutual,
}

/// A TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum TlsProtocol {
    /// The default of the field.
    #[default]
    #[serde(rename = "TLS_AUTO")]
    Auto,
    /// TLS 1.0.
    #[serde(rename = "TLSV1_0")]
    V1_0,
    /// TLS 1.1.
    #[serde(rename = "TLSV1_1")]
    V1_1,
    /// TLS 1.2.
    #[serde(rename = "TLSV1_2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "TLSV1_3")]
    V1_3,
}
