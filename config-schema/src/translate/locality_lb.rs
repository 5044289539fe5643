//! Locality load balancing: priorities and weights of the localities of a cluster as one proxy sees them.

use std::collections::{BTreeMap, BTreeSet};

use super::labels::{Labels, NETWORK_LABEL, PREFER_SAME_NODE, PREFER_SAME_ZONE, parse_locality};
use super::registry::{Instance, Service, TrafficDistribution};
use crate::resources::MeshConfig;
use crate::resources::destination_rule::{
    LoadBalancerSettings, LocalityDistribute, LocalityFailover, LocalityLbSetting, ZoneAwareLbSetting,
};
use crate::snapshot::Locality;

/// Endpoints of one locality and priority, in the making.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) locality: Locality,
    pub(super) priority: u32,
    pub(super) weight: u32,
    pub(super) instances: Vec<Instance>,
}

/// What decides about localities for a service.
#[derive(Debug, Clone)]
pub(super) enum LocalitySetting {
    /// Prefer near ones, or send shares.
    Locality {
        /// The setting.
        setting: LocalityLbSetting,
        /// Also without outlier detection.
        force: bool,
    },
    /// Prefer the region.
    ZoneAware(ZoneAwareLbSetting),
}

impl LocalitySetting {
    /// The rule's setting, else the service's preference, else the mesh's. `None` if it is switched off.
    pub(super) fn new(rule: Option<&LoadBalancerSettings>, service: &Service, mesh: &MeshConfig) -> Option<Self> {
        if let Some(setting) = rule.and_then(|rule| rule.zone_aware_lb_setting.as_ref()) {
            return Some(Self::ZoneAware(setting.clone()));
        }
        let enabled = |setting: LocalityLbSetting| {
            (setting.enabled != Some(false)).then_some(Self::Locality { setting, force: false })
        };
        if let Some(setting) = rule.and_then(|rule| rule.locality_lb_setting.as_ref()) {
            return enabled(setting.clone());
        }
        let preferred: &[&str] = match service.distribution {
            TrafficDistribution::Any => &[],
            TrafficDistribution::SameZone => &PREFER_SAME_ZONE,
            TrafficDistribution::SameNode => &PREFER_SAME_NODE,
        };
        if !preferred.is_empty() {
            let failover_priority = preferred.iter().map(|label| (*label).to_owned()).collect();
            let setting = LocalityLbSetting { failover_priority, ..LocalityLbSetting::default() };
            return Some(Self::Locality { setting, force: true });
        }
        if let Some(setting) = &mesh.zone_aware_lb_setting {
            return Some(Self::ZoneAware(setting.clone()));
        }
        enabled(mesh.locality_lb_setting())
    }

    /// Localities of a priority are weighed by their endpoints' weights or by shares. `outlier` says whether
    /// outlier detection is on.
    pub(super) fn weighted(&self, outlier: bool) -> bool {
        match self {
            Self::Locality { setting, force } => {
                let failover = !setting.failover.is_empty() || !setting.failover_priority.is_empty();
                !setting.distribute.is_empty() || (outlier || *force) && failover
            }
            Self::ZoneAware(_) => false,
        }
    }

    /// Gives groups their priorities and weights.
    pub(super) fn apply(&self, groups: Vec<Group>, proxy: &Locality, labels: &Labels, outlier: bool) -> Vec<Group> {
        match self {
            Self::Locality { setting, .. } if !setting.distribute.is_empty() => {
                distribute(groups, proxy, &setting.distribute)
            }
            Self::Locality { setting, force } if outlier || *force => {
                let by_label = !setting.failover_priority.is_empty();
                let groups = if by_label { by_labels(groups, labels, &setting.failover_priority) } else { groups };
                if by_label && setting.failover.is_empty() {
                    return groups;
                }
                let priority = |locality: &Locality| by_place(proxy, locality, &setting.failover);
                refine(groups, 5, priority)
            }
            Self::Locality { .. } => groups,
            Self::ZoneAware(setting) if setting.enabled == Some(false) => groups,
            Self::ZoneAware(setting) => {
                let by_label = !setting.failover_priority.is_empty();
                let groups = if by_label { by_labels(groups, labels, &setting.failover_priority) } else { groups };
                refine(groups, 3, |locality: &Locality| by_region(proxy, locality, &setting.failover))
            }
        }
    }
}

