//! The certificate that all proxies serve: P-256, made anew for each run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::workload::{HOST, Protocol};

/// A certificate as files, in the forms that the proxies want.
#[derive(Debug)]
pub struct Certificate {
    /// Certificate, PEM.
    pub chain: PathBuf,
    /// Key, PEM.
    pub key: PathBuf,
    /// Both in one file.
    pub both: PathBuf,
    /// The authority, PEM.
    pub ca: PathBuf,
}

impl Certificate {
    /// Makes a certificate for [`HOST`] and writes its files to a directory.
    pub fn write(directory: &Path) -> anyhow::Result<Self> {
        let ca_key = KeyPair::generate()?;
        let mut ca_params = CertificateParams::new(Vec::new())?;
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = ca_params.self_signed(&ca_key)?;
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(vec![HOST.to_owned()])?
            .signed_by(&key, &Issuer::from_params(&ca_params, &ca_key))?;
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            std::fs::write(&path, text).with_context(|| path.display().to_string())?;
            anyhow::Ok(path)
        };
        let (leaf, key) = (leaf.pem(), key.serialize_pem());
        Ok(Certificate {
            chain: write("server.crt", &leaf)?,
            key: write("server.key", &key)?,
            both: write("server.pem", &format!("{leaf}{key}"))?,
            ca: write("ca.crt", &ca.pem())?,
        })
    }
}

/// The client's side of TLS: one version, one suite, one group, no resumption, so that all proxies do the same work.
pub fn client(ca: &Path, protocol: Protocol) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).with_context(|| ca.display().to_string())? {
        roots.add(certificate?)?;
    }
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![match protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::Http2 => b"h2".to_vec(),
    }];
    Ok(Arc::new(config))
}
