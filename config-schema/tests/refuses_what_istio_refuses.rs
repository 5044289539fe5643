//! Istio's own cases for its CRDs and its webhook: the same objects are refused, for the same reason at the same place.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod oracles;

use std::fs;

use config_schema::Violation;
use config_schema::parse::parse_value;
use config_schema::validate::validate;
use serde_json::Value;

/// Where each refused case is wrong, and the name of our rule for it.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("authz-invalid-0-service-account-and-namespace", "spec.rules[0].from[0].source", "oneof"),
    ("authz-invalid-1-service-account-and-namespace-principal", "spec.rules[0].from[0].source", "oneof"),
    ("destinationrule-invalid-0-bookinfo-ratings", "spec.trafficPolicy.loadBalancer.warmup.minimumPercent", "range"),
    ("destinationrule-invalid-1-bookinfo-ratings", "spec.trafficPolicy.loadBalancer.warmup.duration", "required"),
    ("destinationrule-invalid-2-bookinfo-ratings", "spec.trafficPolicy.loadBalancer.warmup.aggression", "range"),
    ("peerauth-invalid-2-port-level-global", "spec.portLevelMtls", "port-level"),
    ("peerauth-invalid-4-zero-port", "spec.portLevelMtls.0", "port"),
    ("peerauth-invalid-5-high-port", "spec.portLevelMtls.42949672", "port"),
    ("proxyconfig-invalid-1-empty-key-selector", "spec.selector.matchLabels[\"\"]", "selector"),
    ("reqauth-invalid-1-ref-and-selector", "spec", "oneof"),
    ("reqauth-invalid-3-bad-target-namespace", "spec.targetRef.namespace", "target-ref"),
    ("reqauth-invalid-4-bad-target-group", "spec.targetRef.group", "target-ref"),
    ("reqauth-invalid-5-bad-target-kind", "spec.targetRef.kind", "target-ref"),
    ("reqauth-invalid-7-empty-aud", "spec.jwtRules[0].audiences[0]", "length"),
    ("reqauth-invalid-9-invalid-from-headers-no-name", "spec.jwtRules[0].fromHeaders[0].name", "required"),
    ("reqauth-invalid-10-invalid-from-headers-empty-name", "spec.jwtRules[0].fromHeaders[0].name", "length"),
    ("reqauth-invalid-12-invalid-from-cookies", "spec.jwtRules[0].fromCookies[0]", "length"),
    (
        "reqauth-invalid-15-invalid-claim-to-header-header-empty",
        "spec.jwtRules[0].outputClaimToHeaders[0].header",
        "header",
    ),
    (
        "reqauth-invalid-16-invalid-claim-to-header-bad-header",
        "spec.jwtRules[0].outputClaimToHeaders[0].header",
        "header",
    ),
    ("reqauth-invalid-17-bad-timeout", "spec.jwtRules[0].timeout", "duration"),
    ("reqauth-invalid-18-invalid-space-delimited-claims", "spec.jwtRules[0].spaceDelimitedClaims[0]", "length"),
    ("serviceentry-invalid-1-missing-host", "spec.hosts", "required"),
    ("serviceentry-invalid-3-selector-and-endpoints", "spec", "oneof"),
    ("serviceentry-invalid-4-bad-host-wildcard", "spec.hosts[0]", "host"),
    ("serviceentry-invalid-5-bad-cidr-resolution", "spec.addresses[0]", "address"),
    ("serviceentry-invalid-6-duplicate-ports-name", "spec.ports[1].name", "duplicate"),
    ("serviceentry-invalid-8-bad-port", "spec.ports[0].number", "port"),
    ("serviceentry-invalid-11-dns-rr-with-multiple-endpoints", "spec.endpoints", "resolution"),
    ("telemetry-invalid-1-bad-custom-metric", "spec.metrics[0].overrides[0].match.customMetric", "length"),
    ("telemetry-invalid-2-bad-tag-upsert", "spec.metrics[0].overrides[0].tagOverrides.foo.value", "required"),
    ("telemetry-invalid-3-bad-tag-remove", "spec.metrics[0].overrides[0].tagOverrides.foo.value", "tag"),
    ("wasm-invalid-1-unset-url", "spec.url", "length"),
    ("wasm-invalid-2-invalid-url", "spec.url", "url"),
    ("wasm-invalid-3-invalid-url-schema", "spec.url", "url"),
    ("wasm-invalid-5-invalid-imagePullSecret", "spec.imagePullSecret", "length"),
    ("wasm-invalid-7-duplicate-env", "spec.vmConfig.env[1].name", "duplicate"),
    ("wasm-invalid-12-nested-nil", "spec.url", "required"),
    ("wasm-invalid-13-invalid-selector", "spec.selector.matchLabels.istio", "selector"),
    ("wasm-invalid-14-invalid-selector", "spec.selector.matchLabels[\"istio*\"]", "selector"),
    ("workloadentry-invalid-0-no-spec", "spec", "required"),
    ("workloadentry-invalid-3-bad-uds-relative", "spec.address", "address"),
    ("workloadentry-invalid-4-uds-with-ports", "spec.ports", "address"),
    ("workloadentry-invalid-6-bad-port-name", "spec.ports[\"@\"]", "name"),
    ("workloadgroup-invalid-0-no-spec", "spec", "required"),
    ("workloadgroup-invalid-1-tcp-probe-invalid", "spec.probe.tcpSocket.port", "port"),
    ("workloadgroup-invalid-2-http-probe-invalid", "spec.probe.httpGet.httpHeaders[0].name", "header"),
];

#[test]
fn istio_validation_cases() {
    let Some(oracles) = oracles::folder("istio_validation_cases") else { return };
    let text = fs::read_to_string(oracles.join("validation/cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut problems = Vec::new();
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let outcome = parse_value("case", &case["object"]);
        let mut errors = outcome.violations;
        errors.extend(outcome.objects.iter().chain(&outcome.refused).flat_map(validate));
        errors.retain(Violation::is_error);
        let expected = EXPECTED.iter().find(|(case, ..)| *case == name);
        let as_expected = match (&case["error"], expected) {
            (Value::Null, None) => errors.is_empty(),
            (Value::String(_), Some((_, path, rule))) => errors.iter().any(|e| e.path == *path && e.rule == *rule),
            // A case that was not there when this was written: at least it is refused or not.
            (error, _) => error.is_null() == errors.is_empty(),
        };
        if !as_expected {
            let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
            problems.push(format!("{name}: Istio says {}, we say {found:?}", case["error"]));
        }
    }
    assert_eq!(problems, [""; 0]);
    assert!(cases.len() >= 62, "only {} cases", cases.len());
}
