use std::collections::BTreeSet;

use super::locality;
use super::report::Report;
use crate::document::PathRef;
use crate::resources::destination_rule::{ConsistentHashLb, HttpCookie, LoadBalancerSettings, MagLev, SimpleLb};

/// Larger tables than this are not possible.
const MAX_TABLE_SIZE: u64 = 5_000_011;

/// How an endpoint is picked.
pub(super) fn load_balancer(
    settings: Option<&LoadBalancerSettings>,
    has_outlier_detection: bool,
    path: PathRef<'_>,
    report: &mut Report<'_>,
) {
    let Some(settings) = settings else { return };
    report.at_most_one(path, &["simple", "consistentHash"]);
    if settings.simple == Some(SimpleLb::LeastConn) {
        report.warning(path.key("simple"), "deprecated", "LEAST_CONN is deprecated; use LEAST_REQUEST");
    }
    if let Some(hash) = &settings.consistent_hash {
        consistent_hash(hash, path.key("consistentHash"), report);
    }
    if settings.locality_lb_setting.is_some() && settings.zone_aware_lb_setting.is_some() {
        report.error(path, "oneof", "only one of localityLbSetting and zoneAwareLbSetting may be set");
    }
    let here = path.key("localityLbSetting");
    locality::locality(settings.locality_lb_setting.as_ref(), has_outlier_detection, here, report);
    let here = path.key("zoneAwareLbSetting");
    locality::zone_aware(settings.zone_aware_lb_setting.as_ref(), has_outlier_detection, here, report);
    if settings.warmup_duration_secs.is_some() {
        report.warning(path.key("warmupDurationSecs"), "deprecated", "deprecated; use warmup.duration");
    }
    report.duration(path.key("warmupDurationSecs"), settings.warmup_duration_secs);
    if let Some(warmup) = &settings.warmup {
        let here = path.key("warmup");
        report.duration(here.key("duration"), Some(warmup.duration));
        if warmup.minimum_percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
            report.error(here.key("minimumPercent"), "range", "must be in the range 0-100");
        }
        if warmup.aggression.is_some_and(|aggression| aggression <= 0.0) {
            report.error(here.key("aggression"), "range", "must be greater than 0");
        }
    }
}

fn consistent_hash(hash: &ConsistentHashLb, path: PathRef<'_>, report: &mut Report<'_>) {
    report.at_most_one(path, &["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"]);
    report.at_most_one(path, &["ringHash", "maglev"]);
    if let Some(cookie) = &hash.http_cookie {
        validate_cookie(cookie, path.key("httpCookie"), report);
    }
    if hash.minimum_ring_size.is_some() {
        let here = path.key("minimumRingSize");
        if hash.ring_hash.is_some() || hash.maglev.is_some() {
            report.error(here, "oneof", "only one of minimumRingSize, ringHash and maglev may be set");
        }
        report.warning(here, "deprecated", "deprecated; use ringHash.minimumRingSize");
    }
    if let Some(maglev) = &hash.maglev {
        validate_maglev(*maglev, path.key("maglev"), report);
    }
}

fn validate_cookie(cookie: &HttpCookie, path: PathRef<'_>, report: &mut Report<'_>) {
    if cookie.name.is_empty() {
        report.required(path.key("name"), "the name of a cookie must not be empty");
    }
    let attributes = path.key("attributes");
    let mut names = BTreeSet::new();
    for (index, attribute) in cookie.attributes.iter().enumerate() {
        let here = attributes.index(index);
        let here = here.key("name");
        if attribute.name.is_empty() {
            report.required(here, "the name of an attribute must not be empty");
        } else if !names.insert(&attribute.name) {
            report.error(here, "duplicate", format!("the attribute {:?} stands here twice", attribute.name));
        }
    }
}

fn validate_maglev(maglev: MagLev, path: PathRef<'_>, report: &mut Report<'_>) {
    let here = path.key("tableSize");
    match maglev.table_size {
        None => report.required(here, "must be set, to a prime number"),
        Some(size) if size >= MAX_TABLE_SIZE => {
            report.error(here, "range", format!("must be less than {MAX_TABLE_SIZE}"));
        }
        Some(size) if !is_prime(size) => report.error(here, "range", format!("{size} is not a prime number")),
        Some(_) => {}
    }
}

/// As Envoy counts, 1 is one.
fn is_prime(number: u64) -> bool {
    if number < 4 {
        return number != 0;
    }
    let divides = |factor: &u64| number.is_multiple_of(*factor);
    !divides(&2) && !(3..).step_by(2).take_while(|factor| factor * factor <= number).any(|factor| divides(&factor))
}
