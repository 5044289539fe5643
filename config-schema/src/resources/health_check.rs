//! The annotation `sallyport.dev/health-check` of a DestinationRule: active health checks of the host's endpoints.
//! Istio's API has none; the meaning of each field is that of Envoy's `HealthCheck`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wire::Duration;
use crate::document::{DecodeOptions, Decoded, PathRef, compose, decode};

/// The annotation's name.
pub const HEALTH_CHECK: &str = "sallyport.dev/health-check";

/// The annotation's value, in YAML. Exactly one of `http`, `tcp` and `grpc` is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckSettings {
    /// A GET that is answered with an expected status.
    pub http: Option<HttpCheck>,
    /// A connection that can be opened, and what comes back over it.
    pub tcp: Option<TcpCheck>,
    /// `grpc.health.v1.Health/Check` that is answered with SERVING.
    pub grpc: Option<GrpcCheck>,
    /// From an answer to the next question. Default 5 s.
    pub interval: Option<Duration>,
    /// For an answer. Default 1 s.
    pub timeout: Option<Duration>,
    /// Failures in a row that make an endpoint unhealthy. Default 3.
    pub unhealthy_threshold: Option<u32>,
    /// Successes in a row that make it healthy again. Default 2.
    pub healthy_threshold: Option<u32>,
    /// Asked in place of the endpoint's port.
    pub port: Option<u16>,
}

/// A check by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpCheck {
    /// Path with query. Default `/`.
    pub path: Option<String>,
    /// Default: the host of the service.
    pub host: Option<String>,
    /// Further header fields.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Statuses (`204`) and ranges of them (`200-299`). Default 200.
    #[serde(default)]
    pub expected_statuses: Vec<String>,
}

/// A check by a TCP connection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TcpCheck {
    /// Text to send first.
    pub send: Option<String>,
    /// Text that must come back, perhaps among other bytes.
    pub receive: Option<String>,
}

/// A check by gRPC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcCheck {
    /// The service asked for. Default: the server as a whole.
    pub service: Option<String>,
    /// `:authority`. Default: the host of the service.
    pub authority: Option<String>,
}

impl HealthCheckSettings {
    /// Reads and checks the annotation's value; an error names the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let root = compose(text, 0).map_err(|error| error.message.into_owned())?;
        let root = root.ok_or("there is nothing in it; one of http, tcp and grpc is needed")?;
        let decoded: Decoded<Self> = decode(&root, PathRef::ROOT, DecodeOptions::default());
        if let Some(fault) = decoded.faults.first() {
            return Err(format!("{}: {}", fault.path, fault.message));
        }
        let settings = decoded.value.unwrap_or_default();
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        let kinds = [self.http.is_some(), self.tcp.is_some(), self.grpc.is_some()];
        if kinds.iter().filter(|set| **set).count() != 1 {
            return Err("exactly one of http, tcp and grpc must be set".to_owned());
        }
        for (name, duration) in [("interval", self.interval), ("timeout", self.timeout)] {
            if duration.is_some_and(|duration| duration.0 < std::time::Duration::from_millis(1)) {
                return Err(format!("{name}: must be at least 1ms"));
            }
        }
        for (name, threshold) in
            [("unhealthyThreshold", self.unhealthy_threshold), ("healthyThreshold", self.healthy_threshold)]
        {
            if threshold == Some(0) {
                return Err(format!("{name}: must be at least 1"));
            }
        }
        if self.port == Some(0) {
            return Err("port: must be at least 1".to_owned());
        }
        if let Some(http) = &self.http {
            if http
                .path
                .as_ref()
                .is_some_and(|path| !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()))
            {
                return Err(
                    "http.path: must start with / and have neither blanks nor characters beyond ASCII".to_owned()
                );
            }
            http.statuses()?;
            let is_token = |name: &str| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            };
            for (name, value) in &http.headers {
                if !is_token(name) || value.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
                    return Err(format!("http.headers: {name:?} with the value {value:?} cannot be sent"));
                }
            }
        }
        for host in [
            self.http.as_ref().and_then(|http| http.host.as_ref()),
            self.grpc.as_ref().and_then(|grpc| grpc.authority.as_ref()),
        ] {
            if host.is_some_and(|host| host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic())) {
                return Err("http.host, grpc.authority: not a host".to_owned());
            }
        }
        if self.tcp.as_ref().is_some_and(|tcp| tcp.send.is_some() && tcp.receive.is_none()) {
            return Err("tcp.receive: what is sent is of no use unless an answer is expected".to_owned());
        }
        Ok(())
    }
}

impl HttpCheck {
    /// Expected statuses as ranges with both ends.
    pub fn statuses(&self) -> Result<Vec<(u16, u16)>, String> {
        if self.expected_statuses.is_empty() {
            return Ok(vec![(200, 200)]);
        }
        let status = |text: &str| text.trim().parse().ok().filter(|status| (100..600).contains(status));
        let range = |text: &String| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let range = status(first).zip(status(last)).filter(|(first, last)| first <= last);
            range.ok_or_else(|| format!("http.expectedStatuses: {text:?} is neither a status nor a range like 200-299"))
        };
        self.expected_statuses.iter().map(range).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = "http: {path: /healthz, host: a.example, headers: {x-a: b}, expectedStatuses: ['200-204', '429']}\n\
                    interval: 10s\ntimeout: 500ms\nunhealthyThreshold: 1\nport: 8081\n";
        let settings = HealthCheckSettings::parse(text).unwrap();
        assert_eq!(settings.http.as_ref().unwrap().statuses().unwrap(), [(200, 204), (429, 429)]);
        assert_eq!((settings.unhealthy_threshold, settings.port), (Some(1), Some(8081)));
        assert_eq!(settings.interval, Some(Duration::from_secs(10)));
        let settings = HealthCheckSettings::parse("grpc: {service: shop}").unwrap();
        assert_eq!(settings.grpc.unwrap().service.as_deref(), Some("shop"));
        assert!(HealthCheckSettings::parse("tcp: {}").is_ok());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("", "one of http, tcp and grpc"),
            ("interval: 5s", "exactly one of http, tcp and grpc"),
            ("http: {}\ntcp: {}", "exactly one of http, tcp and grpc"),
            ("tcp: {}\ninterval: 0s", "interval: must be at least 1ms"),
            ("tcp: {}\ntimeout: soon", "timeout"),
            ("tcp: {}\nunhealthyThreshold: 0", "unhealthyThreshold: must be at least 1"),
            ("tcp: {}\nport: 70000", "port"),
            ("http: {path: healthz}", "http.path: must start with /"),
            ("http: {expectedStatuses: ['299-200']}", "\"299-200\" is neither"),
            ("http: {method: POST}", "method"),
            ("http: {headers: {\"a b\": c}}", "cannot be sent"),
            ("http: {headers: {a: \"x\\ny\"}}", "cannot be sent"),
            ("http: {host: \"a b\"}", "not a host"),
            ("tcp: {send: PING}", "tcp.receive"),
            ("http: [", ""),
        ] {
            let error = HealthCheckSettings::parse(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
