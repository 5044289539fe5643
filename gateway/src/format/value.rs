//! What operators read: the request, the answer, the connection, and how it all went.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;

use super::operator::{Original, Plain};
use crate::headers::Headers;
use crate::message::{RequestHead, is_grpc_content_type};
use crate::outcome::grpc_status;
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
            Plain::ResponseFlagsLong => Value::Owned(record.flags.long()),
            Plain::RequestHeadersBytes => Value::Number(self.request_bytes()),
            Plain::ResponseHeadersBytes => {
                Value::Number(self.response.map_or(0, |(_, headers)| STATUS + size(headers)))
            }
            Plain::ResponseTrailersBytes => Value::Number(self.trailers.map_or(0, size)),
            // Only HTTP/3 counts them.
            Plain::BytesRetransmitted | Plain::PacketsRetransmitted => Value::Number(0),
            Plain::AccessLogType => text(self.access_log_type()),
            Plain::QueryParameters => self.query(),
            Plain::BytesReceived => Value::Number(record.bytes_received),
            Plain::BytesSent => Value::Number(record.bytes_sent),
            Plain::Duration
            | Plain::RequestDuration
            | Plain::RequestTxDuration
            | Plain::ResponseDuration
            | Plain::ResponseTxDuration => millis(self.time(operator)),
            Plain::RouteName => text(record.route_name.as_deref().unwrap_or_default()),
            Plain::GrpcStatus => self.grpc_status().map_or(Value::Missing, |n| grpc_name(n, false)),
            Plain::GrpcStatusSnake => self.grpc_status().map_or(Value::Missing, |n| grpc_name(n, true)),
            Plain::GrpcStatusNumber => self.grpc_status().map_or(Value::Missing, status_number),
            Plain::StreamId => self.request.headers.get("x-request-id").map_or(Value::Missing, |v| Value::Bytes(v)),
            Plain::VirtualClusterName => Value::Missing,
            Plain::Hostname => text(&record.connection.hostname),
            _ => self.upstream(operator),
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
            Plain::UpstreamProtocol => record.upstream_protocol.map_or(Value::Missing, |v| text(v.as_str())),
            Plain::UpstreamHost | Plain::UpstreamRemoteAddress | Plain::UpstreamHostName => {
                text(record.upstream_host())
            }
            Plain::UpstreamHostsAttempted | Plain::UpstreamHostNamesAttempted => self.attempted(|host| host),
            Plain::UpstreamHostsAttemptedWithoutPort | Plain::UpstreamHostNamesAttemptedWithoutPort => {
                self.attempted(|host| host.rsplit_once(':').map_or(host, |(address, _)| address))
            }
            Plain::UpstreamRemoteAddressWithoutPort | Plain::UpstreamHostNameWithoutPort => {
                part(record.upstream_host(), Part::Address)
            }
            Plain::UpstreamRemotePort => part(record.upstream_host(), Part::Port),
            // Istio gives clusters an alternative stat name that ends with a semicolon; this operator shows it.
            Plain::UpstreamCluster => match &*record.upstream_cluster {
                "" => Value::Missing,
                name => Value::Owned(format!("{name};")),
            },
            Plain::UpstreamClusterRaw => text(&record.upstream_cluster),
            Plain::UpstreamLocalAddress => display(record.upstream_ends.local),
            Plain::UpstreamLocalAddressWithoutPort => display(record.upstream_ends.local.map(|a| a.ip())),
            Plain::UpstreamLocalPort => number(record.upstream_ends.local.map(|a| a.port())),
            Plain::UpstreamTransportFailureReason => text(&record.upstream_transport_failure),
            Plain::UpstreamRequestAttemptCount => Value::Number(u64::from(record.attempts)),
            _ => self.address(operator),
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
            Plain::DownstreamDirectLocalAddress => display(Some(connection.own)),
            Plain::DownstreamDirectLocalAddressWithoutPort => display(Some(connection.own.ip())),
            Plain::DownstreamDirectLocalPort => number(Some(connection.own.port())),
            Plain::ConnectionId => Value::Number(connection.id),
            _ => self.tls(operator),
        }
    }

    /// The endpoints in the order they were tried.
    fn attempted(&self, of: impl Fn(&str) -> &str) -> Value<'a> {
        let record = self.record;
        let all: Vec<&str> = record.upstream_before.iter().chain(&record.upstream).map(|host| of(&host.name)).collect();
        if all.is_empty() { Value::Missing } else { Value::Owned(all.join(",")) }
    }

    /// The network that an address is in, as in `10.0.0.0/8`.
    pub(super) fn network(&self, operator: Plain, bits: u8) -> Value<'a> {
        let mut out = Vec::new();
        self.plain(operator).write("", &mut out);
        let address = std::str::from_utf8(&out).ok().and_then(|text| text.parse::<IpAddr>().ok());
        let network = address.and_then(|address| IpNet::new(address, bits).ok());
        display(network.map(|network| network.trunc()))
    }

    /// When it ended, or began if it has not ended.
    pub(super) fn emit_time(&self) -> SystemTime {
        self.record.start_time + self.record.duration.unwrap_or_default()
    }

    fn access_log_type(&self) -> &'static str {
        match (self.record.duration, self.record.protocol) {
            (None, _) => "NotSet",
            (Some(_), Some(_)) => "DownstreamEnd",
            (Some(_), None) => "TcpConnectionEnd",
        }
    }

    fn request_bytes(&self) -> u64 {
        let request = self.request;
        let pseudo = [
            (":method", request.method.len()),
            (":path", request.path.len()),
            (":authority", request.authority.as_ref().map_or(0, bytes::Bytes::len)),
            (":scheme", request.scheme.len()),
        ];
        let fields = pseudo.iter().filter(|(_, length)| *length > 0).map(|(name, length)| name.len() + length);
        fields.sum::<usize>() as u64 + size(&request.headers)
    }

    /// Of the trailers, else the fields, else what gRPC makes of the HTTP status; -1 is none that gRPC knows.
    fn grpc_status(&self) -> Option<i64> {
        if !is_grpc_content_type(self.request.headers.get("content-type")) {
            return None;
        }
        let field = self.trailer("grpc-status").or_else(|| self.response_field("grpc-status"));
        let number = |field| std::str::from_utf8(field).ok().and_then(|text| text.parse::<u32>().ok());
        let of_http = || self.response.map(|(status, _)| i64::from(grpc_status(status)));
        field.map_or_else(of_http, |field| Some(number(field).map_or(-1, i64::from)))
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

pub(super) fn text(value: &str) -> Value<'_> {
    Value::Bytes(value.as_bytes()).none_if_empty()
}

pub(super) fn list(values: &[String]) -> Value<'_> {
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

/// Bytes of a `:status`.
const STATUS: u64 = 10;

/// Bytes of names and values.
fn size(headers: &Headers) -> u64 {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() as u64
}

fn status_number<'a>(code: i64) -> Value<'a> {
    u64::try_from(code).map_or_else(|_| Value::Owned(code.to_string()), Value::Number)
}

/// gRPC's name of a status code, in Envoy's camel case or in gRPC's snake case; the number itself if it has none.
fn grpc_name<'a>(code: i64, snake: bool) -> Value<'a> {
    const SNAKE: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
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
    let names = if snake { &SNAKE } else { &NAMES };
    usize::try_from(code).ok().and_then(|code| names.get(code)).map_or_else(|| status_number(code), |name| text(name))
}
