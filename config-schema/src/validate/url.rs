/// The scheme of a URL, in lower case; empty if there is none. `None` if the text is not a URL as far as can be told
/// without looking at its host: no blanks and control characters, percent signs only in escapes.
pub(super) fn scheme(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let fine = bytes.iter().enumerate().all(|(index, byte)| match byte {
        b'%' => bytes.get(index + 1..index + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        byte => !(byte.is_ascii_control() || *byte == b' '),
    });
    if !fine {
        return None;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return Some(String::new()) };
    if scheme.contains(['/', '?', '#']) {
        return Some(String::new());
    }
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (valid && port_is_number(rest)).then(|| scheme.to_ascii_lowercase())
}

/// The port of `//host:port/path`, if there is one.
fn port_is_number(rest: &str) -> bool {
    let Some(authority) = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next()) else {
        return true;
    };
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    after_host.rsplit_once(':').is_none_or(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()))
}

/// The scheme of a URL whose `http://` may be left out; empty if it was.
pub(super) fn lenient_scheme(text: &str) -> Option<String> {
    match scheme(text) {
        Some(scheme) if !scheme.is_empty() || text.starts_with('/') => Some(scheme),
        _ => scheme(&format!("http://{text}")).map(|_| String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes() {
        for (text, expected) in [
            ("http://a", Some("http")),
            ("HTTPS://a/b?c", Some("https")),
            ("/a:b", Some("")),
            ("a", Some("")),
            ("1http://a", None),
            ("http://a b", None),
            ("http://a%zz", None),
            ("http://a%20b", Some("http")),
            ("http://a:80/b:c", Some("http")),
            ("http://[::1]/", Some("http")),
            ("http://a:x", None),
        ] {
            assert_eq!(scheme(text).as_deref(), expected, "{text}");
        }
        assert_eq!(lenient_scheme("test:v1").as_deref(), Some("test"));
        assert_eq!(lenient_scheme("1.2.3.4:80/x").as_deref(), Some(""));
        assert_eq!(lenient_scheme("#%blah$#@"), None);
    }
}
