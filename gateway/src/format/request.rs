//! Operators that read parts of the request: its query, and the host it is for.

use percent_encoding::percent_decode;

use super::FormatError;
use super::value::{Scope, Value};

/// Where `%REQUESTED_SERVER_NAME(…)%` looks for a name, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerName {
    source: Source,
    host: Host,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    SniOnly,
    SniFirst,
    HostFirst,
}

/// Which host is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    /// x-envoy-original-host only.
    Original,
    /// x-envoy-original-host, else the authority.
    OriginalOrAuthority,
    /// The authority.
    Authority,
}

impl ServerName {
    /// Parses the argument; the SNI alone without one.
    pub fn parse(argument: &str) -> Result<Self, FormatError> {
        let (source, host) = argument.split_once(':').unwrap_or((argument, ""));
        let source = match source {
            "" | "SNI_ONLY" => Some(Source::SniOnly),
            "SNI_FIRST" => Some(Source::SniFirst),
            "HOST_FIRST" => Some(Source::HostFirst),
            _ => None,
        };
        let host = match host {
            "ORIG" => Some(Host::Original),
            "" | "ORIG_OR_HOST" => Some(Host::OriginalOrAuthority),
            "HOST" => Some(Host::Authority),
            _ => None,
        };
        let unknown = || {
            let text = "use SNI_ONLY, SNI_FIRST or HOST_FIRST, and ORIG, HOST or ORIG_OR_HOST";
            FormatError::new(format!("`%REQUESTED_SERVER_NAME({argument})%`: {text}"))
        };
        source.zip(host).map(|(source, host)| ServerName { source, host }).ok_or_else(unknown)
    }
}

impl<'a> Scope<'a> {
    pub(super) fn server_name(&self, wanted: ServerName) -> Value<'a> {
        let sni = Some(self.record.connection.server_name.as_bytes()).filter(|name| !name.is_empty());
        let original = || self.request.headers.get("x-envoy-original-host").map(|value| &value[..]);
        let authority = || self.request.authority.as_deref();
        let host = || match wanted.host {
            Host::Original => original(),
            Host::OriginalOrAuthority => original().or_else(authority),
            Host::Authority => authority(),
        };
        let found = match wanted.source {
            Source::SniOnly => sni,
            Source::SniFirst => sni.or_else(host),
            Source::HostFirst => host().or(sni),
        };
        found.map_or(Value::Missing, Value::Bytes)
    }

    pub(super) fn query(&self) -> Value<'a> {
        let query = self.request.path.iter().position(|byte| *byte == b'?').map(|at| &self.request.path[at + 1..]);
        query.filter(|query| !query.is_empty()).map_or(Value::Missing, Value::Bytes)
    }

    /// The first of this name, decoded.
    pub(super) fn query_parameter(&self, name: &str) -> Value<'a> {
        let Value::Bytes(query) = self.query() else { return Value::Missing };
        for pair in query.split(|byte| *byte == b'&') {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            if percent_decode(&pair[..at]).eq(name.bytes()) {
                let value: Vec<u8> = percent_decode(pair.get(at + 1..).unwrap_or_default()).collect();
                return match String::from_utf8_lossy(&value).into_owned() {
                    text if text.is_empty() => Value::Missing,
                    text => Value::Owned(text),
                };
            }
        }
        Value::Missing
    }
}
