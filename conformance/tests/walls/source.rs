//! The workspace's Rust files.

use std::fs;
use std::path::{Path, PathBuf};

/// A file.
pub(crate) struct Source {
    /// Below the workspace, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All files.
pub(crate) struct Tree {
    pub(crate) sources: Vec<Source>,
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

impl Tree {
    /// Reads what is there.
    pub(crate) fn read() -> Self {
        let root = root();
        let mut sources = Vec::new();
        walk(&root, &root, &mut sources);
        assert!(sources.len() > 100, "only {} files below {}", sources.len(), root.display());
        Tree { sources }
    }
}

fn walk(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            walk(root, &path, sources);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            sources.push(Source { path: path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), text });
        }
    }
}

impl Source {
    /// It is only there for tests, benches or examples.
    pub(crate) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| {
            matches!(part, "tests" | "benches" | "examples" | "fuzz") && !self.path.starts_with("deploy/")
                || part == "tests.rs"
                || part.ends_with("_tests.rs")
        })
    }

    /// Lines of code that are no tests, with their numbers and without comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
        lines.map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
    }
}
