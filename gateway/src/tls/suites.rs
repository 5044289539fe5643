//! Cipher suites and curves by the names that Istio (OpenSSL) uses.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CipherSuite, NamedGroup};

use super::TlsError;

/// TLS 1.2 suites that rustls has.
const SUITES: &[(&str, CipherSuite)] = &[
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

const GROUPS: &[(&str, NamedGroup)] = &[
    ("X25519MLKEM768", NamedGroup::X25519MLKEM768),
    ("X25519", NamedGroup::X25519),
    ("P-256", NamedGroup::secp256r1),
    ("P-384", NamedGroup::secp384r1),
];

/// A provider with those of the TLS 1.2 suites and curves asked for that rustls has; all TLS 1.3 suites stay, in BoringSSL's order.
pub(super) fn provider(suites: &[String], curves: &[String]) -> Result<Arc<CryptoProvider>, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    if !suites.is_empty() {
        let wanted: Vec<CipherSuite> = suites
            .iter()
            .filter_map(|name| SUITES.iter().find(|(known, _)| known == name))
            .map(|(_, suite)| *suite)
            .collect();
        let mut chosen: Vec<_> = provider.cipher_suites.iter().copied().filter(|s| s.tls13().is_some()).collect();
        for suite in wanted {
            chosen.extend(provider.cipher_suites.iter().copied().filter(|s| s.suite() == suite));
        }
        provider.cipher_suites = chosen;
    }
    if !curves.is_empty() {
        let known = |curve: &String| GROUPS.iter().find(|(name, _)| name == curve).map(|(_, group)| *group);
        let of_group = |group| provider.kx_groups.iter().copied().find(|known| known.name() == group);
        let chosen: Vec<_> = curves.iter().filter_map(known).filter_map(of_group).collect();
        if chosen.is_empty() {
            return Err(TlsError::new(format!("none of the ECDH curves {curves:?} is supported")));
        }
        provider.kx_groups = chosen;
    }
    Ok(Arc::new(provider))
}

/// OpenSSL's name of a negotiated version.
pub(super) fn version_name(version: Option<rustls::ProtocolVersion>) -> &'static str {
    match version {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLSv1.2",
    }
}

/// OpenSSL's name of a negotiated group.
pub(super) fn group_name(group: NamedGroup) -> &'static str {
    match group {
        NamedGroup::X25519MLKEM768 => "X25519MLKEM768",
        NamedGroup::X25519 => "X25519",
        NamedGroup::secp256r1 => "P-256",
        NamedGroup::secp384r1 => "P-384",
        NamedGroup::secp521r1 => "P-521",
        _ => "",
    }
}

/// OpenSSL's name of a negotiated suite.
pub(super) fn openssl_name(suite: CipherSuite) -> String {
    if let Some((name, _)) = SUITES.iter().find(|(_, known)| *known == suite) {
        return (*name).to_owned();
    }
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256".into(),
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384".into(),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256".into(),
        other => format!("{other:?}"),
    }
}