/// 0 for the same place, 1 for the same zone, 2 for the same region, 3 for the rest. With a region that takes over for
/// the proxy's, the other regions come behind it.
fn by_place(proxy: &Locality, other: &Locality, failover: &[LocalityFailover]) -> u32 {
    if proxy.region != other.region {
        let named = failover.iter().find(|entry| entry.from.as_deref() == Some(&proxy.region));
        return if named.is_some_and(|entry| entry.to.as_deref() != Some(&other.region)) { 4 } else { 3 };
    }
    match (proxy.zone == other.zone, proxy.subzone == other.subzone) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => 2,
    }
}

/// 0 for the same region, 1 for the one that takes over for it, 2 for the rest.
fn by_region(proxy: &Locality, other: &Locality, failover: &[LocalityFailover]) -> u32 {
    if proxy.region == other.region {
        return 0;
    }
    let named = failover.iter().find(|entry| entry.from.as_deref() == Some(&proxy.region));
    if named.is_some_and(|entry| entry.to.as_deref() == Some(&other.region)) { 1 } else { 2 }
}

/// Divides each priority into up to `steps` by place, and numbers the result without gaps.
fn refine(mut groups: Vec<Group>, steps: u32, place: impl Fn(&Locality) -> u32) -> Vec<Group> {
    for group in &mut groups {
        group.priority = group.priority * steps + place(&group.locality);
    }
    without_gaps(groups)
}

fn without_gaps(mut groups: Vec<Group>) -> Vec<Group> {
    let used: BTreeSet<u32> = groups.iter().map(|group| group.priority).collect();
    let ranks: BTreeMap<u32, u32> = used.into_iter().zip(0..).collect();
    for group in &mut groups {
        group.priority = ranks.get(&group.priority).copied().unwrap_or_default();
    }
    groups
}

/// Priorities by how many labels, in order, agree with the proxy's (or with the value that is given).
fn by_labels(groups: Vec<Group>, proxy: &Labels, wanted: &[String]) -> Vec<Group> {
    if proxy.is_empty() {
        return groups;
    }
    let own_network = wanted.first().is_some_and(|first| first == NETWORK_LABEL);
    let wanted: Vec<(&str, Option<&str>)> = wanted.iter().map(|entry| wanted_label(entry, proxy)).collect();
    let mut divided = Vec::new();
    for group in groups {
        let mut by_priority: BTreeMap<u32, Vec<Instance>> = BTreeMap::new();
        for instance in group.instances {
            by_priority.entry(label_priority(&instance.who.labels, &wanted, own_network)).or_default().push(instance);
        }
        for (priority, instances) in by_priority {
            let weight = instances.iter().map(|instance| instance.weight).sum();
            divided.push(Group { locality: group.locality.clone(), priority, weight, instances });
        }
    }
    without_gaps(divided)
}

/// `label=value`, or a label with the proxy's value; with a second `=` the values are not heeded.
fn wanted_label<'w>(entry: &'w str, proxy: &'w Labels) -> (&'w str, Option<&'w str>) {
    let (label, value) = entry.split_once('=').map_or((entry, None), |(label, value)| (label, Some(value)));
    let given = value.filter(|value| !value.contains('='));
    (label, given.or_else(|| proxy.get(label).map(String::as_str)))
}

fn label_priority(endpoint: &Labels, wanted: &[(&str, Option<&str>)], own_network: bool) -> u32 {
    let lowest = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
    let mut foreign_network = 0;
    for (index, (label, value)) in (0..).zip(wanted) {
        if endpoint.get(*label).map(String::as_str).unwrap_or_default() == value.unwrap_or_default() {
            continue;
        }
        // Another network comes after everything in the own one, and is ranked within itself.
        if index == 0 && own_network {
            foreign_network = lowest;
            continue;
        }
        return foreign_network + lowest - index;
    }
    foreign_network
}

/// Shares by locality for the first entry that is about the proxy's; localities that it does not list get nothing.
fn distribute(mut groups: Vec<Group>, proxy: &Locality, entries: &[LocalityDistribute]) -> Vec<Group> {
    let Some(entry) = entries.iter().find(|entry| covers(entry.from.as_deref().unwrap_or_default(), proxy)) else {
        return groups;
    };
    let mut shares: Vec<(&str, u32)> = entry.to.iter().map(|(place, share)| (place.as_str(), *share)).collect();
    // The narrowest first, so that a wildcard gets what is left.
    shares.sort_by_key(|(place, _)| (place.contains('*'), std::cmp::Reverse(place.len())));
    let mut listed = vec![false; groups.len()];
    for (place, share) in shares {
        let members: Vec<usize> =
            (0..groups.len()).filter(|index| !listed[*index] && covers(place, &groups[*index].locality)).collect();
        let total: u32 = members.iter().map(|index| groups[*index].weight).sum();
        for index in members {
            listed[index] = true;
            let weight = f64::from(groups[index].weight) * f64::from(share) / f64::from(total.max(1));
            if weight > 0.0 {
                groups[index].weight = weight.ceil() as u32;
            }
        }
    }
    let mut listed = listed.into_iter();
    groups.retain(|_| listed.next().unwrap_or(false));
    groups
}

