use super::labels;
use super::names::{is_dns_label, is_object_name};
use super::report::Report;
use crate::document::PathRef;
use crate::resources::AnyObject;
use crate::resources::authorization_policy::Action;
use crate::resources::gateway::MISDIRECTED_REQUESTS;

const INTERNAL_ANNOTATIONS: [&str; 3] =
    ["internal.istio.io/webhook-always-reject", "internal.istio.io/parents", "internal.istio.io/parent-namespace"];

/// Name, labels and annotations of any object.
pub(super) fn validate(object: &AnyObject, report: &mut Report<'_>) {
    let path = PathRef::ROOT.key("metadata");
    let meta = object.meta();
    if matches!(object, AnyObject::MeshConfig(_) | AnyObject::MeshNetworks(_)) {
        return;
    }
    if !is_object_name(&meta.name) {
        let message = format!("{:?} is not a name of an object: lower-case letters, digits, - and .", meta.name);
        report.error(path.key("name"), "name", message);
    }
    if object.info().namespaced && (!is_dns_label(&meta.namespace) || !is_object_name(&meta.namespace)) {
        report.error(path.key("namespace"), "name", format!("{:?} is not a name of a namespace", meta.namespace));
    }
    labels::validate(&meta.labels, path.key("labels"), report);
    let annotations = path.key("annotations");
    if object.info().group.ends_with("istio.io") {
        for name in INTERNAL_ANNOTATIONS.iter().filter(|name| meta.annotations.contains_key(**name)) {
            report.error(annotations.key(name), "annotation", "this annotation is Istio's own and may not be set");
        }
        dry_run(object, annotations, report);
    }
    if let AnyObject::Gateway(gateway) = object
        && let Some(value) = gateway.meta.annotations.get(MISDIRECTED_REQUESTS)
        && !matches!(value.as_str(), "404" | "421")
    {
        let message = format!("{value:?} is neither \"404\" nor \"421\"");
        report.error(annotations.key(MISDIRECTED_REQUESTS), "annotation", message);
    }
}

fn dry_run(object: &AnyObject, annotations: PathRef<'_>, report: &mut Report<'_>) {
    const DRY_RUN: &str = "istio.io/dry-run";
    let Some(value) = object.meta().annotations.get(DRY_RUN) else { return };
    let path = annotations.key(DRY_RUN);
    let AnyObject::AuthorizationPolicy(policy) = object else {
        report.error(path, "annotation", "only an AuthorizationPolicy can run dry");
        return;
    };
    if !matches!(policy.spec.action, Action::Allow | Action::Deny) {
        report.error(path, "annotation", "only the actions ALLOW and DENY can run dry");
    }
    let boolean = ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];
    if !boolean.contains(&value.as_str()) {
        report.error(path, "annotation", format!("{value:?} is neither \"true\" nor \"false\""));
    }
}
