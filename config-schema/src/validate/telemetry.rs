use super::report::{Report, SPEC};
use super::selector::Targets;
use crate::document::PathRef;
use crate::resources::Object;
use crate::resources::telemetry::{Metrics, MetricsOverrides, ProviderRef, TagOperation, Telemetry, Tracing};

pub(super) fn validate(object: &Object<Telemetry>, report: &mut Report<'_>) {
    let telemetry = &object.spec;
    let targets = Targets {
        selector: telemetry.selector.as_ref(),
        target_ref: telemetry.target_ref.as_ref(),
        target_refs: &telemetry.target_refs,
    };
    targets.validate(SPEC, report);
    let metrics = SPEC.key("metrics");
    for (index, found) in telemetry.metrics.iter().enumerate() {
        validate_metrics(found, metrics.index(index), report);
    }
    let tracing = SPEC.key("tracing");
    if telemetry.tracing.len() > 1 {
        report.warning(tracing, "unsupported", "only the first element counts");
    }
    for (index, found) in telemetry.tracing.iter().enumerate() {
        validate_tracing(found, tracing.index(index), report);
    }
    let logging = SPEC.key("accessLogging");
    for (index, found) in telemetry.access_logging.iter().enumerate() {
        providers(&found.providers, logging.index(index).key("providers"), report);
    }
}

fn providers(providers: &[ProviderRef], path: PathRef<'_>, report: &mut Report<'_>) {
    for (index, provider) in providers.iter().enumerate() {
        if provider.name.is_empty() {
            report.error(path.index(index).key("name"), "length", "the name of a provider must not be empty");
        }
    }
}

fn validate_metrics(metrics: &Metrics, path: PathRef<'_>, report: &mut Report<'_>) {
    providers(&metrics.providers, path.key("providers"), report);
    report.duration(path.key("reportingInterval"), metrics.reporting_interval);
    let overrides = path.key("overrides");
    for (index, found) in metrics.overrides.iter().enumerate() {
        validate_override(found, overrides.index(index), report);
    }
}

fn validate_override(found: &MetricsOverrides, path: PathRef<'_>, report: &mut Report<'_>) {
    let selector = path.key("match");
    report.at_most_one(selector, &["metric", "customMetric"]);
    report.not_empty(selector.key("customMetric"));
    let tags = path.key("tagOverrides");
    for (name, tag) in &found.tag_overrides {
        let here = tags.key(name);
        let value = here.key("value");
        if name.is_empty() {
            report.warning(here, "length", "the name of a label should not be empty");
        }
        match tag.operation {
            TagOperation::Upsert if tag.value.is_none() => {
                report.required(value, "must be set when the operation is UPSERT");
            }
            TagOperation::Remove if report.is_set(value) => {
                report.error(value, "tag", "must not be set when the operation is REMOVE");
            }
            _ => {}
        }
    }
}

fn validate_tracing(tracing: &Tracing, path: PathRef<'_>, report: &mut Report<'_>) {
    providers(&tracing.providers, path.key("providers"), report);
    if tracing.providers.len() > 1 {
        report.warning(path.key("providers"), "unsupported", "only the first provider counts");
    }
    if tracing.random_sampling_percentage.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        report.error(path.key("randomSamplingPercentage"), "range", "must be in the range 0-100");
    }
    let tags = path.key("customTags");
    for (name, tag) in &tracing.custom_tags {
        let here = tags.key(name);
        if name.is_empty() {
            report.error(here, "length", "the name of a tag must not be empty");
        }
        report.at_most_one(here, &["literal", "environment", "header", "formatter"]);
        for (field, inner, empty) in [
            ("literal", "value", tag.literal.as_ref().is_some_and(|found| found.value.is_empty())),
            ("formatter", "value", tag.formatter.as_ref().is_some_and(|found| found.value.is_empty())),
            ("header", "name", tag.header.as_ref().is_some_and(|found| found.name.is_empty())),
            ("environment", "name", tag.environment.as_ref().is_some_and(|found| found.name.is_empty())),
        ] {
            if empty {
                report.error(here.key(field).key(inner), "length", "must not be empty");
            }
        }
    }
}
