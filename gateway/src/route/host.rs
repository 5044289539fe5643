//! Host names to virtual hosts: exact, then the longest wildcard suffix, then `*`.

use std::borrow::Cow;
use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

/// Names of virtual hosts.
#[derive(Debug, Default)]
pub struct HostTable {
    exact: HashMap<Box<[u8]>, usize, FxBuildHasher>,
    /// Keys start with a dot.
    suffix: HashMap<Box<[u8]>, usize, FxBuildHasher>,
    any: Option<usize>,
}

impl HostTable {
    /// Adds a name: exact, `*.suffix` or `*`. The first of equal names stays.
    pub fn insert(&mut self, domain: &str, index: usize) {
        let domain = domain.to_ascii_lowercase();
        if domain == "*" {
            self.any.get_or_insert(index);
        } else if let Some(suffix) = domain.strip_prefix('*') {
            self.suffix.entry(suffix.as_bytes().into()).or_insert(index);
        } else {
            self.exact.entry(domain.as_bytes().into()).or_insert(index);
        }
    }

    /// Finds the virtual host of a normalised host name.
    pub fn find(&self, host: &[u8]) -> Option<usize> {
        if let Some(index) = self.exact.get(host) {
            return Some(*index);
        }
        if !self.suffix.is_empty() {
            // From the longest suffix on; `*` stands for at least one character.
            for dot in memchr::memchr_iter(b'.', host) {
                if dot > 0
                    && let Some(index) = self.suffix.get(&host[dot..])
                {
                    return Some(*index);
                }
            }
        }
        self.any
    }
}

/// The name by which a Host is looked up: lower case, without port (whatever stands behind the last colon).
pub fn normalize_host(authority: &[u8]) -> Cow<'_, [u8]> {
    let name = match authority.last() {
        Some(b']') | None => authority,
        Some(_) => match memchr::memrchr(b':', authority) {
            // An IPv6 address without brackets has no port.
            Some(colon)
                if (authority[0] == b'[' || memchr::memchr(b':', &authority[..colon]).is_none())
                    && !authority[colon..].contains(&b']') =>
            {
                &authority[..colon]
            }
            Some(_) | None => authority,
        },
    };
    if name.iter().any(u8::is_ascii_uppercase) { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence() {
        let mut table = HostTable::default();
        for (index, domain) in ["*", "*.example.com", "*.Sub.example.com", "www.sub.example.com"].iter().enumerate() {
            table.insert(domain, index);
        }
        for (host, expected) in [
            ("www.sub.example.com", 3),
            ("x.sub.example.com", 2),
            ("a.b.sub.example.com", 2),
            ("sub.example.com", 1),
            ("example.com", 0),
            (".example.com", 0),
        ] {
            assert_eq!(table.find(host.as_bytes()), Some(expected), "{host}");
        }
    }

    #[test]
    fn ports_and_case() {
        for (authority, expected) in [
            ("A.example.com:8080", "a.example.com"),
            ("a:", "a"),
            ("a:abc", "a"),
            ("a:8]0", "a:8]0"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("a.", "a."),
            ("", ""),
        ] {
            assert_eq!(&*normalize_host(authority.as_bytes()), expected.as_bytes(), "{authority}");
        }
    }
}
