//! Hosts with wildcards, as Istio compares them: by characters, with case.

/// True for `*` and everything that begins with it.
#[must_use]
pub fn is_wildcard(host: &str) -> bool {
    host.starts_with('*')
}

/// True if some name is covered by both.
#[must_use]
pub fn overlap(one: &str, other: &str) -> bool {
    match (one.strip_prefix('*'), other.strip_prefix('*')) {
        (None, None) => one == other,
        (Some(suffix), None) => other.ends_with(suffix),
        (None, Some(suffix)) => one.ends_with(suffix),
        (Some(one), Some(other)) => one.ends_with(other) || other.ends_with(one),
    }
}

/// True if `host` covers nothing that `wide` does not cover. `*.example.com` does not cover `example.com`.
#[must_use]
pub fn is_subset(host: &str, wide: &str) -> bool {
    match (host.strip_prefix('*'), wide.strip_prefix('*')) {
        (None, None) => host == wide,
        (Some(_), None) => false,
        (None, Some(suffix)) => host.ends_with(suffix),
        (Some(suffix), Some(wide)) => suffix.ends_with(wide),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_with_their_wildcards() {
        for (one, other, both, one_in_other) in [
            ("a.com", "a.com", true, true),
            ("a.com", "b.com", false, false),
            ("a.com", "*", true, true),
            ("*", "a.com", true, false),
            ("*", "*", true, true),
            ("a.b.com", "*.com", true, true),
            ("*.a.com", "*.com", true, true),
            ("*.com", "*.a.com", true, false),
            ("a.com", "*.a.com", false, false),
            ("*.a.com", "*.b.com", false, false),
            ("A.com", "a.com", false, false),
        ] {
            assert_eq!((overlap(one, other), is_subset(one, other)), (both, one_in_other), "{one} {other}");
        }
    }
}
