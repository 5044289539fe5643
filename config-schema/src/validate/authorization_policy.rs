use super::authz_values::{self as values, Check};
use super::report::{Report, SPEC};
use super::selector::Targets;
use crate::document::PathRef;
use crate::resources::Object;
use crate::resources::authorization_policy::{Action, AuthorizationPolicy, Condition, Operation, RequestSource, Rule};

pub(super) fn validate(object: &Object<AuthorizationPolicy>, report: &mut Report<'_>) {
    let policy = &object.spec;
    let targets = Targets {
        selector: policy.selector.as_ref(),
        target_ref: policy.target_ref.as_ref(),
        target_refs: &policy.target_refs,
    };
    targets.validate(SPEC, report);
    let rules = SPEC.key("rules");
    report.max_items(rules, policy.rules.len(), 512);
    if matches!(policy.action, Action::Deny | Action::Custom) && !report.is_set(rules) {
        let message = "without rules the action never happens; an empty rule {} matches every request";
        report.required(rules, message);
    }
    let named = policy.provider.as_ref().is_some_and(|provider| provider.name.is_some());
    if policy.action == Action::Custom && !named && report.is_set(rules) {
        report.required(SPEC.key("provider").key("name"), "the action CUSTOM needs the name of a provider");
    }
    if policy.action != Action::Custom && policy.provider.is_some() {
        report.error(SPEC.key("provider"), "provider", "it is possible only with the action CUSTOM");
    }
    for (index, rule) in policy.rules.iter().enumerate() {
        let path = rules.index(index);
        validate_rule(rule, path, report);
        if policy.action == Action::Custom {
            not_with_custom(rule, path, report);
        }
        if policy.action == Action::Deny && denies_all_bytes(rule) {
            let message = "the rule has attributes of HTTP only and denies all connections to TCP ports; name a port";
            report.warning(path, "denies-tcp", message);
        }
    }
}

fn validate_rule(rule: &Rule, path: PathRef<'_>, report: &mut Report<'_>) {
    let from = path.key("from");
    report.max_items(from, rule.from.len(), 512);
    for (field, empty) in [("from", rule.from.is_empty()), ("to", rule.to.is_empty())] {
        if empty && report.is_set(path.key(field)) {
            report.error(path.key(field), "empty", "must not be empty; leave it out if it does not matter");
        }
    }
    for (index, found) in rule.from.iter().enumerate() {
        let here = from.index(index);
        match &found.source {
            None => report.required(here.key("source"), "must be set"),
            Some(source) => validate_source(source, here.key("source"), report),
        }
    }
    let to = path.key("to");
    for (index, found) in rule.to.iter().enumerate() {
        let here = to.index(index);
        match &found.operation {
            None => report.required(here.key("operation"), "must be set"),
            Some(operation) => validate_operation(operation, here.key("operation"), report),
        }
    }
    let when = path.key("when");
    for (index, condition) in rule.when.iter().enumerate() {
        validate_condition(condition, when.index(index), report);
    }
}

fn check_lists(lists: &[(&str, &[String], &[Check])], path: PathRef<'_>, report: &mut Report<'_>) {
    if lists.iter().all(|(_, values, _)| values.is_empty()) {
        report.error(path, "empty", "must not be empty; leave it out if it does not matter");
    }
    for (field, values, checks) in lists {
        let here = path.key(field);
        for (index, value) in values.iter().enumerate() {
            if let Some(message) = checks.iter().find_map(|check| check(value).err()) {
                report.error(here.index(index), "value", message);
            }
        }
    }
}

fn validate_source(source: &RequestSource, path: PathRef<'_>, report: &mut Report<'_>) {
    const ANY: &[Check] = &[values::not_empty];
    const DOMAIN: &[Check] = &[values::trust_domain];
    const ACCOUNT: &[Check] = &[values::service_account];
    const BLOCK: &[Check] = &[values::ip_block];
    let lists: [(&str, &[String], &[Check]); 14] = [
        ("principals", &source.principals, ANY),
        ("notPrincipals", &source.not_principals, ANY),
        ("requestPrincipals", &source.request_principals, ANY),
        ("notRequestPrincipals", &source.not_request_principals, ANY),
        ("namespaces", &source.namespaces, ANY),
        ("notNamespaces", &source.not_namespaces, ANY),
        ("serviceAccounts", &source.service_accounts, ACCOUNT),
        ("notServiceAccounts", &source.not_service_accounts, ACCOUNT),
        ("trustDomains", &source.trust_domains, DOMAIN),
        ("notTrustDomains", &source.not_trust_domains, DOMAIN),
        ("ipBlocks", &source.ip_blocks, BLOCK),
        ("notIpBlocks", &source.not_ip_blocks, BLOCK),
        ("remoteIpBlocks", &source.remote_ip_blocks, BLOCK),
        ("notRemoteIpBlocks", &source.not_remote_ip_blocks, BLOCK),
    ];
    check_lists(&lists, path, report);
    for field in ["serviceAccounts", "notServiceAccounts"] {
        let count = lists.iter().find(|(name, ..)| *name == field).map_or(0, |(_, values, _)| values.len());
        report.max_items(path.key(field), count, 16);
    }
    let set = |fields: &[&str]| fields.iter().any(|field| report.is_set(path.key(field)));
    if set(&["serviceAccounts", "notServiceAccounts"])
        && set(&["principals", "notPrincipals", "namespaces", "notNamespaces"])
    {
        report.error(path, "oneof", "serviceAccounts cannot be set beside namespaces or principals");
    }
}

