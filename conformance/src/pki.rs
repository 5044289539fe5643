//! The test certificates and keys that cases name: files of `behaviour/pki`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;
use boring::pkey::{PKey, Private};
use boring::x509::{X509, X509Ref};

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct Identity {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
}

/// The folder of test certificates; each is read once.
#[derive(Debug)]
pub struct Pki {
    dir: PathBuf,
    identities: Mutex<HashMap<String, Identity>>,
}

impl Pki {
    /// Certificates and keys below `dir`: `NAME.crt`, `NAME.key`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), identities: Mutex::default() }
    }

    /// Path of a file of the folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// The certificate and key of this name.
    pub fn identity(&self, name: &str) -> anyhow::Result<Identity> {
        let mut identities = self.identities.lock().map_err(|_| anyhow::anyhow!("certificates are poisoned"))?;
        if let Some(identity) = identities.get(name) {
            return Ok(identity.clone());
        }
        let key = self.path(&format!("{name}.key"));
        let identity = Identity {
            certificate: self.certificate(name)?,
            key: PKey::private_key_from_pem(&read(&key)?).with_context(|| key.display().to_string())?,
        };
        identities.insert(name.to_owned(), identity.clone());
        Ok(identity)
    }

    /// The certificate of this name, without a key.
    pub fn certificate(&self, name: &str) -> anyhow::Result<X509> {
        let path = self.path(&format!("{name}.crt"));
        X509::from_pem(&read(&path)?).with_context(|| path.display().to_string())
    }

    /// Whether a certificate of this name exists.
    pub fn has(&self, name: &str) -> bool {
        self.path(&format!("{name}.crt")).exists()
    }
}

/// Common name of a certificate.
pub(crate) fn common_name(certificate: &X509Ref) -> Option<String> {
    let entry = certificate.subject_name().entries_by_nid(boring::nid::Nid::COMMONNAME).next()?;
    entry.data().as_utf8().ok().map(|name| name.to_string())
}

/// What a backend calls its client: the first URI name of its certificate, else the common name.
pub(crate) fn client_name(certificate: &X509Ref) -> Option<String> {
    let uri = certificate.subject_alt_names().and_then(|names| names.iter().find_map(|n| n.uri().map(str::to_owned)));
    uri.or_else(|| common_name(certificate))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::behaviour_dir;

    #[test]
    fn names() {
        let pki = Pki::new(behaviour_dir().join("pki"));
        let client = pki.identity("proxy-client").unwrap();
        assert_eq!(client_name(&client.certificate).as_deref(), Some("proxy-client"));
        let sleep = pki.identity("mesh-default-sleep").unwrap();
        assert_eq!(common_name(&sleep.certificate).as_deref(), Some("mesh-default-sleep"));
        assert_eq!(client_name(&sleep.certificate).as_deref(), Some("spiffe://cluster.local/ns/default/sa/sleep"));
        assert!(pki.has("backend") && !pki.has("nobody"));
        assert!(format!("{:#}", pki.identity("nobody").unwrap_err()).contains("nobody.crt"));
    }
}
