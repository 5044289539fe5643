//! Termination by BoringSSL, for servers that ask for what rustls does not have: TLS 1.0 and 1.1, CBC suites, RSA key
//! exchange.

use std::fmt;
use std::sync::Arc;

use boring::pkey::PKey;
use boring::ssl::{
    AlpnError, SslAlert, SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef, SslVerifyError, SslVerifyMode,
    SslVersion,
};
use boring::x509::X509;
use config_schema::snapshot::{DownstreamTls, TlsVersion};
use rustls::pki_types::CertificateDer;

use super::certificate::KeyPair;
use super::client_auth::ClientRules;
use super::{TlsError, trust};

/// Envoy's suites where none are named: none of them works below TLS 1.2.
const DEFAULT_SUITES: &str = "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:\
    [ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:\
    ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

/// A server context with one certificate.
pub struct BoringContext {
    /// The context.
    pub context: SslContext,
}

impl fmt::Debug for BoringContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoringContext")
    }
}

impl BoringContext {
    /// Builds a context.
    pub fn new(spec: &DownstreamTls, pair: &KeyPair, rules: &Arc<ClientRules>) -> Result<Self, TlsError> {
        let mut builder = SslContextBuilder::new(SslMethod::tls()).map_err(TlsError::new)?;
        builder.set_min_proto_version(Some(version(spec.min_version))).map_err(TlsError::new)?;
        builder.set_max_proto_version(Some(version(spec.max_version))).map_err(TlsError::new)?;
        let list = match spec.cipher_suites.as_slice() {
            [] => DEFAULT_SUITES.to_owned(),
            suites => suites.join(":"),
        };
        // The server's order counts, but for suites within brackets.
        builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
        builder.set_cipher_list(&list).map_err(|e| TlsError::new(format!("cipher suites {list}: {e}")))?;
        if !spec.ecdh_curves.is_empty() {
            let list = spec.ecdh_curves.join(":");
            builder.set_curves_list(&list).map_err(|e| TlsError::new(format!("ECDH curves {list}: {e}")))?;
        }
        install_key(&mut builder, pair)?;
        install_client_rules(&mut builder, rules)?;
        install_alpn(&mut builder, &spec.alpn);
        Ok(BoringContext { context: builder.build() })
    }
}

fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::V1_0 => SslVersion::TLS1,
        TlsVersion::V1_1 => SslVersion::TLS1_1,
        TlsVersion::V1_2 => SslVersion::TLS1_2,
        TlsVersion::V1_3 => SslVersion::TLS1_3,
    }
}

fn install_key(builder: &mut SslContextBuilder, pair: &KeyPair) -> Result<(), TlsError> {
    let mut chain = pair.certified.cert.iter();
    if let Some(leaf) = chain.next() {
        builder.set_certificate(&*X509::from_der(leaf).map_err(TlsError::new)?).map_err(TlsError::new)?;
    }
    for intermediate in chain {
        builder.add_extra_chain_cert(X509::from_der(intermediate).map_err(TlsError::new)?).map_err(TlsError::new)?;
    }
    let key =
        PKey::private_key_from_der(pair.key.secret_der()).map_err(|e| TlsError::new(format!("private key: {e}")))?;
    builder.set_private_key(&key).map_err(TlsError::new)?;
    Ok(())
}

fn install_client_rules(builder: &mut SslContextBuilder, rules: &Arc<ClientRules>) -> Result<(), TlsError> {
    if !rules.request() {
        builder.set_verify(SslVerifyMode::NONE);
        return Ok(());
    }
    if let Some(trust) = rules.trust() {
        for authority in &trust.authorities {
            builder.add_client_ca(&*X509::from_der(authority).map_err(TlsError::new)?).map_err(TlsError::new)?;
        }
    }
    let mode =
        if rules.require() { SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT } else { SslVerifyMode::PEER };
    let rules = Arc::clone(rules);
    builder.set_custom_verify_callback(mode, move |ssl| verify(&rules, ssl));
    Ok(())
}

/// The client's certificates, its own first; on the side of a server BoringSSL's chain comes without that.
pub(super) fn peer_chain(ssl: &SslRef) -> Vec<CertificateDer<'static>> {
    let intermediates = ssl.peer_cert_chain().into_iter().flatten().filter_map(|certificate| certificate.to_der().ok());
    let leaf = ssl.peer_certificate().and_then(|leaf| leaf.to_der().ok());
    leaf.into_iter().chain(intermediates).map(CertificateDer::from).collect()
}

/// The same rules as for rustls, with the alert that rustls would send.
fn verify(rules: &ClientRules, ssl: &mut SslRef) -> Result<(), SslVerifyError> {
    let chain = peer_chain(ssl);
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Err(SslVerifyError::Invalid(SslAlert::CERTIFICATE_REQUIRED));
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    rules.verify(leaf, intermediates, trust::unix_time(now)).map_err(|error| {
        use rustls::CertificateError;
        SslVerifyError::Invalid(match error {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => SslAlert::UNKNOWN_CA,
            rustls::Error::InvalidCertificate(CertificateError::Expired) => SslAlert::CERTIFICATE_EXPIRED,
            rustls::Error::InvalidCertificate(CertificateError::Revoked) => SslAlert::CERTIFICATE_REVOKED,
            _ => SslAlert::CERTIFICATE_UNKNOWN,
        })
    })
}

fn install_alpn(builder: &mut SslContextBuilder, protocols: &[String]) {
    if protocols.is_empty() {
        return;
    }
    let own: Vec<Vec<u8>> = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    builder.set_alpn_select_callback(move |_, offered| {
        let mut offers = Vec::new();
        let mut rest = offered;
        while let Some((length, tail)) = rest.split_first() {
            let Some(name) = tail.get(..usize::from(*length)) else { return Err(AlpnError::NOACK) };
            offers.push(name);
            rest = &tail[usize::from(*length)..];
        }
        // The server's order counts; nothing in common is no error.
        let common = own.iter().find_map(|name| offers.iter().copied().find(|offer| offer == name));
        common.ok_or(AlpnError::NOACK)
    });
}
