use std::net::IpAddr;

use ipnet::IpNet;

pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

pub(super) fn ip(text: &str) -> Result<(), String> {
    if is_ip(text) { Ok(()) } else { Err(format!("{text:?} is not an IP address")) }
}

/// An address, or a range in CIDR notation.
pub(super) fn ip_or_cidr(text: &str) -> Result<(), String> {
    if !text.contains('/') {
        return ip(text);
    }
    if text.parse::<IpNet>().is_ok() { Ok(()) } else { Err(format!("{text:?} is not a range in CIDR notation")) }
}

pub(super) fn port(number: u32) -> Result<(), String> {
    if (1..=65535).contains(&number) {
        Ok(())
    } else {
        Err(format!("the port must be in the range 1-65535, is {number}"))
    }
}

/// What follows `unix://`: an absolute path to a file, or `@` and an abstract name.
pub(super) fn unix_path(path: &str) -> Result<(), String> {
    if path.is_empty() {
        Err("a path must follow unix://".to_owned())
    } else if path.starts_with('@') || path.starts_with('/') && !path.ends_with('/') {
        Ok(())
    } else {
        Err(format!("{path:?} is not an absolute path to a file, and not an abstract socket (@…)"))
    }
}

/// Splits `host:port` and `[address]:port`.
pub(super) fn host_and_port(text: &str) -> Result<(&str, u32), String> {
    let wrong = || format!("{text:?} does not have the form host:port");
    let (host, number) = text.rsplit_once(':').ok_or_else(wrong)?;
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => host,
        None if host.contains(':') => return Err(wrong()),
        None => host,
    };
    let number = number.parse::<u32>().map_err(|_| format!("the port of {text:?} is not a number"))?;
    port(number)?;
    Ok((host, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ranges() {
        for (text, fine) in [
            ("1.2.3.4", true),
            ("1.2.3.4/16", true),
            ("2001:1::1/64", true),
            ("::", true),
            ("1.2.3", false),
            ("1.2.3.4/33", false),
            ("1.2.3.4/", false),
            ("1.2.3.4/1/2", false),
            ("01.2.3.4", false),
            ("", false),
        ] {
            assert_eq!(ip_or_cidr(text).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn hosts_with_ports() {
        assert_eq!(host_and_port("a:80"), Ok(("a", 80)));
        assert_eq!(host_and_port("[::1]:80"), Ok(("::1", 80)));
        assert_eq!(host_and_port(":80"), Ok(("", 80)));
        for text in ["a", "a:", "a:x", "a:0", "a:70000", "::1:80", ""] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }
}
