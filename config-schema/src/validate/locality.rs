use std::collections::BTreeSet;

use super::report::Report;
use crate::document::PathRef;
use crate::resources::destination_rule::{LocalityFailover, LocalityLbSetting, ZoneAwareLbSetting};

const TOPOLOGY_LABELS: [&str; 3] =
    ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];

/// `has_outlier_detection`: failover depends on endpoints being found faulty.
pub(super) fn locality(
    setting: Option<&LocalityLbSetting>,
    has_outlier_detection: bool,
    path: PathRef<'_>,
    report: &mut Report<'_>,
) {
    let Some(setting) = setting else { return };
    if !setting.distribute.is_empty() && !setting.failover.is_empty() {
        report.error(path, "oneof", "only one of distribute and failover may be set");
        return;
    }
    let priorities = path.key("failoverPriority");
    if !setting.failover.is_empty() {
        for (index, label) in setting.failover_priority.iter().enumerate() {
            if TOPOLOGY_LABELS.contains(&label.as_str()) {
                report.error(priorities.index(index), "locality", "it contradicts failover, which orders regions too");
            }
        }
    }
    distribute(setting, path.key("distribute"), report);
    needs_outlier_detection(&setting.failover, &setting.failover_priority, has_outlier_detection, path, report);
    failover(&setting.failover, path.key("failover"), report);
}

pub(super) fn zone_aware(
    setting: Option<&ZoneAwareLbSetting>,
    has_outlier_detection: bool,
    path: PathRef<'_>,
    report: &mut Report<'_>,
) {
    let Some(setting) = setting else { return };
    let priorities = path.key("failoverPriority");
    for (index, label) in setting.failover_priority.iter().enumerate() {
        if TOPOLOGY_LABELS.contains(&label.as_str()) {
            report.error(priorities.index(index), "locality", "regions and zones are ordered without being named");
        }
    }
    if setting.min_cluster_size == Some(0) {
        report.error(path.key("minClusterSize"), "range", "must be at least 1");
    }
    needs_outlier_detection(&setting.failover, &setting.failover_priority, has_outlier_detection, path, report);
    failover(&setting.failover, path.key("failover"), report);
}

fn needs_outlier_detection(
    failover: &[LocalityFailover],
    priority: &[String],
    has_outlier_detection: bool,
    path: PathRef<'_>,
    report: &mut Report<'_>,
) {
    let fails_over = !failover.is_empty() || !priority.is_empty();
    if fails_over && !has_outlier_detection {
        report.warning(path, "locality", "failover has no effect without outlierDetection");
    }
}

fn failover(failovers: &[LocalityFailover], path: PathRef<'_>, report: &mut Report<'_>) {
    for (index, failover) in failovers.iter().enumerate() {
        let here = path.index(index);
        if failover.from == failover.to {
            report.error(here, "locality", "from and to must be different regions");
        }
        for (region, field) in [(&failover.from, "from"), (&failover.to, "to")] {
            let region = region.as_deref().unwrap_or_default();
            if region.contains('/') {
                report.error(here.key(field), "locality", "must be a region, without zone");
            }
            if region.contains('*') {
                report.error(here.key(field), "locality", "must be a region, without wildcard");
            }
        }
    }
}

fn distribute(setting: &LocalityLbSetting, path: PathRef<'_>, report: &mut Report<'_>) {
    let mut sources = Localities::default();
    for (index, distribute) in setting.distribute.iter().enumerate() {
        let here = path.index(index);
        report.check(here.key("from"), "locality", sources.add(distribute.from.as_deref().unwrap_or_default(), true));
        let to = here.key("to");
        let mut targets = Localities::default();
        let mut total = 0_u64;
        for (locality, weight) in &distribute.to {
            if !(1..=100).contains(weight) {
                report.error(to.key(locality), "range", format!("a share must be in the range 1-100, is {weight}"));
            }
            total += u64::from(*weight);
            report.check(to.key(locality), "locality", targets.add(locality, false));
        }
        if total != 100 {
            report.error(to, "range", format!("the shares must be 100 together, are {total}"));
        }
    }
}

/// Localities `region/zone/subzone`, of which none may contain another.
#[derive(Default)]
struct Localities {
    seen: BTreeSet<Vec<String>>,
}

impl Localities {
    /// Where the first one that fits counts (`in_order`), a wildcard may come behind what it contains.
    fn add(&mut self, locality: &str, in_order: bool) -> Result<(), String> {
        let wildcards = locality.matches('*').count();
        if wildcards > 1 || wildcards == 1 && !locality.ends_with('*') {
            return Err(format!("{locality:?} may have one wildcard, at the end"));
        }
        let mut parts: Vec<String> = locality.splitn(3, '/').map(str::to_owned).collect();
        if parts.iter().any(String::is_empty) {
            return Err(format!("{locality:?} must not have an empty region, zone or subzone"));
        }
        while parts.last().is_some_and(|part| part == "*") {
            parts.pop();
        }
        let is_contained = self.seen.iter().any(|seen| parts.starts_with(seen));
        let contains = self.seen.iter().any(|seen| seen.starts_with(&parts));
        if is_contained || contains && !(in_order && wildcards == 1) {
            return Err(format!("{locality:?} overlaps with another locality"));
        }
        self.seen.insert(parts);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localities_may_not_contain_one_another() {
        for (localities, fine) in [
            (&["r1/z1/s1", "r1/z1/s2", "r1/z2/*", "r2/*"][..], true),
            (&["r1/*", "r1/z1"], false),
            (&["r1/z1/s1", "r1/z1/*"], false),
            (&["*", "r1"], false),
            (&["r1/z1", "r1/z1"], false),
            (&["r1//s1"], false),
            (&[""], false),
            (&["r*/z"], false),
            (&["*/*"], false),
        ] {
            assert_eq!(are_fine(localities, false), fine, "{localities:?}");
        }
    }

    #[test]
    fn in_order_a_wildcard_may_come_last() {
        for (localities, fine) in [
            (&["r1/z1/*", "r1/*", "*"][..], true),
            (&["r1/z1/s1", "r1/z1/*"], true),
            (&["r1/*", "r1/z1/*"], false),
            (&["r1/z1", "r1"], false),
            (&["r1/*", "r1/*"], false),
        ] {
            assert_eq!(are_fine(localities, true), fine, "{localities:?}");
        }
    }

    fn are_fine(localities: &[&str], in_order: bool) -> bool {
        let mut seen = Localities::default();
        localities.iter().all(|locality| seen.add(locality, in_order).is_ok())
    }
}