/// `region/zone/subzone` with `*` covers a locality; parts that are left out cover everything.
fn covers(pattern: &str, locality: &Locality) -> bool {
    let pattern = parse_locality(pattern);
    let part = |pattern: &str, value: &str| pattern == "*" || pattern.is_empty() || pattern == value;
    (pattern.region == "*" || pattern.region == locality.region)
        && part(&pattern.zone, &locality.zone)
        && part(&pattern.subzone, &locality.subzone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Locality {
        parse_locality(text)
    }

    fn groups(places: &[&str]) -> Vec<Group> {
        places.iter().map(|text| Group { locality: place(text), weight: 1, ..Group::default() }).collect()
    }

    fn priorities(groups: &[Group]) -> Vec<u32> {
        groups.iter().map(|group| group.priority).collect()
    }

    fn failover(from: &str, to: &str) -> LocalityFailover {
        LocalityFailover { from: Some(from.into()), to: Some(to.into()) }
    }

    #[test]
    fn nearest_first() {
        let setting = LocalitySetting::Locality { setting: LocalityLbSetting::default(), force: false };
        let places = ["r1/z1/s1", "r1/z1/s2", "r1/z2/s1", "r2/z1/s1"];
        let apply = |outlier| setting.apply(groups(&places), &place("r1/z1/s1"), &Labels::new(), outlier);
        assert_eq!(priorities(&apply(true)), [0, 1, 2, 3]);
        assert_eq!(priorities(&apply(false)), [0, 0, 0, 0]);
    }

    #[test]
    fn priorities_have_no_gaps() {
        let setting = LocalitySetting::Locality { setting: LocalityLbSetting::default(), force: true };
        let result = setting.apply(groups(&["r2/z/", "r1/z9/"]), &place("r1/z1/"), &Labels::new(), false);
        assert_eq!(priorities(&result), [1, 0]);
    }

    #[test]
    fn a_region_that_takes_over() {
        let setting = LocalityLbSetting { failover: vec![failover("r1", "r3")], ..LocalityLbSetting::default() };
        let setting = LocalitySetting::Locality { setting, force: true };
        let result = setting.apply(groups(&["r1/z/", "r2/z/", "r3/z/"]), &place("r1/z/"), &Labels::new(), false);
        assert_eq!(priorities(&result), [0, 2, 1]);
    }

    #[test]
    fn zone_aware_keeps_the_region_together() {
        let setting = ZoneAwareLbSetting { failover: vec![failover("r1", "r3")], ..ZoneAwareLbSetting::default() };
        let setting = LocalitySetting::ZoneAware(setting);
        let places = ["r1/z1/", "r1/z2/", "r2/z/", "r3/z/"];
        let result = setting.apply(groups(&places), &place("r1/z1/"), &Labels::new(), false);
        assert_eq!(priorities(&result), [0, 0, 2, 1]);
    }

    #[test]
    fn shares() {
        let to = BTreeMap::from([("r1/z1/*".to_owned(), 80), ("r2/*".to_owned(), 20)]);
        let entries = [LocalityDistribute { from: Some("r1/*".into()), to }];
        let result = distribute(groups(&["r1/z1/", "r1/z2/", "r2/z1/", "r2/z2/"]), &place("r1/z1/"), &entries);
        let weights: Vec<_> = result.iter().map(|group| (group.locality.to_string(), group.weight)).collect();
        assert_eq!(weights, [("r1/z1/".to_owned(), 80), ("r2/z1/".to_owned(), 10), ("r2/z2/".to_owned(), 10)]);
    }

    #[test]
    fn labels_in_order() {
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let wanted = [("a", Some("1")), ("b", Some("2"))];
        assert_eq!(label_priority(&labels(&[("a", "1"), ("b", "2")]), &wanted, false), 0);
        assert_eq!(label_priority(&labels(&[("a", "1")]), &wanted, false), 1);
        assert_eq!(label_priority(&labels(&[("b", "2")]), &wanted, false), 2);
        let wanted = [(NETWORK_LABEL, Some("n1")), ("a", Some("1"))];
        assert_eq!(label_priority(&labels(&[("a", "1")]), &wanted, true), 2);
        assert_eq!(label_priority(&labels(&[]), &wanted, true), 3);
    }
}
