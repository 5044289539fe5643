//! What operators read: the request, the answer, the connection, and how it all went.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use config_schema::snapshot;
use ipnet::IpNet;
use parking_lot::Mutex;
use rand::rngs::SmallRng;

use super::names::Plain;
use super::operator::Original;
use crate::clock::Clock;
use crate::headers::Headers;
use crate::message::{RequestHead, is_grpc_content_type};
use crate::outcome::grpc_status;
use crate::proxy::admit::request_id;
use crate::proxy::record::Record;
use crate::route::CompiledRoute;
use crate::upstream::{Clusters, Host};

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
    /// An object or a list, which JSON writes as one.
    Json(serde_json::Value),
    /// The same; its text is cut behind so many characters.
    Cut(serde_json::Value, usize),
}

impl Value<'_> {
    /// Writes the value as text.
    pub fn write(&self, missing: &str, out: &mut Vec<u8>) {
        match self {
            Value::Missing => out.extend_from_slice(missing.as_bytes()),
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
            Value::Owned(text) => out.extend_from_slice(text.as_bytes()),
            Value::Number(n) => out.extend_from_slice(n.to_string().as_bytes()),
            Value::Json(json) => out.extend_from_slice(json.to_string().as_bytes()),
            Value::Cut(json, max) => {
                out.extend(json.to_string().chars().take(*max).collect::<String>().into_bytes());
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Value::Missing | Value::Bytes([]) => true,
            Value::Owned(text) => text.is_empty(),
            Value::Bytes(_) | Value::Number(_) | Value::Json(_) | Value::Cut(..) => false,
        }
    }
}

