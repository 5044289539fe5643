//! Names in certificates against names that are asked for.

use crate::proxy::record::CertificateInfo;

/// Whether `*.suffix` in a certificate is good for a name: the star is one label.
pub(super) fn wildcard_covers(pattern: &str, name: &str) -> bool {
    let Some(suffix) = pattern.strip_prefix("*.") else { return false };
    name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(suffix))
}

/// Whether a certificate carries one of the wanted names exactly: DNS names without case (a wildcard in the
/// certificate covers one label), URIs with it, addresses as they are written.
pub(super) fn carries_any(certificate: &CertificateInfo, wanted: impl IntoIterator<Item = impl AsRef<str>>) -> bool {
    wanted.into_iter().any(|wanted| {
        let wanted = wanted.as_ref();
        certificate.uris.iter().chain(&certificate.addresses).any(|name| name == wanted)
            || certificate
                .dns_names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(wanted) || wildcard_covers(name, wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let certificate = CertificateInfo {
            dns_names: vec!["Client.example.com".into(), "*.ext.example.com".into()],
            uris: vec!["spiffe://cluster.local/ns/a/sa/b".into()],
            ..CertificateInfo::default()
        };
        for (name, expected) in [
            ("client.example.com", true),
            ("a.ext.example.com", true),
            ("a.b.ext.example.com", false),
            ("ext.example.com", false),
            (".ext.example.com", false),
            ("spiffe://cluster.local/ns/a/sa/b", true),
            ("spiffe://cluster.local/ns/a/sa/B", false),
            ("*.example.com", false),
        ] {
            assert_eq!(carries_any(&certificate, [name]), expected, "{name}");
        }
    }
}
