use super::report::{Report, SPEC};
use super::selector;
use crate::resources::Object;
use crate::resources::proxy_config::ProxyConfig;

pub(super) fn validate(object: &Object<ProxyConfig>, report: &mut Report<'_>) {
    selector::match_labels(object.spec.selector.as_ref(), SPEC.key("selector"), report);
    if object.spec.concurrency.is_some_and(|threads| threads < 0) {
        report.error(SPEC.key("concurrency"), "range", "must not be negative");
    }
    let variables = SPEC.key("environmentVariables");
    for (name, value) in &object.spec.environment_variables {
        report.max_length(variables.key(name), value, 2048);
    }
}
