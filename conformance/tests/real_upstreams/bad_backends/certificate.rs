//! An authority and the certificates that it gives to bad backends.

use std::path::{Path, PathBuf};

use boring::pkey::PKey;
use boring::ssl::{SslAcceptor, SslMethod};
use boring::x509::X509;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

/// A certificate authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    path: PathBuf,
}

impl Authority {
    /// Makes one and writes its certificate.
    pub(super) fn new(directory: &Path) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let path = directory.join("ca.pem");
        std::fs::write(&path, params.self_signed(&key)?.pem())?;
        Ok(Authority { issuer: Issuer::new(params, key), path })
    }

    /// Where its certificate is.
    pub(super) fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// A server with a certificate for a name.
    pub(super) fn server(&self, name: &str, expired: bool) -> anyhow::Result<SslAcceptor> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer)?;
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
        acceptor.set_certificate(X509::from_pem(certificate.pem().as_bytes())?.as_ref())?;
        acceptor.set_private_key(PKey::private_key_from_pem(key.serialize_pem().as_bytes())?.as_ref())?;
        Ok(acceptor.build())
    }
}
