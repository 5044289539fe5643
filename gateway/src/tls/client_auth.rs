//! What is asked of a client's certificate.

use std::sync::Arc;

use config_schema::snapshot::ClientValidation;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::certificate::{describe, spki_sha256};
use super::names;
use super::trust::{Trust, Usage};

/// The rules of [`ClientValidation`], for both TLS implementations.
#[derive(Debug)]
pub struct ClientRules {
    spec: ClientValidation,
    trust: Option<Arc<Trust>>,
    /// Hex, lower case, no colons.
    certificate_hashes: Vec<String>,
}

impl ClientRules {
    /// `trust` is `None` where nobody is trusted, or where it does not matter.
    pub fn new(spec: ClientValidation, trust: Option<Arc<Trust>>) -> Self {
        let certificate_hashes =
            spec.certificate_hashes.iter().map(|hash| hash.replace(':', "").to_ascii_lowercase()).collect();
        ClientRules { spec, trust, certificate_hashes }
    }

    /// Ask for a certificate.
    pub fn request(&self) -> bool {
        self.spec.request
    }

    /// Close without one. Rules about names or hashes cannot be met by a client that shows none.
    pub fn require(&self) -> bool {
        let has_rules = !self.spec.subject_alt_names.is_empty()
            || !self.spec.spki_hashes.is_empty()
            || !self.spec.certificate_hashes.is_empty();
        self.spec.require || (has_rules && !self.spec.accept_untrusted)
    }

    /// Whom to trust.
    pub fn trust(&self) -> Option<&Arc<Trust>> {
        self.trust.as_ref()
    }

    /// What comes is not verified.
    pub fn accepts_untrusted(&self) -> bool {
        self.spec.accept_untrusted
    }

    /// Judges a chain.
    pub fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.spec.accept_untrusted {
            return Ok(());
        }
        let trust = self.trust.as_ref().ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        trust.verify(leaf, intermediates, Usage::Client, now)?;
        if !self.spec.subject_alt_names.is_empty() {
            let info = describe(leaf).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
            if !names::carries_any(&info, &self.spec.subject_alt_names) {
                return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
            }
        }
        self.check_hashes(leaf)
    }

    fn check_hashes(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        if self.spec.spki_hashes.is_empty() && self.certificate_hashes.is_empty() {
            return Ok(());
        }
        let spki = spki_sha256(leaf);
        let by_spki = self.spec.spki_hashes.iter().any(|wanted| Some(wanted) == spki.as_ref());
        let by_hash = describe(leaf).is_some_and(|info| self.certificate_hashes.contains(&info.sha256));
        if by_spki || by_hash {
            return Ok(());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }
}

/// [`ClientRules`] for rustls.
#[derive(Debug)]
pub(super) struct RustlsVerifier {
    rules: Arc<ClientRules>,
    hints: Vec<DistinguishedName>,
}

impl RustlsVerifier {
    /// Wraps the rules.
    pub(super) fn new(rules: Arc<ClientRules>) -> Self {
        let hints = rules.trust().map(|trust| trust.subjects.clone()).unwrap_or_default();
        RustlsVerifier { rules, hints }
    }
}

impl ClientCertVerifier for RustlsVerifier {
    fn offer_client_auth(&self) -> bool {
        self.rules.request()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.rules.require()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.rules.verify(end_entity, intermediates, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        verify_tls12_signature(message, cert, dss, &provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        verify_tls13_signature(message, cert, dss, &provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
