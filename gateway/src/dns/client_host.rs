//! A host that a client asks for, before it may become a question to DNS. Pure.
//!
//! Only names pass. Addresses, also in the forms that C libraries and browsers read as addresses (`2130706433`,
//! `0177.0.0.1`, `0x7f.1`), are refused: a resolver on the way might take them for what they mean.

use std::fmt;
use std::net::IpAddr;

/// A name that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHost {
    /// In lower case, without final dot.
    pub name: String,
    /// The port, if it was given.
    pub port: Option<u16>,
}

/// Why a host is no name to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadHost {
    /// No host, or a part of it is empty or too long (RFC 1035 §2.3.4).
    Length,
    /// Characters that no host name has, `@` and `%` among them.
    Characters,
    /// An address.
    Address,
    /// A number that some read as an address.
    NumericAddress,
    /// A port that is none.
    Port,
}

impl BadHost {
    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            BadHost::Length => "bad_host_length",
            BadHost::Characters => "bad_host_characters",
            BadHost::Address => "address_as_host",
            BadHost::NumericAddress => "numeric_host",
            BadHost::Port => "bad_port",
        }
    }

    /// `%RESPONSE_CODE_DETAILS%`
    pub fn details(self) -> &'static str {
        match self {
            BadHost::Length => "destination_forbidden[bad_host_length]",
            BadHost::Characters => "destination_forbidden[bad_host_characters]",
            BadHost::Address => "destination_forbidden[address_as_host]",
            BadHost::NumericAddress => "destination_forbidden[numeric_host]",
            BadHost::Port => "destination_forbidden[bad_port]",
        }
    }
}

impl fmt::Display for BadHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads `HOST` or `HOST:PORT`.
pub fn parse(authority: &str) -> Result<ClientHost, BadHost> {
    if authority.starts_with('[') || authority.parse::<IpAddr>().is_ok() {
        return Err(BadHost::Address);
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(parse_port(port)?)),
        None => (authority, None),
    };
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Err(BadHost::Characters);
    }
    if name.len() > 253 || name.split('.').any(|label| label.is_empty() || label.len() > 63) {
        return Err(BadHost::Length);
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err(BadHost::Address);
    }
    if name.rsplit('.').next().is_some_and(is_number) {
        return Err(BadHost::NumericAddress);
    }
    Ok(ClientHost { name, port })
}

fn parse_port(text: &str) -> Result<u16, BadHost> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0).ok_or(BadHost::Port)
}

/// A last label that makes the whole an address to those who read numbers generously (WHATWG URL, inet_aton).
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => label.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// Whether a name is one of the patterns, exact or `*.suffix`, which covers names below the suffix at any depth.
pub fn matches_any(name: &str, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_prefix('*') {
        Some(suffix) => {
            name.len() > suffix.len()
                && name.get(name.len() - suffix.len()..).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
        }
        None => name.eq_ignore_ascii_case(pattern),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_pass_and_nothing_else() {
        let name = |name: &str, port| Ok(ClientHost { name: name.into(), port });
        for (authority, expected) in [
            ("api.example.com", name("api.example.com", None)),
            ("API.Example.com.:8443", name("api.example.com", Some(8443))),
            ("_sip.example.com", name("_sip.example.com", None)),
            ("1.2.3.4.example.com", name("1.2.3.4.example.com", None)),
            ("0x7f.example", name("0x7f.example", None)),
            ("", Err(BadHost::Length)),
            (".", Err(BadHost::Length)),
            ("a..example.com", Err(BadHost::Length)),
            ("10.0.0.1", Err(BadHost::Address)),
            ("10.0.0.1:80", Err(BadHost::Address)),
            ("10.0.0.1.", Err(BadHost::Address)),
            ("[::1]:80", Err(BadHost::Address)),
            ("::1", Err(BadHost::Address)),
            ("2130706433", Err(BadHost::NumericAddress)),
            ("0177.0.0.1", Err(BadHost::NumericAddress)),
            ("0x7f000001", Err(BadHost::NumericAddress)),
            ("0x7f.0.0.0x1", Err(BadHost::NumericAddress)),
            ("127.1", Err(BadHost::NumericAddress)),
            ("foo.0x", Err(BadHost::NumericAddress)),
            ("user@example.com", Err(BadHost::Characters)),
            ("%31%32%37.0.0.1", Err(BadHost::Characters)),
            ("１２７.example.com", Err(BadHost::Characters)),
            ("a/b", Err(BadHost::Characters)),
            ("a.example.com:", Err(BadHost::Port)),
            ("a.example.com:0", Err(BadHost::Port)),
            ("a.example.com:+80", Err(BadHost::Port)),
            ("a.example.com:99999", Err(BadHost::Port)),
        ] {
            assert_eq!(parse(authority), expected, "{authority}");
        }
        assert_eq!(parse(&format!("{}.example", "a".repeat(64))), Err(BadHost::Length));
    }

    #[test]
    fn patterns() {
        let patterns = ["*.Dyn.example.org".to_owned(), "api.example.com".to_owned()];
        for (name, expected) in [
            ("a.dyn.example.org", true),
            ("a.b.dyn.example.org", true),
            ("api.example.com", true),
            ("dyn.example.org", false),
            (".dyn.example.org", false),
            ("xdyn.example.org", false),
            ("a.dyn.example.org.evil.example", false),
            ("b.api.example.com", false),
        ] {
            assert_eq!(matches_any(name, &patterns), expected, "{name}");
        }
    }
}
