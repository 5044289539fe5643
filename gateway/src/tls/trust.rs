//! Certificate authorities and what they revoked.

use std::time::{Duration, SystemTime};

use config_schema::snapshot::TrustBundle;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath,
};

use super::validity::fault_of_authorities;
use super::{PemField, TlsError, Validity};

/// Whom to trust.
#[derive(Debug)]
pub struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    /// The dates of each.
    validity: Vec<Option<Validity>>,
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
        Self::new(authorities, revocation_lists(bundle.crl.as_deref())?)
    }

    /// The operating system's certificate authorities, and what they revoked (PEM).
    pub fn system(crl: Option<&[u8]>) -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            return Err(TlsError::new("the system has no certificate authorities (install ca-certificates)"));
        }
        // Of hundreds of system roots some are always odd; one that cannot be an anchor is left out.
        let usable = found.certs.into_iter().filter(|der| webpki::anchor_from_trusted_cert(der).is_ok()).collect();
        Self::new(usable, revocation_lists(crl)?)
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
        let validity = authorities.iter().map(|der| Validity::of(der)).collect();
        Ok(Trust { anchors, validity, revoked, subjects, authorities, lists })
    }

    /// Said if no authority is valid at `now`: then nobody is trusted.
    pub fn out_of_date(&self, now: SystemTime) -> Option<TlsError> {
        let validity: Option<Vec<Validity>> = self.validity.iter().copied().collect();
        fault_of_authorities(&validity?, now).map(|fault| TlsError::of(PemField::Authorities, fault))
    }

    /// An authority that is out of date vouches for nobody, as in BoringSSL; webpki does not look at the dates of what
    /// it is told to trust. Of two with the same key, as after a renewal, one in date is enough.
    fn check_dates(&self, found: &TrustAnchor<'_>, now: UnixTime) -> Result<(), webpki::Error> {
        let is_it = |anchor: &TrustAnchor<'_>| {
            anchor.subject == found.subject && anchor.subject_public_key_info == found.subject_public_key_info
        };
        let same = self.anchors.iter().zip(&self.validity).filter(|(anchor, _)| is_it(anchor));
        let mut result = Ok(());
        for (_, validity) in same {
            result = validity.map_or(Ok(()), |validity| validity.check(now));
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// Verifies a chain, its authority included: signatures, validity, usage, revocation. Names are the caller's matter.
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
        let dates = |path: &VerifiedPath<'_>| self.check_dates(path.anchor(), now);
        leaf.verify_for_usage(algorithms.all, &self.anchors, intermediates, now, usage, revocation, Some(&dates))
            .map(|_| ())
            .map_err(pki_error)
    }
}

fn revocation_lists(pem: Option<&[u8]>) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let fault = |e| TlsError::of(PemField::Revoked, format!("revocation list: {}", super::pem_fault(&e)));
    pem.map_or(Ok(Vec::new()), |pem| CertificateRevocationListDer::pem_slice_iter(pem).collect()).map_err(fault)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Valid from 2020-01-01 to 2021-01-01.
    const EXPIRED: &str = "\
-----BEGIN CERTIFICATE-----
MIIBNDCB26ADAgECAhQ3NvpLDDXEZOQlbPE0d3mlvqdBLTAKBggqhkjOPQQDAjAQ
MQ4wDAYDVQQDDAVvbGRjYTAeFw0yMDAxMDEwMDAwMDBaFw0yMTAxMDEwMDAwMDBa
MBAxDjAMBgNVBAMMBW9sZGNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPTL5
k59QTBGYjNDJ+lq48T4NLtF2O75ct6ntb9KXOXN+Jd8DY5v/bWmbobngMSSxA1l0
73xlTEo2nK6xuxcFpqMTMBEwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNI
ADBFAiB4Ym9XUDMyCDo4CEvYEuEPWDROZPHm69dNJGqk+Xg7cAIhAKjEt9zBEyhy
MdvT0mTi25Tmd4aaHXVWCbq2L7ZnAO6Q
-----END CERTIFICATE-----";
    /// The same key and name, valid until 2041-01-01.
    const RENEWED: &str = "\
-----BEGIN CERTIFICATE-----
MIIBMzCB26ADAgECAhQ78iaZjIh3tGhx/udonCUe+5IbUTAKBggqhkjOPQQDAjAQ
MQ4wDAYDVQQDDAVvbGRjYTAeFw0yMDAxMDEwMDAwMDBaFw00MTAxMDEwMDAwMDBa
MBAxDjAMBgNVBAMMBW9sZGNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPTL5
k59QTBGYjNDJ+lq48T4NLtF2O75ct6ntb9KXOXN+Jd8DY5v/bWmbobngMSSxA1l0
73xlTEo2nK6xuxcFpqMTMBEwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNH
ADBEAiAe8ApxZI2I1pO9RuUgWe3S3/3n5fC3kK6qOFL7a3jRPAIgaGOqZOSaTD1O
1ToNz9+3r7jivFFLuDs7xeejA3qVeiY=
-----END CERTIFICATE-----";
    /// Issued by it, valid from 2025-01-01 to 2035-01-01.
    const CLIENT: &str = "\
-----BEGIN CERTIFICATE-----
MIIBMjCB2aADAgECAhRNIwsgKDbbDGcscQcgk+nDKjUC0DAKBggqhkjOPQQDAjAQ
MQ4wDAYDVQQDDAVvbGRjYTAeFw0yNTAxMDEwMDAwMDBaFw0zNTAxMDEwMDAwMDBa
MBExDzANBgNVBAMMBmNsaWVudDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABErK
HsgVpLFrZD3Y7oURkA7qHIcFhUkmU1sxTi8GBkCx2ofnrZSWVDCi4Ee2OWiXTm8j
VYUgGSb8nMgh1y51C9KjEDAOMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0EAwIDSAAw
RQIgYz74sACSczToEPl5u40nl/I3SrTggFnq0oohp8ldu7kCIQDcw7HFU1Wxc0Gb
/T4GE1txbmPkWBuonnxOoc9Ah05LRw==
-----END CERTIFICATE-----";

    fn trust(authorities: &[&str]) -> Trust {
        Trust::from_pem(&TrustBundle { ca: authorities.join("\n").into_bytes(), crl: None }).unwrap()
    }

    #[test]
    fn an_authority_out_of_date_vouches_for_nobody() {
        use rustls::CertificateError::Expired;
        let leaf = CertificateDer::from_pem_slice(CLIENT.as_bytes()).unwrap();
        // 2026-01-01.
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_767_225_600));
        for (authorities, expected) in [
            (&[EXPIRED][..], Err(rustls::Error::InvalidCertificate(Expired))),
            (&[RENEWED], Ok(())),
            (&[EXPIRED, RENEWED], Ok(())),
            (&[RENEWED, EXPIRED], Ok(())),
        ] {
            assert_eq!(trust(authorities).verify(&leaf, &[], Usage::Client, now), expected);
        }
    }

    #[test]
    fn it_is_said_if_no_authority_is_valid() {
        let now = std::time::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let fault = trust(&[EXPIRED]).out_of_date(now).map(|fault| fault.to_string());
        let expected = "no certificate authority is valid now, so that nobody is trusted: the first expired on \
                        2021-01-01T00:00:00Z (it is valid from 2020-01-01T00:00:00Z)";
        assert_eq!(fault.as_deref(), Some(expected));
        assert_eq!(trust(&[EXPIRED, RENEWED]).out_of_date(now), None);
    }
}
