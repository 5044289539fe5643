use std::collections::BTreeMap;

use super::report::Report;
use crate::document::PathRef;
use crate::resources::wire::{LabelsSelector, PolicyTargetReference, WorkloadSelector};

fn labels(labels: &BTreeMap<String, String>, limit: usize, path: PathRef<'_>, report: &mut Report<'_>) {
    report.max_items(path, labels.len(), limit);
    for (key, value) in labels {
        let here = path.key(key);
        if key.is_empty() {
            report.error(here, "selector", "the key of a label must not be empty");
        }
        if key.contains('*') {
            report.error(here, "selector", "a wildcard is not allowed in the key of a label");
        }
        if value.contains('*') {
            report.error(here, "selector", "a wildcard is not allowed in the value of a label");
        }
        report.max_length(here, value, 63);
    }
}

/// A selector by `matchLabels`.
pub(super) fn match_labels(selector: Option<&WorkloadSelector>, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(selector) = selector else { return };
    labels(&selector.match_labels, 4096, path.key("matchLabels"), report);
    if selector.match_labels.is_empty() {
        report.warning(path, "empty-selector", "a selector without labels selects every workload of the namespace");
    }
}

/// A selector by `labels`.
pub(super) fn plain_labels(selector: Option<&LabelsSelector>, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(selector) = selector else { return };
    labels(&selector.labels, 256, path.key("labels"), report);
    if selector.labels.is_empty() {
        report.warning(path, "empty-selector", "a selector without labels selects every workload of the namespace");
    }
}

/// The three ways to say what a policy is for, of which one may be used.
pub(super) struct Targets<'s> {
    pub(super) selector: Option<&'s WorkloadSelector>,
    pub(super) target_ref: Option<&'s PolicyTargetReference>,
    pub(super) target_refs: &'s [PolicyTargetReference],
}

impl Targets<'_> {
    pub(super) fn validate(&self, path: PathRef<'_>, report: &mut Report<'_>) {
        let set = [self.selector.is_some(), self.target_ref.is_some(), !self.target_refs.is_empty()];
        if set.into_iter().filter(|set| *set).count() > 1 {
            report.error(path, "oneof", "only one of selector, targetRef and targetRefs may be set");
        }
        match_labels(self.selector, path.key("selector"), report);
        if let Some(target) = self.target_ref {
            target_ref(target, path.key("targetRef"), report);
        }
        target_refs(self.target_refs, path.key("targetRefs"), report);
    }
}

pub(super) fn target_refs(targets: &[PolicyTargetReference], path: PathRef<'_>, report: &mut Report<'_>) {
    report.max_items(path, targets.len(), 16);
    for (index, target) in targets.iter().enumerate() {
        target_ref(target, path.index(index), report);
    }
}

const TARGETS: [(&str, &str); 4] = [
    ("", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
];

fn target_ref(target: &PolicyTargetReference, path: PathRef<'_>, report: &mut Report<'_>) {
    if target.name.is_empty() {
        report.required(path.key("name"), "the name of the target must not be empty");
    }
    report.max_length(path.key("name"), &target.name, 253);
    if target.namespace.is_some() {
        let message = "a target in another namespace is not supported; leave the namespace out";
        report.error(path.key("namespace"), "target-ref", message);
    }
    let group = target.group.as_deref().unwrap_or_default();
    let group_is_fine = group.split('.').all(|label| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        label.starts_with(inner) && label.ends_with(inner) && label.chars().all(|c| inner(c) || c == '-')
    });
    if !(group.is_empty() || group_is_fine && group.len() <= 253) {
        report.error(path.key("group"), "target-ref", format!("{group:?} is not an API group"));
        return;
    }
    let kind = &target.kind;
    let kind_is_fine = kind.starts_with(|c: char| c.is_ascii_alphabetic())
        && kind.ends_with(|c: char| c.is_ascii_alphanumeric())
        && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && kind.len() <= 63;
    if !kind_is_fine {
        report.error(path.key("kind"), "target-ref", format!("{kind:?} is not a kind"));
        return;
    }
    let canonical = if group == "core" { "" } else { group };
    if !TARGETS.contains(&(canonical, kind)) {
        let message = "the target must be a Service, a ServiceEntry, or a Gateway or GatewayClass of the Gateway API";
        report.error(path, "target-ref", format!("{message}, not {kind} of the group {group:?}"));
    }
}
