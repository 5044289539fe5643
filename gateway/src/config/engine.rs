//! Applying configuration: texts in, a compiled configuration in force, and what was found on the way.

use std::sync::Arc;
use std::time::Instant;

use config_schema::Violation;
use config_schema::snapshot::Snapshot;
use config_schema::translate::{ProxyIdentity, Report, learn_egress, translate};

use super::load::{Loader, Text};
use super::{Builder, Change, Rejection, Store};

/// What came of applying configuration.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// Version in force.
    pub version: u64,
    /// What differs from the version before; empty for the first.
    pub changes: Vec<Change>,
    /// What reading and validating found.
    pub findings: Vec<Violation>,
    /// What translating and compiling found in objects that are in force otherwise.
    pub translated: Vec<Violation>,
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
    learn_egress: bool,
    store: Arc<Store>,
    /// PEM files beside the configuration, as they were read last.
    last_files: Files,
    applied: Arc<Applied>,
}

/// Files by path with their content; `None` for one that cannot be read.
type Files = Vec<(String, Option<Vec<u8>>)>;

impl Applied {
    /// Everything that was found where it stands in the texts.
    pub fn all_findings(&self) -> impl Iterator<Item = &Violation> {
        self.findings.iter().chain(&self.translated)
    }
}

impl Engine {
    /// For one proxy.
    pub fn new(identity: ProxyIdentity, builder: Builder, store: Arc<Store>) -> Self {
        Engine {
            loader: Loader::default(),
            builder,
            identity,
            learn_egress: false,
            store,
            last_files: Files::new(),
            applied: Arc::default(),
        }
    }

    /// Lets out what no ServiceEntry has, under the guards for names that clients choose, to learn it.
    #[must_use]
    pub fn learn_egress(mut self, learn: bool) -> Self {
        self.learn_egress = learn;
        self
    }

    /// What came of the last change.
    pub fn applied(&self) -> Arc<Applied> {
        Arc::clone(&self.applied)
    }

    /// Reads, translates, compiles and puts in force. `None` if nothing has changed.
    pub fn apply(&mut self, texts: Vec<Text>, now: Instant) -> Option<Arc<Applied>> {
        let current = self.store.load();
        if current.version > 0
            && self.loader.is_current(&texts)
            && self.last_files == self.read_files(&current.snapshot)
        {
            return None;
        }
        let loaded = self.loader.load(&texts);
        let mut translation = translate(&loaded.resources, &self.identity);
        if self.learn_egress {
            learn_egress(&mut translation.snapshot, &loaded.resources);
        }
        translation.snapshot.share(&current.snapshot);
        let mut translated = loaded.locate_reports(&translation.reports);
        // Before they are compiled: a change in between is seen the next time.
        self.last_files = self.read_files(&translation.snapshot);
        let (runtime, rejections) = self.builder.build(Arc::new(translation.snapshot), now);
        let (unusable, rejections) = loaded.locate_rejections(rejections);
        translated.extend(unusable);
        let applied = Arc::new(Applied {
            version: runtime.version,
            changes: if current.version > 0 { loaded.changes } else { Vec::new() },
            findings: loaded.findings,
            translated,
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
        self.named_files(&self.store.load().snapshot)
    }

    fn named_files(&self, snapshot: &Snapshot) -> Vec<String> {
        let mut files: Vec<String> = snapshot.files.keys().cloned().collect();
        files.extend(self.builder.identity_files());
        files.sort();
        files.dedup();
        files
    }

    fn read_files(&self, snapshot: &Snapshot) -> Files {
        let files = self.named_files(snapshot).into_iter();
        files.map(|path| (self.builder.read_file(&path).ok(), path)).map(|(content, path)| (path, content)).collect()
    }
}
