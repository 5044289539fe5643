//! Telling the log what an update did: what changed, what is newly wrong, what is mended.

use config_schema::{Severity, Violation};

use super::Applied;

/// Tells what is new in `now` against `before`, the update before it. What was told before is not told again.
pub(crate) fn announce(before: &Applied, now: &Applied, listeners: usize) {
    for change in &now.changes {
        tracing::info!("changed: {change}");
    }
    let is_new = |finding: &&Violation| !before.all_findings().any(|old| is_same(old, finding));
    for finding in now.all_findings().filter(is_new) {
        match finding.severity {
            Severity::Error => tracing::error!("{finding}"),
            Severity::Warning => tracing::warn!("{finding}"),
            Severity::Info => tracing::debug!("{finding}"),
        }
    }
    for rejection in now.rejections.iter().filter(|rejection| !before.rejections.contains(rejection)) {
        match rejection.is_error() {
            true => tracing::error!("{rejection}"),
            false => tracing::warn!("{rejection}"),
        }
    }
    let gone = |old: &&Violation| old.is_error() && !now.all_findings().any(|finding| is_same(old, finding));
    for finding in before.all_findings().filter(gone) {
        tracing::info!("mended: {finding}");
    }
    for kept in now.kept.iter().filter(|kept| !before.kept.contains(kept)) {
        tracing::warn!("{kept} serves in its last good version");
    }
    let rejected = now.rejections.iter().filter(|rejection| rejection.is_error()).count();
    let errors = now.all_findings().filter(|finding| finding.is_error()).count() + rejected;
    tracing::info!(version = now.version, listeners, errors, "configuration in force");
}

/// The same finding, even if lines above it came or went.
fn is_same(one: &Violation, other: &Violation) -> bool {
    (&one.file, &one.object, &one.path, one.rule, &one.message)
        == (&other.file, &other.object, &other.path, other.rule, &other.message)
}
