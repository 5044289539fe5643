//! Labels, names and hosts of DNS as Istio takes them: letters of both cases, dots at the end.

use super::address::is_ip;

/// A label of a DNS name: at most 63 letters, digits and inner hyphens.
pub(super) fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

/// A label, or one that begins with `*` or `*-`, or `*`.
fn is_wildcard_label(text: &str) -> bool {
    let rest = text.strip_prefix("*-").or_else(|| text.strip_prefix('*')).unwrap_or(text);
    text == "*" || text.len() <= 63 && is_dns_label(rest)
}

/// Names of Kubernetes objects: lower-case labels with dots between, 253 characters.
pub(super) fn is_object_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            edge(label.chars().next())
                && edge(label.chars().last())
                && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        })
}

fn length(domain: &str) -> Result<(), String> {
    match domain.len() {
        0 => Err("a host must not be empty".to_owned()),
        1..=255 => Ok(()),
        _ => Err(format!("the host {domain:?} has more than 255 characters")),
    }
}

fn dns_labels(domain: &str) -> Result<(), String> {
    let top = domain.rsplit('.').next().unwrap_or_default();
    if top.parse::<i64>().is_ok() {
        return Err(format!("the host {domain:?} ends in a number"));
    }
    if domain.is_empty() {
        return Ok(());
    }
    // A dot at the end makes a name absolute.
    let labels = domain.strip_suffix('.').unwrap_or(domain);
    match labels.split('.').find(|label| !is_dns_label(label)) {
        Some(label) => Err(format!("the host {domain:?} has the label {label:?}, which is not a DNS label")),
        None => Ok(()),
    }
}

/// A name without wildcards.
pub(super) fn fqdn(domain: &str) -> Result<(), String> {
    length(domain)?;
    dns_labels(domain)
}

/// A name whose first label may be or begin with a wildcard.
pub(super) fn wildcard_domain(domain: &str) -> Result<(), String> {
    length(domain)?;
    let (first, rest) = domain.split_once('.').map_or((domain, None), |(first, rest)| (first, Some(rest)));
    if !is_wildcard_label(first) {
        return Err(format!("the host {domain:?} has the label {first:?}, which is not a DNS label"));
    }
    rest.map_or(Ok(()), dns_labels)
}

/// Like [`wildcard_domain`]; with `sni` also the names of AUTO_PASSTHROUGH, `outbound_.80_.v1_.host`.
pub(super) fn gateway_domain(sni: bool, domain: &str) -> Result<(), String> {
    if !(sni && domain.starts_with("outbound_")) {
        return wildcard_domain(domain);
    }
    length(domain)?;
    let parts: Vec<&str> = domain.split('_').collect();
    let [_, port, _, host, ..] = parts.as_slice() else {
        return Err(format!("the host {domain:?} does not have the form outbound_.PORT_.SUBSET_.HOST"));
    };
    let fine = port.contains(|c: char| c.is_ascii_digit()) && host.contains(|c: char| c.is_ascii_alphabetic());
    if fine { Ok(()) } else { Err(format!("the host {domain:?} does not have the form outbound_.PORT_.SUBSET_.HOST")) }
}

/// A wildcard that is more or less than a whole first label.
pub(super) fn partial_wildcard(host: &str) -> Result<(), String> {
    if host.contains('*') && host != "*" && !host.starts_with("*.") {
        return Err(format!("the wildcard of {host:?} must be its whole first label"));
    }
    Ok(())
}

/// A host of a Gateway or of a Sidecar's egress listener, with dots.
fn qualified_host(host: &str, gateway: bool) -> Result<(), String> {
    if host != "*" && !host.contains('.') {
        return Err(format!("the short name {host:?} is not possible here; use a full name with dots"));
    }
    match wildcard_domain(host) {
        Err(message) if !(gateway && is_ip(host)) => return Err(message),
        _ => {}
    }
    partial_wildcard(host)
}

/// `host` or `namespace/host` of a Gateway's server.
pub(super) fn server_host(entry: &str) -> Result<(), String> {
    let Some((namespace, host)) = entry.split_once('/') else { return qualified_host(entry, true) };
    if namespace.is_empty() || host.is_empty() {
        return Err(format!("the namespace and the host of {entry:?} must not be empty"));
    }
    if namespace != "*" && namespace != "." && !is_dns_label(namespace) {
        return Err(format!("{namespace:?} is not a namespace; it may also be \"*\" or \".\""));
    }
    qualified_host(host, true)
}

/// `namespace/host` of a Sidecar's egress listener, `~` before or in place of the namespace included.
pub(super) fn egress_host(entry: &str) -> Result<(), String> {
    let Some((namespace, host)) = entry.split_once('/') else {
        return Err(format!("{entry:?} does not have the form namespace/host"));
    };
    if namespace.is_empty() || host.is_empty() {
        return Err(format!("the namespace and the host of {entry:?} must not be empty"));
    }
    let plain = namespace.strip_prefix('~').unwrap_or(namespace);
    if !(plain.is_empty() || plain == "*" || plain == "." || is_dns_label(plain)) {
        return Err(format!("{namespace:?} is not a namespace; it may also be \"*\", \".\" or \"~\""));
    }
    qualified_host(host, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_wildcards() {
        for (host, as_fqdn, as_wildcard, as_server) in [
            ("a.com", true, true, true),
            ("a.com.", true, true, true),
            ("A-1.Com", true, true, true),
            ("*", false, true, true),
            ("*.com", false, true, true),
            ("*a.com", false, true, false),
            ("*-a.com", false, true, false),
            ("a*.com", false, false, false),
            ("a.*.com", false, false, false),
            ("a", true, true, false),
            ("", false, false, false),
            (".", false, false, false),
            ("a..com", false, false, false),
            ("-a.com", false, false, false),
            ("a_b.com", false, false, false),
            ("1.2.3.4", false, false, true),
            ("a.1", false, false, false),
            ("::1", false, false, false),
            ("ns/a.com", false, false, true),
            ("./a.com", false, false, true),
            ("*/a.com", false, false, true),
            ("/a.com", false, false, false),
            ("ns/", false, false, false),
            ("ns/a", false, false, false),
            ("~/a.com", false, false, false),
            ("a/b/c.com", false, false, false),
        ] {
            let found = (fqdn(host).is_ok(), wildcard_domain(host).is_ok(), server_host(host).is_ok());
            assert_eq!(found, (as_fqdn, as_wildcard, as_server), "{host:?}");
        }
    }

    #[test]
    fn names_of_auto_passthrough_are_hosts_only_for_sni() {
        let name = "outbound_.80_._.e2e.foobar.mesh";
        assert!(gateway_domain(true, name).is_ok() && gateway_domain(false, name).is_err());
        assert!(gateway_domain(true, "outbound_.80_._.").is_err() && gateway_domain(true, "outbound_.x").is_err());
    }
}
