use super::address;
use super::report::{Report, SPEC};
use super::selector;
use crate::resources::Object;
use crate::resources::peer_authentication::PeerAuthentication;

pub(super) fn validate(object: &Object<PeerAuthentication>, report: &mut Report<'_>) {
    let policy = &object.spec;
    let ports = SPEC.key("portLevelMtls");
    selector::match_labels(policy.selector.as_ref(), SPEC.key("selector"), report);
    let selects = policy.selector.as_ref().is_some_and(|selector| !selector.match_labels.is_empty());
    if report.is_set(ports) {
        if !selects {
            report.error(ports, "port-level", "portLevelMtls requires a selector with labels");
        }
        if policy.port_level_mtls.is_empty() {
            report.error(ports, "empty", "must have at least one port");
        }
    }
    for number in policy.port_level_mtls.keys() {
        report.check(ports.key(&number.to_string()), "port", address::port(*number));
    }
}
