//! Which DestinationRule holds for a host, and what several rules for one host make together.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::health_check::health_check;
use super::host::{covering_wildcards, resolve_short_name};
use super::labels::{Labels, selects};
use super::registry::Service;
use super::report::{Reports, object_ref};
use crate::resources::destination_rule::{Subset, TrafficPolicy};
use crate::resources::{DestinationRule, MeshConfig, Object, Resources};
use crate::snapshot::{HealthCheck, ObjectRef};

/// One or more DestinationRules of one host and namespace.
#[derive(Debug, Clone)]
pub(super) struct MergedRule {
    pub(super) host: String,
    namespace: String,
    /// The objects, the one whose policy holds first.
    pub(super) from: Vec<ObjectRef>,
    pub(super) traffic_policy: Option<TrafficPolicy>,
    pub(super) subsets: Vec<Subset>,
    pub(super) health_check: Option<HealthCheck>,
    /// Labels of the only workloads it is for.
    pub(super) workload_selector: Option<Labels>,
    export_to: BTreeSet<String>,
}

impl MergedRule {
    fn new(rule: &Object<DestinationRule>, export_to: BTreeSet<String>) -> Self {
        Self {
            host: resolve_short_name(&rule.spec.host, &rule.meta.namespace).into_owned(),
            namespace: rule.meta.namespace.clone(),
            from: vec![object_ref(rule)],
            traffic_policy: rule.spec.traffic_policy.clone(),
            subsets: rule.spec.subsets.clone(),
            health_check: health_check(rule),
            workload_selector: rule.spec.workload_selector.as_ref().map(|selector| selector.match_labels.clone()),
            export_to,
        }
    }

    /// The subset called `name`.
    pub(super) fn subset(&self, name: &str) -> Option<&Subset> {
        self.subsets.iter().find(|subset| subset.name == name)
    }

    /// `NAMESPACE/NAME` of the object whose policy holds.
    pub(super) fn name(&self) -> String {
        self.from.first().map(|rule| format!("{}/{}", rule.namespace, rule.name)).unwrap_or_default()
    }
}

type Rules = Vec<Arc<MergedRule>>;

/// Rules by host.
#[derive(Debug, Default)]
struct RulesByHost(HashMap<String, Rules>);

impl RulesByHost {
    /// The rules of the host itself, else of the longest wildcard that stands for it.
    fn most_specific(&self, host: &str) -> Option<&Rules> {
        self.0.get(host).or_else(|| covering_wildcards(host).find_map(|wildcard| self.0.get(&wildcard)))
    }

    /// Adds a rule: to those of its host whose `exportTo` is the same or a part of its own, else beside them.
    fn add(&mut self, rule: &Object<DestinationRule>, export_to: &BTreeSet<String>, reports: &mut Reports) {
        let new = MergedRule::new(rule, export_to.clone());
        let of_host = self.0.entry(new.host.clone()).or_default();
        // What the last rule that is looked at says, holds: Istio's order of things.
        let mut separately = true;
        for existing in of_host.iter_mut() {
            let wider = !existing.export_to.is_empty() && existing.export_to.is_subset(export_to);
            separately = existing.export_to != *export_to;
            if separately && !wider {
                continue;
            }
            match (&existing.workload_selector, &new.workload_selector) {
                (Some(one), Some(other)) if one != other => {
                    separately = true;
                    continue;
                }
                (None, None) | (Some(_), Some(_)) => separately = false,
                // One with a selector and one without: merged into the earlier, and lost by itself unless it is seen
                // more widely.
                _ => {}
            }
            merge(Arc::make_mut(existing), rule, reports);
        }
        if separately {
            of_host.push(Arc::new(new));
        }
    }
}

/// Adds the subsets of `rule`, and its policy where there is none yet.
fn merge(into: &mut MergedRule, rule: &Object<DestinationRule>, reports: &mut Reports) {
    let object = object_ref(rule);
    for (index, subset) in rule.spec.subsets.iter().enumerate() {
        if into.subset(&subset.name).is_some() {
            let message = format!(
                "subset {:?} is ignored: {} has one of this name for the same host; rename one of them",
                subset.name,
                into.name()
            );
            reports.warn(&object, format!("spec.subsets[{index}]"), "duplicate-subset", message);
        } else {
            into.subsets.push(subset.clone());
        }
    }
    match (&into.traffic_policy, &rule.spec.traffic_policy) {
        (None, Some(policy)) => into.traffic_policy = Some(policy.clone()),
        (Some(_), Some(_)) => {
            let message = format!(
                "ignored: {} is older and has a trafficPolicy for the same host {}; keep the policy in one rule",
                into.name(),
                into.host
            );
            reports.warn(&object, "spec.trafficPolicy".to_owned(), "shadowed-traffic-policy", message);
        }
        _ => {}
    }
    if into.health_check.is_none() {
        into.health_check = health_check(rule);
    }
    into.from.push(object);
}

