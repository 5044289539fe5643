//! Where the independent oracles are, and how to read them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The folder of the oracles: `SALLYPORT_ORACLES`, else `../shared/oracles` from the project's root. Where it is
/// missing, says that `test` was skipped.
pub(crate) fn folder(test: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/oracles");
    let folder = std::env::var_os("SALLYPORT_ORACLES").map_or(here, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    // Past the capture of the test runner, so that it is seen.
    let mut err = std::io::stderr().lock();
    writeln!(err, "SKIPPED {test}: there is no folder {}; set SALLYPORT_ORACLES", folder.display()).unwrap();
    None
}

/// All files below `folder` with the ending `extension`, in order of their paths.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no .{extension} files below {}", folder.display());
    found
}
