//! What operators read: the request, the answer, the connection, and how it all went.

use std::time::{Duration, SystemTime};

use super::operator::{Original, Plain};
use crate::headers::Headers;
use crate::message::RequestHead;
use crate::proxy::record::Record;

/// Value of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// There is none: `-` in logs, nothing in headers, null in JSON.
    Missing,
    /// Bytes as they are.
    Bytes(&'a [u8]),
    /// A text made for the purpose.
    Owned(String),
    /// A number, which JSON writes as one.
    Number(u64),
}

impl Value<'_> {
    /// Writes the value as text.
    pub fn write(&self, missing: &str, out: &mut Vec<u8>) {
        match self {
            Value::Missing => out.extend_from_slice(missing.as_bytes()),
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
            Value::Owned(text) => out.extend_from_slice(text.as_bytes()),
            Value::Number(n) => out.extend_from_slice(n.to_string().as_bytes()),
        }
    }
}

/// What operators may read.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The request as it stands.
    pub request: &'a RequestHead,
    /// Status and fields of the answer, once there is one.
    pub response: Option<(u16, &'a Headers)>,
    /// Trailers of the answer.
    pub trailers: Option<&'a Headers>,
    /// How it went.
    pub record: &'a Record,
}

impl<'a> Scope<'a> {
    pub(super) fn request_field(&self, name: &str) -> Option<&'a [u8]> {
        match name {
            ":path" => Some(&self.request.path[..]),
            ":method" => Some(&self.request.method[..]),
            ":authority" | "host" => self.request.authority.as_deref(),
            ":scheme" => Some(&self.request.scheme[..]),
            field => self.request.headers.get(field).map(|v| &v[..]),
        }
        .filter(|value| !value.is_empty() || !name.starts_with(':'))
    }

    pub(super) fn response_field(&self, name: &str) -> Option<&'a [u8]> {
        self.response.and_then(|(_, headers)| headers.get(name)).map(|v| &v[..])
    }

    pub(super) fn trailer(&self, name: &str) -> Option<&'a [u8]> {
        self.trailers.and_then(|headers| headers.get(name)).map(|v| &v[..])
    }

    pub(super) fn start_time(&self) -> SystemTime {
        self.record.start_time
    }

    pub(super) fn path(&self, query: bool, original: Original) -> Value<'a> {
        let rewritten_from = self.request.headers.get("x-envoy-original-path").map(|v| &v[..]);
        let path = match original {
            Original::Only => rewritten_from,
            Original::Preferred => Some(rewritten_from.unwrap_or(&self.request.path)),
            Original::Never => Some(&self.request.path[..]),
        };
        match path {
            None => Value::Missing,
            Some(path) if query => Value::Bytes(path),
            Some(path) => Value::Bytes(path.split(|b| *b == b'?').next().unwrap_or(path)),
        }
    }

    pub(super) fn plain(&self, operator: Plain) -> Value<'a> {
        let record = self.record;
        match operator {
            Plain::Protocol => record.protocol.map_or(Value::Missing, |v| Value::Bytes(v.as_str().as_bytes())),
            Plain::ResponseCode => Value::Number(u64::from(record.response_code)),
            Plain::ResponseCodeDetails => text(&record.details),
            Plain::ConnectionTerminationDetails => text(&record.connection_termination_details),
            Plain::ResponseFlags => Value::Owned(record.flags.to_string()),
            Plain::BytesReceived => Value::Number(record.bytes_received),
            Plain::BytesSent => Value::Number(record.bytes_sent),
            Plain::Duration
            | Plain::RequestDuration
            | Plain::RequestTxDuration
            | Plain::ResponseDuration
            | Plain::ResponseTxDuration => millis(self.time(operator)),
            Plain::RouteName => text(record.route_name.as_deref().unwrap_or_default()),
            Plain::UpstreamHost
            | Plain::UpstreamRemoteAddress
            | Plain::UpstreamRemoteAddressWithoutPort
            | Plain::UpstreamRemotePort
            | Plain::UpstreamCluster
            | Plain::UpstreamClusterRaw
            | Plain::UpstreamLocalAddress
            | Plain::UpstreamLocalAddressWithoutPort
            | Plain::UpstreamLocalPort
            | Plain::UpstreamTransportFailureReason
            | Plain::UpstreamRequestAttemptCount => self.upstream(operator),
            Plain::GrpcStatus => self.grpc_status().map_or(Value::Missing, |n| Value::Bytes(grpc_name(n).as_bytes())),
            Plain::GrpcStatusNumber => self.grpc_status().map_or(Value::Missing, |code| Value::Number(u64::from(code))),
            Plain::StreamId => self.request.headers.get("x-request-id").map_or(Value::Missing, |v| Value::Bytes(v)),
            Plain::VirtualClusterName => Value::Missing,
            Plain::Hostname => text(&record.connection.hostname),
            Plain::DownstreamRemoteAddress
            | Plain::DownstreamRemoteAddressWithoutPort
            | Plain::DownstreamRemotePort
            | Plain::DownstreamDirectRemoteAddress
            | Plain::DownstreamDirectRemoteAddressWithoutPort
            | Plain::DownstreamDirectRemotePort
            | Plain::DownstreamLocalAddress
            | Plain::DownstreamLocalAddressWithoutPort
            | Plain::DownstreamLocalPort
            | Plain::ConnectionId => self.address(operator),
            Plain::RequestedServerName
            | Plain::DownstreamTlsVersion
            | Plain::DownstreamTlsCipher
            | Plain::DownstreamPeerSubject
            | Plain::DownstreamPeerIssuer
            | Plain::DownstreamPeerUriSan
            | Plain::DownstreamPeerDnsSan
            | Plain::DownstreamPeerFingerprint256
            | Plain::DownstreamPeerSerial
            | Plain::DownstreamPeerCert
            | Plain::DownstreamPeerCertVStart
            | Plain::DownstreamPeerCertVEnd
            | Plain::DownstreamLocalSubject
            | Plain::DownstreamLocalUriSan
            | Plain::DownstreamLocalDnsSan => self.tls(operator),
        }
    }

    fn time(&self, operator: Plain) -> Option<Duration> {
        let record = self.record;
        match operator {
            Plain::Duration => record.duration,
            Plain::RequestDuration | Plain::RequestTxDuration => record.request_duration,
            Plain::ResponseDuration => record.response_duration,
            Plain::ResponseTxDuration => Some(record.duration?.saturating_sub(record.response_duration?)),
            _ => None,
        }
    }

    fn upstream(&self, operator: Plain) -> Value<'a> {
        let record = self.record;
        match operator {
            Plain::UpstreamHost | Plain::UpstreamRemoteAddress => text(record.upstream_host()),
            Plain::UpstreamRemoteAddressWithoutPort => part(record.upstream_host(), Part::Address),
            Plain::UpstreamRemotePort => part(record.upstream_host(), Part::Port),
            // Istio gives clusters an alternative stat name that ends with a semicolon; this operator shows it.
            Plain::UpstreamCluster => match &*record.upstream_cluster {
                "" => Value::Missing,
                name => Value::Owned(format!("{name};")),
            },
            Plain::UpstreamClusterRaw => text(&record.upstream_cluster),
            Plain::UpstreamLocalAddress => display(record.upstream_local_address),
            Plain::UpstreamLocalAddressWithoutPort => display(record.upstream_local_address.map(|a| a.ip())),
            Plain::UpstreamLocalPort => number(record.upstream_local_address.map(|a| a.port())),
            Plain::UpstreamTransportFailureReason => text(&record.upstream_transport_failure),
            Plain::UpstreamRequestAttemptCount => Value::Number(u64::from(record.attempts)),
            _ => Value::Missing,
        }
    }

    fn address(&self, operator: Plain) -> Value<'a> {
        let connection = &self.record.connection;
        let remote = self.record.remote_address;
        match operator {
            Plain::DownstreamRemoteAddress => display(remote),
            Plain::DownstreamRemoteAddressWithoutPort => display(remote.map(|a| a.ip())),
            Plain::DownstreamRemotePort => number(remote.map(|a| a.port())),
            Plain::DownstreamDirectRemoteAddress => display(Some(connection.peer)),
            Plain::DownstreamDirectRemoteAddressWithoutPort => display(Some(connection.peer.ip())),
            Plain::DownstreamDirectRemotePort => number(Some(connection.peer.port())),
            Plain::DownstreamLocalAddress => display(Some(connection.local)),
            Plain::DownstreamLocalAddressWithoutPort => display(Some(connection.local.ip())),
            Plain::DownstreamLocalPort => number(Some(connection.local.port())),
            Plain::ConnectionId => Value::Number(connection.id),
            _ => Value::Missing,
        }
    }

    fn tls(&self, operator: Plain) -> Value<'a> {
        let connection = &self.record.connection;
        if operator == Plain::RequestedServerName {
            return text(&connection.server_name);
        }
        let Some(tls) = &connection.tls else { return Value::Missing };
        let peer = tls.peer.as_ref();
        let own = tls.local.as_ref();
        match operator {
            Plain::DownstreamTlsVersion => text(tls.version),
            Plain::DownstreamTlsCipher => text(&tls.cipher),
            Plain::DownstreamPeerSubject => peer.map_or(Value::Missing, |c| text(&c.subject)),
            Plain::DownstreamPeerIssuer => peer.map_or(Value::Missing, |c| text(&c.issuer)),
            Plain::DownstreamPeerUriSan => peer.map_or(Value::Missing, |c| list(&c.uris)),
            Plain::DownstreamPeerDnsSan => peer.map_or(Value::Missing, |c| list(&c.dns_names)),
            Plain::DownstreamPeerFingerprint256 => peer.map_or(Value::Missing, |c| text(&c.sha256)),
            Plain::DownstreamPeerSerial => peer.map_or(Value::Missing, |c| text(&c.serial)),
            Plain::DownstreamPeerCert => peer.map_or(Value::Missing, |c| text(&c.escaped_pem)),
            Plain::DownstreamPeerCertVStart => peer.map_or(Value::Missing, |c| text(&c.not_before)),
            Plain::DownstreamPeerCertVEnd => peer.map_or(Value::Missing, |c| text(&c.not_after)),
            Plain::DownstreamLocalSubject => own.map_or(Value::Missing, |c| text(&c.subject)),
            Plain::DownstreamLocalUriSan => own.map_or(Value::Missing, |c| list(&c.uris)),
            Plain::DownstreamLocalDnsSan => own.map_or(Value::Missing, |c| list(&c.dns_names)),
            _ => Value::Missing,
        }
    }

    fn grpc_status(&self) -> Option<u32> {
        let field = self.trailer("grpc-status").or_else(|| self.response_field("grpc-status"))?;
        std::str::from_utf8(field).ok()?.parse().ok()
    }
}

