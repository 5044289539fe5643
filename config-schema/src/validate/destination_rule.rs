use std::collections::BTreeSet;

use super::export_to::{self, Exported};
use super::labels;
use super::names::{is_dns_label, wildcard_domain};
use super::report::{Report, SPEC};
use super::selector;
use super::traffic_policy;
use crate::document::PathRef;
use crate::resources::Object;

use crate::resources::destination_rule::DestinationRule;
use crate::resources::health_check::{HEALTH_CHECK, HealthCheckSettings};

pub(super) fn validate(object: &Object<DestinationRule>, report: &mut Report<'_>) {
    let rule = &object.spec;
    let namespace = &object.meta.namespace;
    report.check(SPEC.key("host"), "host", wildcard_domain(&rule.host));
    traffic_policy::validate(rule.traffic_policy.as_ref(), namespace, SPEC.key("trafficPolicy"), report);
    let subsets = SPEC.key("subsets");
    let mut names = BTreeSet::new();
    for (index, subset) in rule.subsets.iter().enumerate() {
        let path = subsets.index(index);
        if !names.insert(&subset.name) {
            report.error(path.key("name"), "duplicate", format!("there are two subsets {:?}", subset.name));
        }
        report.check(path.key("name"), "name", subset_name(&subset.name));
        labels::validate(&subset.labels, path.key("labels"), report);
        traffic_policy::validate(subset.traffic_policy.as_ref(), namespace, path.key("trafficPolicy"), report);
    }
    if let Some(text) = object.meta.annotations.get(HEALTH_CHECK) {
        let path = PathRef::ROOT.key("metadata");
        let path = path.key("annotations");
        report.check(path.key(HEALTH_CHECK), "health-check", HealthCheckSettings::parse(text).map(drop));
    }
    let exported = if rule.workload_selector.is_some() { Exported::Selected } else { Exported::Plain };
    export_to::validate(&rule.export_to, namespace, &exported, SPEC.key("exportTo"), report);
    selector::match_labels(rule.workload_selector.as_ref(), SPEC.key("workloadSelector"), report);
}

/// A subset by name.
pub(super) fn subset_name(name: &str) -> Result<(), String> {
    if is_dns_label(name) { Ok(()) } else { Err(format!("the name of a subset must be a DNS label, is {name:?}")) }
}
