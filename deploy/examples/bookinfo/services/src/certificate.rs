//! The certificate of the HTTPS door, made anew on each start.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Names that the certificate is good for.
const NAMES: &[&str] = &["localhost", "bookinfo.localhost", "*.bookinfo.localhost", "127.0.0.1", "::1"];

/// Writes the authority's certificate (`ca.pem`) and the server's as a Secret (`secret.yaml`). The authority's key is
/// forgotten: nothing else can ever be signed with it.
pub(crate) fn write(directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let ca_key = KeyPair::generate()?;
    let mut ca_params = CertificateParams::new(Vec::new())?;
    ca_params.distinguished_name = named("bookinfo example authority");
    ca_params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca_params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca = ca_params.self_signed(&ca_key)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(NAMES.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name = named("bookinfo.localhost");
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &Issuer::from_params(&ca_params, &ca_key))?;
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: bookinfo-certificate, namespace: istio-system}}\n\
         type: kubernetes.io/tls\ndata:\n  tls.crt: {}\n  tls.key: {}\n",
        STANDARD.encode(certificate.pem()),
        STANDARD.encode(key.serialize_pem()),
    );
    private(&directory.join("secret.yaml"), &secret)?;
    let path = directory.join("ca.pem");
    fs::write(&path, ca.pem()).with_context(|| format!("cannot write {}", path.display()))
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// Writes a file that nobody else may read, and puts it in place at once.
fn private(path: &Path, text: &str) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&new, path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    use super::*;

    #[test]
    fn a_secret_and_its_authority() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        let secret = fs::read_to_string(directory.path().join("secret.yaml")).unwrap();
        let pem = |field: &str| {
            let line = secret.lines().find_map(|line| line.trim().strip_prefix(field)).unwrap();
            STANDARD.decode(line.trim()).unwrap()
        };
        assert!(CertificateDer::from_pem_slice(&pem("tls.crt:")).is_ok());
        assert!(PrivateKeyDer::from_pem_slice(&pem("tls.key:")).is_ok());
        assert!(CertificateDer::from_pem_file(directory.path().join("ca.pem")).is_ok());
    }
}