impl<'a> Value<'a> {
    /// Cuts a text.
    pub(super) fn limit(self, max: Option<usize>) -> Value<'a> {
        let Some(max) = max else { return self };
        match self {
            Value::Bytes(bytes) => Value::Bytes(&bytes[..max.min(bytes.len())]),
            Value::Owned(text) => Value::Owned(text.chars().take(max).collect()),
            Value::Json(json) => Value::Cut(json, max),
            other => other,
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
    /// What stands around it.
    pub around: Around<'a>,
}

/// What operators may read beside the request itself.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Tells the time of operators about now.
    pub clock: Clock,
    /// For operators that make something up.
    pub rng: &'a Mutex<SmallRng>,
    /// The request's route, once it has one.
    pub route: Option<&'a CompiledRoute>,
    /// Where its cluster is found.
    pub clusters: &'a Clusters,
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
            Some([]) => Value::Missing,
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
            // Known while it is made only, and there is no format for it.
            Plain::LocalReplyBody => Value::Bytes(b""),
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
            | Plain::UpstreamConnectionPoolReadyDuration
            | Plain::ResponseTxDuration => millis(self.time(operator)),
            Plain::RouteName => text(record.route_name.as_deref().unwrap_or_default()),
            Plain::GrpcStatus => self.grpc_status().map_or(Value::Missing, |n| grpc_name(n, false)),
            Plain::GrpcStatusSnake => self.grpc_status().map_or(Value::Missing, |n| grpc_name(n, true)),
            Plain::GrpcStatusNumber => self.grpc_status().map_or(Value::Missing, status_number),
            Plain::StreamId => self.request.headers.get("x-request-id").map_or(Value::Missing, |v| Value::Bytes(v)),
            Plain::VirtualClusterName => Value::Missing,
            Plain::UniqueId => Value::Owned(String::from_utf8_lossy(&request_id(&mut *self.around.rng.lock())).into()),
            Plain::ListenerName => text(&record.connection.listener),
            Plain::RouteResolutionCount => Value::Number(u64::from(self.around.route.is_some())),
            Plain::DownstreamDetectedCloseType => text("Normal"),
            Plain::DownstreamHandshakeDuration => millis(record.connection.tls.as_ref().map(|tls| tls.handshake)),
            Plain::Hostname => text(&record.connection.hostname),
            _ => self.upstream(operator),
        }
    }

    fn time(&self, operator: Plain) -> Option<Duration> {
        let record = self.record;
        match operator {
            Plain::Duration => {
                record.duration.or_else(|| self.around.clock.now().duration_since(record.start_time).ok())
            }
            Plain::RequestDuration => record.request_duration,
            Plain::RequestTxDuration => Some(record.moments.sent?.duration_since(record.moments.begun?)),
            Plain::UpstreamConnectionPoolReadyDuration => {
                Some(record.moments.leased?.duration_since(record.moments.wanted?))
            }
            Plain::ResponseDuration => record.response_duration,
            Plain::ResponseTxDuration => Some(record.duration?.saturating_sub(record.response_duration?)),
            _ => None,
        }
    }

    fn upstream(&self, operator: Plain) -> Value<'a> {
        let record = self.record;
        match operator {
            Plain::UpstreamProtocol => record.upstream_protocol.map_or(Value::Missing, |v| text(v.as_str())),
            Plain::UpstreamHost | Plain::UpstreamRemoteAddress => match record.upstream_ends.remote() {
                None => text(record.upstream_host()),
                remote => display(remote),
            },
            Plain::UpstreamHostName => record.upstream.as_ref().map_or(Value::Missing, |host| text(host.host_name())),
            Plain::UpstreamHostNameWithoutPort => {
                record.upstream.as_ref().map_or(Value::Missing, |host| text(without_port(host.host_name())))
            }
            Plain::UpstreamHostsAttempted => self.attempted(|host| self.address_of(host)),
            Plain::UpstreamHostNamesAttempted => self.attempted(|host| host.host_name().into()),
            Plain::UpstreamHostsAttemptedWithoutPort => {
                self.attempted(|host| without_port(&self.address_of(host)).to_owned().into())
            }
            Plain::UpstreamHostNamesAttemptedWithoutPort => {
                self.attempted(|host| without_port(host.host_name()).into())
            }
            Plain::UpstreamRemoteAddressWithoutPort if record.upstream_ends.remote().is_some() => {
                display(record.upstream_ends.remote().map(|address| address.ip()))
            }
            Plain::UpstreamRemoteAddressWithoutPort => part(record.upstream_host(), Part::Address),
            Plain::UpstreamConnectionId => Value::Number(record.upstream_ends.id()),
            Plain::UpstreamConnectionIdsAttempted => {
                let ids: Vec<String> = record.upstream_connections.iter().map(u64::to_string).collect();
                if ids.is_empty() { Value::Missing } else { Value::Owned(ids.join(",")) }
            }
            Plain::UpstreamDetectedCloseType if record.upstream_ends.id() > 0 => text("Normal"),
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
            _ => match self.size(operator) {
                Value::Missing => self.tls(operator),
                size => size,
            },
        }
    }

    /// The endpoints in the order they were tried; one that is tried again is named once.
    fn attempted<'h>(&'h self, of: impl Fn(&'h Host) -> Cow<'h, str>) -> Value<'a> {
        let mut all: Vec<Cow<'h, str>> = Vec::new();
        for host in self.record.upstream_before.iter().chain(&self.record.upstream) {
            let name = of(host);
            if !all.contains(&name) {
                all.push(name);
            }
        }
        if all.is_empty() { Value::Missing } else { Value::Owned(all.join(",")) }
    }

    /// Where an endpoint is: the last one's name may have led to an address.
    fn address_of<'h>(&self, host: &'h Host) -> Cow<'h, str> {
        let last = self.record.upstream.as_ref().is_some_and(|last| std::ptr::eq(&raw const **last, host));
        let remote = self.record.upstream_ends.remote().filter(|_| last);
        remote.map_or_else(|| (&*host.name).into(), |remote| remote.to_string().into())
    }

    /// The network that an address is in, as in `10.0.0.0/8`.
    pub(super) fn network(&self, operator: Plain, bits: u8) -> Value<'a> {
        let mut out = Vec::new();
        self.plain(operator).write("", &mut out);
        let address = std::str::from_utf8(&out).ok().and_then(|text| text.parse::<IpAddr>().ok());
        let network = address.and_then(|address| IpNet::new(address, bits).ok());
        display(network.map(|network| network.trunc()))
    }

    /// When it ended, or now if it has not ended.
    pub(super) fn emit_time(&self) -> SystemTime {
        self.record.duration.map_or_else(|| self.around.clock.now(), |duration| self.record.start_time + duration)
    }

    /// The cluster that was chosen.
    pub(super) fn cluster(&self) -> Option<&'a snapshot::Cluster> {
        self.around.clusters.get(&*self.record.upstream_cluster).map(|cluster| &*cluster.spec)
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

/// A host without its port; a name without one stays as it is.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
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
pub(super) const STATUS: u64 = 10;

/// Bytes of names and values.
fn size(headers: &Headers) -> u64 {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() as u64
}

fn status_number<'a>(code: i64) -> Value<'a> {
    u64::try_from(code).map_or_else(|_| Value::Owned(code.to_string()), Value::Number)
}

/// gRPC's name of a status code, in Envoy's camel case or in gRPC's snake case; the number itself if it has none.
fn grpc_name<'a>(code: i64, snake: bool) -> Value<'a> {
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
    let names = if snake { &config_schema::grpc_status::NAMES } else { &NAMES };
    usize::try_from(code).ok().and_then(|code| names.get(code)).map_or_else(|| status_number(code), |name| text(name))
}
