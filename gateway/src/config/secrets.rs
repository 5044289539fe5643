//! Certificates and trust out of secrets and files, parsed once for each content.

use std::collections::HashSet;
use std::sync::Arc;

use config_schema::snapshot::{CertificateSource, Secret, Snapshot, TlsCertificate, TrustBundle, TrustSource};

use super::keep::Kept;
use crate::clock::Clock;
use crate::tls::{KeyPair, PemField, PemPlace, TlsError, Trust};

/// The proxy's own certificate and the mesh's root, from files.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// PEM files: certificate chain, key, root.
    pub files: Option<(String, String, String)>,
}

/// Reads PEM files. Tests read from memory.
pub(super) type ReadFile = dyn Fn(&str) -> std::io::Result<Vec<u8>> + Send + Sync;

/// Parsed secrets.
pub(super) struct Secrets {
    identity: Identity,
    read_file: Box<ReadFile>,
    clock: Clock,
    pairs: Kept<TlsCertificate, KeyPair>,
    trusts: Kept<TrustBundle, Trust>,
    system: Option<Result<Arc<Trust>, TlsError>>,
    /// The operating system's authorities by what they revoked.
    system_revoking: Kept<Vec<u8>, Trust>,
    /// Names used since the last sweep.
    used: HashSet<String>,
    /// What is wrong, though its last good version serves.
    stale: Vec<TlsError>,
    /// Certificates and authorities in use that are out of date.
    out_of_date: Vec<TlsError>,
}

impl Secrets {
    /// With the proxy's identity.
    pub(super) fn new(identity: Identity, read_file: Box<ReadFile>) -> Self {
        Secrets {
            identity,
            read_file,
            clock: Clock::default(),
            pairs: Kept::default(),
            trusts: Kept::default(),
            system: None,
            system_revoking: Kept::default(),
            used: HashSet::new(),
            stale: Vec::new(),
            out_of_date: Vec::new(),
        }
    }

    /// Tells the time that certificates are held against.
    pub(super) fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// A certificate with its key.
    pub(super) fn key_pair(
        &mut self,
        snapshot: &Snapshot,
        source: &CertificateSource,
    ) -> Result<Arc<KeyPair>, TlsError> {
        match source {
            CertificateSource::Secret(name) => match snapshot.secrets.get(name).map(|secret| &**secret) {
                Some(Secret::Certificate(pem)) => self.parse_pair(&PemPlace::Secret(name), Ok(pem.clone())),
                Some(Secret::Trust(_)) => Err(TlsError::new(format!("secret {name} holds no certificate with a key"))),
                None => Err(TlsError::absent(name)),
            },
            CertificateSource::Files { certificate, key } => self.pair_from_files(certificate, key),
            CertificateSource::Workload => match self.identity.files.clone() {
                Some((certificate, key, _)) => self.pair_from_files(&certificate, &key),
                None => Err(TlsError::no_identity("this proxy has no workload certificate")),
            },
        }
    }

    /// Whom to trust.
    pub(super) fn trust(&mut self, snapshot: &Snapshot, source: &TrustSource) -> Result<Arc<Trust>, TlsError> {
        match source {
            TrustSource::Secret(name) => match snapshot.secrets.get(name).map(|secret| &**secret) {
                Some(Secret::Trust(bundle)) => self.parse_trust(&PemPlace::Secret(name), Ok(bundle.clone())),
                Some(Secret::Certificate(_)) => {
                    Err(TlsError::new(format!("secret {name} holds no certificate authorities")))
                }
                None => Err(TlsError::absent(name)),
            },
            TrustSource::Files { ca, crl } => {
                let read = || {
                    let crl = crl.as_deref().map(|path| self.read(path)).transpose()?;
                    Ok(TrustBundle { ca: self.read(ca)?, crl })
                };
                let bundle = read();
                let revoked = crl.iter().map(|path| (PemField::Revoked, path.as_str()));
                let files = std::iter::once((PemField::Authorities, ca.as_str())).chain(revoked).collect();
                self.parse_trust(&PemPlace::Files(files), bundle)
            }
            TrustSource::Mesh => match self.identity.files.clone() {
                Some((_, _, root)) => {
                    let bundle = self.read(&root).map(|ca| TrustBundle { ca, crl: None });
                    self.parse_trust(&PemPlace::Files(vec![(PemField::Authorities, &root)]), bundle)
                }
                None => Err(TlsError::no_identity("this proxy has no mesh root certificate")),
            },
            TrustSource::System { crl: None } => {
                self.system.get_or_insert_with(|| Trust::system(None).map(Arc::new)).clone()
            }
            TrustSource::System { crl: Some(path) } => {
                let place = PemPlace::Files(vec![(PemField::Revoked, path)]);
                self.used.insert(name_of(&place));
                let list = self.read(path);
                parse(&mut self.system_revoking, &mut self.stale, &place, list, |list| Trust::system(Some(list)))
            }
        }
    }

