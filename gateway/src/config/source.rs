//! Files and directories of configuration, read and watched.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::load::Text;

/// Changes come in bursts (editors, `git checkout`, a volume's symlinks): wait until it has been quiet this long.
const QUIET: Duration = Duration::from_millis(100);
/// But never longer than this.
const IMPATIENT: Duration = Duration::from_secs(1);
/// How often files are looked at even without a notice: some file systems (NFS, some overlays) send none.
const POLL: Duration = Duration::from_secs(10);

/// Files and directories.
#[derive(Debug, Clone)]
pub struct FileSource {
    paths: Vec<PathBuf>,
}

impl FileSource {
    /// In the order in which they count.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        FileSource { paths }
    }

    /// Reads all files. One that cannot be read is told of in its [`Text`], and does not keep others from being read;
    /// what was named and is not there is an error.
    pub fn read(&self) -> Result<Vec<Text>, ReadError> {
        let mut texts = Vec::new();
        for path in &self.paths {
            let found = if path.is_dir() { list(path)? } else { vec![path.clone()] };
            for file in found {
                if file == *path && !file.exists() {
                    return Err(ReadError { path: file, error: io::ErrorKind::NotFound.into() });
                }
                texts.push(read(&file));
            }
        }
        Ok(texts)
    }

    /// Directories to watch: a file is watched through its directory, because it may be replaced.
    fn directories(&self) -> BTreeSet<PathBuf> {
        let mut directories = BTreeSet::new();
        for path in &self.paths {
            if path.is_dir() {
                walk(path, &mut directories);
            } else if let Some(parent) = path.parent() {
                let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
                directories.insert(parent.to_owned());
            }
        }
        directories
    }

    /// Tells when something may have changed, here or in `extra` files. Runs until the receiver is gone.
    pub async fn watch(self, extra: watch::Receiver<Vec<PathBuf>>, changed: mpsc::Sender<()>) {
        let (sender, mut notices) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file is no change; a full channel already says that there is one.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = sender.try_send(());
            }
        });
        loop {
            if let Ok(watcher) = watcher.as_mut() {
                let mut directories = self.directories();
                directories.extend(extra.borrow().iter().filter_map(|file| file.parent().map(Path::to_owned)));
                for directory in directories {
                    // Watching twice is harmless; a directory that is gone will be found gone when it is read.
                    let _ = watcher.watch(&directory, RecursiveMode::NonRecursive);
                }
            }
            if tokio::time::timeout(POLL, notices.recv()).await.is_ok() {
                let limit = Instant::now() + IMPATIENT;
                while timeout_at(limit.min(Instant::now() + QUIET), notices.recv()).await.is_ok() {}
            }
            if changed.send(()).await.is_err() {
                return;
            }
        }
    }
}

fn read(file: &Path) -> Text {
    let path = file.display().to_string();
    match std::fs::read(file).map(String::from_utf8) {
        Ok(Ok(text)) => Text::new(path, text),
        Ok(Err(error)) => {
            let good = error.utf8_error().valid_up_to();
            let lines = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count();
            let line = u32::try_from(lines + 1).unwrap_or(u32::MAX);
            Text::unreadable(path, line, "the file is not UTF-8 here")
        }
        Err(error) => Text::unreadable(path, 0, format!("the file cannot be read: {error}")),
    }
}

/// A file or directory that cannot be read.
#[derive(Debug)]
pub struct ReadError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot read {}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for ReadError {}

/// YAML and JSON files below a directory, by path. What starts with a dot is left out: editors' files, and the
/// directories behind the symlinks of Kubernetes volumes.
fn list(directory: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let mut files = Vec::new();
    let mut entries = entries(directory)?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files.extend(list(&path)?);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            files.push(path);
        }
    }
    Ok(files)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let failed = |error| ReadError { path: directory.to_owned(), error };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')) {
            found.push(path);
        }
    }
    Ok(found)
}

fn walk(directory: &Path, found: &mut BTreeSet<PathBuf>) {
    found.insert(directory.to_owned());
    for path in entries(directory).unwrap_or_default() {
        if path.is_dir() {
            walk(&path, found);
        }
    }
}