impl Value<'_> {
    fn none_if_empty(self) -> Self {
        match self {
            Value::Bytes([]) => Value::Missing,
            other => other,
        }
    }
}

enum Part {
    Address,
    Port,
}

fn part(address: &str, part: Part) -> Value<'_> {
    match (address.rsplit_once(':'), part) {
        (Some((ip, _)), Part::Address) => text(ip),
        (Some((_, port)), Part::Port) => port.parse().map_or(Value::Missing, Value::Number),
        (None, _) => Value::Missing,
    }
}

fn text(value: &str) -> Value<'_> {
    Value::Bytes(value.as_bytes()).none_if_empty()
}

fn list(values: &[String]) -> Value<'_> {
    if values.is_empty() { Value::Missing } else { Value::Owned(values.join(",")) }
}

fn display<'a>(value: Option<impl std::fmt::Display>) -> Value<'a> {
    value.map_or(Value::Missing, |v| Value::Owned(v.to_string()))
}

fn number<'a>(value: Option<u16>) -> Value<'a> {
    value.map_or(Value::Missing, |n| Value::Number(u64::from(n)))
}

fn millis<'a>(duration: Option<Duration>) -> Value<'a> {
    duration.map_or(Value::Missing, |d| Value::Number(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
}

/// gRPC's name of a status code, in Envoy's camel case.
fn grpc_name(code: u32) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    NAMES.get(code as usize).copied().unwrap_or("InvalidCode")
}
