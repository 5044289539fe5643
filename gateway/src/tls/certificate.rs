//! Certificates: keys that sign, and what is worth knowing of them.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest;
use base64::Engine;
use config_schema::snapshot::TlsCertificate;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use super::validity::fault_of_chain;
use super::{PemField, TlsError, Validity};
use crate::proxy::record::CertificateInfo;

/// A certificate chain with its key.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// For rustls.
    pub certified: Arc<CertifiedKey>,
    /// The key as it came, for BoringSSL.
    pub key: Arc<PrivateKeyDer<'static>>,
    /// What is worth knowing of the leaf.
    pub info: Arc<CertificateInfo>,
    /// The key is an elliptic-curve one.
    pub is_ecdsa: bool,
    /// Names that the leaf is good for, in lower case (DNS names, or the common name where there are none).
    pub names: Vec<String>,
    /// The dates of the chain, leaf first.
    pub validity: Vec<Validity>,
}

impl KeyPair {
    /// Out of PEM. The key must belong to the leaf.
    pub fn from_pem(pem: &TlsCertificate) -> Result<Self, TlsError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem.chain)
            .collect::<Result<_, _>>()
            .map_err(|e| TlsError::of(PemField::Certificate, format!("certificate chain: {}", super::pem_fault(&e))))?;
        let leaf = chain
            .first()
            .ok_or_else(|| TlsError::of(PemField::Certificate, "certificate chain: no certificate in it"))?;
        let key = PrivateKeyDer::from_pem_slice(&pem.key)
            .map_err(|e| TlsError::of(PemField::Key, format!("private key: {}", super::pem_fault(&e))))?;
        let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|e| TlsError::of(PemField::Key, format!("private key: {e}")))?;
        let info = describe(leaf)
            .ok_or_else(|| TlsError::of(PemField::Certificate, "certificate chain: the leaf is not X.509"))?;
        let names = match info.dns_names.as_slice() {
            [] => common_name(leaf).into_iter().collect(),
            names => names.iter().map(|name| name.to_ascii_lowercase()).collect(),
        };
        let is_ecdsa = signing.algorithm() == rustls::SignatureAlgorithm::ECDSA;
        let validity = chain.iter().filter_map(|der| Validity::of(der)).collect();
        let mut certified = CertifiedKey::new(chain, signing);
        certified.ocsp = pem.ocsp_staple.clone();
        if let Err(rustls::Error::InconsistentKeys(_)) = certified.keys_match() {
            return Err(TlsError::of(PemField::Key, "the private key does not belong to the certificate"));
        }
        let (certified, key, info) = (Arc::new(certified), Arc::new(key), Arc::new(info));
        Ok(KeyPair { certified, key, info, is_ecdsa, names, validity })
    }

    /// What is wrong with the dates of the chain at `now`. Nothing less serves it.
    pub fn out_of_date(&self, now: SystemTime) -> Option<TlsError> {
        fault_of_chain(&self.validity, now).map(|fault| TlsError::of(PemField::Certificate, fault))
    }

    /// Whether the leaf is good for a server name; a wildcard stands for one label.
    pub fn covers(&self, server_name: &str) -> bool {
        self.names.iter().any(|name| name == server_name || super::names::wildcard_covers(name, server_name))
    }
}

/// What is worth knowing of a certificate; `None` if it is none.
pub fn describe(der: &[u8]) -> Option<CertificateInfo> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut info = CertificateInfo {
        subject: rfc2253(certificate.subject()),
        issuer: rfc2253(certificate.issuer()),
        sha1: hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref()),
        sha256: hex(digest::digest(&digest::SHA256, der).as_ref()),
        serial: hex(certificate.raw_serial()).trim_start_matches("00").to_owned(),
        escaped_pem: escape_pem(der),
        not_before: rfc3339(certificate.validity().not_before.timestamp()),
        not_after: rfc3339(certificate.validity().not_after.timestamp()),
        ..CertificateInfo::default()
    };
    for extension in certificate.extensions() {
        let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else { continue };
        for name in &names.general_names {
            match name {
                GeneralName::DNSName(name) => info.dns_names.push((*name).to_owned()),
                GeneralName::URI(uri) => info.uris.push((*uri).to_owned()),
                GeneralName::RFC822Name(name) => info.emails.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => info.addresses.extend(ip_address(bytes)),
                _ => {}
            }
        }
    }
    Some(info)
}

fn ip_address(bytes: &[u8]) -> Option<String> {
    let address = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(address.to_string())
}

/// SHA-256 of the SubjectPublicKeyInfo, base64.
pub(super) fn spki_sha256(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let hash = digest::digest(&digest::SHA256, certificate.public_key().raw);
    Some(base64::engine::general_purpose::STANDARD.encode(hash))
}

fn common_name(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?.to_ascii_lowercase();
    Some(name)
}

/// RFC 2253: the most specific part first.
fn rfc2253(name: &x509_parser::x509::X509Name<'_>) -> String {
    let registry = x509_parser::objects::oid_registry();
    let mut parts = Vec::new();
    for attribute in name.iter_attributes() {
        let key = x509_parser::objects::oid2abbrev(attribute.attr_type(), registry)
            .map_or_else(|_| attribute.attr_type().to_id_string(), str::to_owned);
        let value = attribute.as_str().unwrap_or("");
        parts.push(format!("{key}={}", escape_rfc2253(value)));
    }
    parts.reverse();
    parts.join(",")
}

fn escape_rfc2253(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (n, c) in value.chars().enumerate() {
        if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') || (n == 0 && matches!(c, '#' | ' ')) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// PEM with everything but unreserved characters percent-encoded.
pub fn escape_pem(der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = String::with_capacity(body.len() * 5 / 4 + 96);
    out.push_str("-----BEGIN%20CERTIFICATE-----%0A");
    for (n, c) in body.chars().enumerate() {
        if n > 0 && n % 64 == 0 {
            out.push_str("%0A");
        }
        match c {
            '+' => out.push_str("%2B"),
            '/' => out.push_str("%2F"),
            '=' => out.push_str("%3D"),
            other => out.push(other),
        }
    }
    out.push_str("%0A-----END%20CERTIFICATE-----%0A");
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn rfc3339(unix_seconds: i64) -> String {
    jiff::Timestamp::from_second(unix_seconds)
        .map(|t| t.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string())
        .unwrap_or_default()
}
