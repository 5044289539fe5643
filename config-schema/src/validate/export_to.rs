use std::collections::BTreeSet;

use super::names::is_dns_label;
use super::report::Report;
use crate::document::PathRef;

/// What else is special about an `exportTo`.
#[derive(PartialEq)]
pub(super) enum Exported {
    Plain,
    /// A ServiceEntry, which may be visible to nobody (`~`).
    ServiceEntry,
    /// A DestinationRule for some workloads, which cannot leave its namespace.
    Selected,
}

/// The namespaces that see an object of `namespace`.
pub(super) fn validate(
    export_to: &[String],
    namespace: &str,
    exported: &Exported,
    path: PathRef<'_>,
    report: &mut Report<'_>,
) {
    let mut seen = BTreeSet::new();
    for (index, entry) in export_to.iter().enumerate() {
        let here = path.index(index);
        let key = if entry == "." { namespace } else { entry };
        if seen.contains(key) {
            let message = if key == entry {
                format!("{entry:?} stands here twice")
            } else {
                format!("\".\" means the namespace {namespace:?}, which stands here too")
            };
            report.error(here, "export-to", message);
            continue;
        }
        let nobody = entry == "~" && *exported == Exported::ServiceEntry;
        if entry == "~" && !nobody {
            report.error(here, "export-to", "only a ServiceEntry can be exported to nobody (~)");
        } else if !(entry == "." || entry == "*" || nobody || is_dns_label(entry)) {
            report.error(here, "export-to", format!("{entry:?} must be \".\", \"*\" or a namespace"));
        } else {
            seen.insert(key);
        }
    }
    if *exported == Exported::Selected && !seen.is_empty() && !(seen.len() == 1 && seen.contains(namespace)) {
        report.error(path, "export-to", "with a workloadSelector the rule can be exported to its own namespace only");
    }
    if seen.contains("*") && export_to.len() > 1 {
        report.error(path, "export-to", "\"*\" (everybody) cannot stand beside other namespaces");
    }
    if seen.contains("~") && export_to.len() > 1 {
        report.error(path, "export-to", "\"~\" (nobody) cannot stand beside other namespaces");
    }
}