fn validate_operation(operation: &Operation, path: PathRef<'_>, report: &mut Report<'_>) {
    const ANY: &[Check] = &[values::not_empty];
    const PORT: &[Check] = &[values::not_empty, values::port];
    const PATH: &[Check] = &[values::path];
    let lists: [(&str, &[String], &[Check]); 8] = [
        ("hosts", &operation.hosts, ANY),
        ("notHosts", &operation.not_hosts, ANY),
        ("ports", &operation.ports, PORT),
        ("notPorts", &operation.not_ports, PORT),
        ("methods", &operation.methods, ANY),
        ("notMethods", &operation.not_methods, ANY),
        ("paths", &operation.paths, PATH),
        ("notPaths", &operation.not_paths, PATH),
    ];
    check_lists(&lists, path, report);
}

fn validate_condition(condition: &Condition, path: PathRef<'_>, report: &mut Report<'_>) {
    if condition.key.is_empty() {
        report.required(path.key("key"), "the key of a condition must not be empty");
        return;
    }
    if condition.values.is_empty() && condition.not_values.is_empty() {
        report.required(path, "a condition must have values or notValues");
        return;
    }
    match values::attribute(&condition.key) {
        Err(message) => report.error(path.key("key"), "condition", message),
        Ok(check) => {
            for (field, found) in [("values", &condition.values), ("notValues", &condition.not_values)] {
                for (index, value) in found.iter().enumerate() {
                    let result = values::not_empty(value).and_then(|()| check(value));
                    report.check(path.key(field).index(index), "value", result);
                }
            }
        }
    }
}

/// The decision of somebody else comes first, before identities are known.
fn not_with_custom(rule: &Rule, path: PathRef<'_>, report: &mut Report<'_>) {
    const MESSAGE: &str = "it is not possible with the action CUSTOM";
    let from = path.key("from");
    for (index, source) in rule.from.iter().enumerate().filter_map(|(i, from)| Some((i, from.source.as_ref()?))) {
        let here = from.index(index);
        let here = here.key("source");
        for (field, values) in [
            ("namespaces", &source.namespaces),
            ("notNamespaces", &source.not_namespaces),
            ("serviceAccounts", &source.service_accounts),
            ("notServiceAccounts", &source.not_service_accounts),
            ("trustDomains", &source.trust_domains),
            ("notTrustDomains", &source.not_trust_domains),
            ("principals", &source.principals),
            ("notPrincipals", &source.not_principals),
            ("requestPrincipals", &source.request_principals),
            ("notRequestPrincipals", &source.not_request_principals),
        ] {
            if !values.is_empty() {
                report.error(here.key(field), "custom-action", MESSAGE);
            }
        }
    }
    let when = path.key("when");
    for (index, condition) in rule.when.iter().enumerate() {
        let key = condition.key.as_str();
        let identity = ["source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal"];
        if identity.contains(&key) || key.starts_with("request.auth.") {
            report.error(when.index(index).key("key"), "custom-action", MESSAGE);
        }
    }
}

/// At a TCP port, attributes of HTTP fall out of a rule; a rule of nothing else then denies everything.
fn denies_all_bytes(rule: &Rule) -> bool {
    let sources: Vec<_> = rule.from.iter().filter_map(|from| from.source.as_ref()).collect();
    let operations: Vec<_> = rule.to.iter().filter_map(|to| to.operation.as_ref()).collect();
    let from_has_tcp = sources.iter().any(|source| {
        [
            &source.principals,
            &source.not_principals,
            &source.ip_blocks,
            &source.not_ip_blocks,
            &source.namespaces,
            &source.not_namespaces,
            &source.remote_ip_blocks,
            &source.not_remote_ip_blocks,
            &source.service_accounts,
            &source.not_service_accounts,
        ]
        .iter()
        .any(|values| !values.is_empty())
    });
    let to_has_tcp = operations.iter().any(|op| !op.ports.is_empty() || !op.not_ports.is_empty());
    !sources.is_empty() && operations.is_empty() && !from_has_tcp || !operations.is_empty() && !to_has_tcp
}
