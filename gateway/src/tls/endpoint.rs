//! What is known of TLS with an endpoint.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;

use super::certificate::describe;
use super::suites;
use crate::proxy::record::CertificateInfo;

/// TLS with an endpoint.
#[derive(Debug)]
pub struct EndpointTls {
    /// `TLSv1.3`
    pub version: &'static str,
    /// OpenSSL name of the cipher suite.
    pub cipher: String,
    /// OpenSSL name of the group of the key exchange; empty if there was none.
    pub group: &'static str,
    /// SNI that was sent; empty if none was.
    pub server_name: String,
    /// Our certificate, if we have one.
    pub local: Option<Arc<CertificateInfo>>,
    certificate: Option<CertificateDer<'static>>,
    described: OnceLock<Option<CertificateInfo>>,
}

impl EndpointTls {
    /// Of a session whose handshake is done; `local` is our certificate.
    pub fn new(
        session: &rustls::ClientConnection,
        server_name: Option<&str>,
        local: Option<Arc<CertificateInfo>>,
    ) -> Self {
        EndpointTls {
            group: session.negotiated_key_exchange_group().map_or("", |group| suites::group_name(group.name())),
            server_name: server_name.unwrap_or_default().to_owned(),
            version: suites::version_name(session.protocol_version()),
            cipher: session.negotiated_cipher_suite().map(|s| suites::openssl_name(s.suite())).unwrap_or_default(),
            local,
            certificate: session.peer_certificates().and_then(|chain| chain.first()).cloned(),
            described: OnceLock::new(),
        }
    }

    /// The endpoint's certificate. It is read when it is first asked for: few formats do.
    pub fn peer(&self) -> Option<&CertificateInfo> {
        self.described.get_or_init(|| describe(self.certificate.as_ref()?)).as_ref()
    }
}
