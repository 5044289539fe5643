//! Applying configuration: texts in, a compiled configuration in force, and what was found on the way.

use std::sync::Arc;
use std::time::Instant;

use config_schema::Violation;
use config_schema::snapshot::{CertificateSource, NetworkFilter, Snapshot, TrustSource, UpstreamTlsMode};
use config_schema::translate::{ProxyIdentity, Report, translate};

use super::load::{Loader, Text};
use super::{Builder, Change, Rejection, Store};

/// What came of applying configuration.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// Version in force.
    pub version: u64,
    /// What differs from the version before; empty for the first.
    pub changes: Vec<Change>,
    /// What reading, validating and translating found.
    pub findings: Vec<Violation>,
    /// What became of each object.
    pub reports: Vec<Report>,
    /// What could not be compiled.
    pub rejections: Vec<Rejection>,
    /// Objects that are served in an earlier version.
    pub kept: Vec<String>,
}

/// Turns texts into what serves, again and again.
pub struct Engine {
    loader: Loader,
    builder: Builder,
    identity: ProxyIdentity,
    store: Arc<Store>,
    last: Vec<Text>,
    applied: Arc<Applied>,
}

impl Engine {
    /// For one proxy.
    pub fn new(identity: ProxyIdentity, builder: Builder, store: Arc<Store>) -> Self {
        Engine { loader: Loader::default(), builder, identity, store, last: Vec::new(), applied: Arc::default() }
    }

    /// What came of the last change.
    pub fn applied(&self) -> Arc<Applied> {
        Arc::clone(&self.applied)
    }

    /// Reads, translates, compiles and puts in force. `None` if nothing has changed.
    pub fn apply(&mut self, texts: Vec<Text>, now: Instant) -> Option<Arc<Applied>> {
        let current = self.store.load();
        if current.version > 0 && self.last == texts && files(&current.snapshot).is_empty() {
            return None;
        }
        let mut loaded = self.loader.load(&texts);
        self.last = texts;
        let translation = translate(&loaded.resources, &self.identity);
        loaded.add_reports(&translation.reports);
        let (runtime, rejections) = self.builder.build(Arc::new(translation.snapshot), now);
        let applied = Arc::new(Applied {
            version: runtime.version,
            changes: if current.version > 0 { loaded.changes } else { Vec::new() },
            findings: loaded.findings,
            reports: translation.reports,
            rejections,
            kept: loaded.kept,
        });
        self.store.swap(runtime);
        self.applied = Arc::clone(&applied);
        Some(applied)
    }

    /// Files beside the configuration that it reads: they are watched too.
    pub fn files(&self) -> Vec<String> {
        files(&self.store.load().snapshot)
    }
}

/// PEM files that a snapshot names.
fn files(snapshot: &Snapshot) -> Vec<String> {
    let mut files = Vec::new();
    let mut certificate = |source: &CertificateSource| {
        if let CertificateSource::Files { certificate, key } = source {
            files.extend([certificate.clone(), key.clone()]);
        }
    };
    let mut trusts = Vec::new();
    for listener in snapshot.listeners.values() {
        for chain in &listener.filter_chains {
            debug_assert!(matches!(chain.filter, NetworkFilter::Http(_) | NetworkFilter::Tcp(_)));
            if let Some(tls) = &chain.tls {
                tls.certificates.iter().for_each(&mut certificate);
                trusts.extend(tls.client.trust.as_ref());
            }
        }
    }
    for cluster in snapshot.clusters.values() {
        if let UpstreamTlsMode::Tls(tls) | UpstreamTlsMode::Auto(tls) = &cluster.tls {
            tls.certificate.iter().for_each(&mut certificate);
            trusts.push(&tls.trust);
        }
    }
    for trust in trusts {
        if let TrustSource::Files { ca, crl } = trust {
            files.push(ca.clone());
            files.extend(crl.clone());
        }
    }
    files
}
