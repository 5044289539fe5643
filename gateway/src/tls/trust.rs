//! Certificate authorities and what they revoked.

use std::time::Duration;

use config_schema::snapshot::TrustBundle;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};

use super::{PemField, TlsError};

/// Whom to trust.
#[derive(Debug)]
pub struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    revoked: Vec<CertRevocationList<'static>>,
    /// Subjects of the authorities (DER), the hint in a CertificateRequest.
    pub subjects: Vec<rustls::DistinguishedName>,
    /// The authorities as they came, for BoringSSL.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The lists as they came, for BoringSSL.
    pub lists: Vec<CertificateRevocationListDer<'static>>,
}

/// What the certificate is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// A server's.
    Server,
    /// A client's.
    Client,
}

impl Trust {
    /// Out of PEM. No authority at all is an error: it would trust nobody, which nobody means.
    pub fn from_pem(bundle: &TrustBundle) -> Result<Self, TlsError> {
        let authorities: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&bundle.ca).collect::<Result<_, _>>().map_err(|e| {
                TlsError::of(PemField::Authorities, format!("certificate authorities: {}", super::pem_fault(&e)))
            })?;
        if authorities.is_empty() {
            return Err(TlsError::of(PemField::Authorities, "certificate authorities: no certificate in it"));
        }
        let lists = match &bundle.crl {
            None => Vec::new(),
            Some(pem) => CertificateRevocationListDer::pem_slice_iter(pem)
                .collect::<Result<_, _>>()
                .map_err(|e| TlsError::of(PemField::Revoked, format!("revocation list: {}", super::pem_fault(&e))))?,
        };
        Self::new(authorities, lists)
    }

    /// The operating system's certificate authorities.
    pub fn system() -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            return Err(TlsError::new("the system has no certificate authorities (install ca-certificates)"));
        }
        // Of hundreds of system roots some are always odd; one that cannot be an anchor is left out.
        let usable = found.certs.into_iter().filter(|der| webpki::anchor_from_trusted_cert(der).is_ok()).collect();
        Self::new(usable, Vec::new())
    }

    fn new(
        authorities: Vec<CertificateDer<'static>>,
        lists: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<Self, TlsError> {
        let anchors: Vec<TrustAnchor<'static>> = authorities
            .iter()
            .map(|der| webpki::anchor_from_trusted_cert(der).map(|anchor| anchor.to_owned()))
            .collect::<Result<_, _>>()
            .map_err(|e| TlsError::of(PemField::Authorities, format!("certificate authorities: {e}")))?;
        let revoked = lists
            .iter()
            .map(|der| BorrowedCertRevocationList::from_der(der).and_then(|list| list.to_owned()).map(Into::into))
            .collect::<Result<_, _>>()
            .map_err(|e| TlsError::of(PemField::Revoked, format!("revocation list: {e}")))?;
        let subjects = anchors.iter().map(|anchor| rustls::DistinguishedName::in_sequence(&anchor.subject)).collect();
        Ok(Trust { anchors, revoked, subjects, authorities, lists })
    }

    /// Verifies a chain: signatures, validity, usage, revocation. Names are the caller's matter.
    pub fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: Usage,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let leaf = EndEntityCert::try_from(leaf).map_err(pki_error)?;
        let lists: Vec<&CertRevocationList<'_>> = self.revoked.iter().collect();
        let revocation = if lists.is_empty() {
            None
        } else {
            RevocationOptionsBuilder::new(&lists).ok().map(|builder| {
                builder
                    .with_depth(RevocationCheckDepth::Chain)
                    .with_status_policy(UnknownStatusPolicy::Deny)
                    .with_expiration_policy(ExpirationPolicy::Enforce)
                    .build()
            })
        };
        let usage = match usage {
            Usage::Server => KeyUsage::server_auth(),
            Usage::Client => KeyUsage::client_auth(),
        };
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        leaf.verify_for_usage(algorithms.all, &self.anchors, intermediates, now, usage, revocation, None)
            .map(|_| ())
            .map_err(pki_error)
    }
}

/// The error with the alert that a client should see.
fn pki_error(error: webpki::Error) -> rustls::Error {
    use rustls::CertificateError;
    rustls::Error::InvalidCertificate(match error {
        webpki::Error::CertExpired { .. } => CertificateError::Expired,
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        webpki::Error::CertRevoked => CertificateError::Revoked,
        webpki::Error::UnknownRevocationStatus => CertificateError::UnknownRevocationStatus,
        webpki::Error::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        webpki::Error::BadDer | webpki::Error::BadDerTime => CertificateError::BadEncoding,
        other => CertificateError::Other(rustls::OtherError(std::sync::Arc::new(other))),
    })
}

/// `UnixTime` of a duration since 1970.
pub(super) fn unix_time(since_epoch: Duration) -> UnixTime {
    UnixTime::since_unix_epoch(since_epoch)
}