/// All DestinationRules.
pub(super) struct DestinationRules {
    /// By namespace: the rules that proxies of this namespace use first.
    local: HashMap<String, RulesByHost>,
    /// By namespace: the rules that proxies of others may use.
    exported: HashMap<String, RulesByHost>,
    /// Rules of the root namespace for itself.
    root_private: RulesByHost,
    root_namespace: String,
}

impl DestinationRules {
    pub(super) fn new(resources: &Resources, mesh: &MeshConfig, reports: &mut Reports) -> Self {
        let mut index = Self {
            local: HashMap::new(),
            exported: HashMap::new(),
            root_private: RulesByHost::default(),
            root_namespace: mesh.root_namespace().to_owned(),
        };
        let private_by_default = mesh.default_destination_rule_export_to().contains(&".");
        let mut rules = resources.destination_rules.by_age();
        // Rules with a selector come first; the sort is stable.
        rules.sort_by_key(|rule| rule.spec.workload_selector.is_none());
        // Findings are made once, although a rule may stand in two indexes.
        let mut quiet = Reports::default();
        for rule in rules {
            let namespace = &rule.meta.namespace;
            let export_to: BTreeSet<String> = match &rule.spec.workload_selector {
                None => rule.spec.export_to.iter().cloned().collect(),
                Some(_) => std::iter::once(".".to_owned()).collect(),
            };
            let own = [".", "*", namespace.as_str()].iter().any(|entry| export_to.contains(*entry));
            let mut noted = false;
            if export_to.is_empty() || own {
                noted = true;
                add(&mut index.local, rule, &export_to, reports);
            }
            let reports = if noted { &mut quiet } else { &mut *reports };
            let only_own = export_to.len() == 1 && (export_to.contains(".") || export_to.contains(namespace));
            if !(only_own || export_to.is_empty() && private_by_default) {
                add(&mut index.exported, rule, &export_to, reports);
            } else if *namespace == index.root_namespace {
                index.root_private.add(rule, &export_to, reports);
            }
        }
        index
    }

    /// The rule for `service` on a proxy with `labels` in `namespace`.
    pub(super) fn find(&self, service: &Service, namespace: &str, labels: &Labels) -> Option<Arc<MergedRule>> {
        let rules = self.candidates(service, namespace)?;
        let selected = rules.iter().find(|rule| {
            let selector = rule.workload_selector.as_ref();
            rule.namespace == namespace && selector.is_some_and(|selector| selects(selector, labels))
        });
        selected.or_else(|| rules.iter().rfind(|rule| rule.workload_selector.is_none())).cloned()
    }

    /// The rules of the first place that has any for the host: the proxy's own namespace (the root namespace counts
    /// only with its private rules), the service's, the root.
    fn candidates(&self, service: &Service, namespace: &str) -> Option<Rules> {
        let host = &service.host;
        let own = if namespace == self.root_namespace {
            self.root_private.most_specific(host)
        } else {
            self.local.get(namespace).and_then(|rules| rules.most_specific(host))
        };
        if let Some(rules) = own {
            return Some(rules.clone());
        }
        let exported = |owner: &str| {
            let rules = self.exported.get(owner)?.most_specific(host)?;
            let visible = |rule: &&Arc<MergedRule>| {
                let export_to = &rule.export_to;
                export_to.is_empty() || export_to.contains("*") || export_to.contains(namespace)
            };
            let visible: Rules = rules.iter().filter(visible).cloned().collect();
            (!visible.is_empty()).then_some(visible)
        };
        exported(&service.namespace).or_else(|| exported(&self.root_namespace))
    }
}

fn add(
    index: &mut HashMap<String, RulesByHost>,
    rule: &Object<DestinationRule>,
    export_to: &BTreeSet<String>,
    reports: &mut Reports,
) {
    index.entry(rule.meta.namespace.clone()).or_default().add(rule, export_to, reports);
}
