//! Rules of a VirtualService that no request can reach (Istio's IST0130), and matches that have no effect (IST0131).

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

use super::report::{Report, SPEC};
use crate::document::PathRef;
use crate::resources::virtual_service::{HttpMatchRequest, VirtualService};
use crate::resources::wire::StringMatch;

/// A rule can never be reached.
pub(super) const UNREACHABLE_RULE: &str = "unreachable-rule";
/// A match has no effect, since an earlier one takes everything.
pub(super) const INEFFECTIVE_MATCH: &str = "ineffective-match";

pub(super) fn validate(service: &VirtualService, report: &mut Report<'_>) {
    let nameless = |request: &HttpMatchRequest| HttpMatchRequest { name: None, ..request.clone() };
    let http: Vec<(Option<&str>, Vec<HttpMatchRequest>)> = service
        .http
        .iter()
        .map(|route| (route.name.as_deref(), route.r#match.iter().map(nameless).collect()))
        .collect();
    repeated(&http, SPEC.key("http"), report);
    overlapping(service, SPEC.key("http"), report);
    let tcp: Vec<_> = service.tcp.iter().map(|route| (None, route.r#match.clone())).collect();
    repeated(&tcp, SPEC.key("tcp"), report);
    let tls: Vec<_> = service.tls.iter().map(|route| (None, route.r#match.clone())).collect();
    repeated(&tls, SPEC.key("tls"), report);
}

fn rule_name(name: Option<&str>, index: usize) -> String {
    name.map_or_else(|| format!("#{index}"), |name| format!("{name:?}"))
}

fn repeated<M: Debug>(rules: &[(Option<&str>, Vec<M>)], path: PathRef<'_>, report: &mut Report<'_>) {
    let mut catch_all = false;
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, (name, matches)) in rules.iter().enumerate() {
        let here = path.index(index);
        let rule = rule_name(*name, index);
        if matches.is_empty() {
            if catch_all {
                let message = format!("rule {rule} is not used: only the last rule can have no matches");
                report.warning(here, UNREACHABLE_RULE, message);
            }
            catch_all = true;
            continue;
        }
        let mut duplicates = 0;
        for (number, request) in matches.iter().enumerate() {
            if catch_all {
                let message = format!("rule {rule} is not used: an earlier rule without matches takes everything");
                report.warning(here, UNREACHABLE_RULE, message);
                continue;
            }
            if let Some(first) = seen.get(&format!("{request:?}")) {
                let first = rule_name(rules[*first].0, *first);
                let message = format!("match #{number} of rule {rule} is not used: rule {first} has the same match");
                report.warning(here.key("match").index(number), INEFFECTIVE_MATCH, message);
                duplicates += 1;
            } else {
                seen.insert(format!("{request:?}"), index);
            }
        }
        if duplicates == matches.len() {
            let message = format!("rule {rule} is not used: earlier rules have all of its matches");
            report.warning(here, UNREACHABLE_RULE, message);
        }
    }
}

/// A match by path prefix, as far as it is compared with others.
struct Prefixed<'s> {
    rule: usize,
    number: usize,
    prefix: &'s str,
    request: &'s HttpMatchRequest,
}

fn overlapping(service: &VirtualService, path: PathRef<'_>, report: &mut Report<'_>) {
    let mut prefixed = Vec::new();
    let mut catch_all = false;
    let mut seen = HashSet::new();
    for (rule, route) in service.http.iter().enumerate() {
        catch_all |= route.r#match.is_empty();
        for (number, request) in route.r#match.iter().enumerate() {
            if catch_all || !seen.insert(format!("{:?}", HttpMatchRequest { name: None, ..request.clone() })) {
                continue;
            }
            if let Some(StringMatch::Prefix(prefix)) = &request.uri
                && !prefix.is_empty()
            {
                prefixed.push(Prefixed { rule, number, prefix, request });
            }
        }
    }
    let mut by_prefix: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, later) in prefixed.iter().enumerate() {
        let shorter = later.prefix.char_indices().filter_map(|(end, _)| by_prefix.get(&later.prefix[..end]));
        for earlier in shorter.flatten().map(|earlier| &prefixed[*earlier]).filter(|earlier| covers(earlier, later)) {
            let rule = rule_name(service.http[earlier.rule].name.as_deref(), earlier.rule);
            let message = format!(
                "the prefix {:?} is not used: rule {rule} takes everything under {:?}",
                later.prefix, earlier.prefix
            );
            report.warning(path.index(later.rule).key("match").index(later.number), INEFFECTIVE_MATCH, message);
        }
        by_prefix.entry(later.prefix).or_default().push(index);
    }
}

/// True if the earlier match, whose prefix is a beginning of the later one's, takes everything that the later one does.
fn covers(earlier: &Prefixed<'_>, later: &Prefixed<'_>) -> bool {
    let (one, other) = (earlier.request, later.request);
    one.port == other.port
        && text_covers(&method(one), &method(other))
        && text_covers(&text(one.authority.as_deref()), &text(other.authority.as_deref()))
        && maps_cover(&one.headers, &other.headers)
        && maps_cover(&one.query_params, &other.query_params)
        && maps_cover(&one.without_headers, &other.without_headers)
}

/// A matcher as text, by which Istio compares: a regular expression counts as none at all.
fn text(matcher: Option<&StringMatch>) -> String {
    match matcher {
        Some(StringMatch::Exact(text)) if !text.is_empty() => format!("exact:{text}"),
        Some(StringMatch::Prefix(text)) if !text.is_empty() => format!("prefix:{text}"),
        _ => String::new(),
    }
}

fn method(request: &HttpMatchRequest) -> String {
    let method = text(request.method.as_deref());
    if method.is_empty() { "exact:GET".to_owned() } else { method }
}

fn text_covers(earlier: &str, later: &str) -> bool {
    earlier.starts_with(later)
}

type Matchers = std::collections::BTreeMap<String, StringMatch>;

fn maps_cover(earlier: &Matchers, later: &Matchers) -> bool {
    earlier.len() == later.len()
        && earlier.iter().all(|(name, matcher)| {
            later.get(name).is_some_and(|other| text_covers(&text(Some(matcher)), &text(Some(other))))
        })
}