    /// Forgets what has not been asked for since the last time.
    pub(super) fn sweep(&mut self) {
        let used = std::mem::take(&mut self.used);
        self.pairs.retain(|name| used.contains(name));
        self.trusts.retain(|name| used.contains(name));
        self.system_revoking.retain(|name| used.contains(name));
    }

    /// What is wrong, though its last good version serves: said once.
    pub(super) fn take_stale(&mut self) -> Vec<TlsError> {
        std::mem::take(&mut self.stale)
    }

    /// What was asked for since the last time and is out of date, though it is in use.
    pub(super) fn take_out_of_date(&mut self) -> Vec<TlsError> {
        std::mem::take(&mut self.out_of_date)
    }

    /// The proxy's own files.
    pub(super) fn identity_files(&self) -> Vec<String> {
        let files = self.identity.files.clone();
        files.map(|(certificate, key, root)| vec![certificate, key, root]).unwrap_or_default()
    }

    /// Reads a PEM file.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, TlsError> {
        (self.read_file)(path).map_err(|error| TlsError::file(path, error))
    }

    fn pair_from_files(&mut self, certificate: &str, key: &str) -> Result<Arc<KeyPair>, TlsError> {
        let read = || Ok(TlsCertificate { chain: self.read(certificate)?, key: self.read(key)?, ocsp_staple: None });
        let pem = read();
        self.parse_pair(&PemPlace::Files(vec![(PemField::Certificate, certificate), (PemField::Key, key)]), pem)
    }

    fn parse_pair(
        &mut self,
        place: &PemPlace<'_>,
        pem: Result<TlsCertificate, TlsError>,
    ) -> Result<Arc<KeyPair>, TlsError> {
        self.used.insert(name_of(place));
        let pair = parse(&mut self.pairs, &mut self.stale, place, pem, KeyPair::from_pem)?;
        self.note_dates(place, pair.out_of_date(self.clock.now()));
        Ok(pair)
    }

    fn parse_trust(
        &mut self,
        place: &PemPlace<'_>,
        bundle: Result<TrustBundle, TlsError>,
    ) -> Result<Arc<Trust>, TlsError> {
        self.used.insert(name_of(place));
        let trust = parse(&mut self.trusts, &mut self.stale, place, bundle, Trust::from_pem)?;
        self.note_dates(place, trust.out_of_date(self.clock.now()));
        Ok(trust)
    }

    fn note_dates(&mut self, place: &PemPlace<'_>, fault: Option<TlsError>) {
        if let Some(fault) = fault.map(|fault| fault.found_in(place))
            && !self.out_of_date.contains(&fault)
        {
            self.out_of_date.push(fault);
        }
    }
}

/// What a place is kept under.
fn name_of(place: &PemPlace<'_>) -> String {
    match place {
        PemPlace::Secret(name) => format!("secret {name}"),
        PemPlace::Files(files) => {
            let paths: Vec<&str> = files.iter().map(|(_, path)| *path).collect();
            format!("files {}", paths.join("\n"))
        }
    }
}

/// Parses what has changed. What cannot be parsed leaves the last good version in force.
fn parse<K: PartialEq, V>(
    kept: &mut Kept<K, V>,
    stale: &mut Vec<TlsError>,
    place: &PemPlace<'_>,
    source: Result<K, TlsError>,
    parse: impl Fn(&K) -> Result<V, TlsError>,
) -> Result<Arc<V>, TlsError> {
    let name = name_of(place);
    let parsed = source.and_then(|source| {
        let source = Arc::new(source);
        if let Some(known) = kept.get(&name, &source) {
            return Ok(known);
        }
        let value = Arc::new(parse(&source)?);
        kept.put(&name, source, Arc::clone(&value));
        Ok(value)
    });
    parsed.or_else(|error| match kept.last(&name) {
        Some(last) => {
            stale.push(error.found_in(place).and("; its last good version stays in force"));
            Ok(last)
        }
        None => Err(error.found_in(place)),
    })
}
