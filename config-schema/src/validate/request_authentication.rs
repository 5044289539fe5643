use super::header::strict_name;
use super::report::{Report, SPEC};
use super::selector::Targets;
use super::url;
use crate::document::PathRef;
use crate::resources::Object;
use crate::resources::request_authentication::{JwtRule, RequestAuthentication};

pub(super) fn validate(object: &Object<RequestAuthentication>, report: &mut Report<'_>) {
    let policy = &object.spec;
    let targets = Targets {
        selector: policy.selector.as_ref(),
        target_ref: policy.target_ref.as_ref(),
        target_refs: &policy.target_refs,
    };
    targets.validate(SPEC, report);
    let rules = SPEC.key("jwtRules");
    report.max_items(rules, policy.jwt_rules.len(), 4096);
    for (index, rule) in policy.jwt_rules.iter().enumerate() {
        jwt_rule(rule, rules.index(index), report);
    }
}

fn jwt_rule(rule: &JwtRule, path: PathRef<'_>, report: &mut Report<'_>) {
    report.not_empty(path.key("issuer"));
    let uri = path.key(if report.is_set(path.key("jwks_uri")) { "jwks_uri" } else { "jwksUri" });
    report.not_empty(uri);
    report.at_most_one(path, &["jwksUri", "jwks_uri", "jwks"]);
    if rule.issuer.is_none() && rule.jwks_uri.is_none() {
        report.required(path, "a rule must have issuer or jwksUri");
    }
    if let Some(text) = &rule.jwks_uri {
        report.max_length(uri, text, 2048);
        if !matches!(url::scheme(text).as_deref(), Some("http" | "https")) {
            report.error(uri, "url", format!("{text:?} is not a URL with the scheme http or https"));
        }
    }
    if let Some(jwks) = &rule.jwks {
        key_set(jwks, path.key("jwks"), report);
    }
    for (field, values) in [
        ("audiences", &rule.audiences),
        ("fromParams", &rule.from_params),
        ("fromCookies", &rule.from_cookies),
        ("spaceDelimitedClaims", &rule.space_delimited_claims),
    ] {
        for index in 0..values.len() {
            report.not_empty(path.key(field).index(index));
        }
    }
    report.max_items(path.key("spaceDelimitedClaims"), rule.space_delimited_claims.len(), 64);
    for index in 0..rule.from_headers.len() {
        report.not_empty(path.key("fromHeaders").index(index).key("name"));
    }
    let outputs = path.key("outputClaimToHeaders");
    for (index, output) in rule.output_claim_to_headers.iter().enumerate() {
        let here = outputs.index(index);
        report.not_empty(here.key("claim"));
        report.check(here.key("header"), "header", strict_name(&output.header));
    }
    report.duration(path.key("timeout"), rule.timeout);
}

/// A JSON Web Key Set, or a single key. Only its outside is judged: unknown kinds of keys are left alone.
fn key_set(text: &str, path: PathRef<'_>, report: &mut Report<'_>) {
    let Ok(serde_json::Value::Object(set)) = serde_json::from_str(text) else {
        return report.error(path, "jwks", "must be a JSON Web Key Set, an object with the field keys");
    };
    let single = [serde_json::Value::Object(set.clone())];
    let keys = match set.get("keys") {
        Some(serde_json::Value::Array(keys)) => keys.as_slice(),
        Some(_) => return report.error(path, "jwks", "the field keys must be a list"),
        None if set.contains_key("kty") => &single,
        None => return report.error(path, "jwks", "must be a JSON Web Key Set, an object with the field keys"),
    };
    for (index, key) in keys.iter().enumerate() {
        let kind = key.get("kty").and_then(serde_json::Value::as_str);
        match kind {
            None => report.error(path, "jwks", format!("the key {index} has no field kty")),
            Some("RSA" | "EC" | "OKP") if key.get("d").is_none() => {}
            Some("RSA" | "EC" | "OKP" | "oct") => {
                let message = format!("the key {index} is a secret; tokens are verified with public keys only");
                report.warning(path, "private-key", message);
            }
            Some(kind) => report.error(path, "jwks", format!("the key {index} is of the unknown kind {kind:?}")),
        }
    }
}
