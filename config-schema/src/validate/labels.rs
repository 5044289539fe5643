use std::collections::BTreeMap;

use super::names::is_dns_label;
use super::report::Report;
use crate::document::PathRef;

/// Labels as they may stand on a workload: `[prefix/]name: value`.
pub(super) fn validate(labels: &BTreeMap<String, String>, path: PathRef<'_>, report: &mut Report<'_>) {
    for (key, value) in labels {
        let path = path.key(key);
        if !is_label_key(key) {
            report.error(path, "label", format!("{key:?} is not the key of a label"));
        }
        if !(value.is_empty() || is_label_name(value)) {
            report.error(path, "label", format!("{value:?} is not the value of a label"));
        }
    }
}

fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_is_fine = prefix.is_none_or(|prefix| prefix.len() <= 253 && prefix.split('.').all(is_dns_label));
    prefix_is_fine && is_label_name(name) && name.len() <= 63
}

fn is_label_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(name.chars().next())
        && edge(name.chars().last())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
