//! Values in the rules of an AuthorizationPolicy.

use super::address::ip_or_cidr;

/// What a value must be like.
pub(super) type Check = fn(&str) -> Result<(), String>;

pub(super) fn not_empty(value: &str) -> Result<(), String> {
    if value.is_empty() { Err("a value must not be empty".to_owned()) } else { Ok(()) }
}

/// At most one wildcard, at one end.
pub(super) fn wildcard(value: &str) -> Result<(), String> {
    not_empty(value)?;
    match value.matches('*').count() {
        0 => Ok(()),
        1 if value.starts_with('*') || value.ends_with('*') => Ok(()),
        _ => Err(format!("{value:?} may have one wildcard, at its beginning or end")),
    }
}

pub(super) fn trust_domain(value: &str) -> Result<(), String> {
    wildcard(value)?;
    if value.contains('/') { Err(format!("the trust domain {value:?} must not have a slash")) } else { Ok(()) }
}

/// `account` or `namespace/account`.
pub(super) fn service_account(value: &str) -> Result<(), String> {
    not_empty(value)?;
    let wrong = || Err(format!("{value:?} must be ACCOUNT or NAMESPACE/ACCOUNT, without wildcards"));
    if value.len() > 320 {
        return Err(format!("a service account must have at most 320 characters, has {}", value.len()));
    }
    if value.contains('*') || value.split('/').count() > 2 || value.split('/').any(str::is_empty) {
        return wrong();
    }
    Ok(())
}

pub(super) fn port(value: &str) -> Result<(), String> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    if digits && value.parse::<u64>().is_ok_and(|port| port <= 65535) {
        Ok(())
    } else {
        Err(format!("{value:?} is not a port, 0-65535"))
    }
}

pub(super) fn ip_block(value: &str) -> Result<(), String> {
    ip_or_cidr(value)
}

/// A path, possibly with `{*}` for one segment and a final `{**}` for the rest.
pub(super) fn path(value: &str) -> Result<(), String> {
    not_empty(value)?;
    let template = value.contains("{*}") || value.contains("{**}");
    let mut rest_seen = false;
    for segment in value.trim_matches('/').split('/') {
        match segment {
            "{*}" | "{**}" if rest_seen => return Err(format!("{{**}} must be the last operator of {value:?}")),
            "{*}" => {}
            "{**}" => rest_seen = true,
            _ if segment.contains(['{', '}']) => {
                return Err(format!("{value:?} may have braces only as the segments {{*}} and {{**}}"));
            }
            _ if template && !is_literal(segment) => {
                return Err(format!("the segment {segment:?} of {value:?} must be plain text beside {{*}} and {{**}}"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_literal(segment: &str) -> bool {
    !segment.is_empty() && segment.chars().all(|c| c.is_ascii_alphanumeric() || "-._~%!$&'()+,;:@=".contains(c))
}

/// What a condition's key allows as values, or why there is no such key.
pub(super) fn attribute(key: &str) -> Result<Check, String> {
    let with_name = |prefix: &str| key.starts_with(prefix).then(|| has_name(key));
    for prefix in ["request.headers", "request.auth.claims", "experimental.envoy.filters."] {
        if let Some(result) = with_name(prefix) {
            return result.map(|()| not_empty as Check);
        }
    }
    match key {
        "source.ip" | "remote.ip" | "destination.ip" => Ok(ip_block),
        "source.serviceAccount" => Ok(service_account),
        "source.trustDomain" => Ok(wildcard),
        "destination.port" => Ok(port),
        "source.namespace"
        | "source.principal"
        | "request.auth.principal"
        | "request.auth.audiences"
        | "request.auth.presenter"
        | "connection.sni" => Ok(not_empty),
        "destination.namespace" => {
            Err("the namespace of the policy takes the place of destination.namespace".to_owned())
        }
        "destination.name" | "destination.user" => Err(format!("{key} does not exist any more")),
        _ if key.starts_with("destination.labels") => {
            Err("the selector of the policy takes the place of destination.labels".to_owned())
        }
        _ => Err(format!("{key:?} is not a key of a condition")),
    }
}

/// `prefix[name]`.
fn has_name(key: &str) -> Result<(), String> {
    let open = key.find('[').unwrap_or(0);
    if key.ends_with(']') && open > 0 && open + 2 < key.len() {
        Ok(())
    } else {
        Err(format!("{key:?} must have the form prefix[name]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_operators() {
        for (value, fine) in [
            ("/a", true),
            ("/a*", true),
            ("*/b", true),
            ("/a/{*}/b", true),
            ("/a/{*}/{**}", true),
            ("/{**}/edit", true),
            ("/a/{**}/{*}", false),
            ("/a/{**}/{**}", false),
            ("/a/b{*}", false),
            ("/a/{x}", false),
            ("/{*}/a*", false),
            ("/{*}//a", false),
            ("", false),
        ] {
            assert_eq!(path(value).is_ok(), fine, "{value}");
        }
    }

    #[test]
    fn keys_of_conditions() {
        for (key, fine) in [
            ("request.headers[x]", true),
            ("request.headers", false),
            ("request.headers[]", false),
            ("request.auth.claims[a][b]", true),
            ("source.ip", true),
            ("source.labels", false),
            ("destination.labels[x]", false),
            ("experimental.envoy.filters.a[b]", true),
        ] {
            assert_eq!(attribute(key).is_ok(), fine, "{key}");
        }
    }
}
