//! The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt).

use std::io;
use std::net::{IpAddr, SocketAddr};

use config_schema::snapshot::ProxyProtocolVersion;
use ppp::HeaderResult;
use ppp::v2;

/// The longest header that is waited for: a version 2 header with type-length-values.
const MAX_HEADER: usize = 4096;
/// The longest version 1 header.
const MAX_TEXT: usize = 107;

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes it takes.
    pub length: usize,
    /// Source and destination; `None`: a local connection (health check), which keeps the socket's addresses.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
}

/// What the first bytes of a connection are.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// More bytes are needed.
    NeedMore,
    /// A header.
    Header(Header),
    /// No header.
    Invalid,
}

/// Looks for a header.
pub fn parse(bytes: &[u8]) -> Parsed {
    let Some(length) = header_length(bytes) else { return Parsed::Invalid };
    let Some(header) = length.and_then(|length| bytes.get(..length)) else { return Parsed::NeedMore };
    let result = HeaderResult::parse(header);
    match result {
        HeaderResult::V1(Ok(header)) => {
            let length = header.header.len();
            let addresses = match header.addresses {
                ppp::v1::Addresses::Tcp4(a) => {
                    Some(pair(a.source_address, a.source_port, a.destination_address, a.destination_port))
                }
                ppp::v1::Addresses::Tcp6(a) => {
                    Some(pair(a.source_address, a.source_port, a.destination_address, a.destination_port))
                }
                ppp::v1::Addresses::Unknown => None,
            };
            Parsed::Header(Header { length, addresses })
        }
        HeaderResult::V2(Ok(header)) => {
            let length = header.header.len();
            let addresses = match header.addresses {
                _ if header.command == v2::Command::Local => None,
                v2::Addresses::IPv4(a) => {
                    Some(pair(a.source_address, a.source_port, a.destination_address, a.destination_port))
                }
                v2::Addresses::IPv6(a) => {
                    Some(pair(a.source_address, a.source_port, a.destination_address, a.destination_port))
                }
                v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
            };
            Parsed::Header(Header { length, addresses })
        }
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Parsed::Invalid,
    }
}

/// How long the header is, as soon as that shows; `None` if there is no header.
fn header_length(bytes: &[u8]) -> Option<Option<usize>> {
    let starts = |signature: &[u8]| {
        let n = bytes.len().min(signature.len());
        bytes[..n] == signature[..n]
    };
    if starts(v2::PROTOCOL_PREFIX) {
        let Some(length) = bytes.get(14..16) else { return Some(None) };
        let length = 16 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        return (length <= MAX_HEADER).then_some(Some(length));
    }
    if !starts(b"PROXY ") {
        return None;
    }
    match memchr::memmem::find(bytes, b"\r\n") {
        Some(end) => Some(Some(end + 2)),
        None if bytes.len() < MAX_TEXT => Some(None),
        None => None,
    }
}

fn pair(
    source: impl Into<IpAddr>,
    source_port: u16,
    destination: impl Into<IpAddr>,
    destination_port: u16,
) -> (SocketAddr, SocketAddr) {
    (SocketAddr::new(source.into(), source_port), SocketAddr::new(destination.into(), destination_port))
}

/// A header to send to an endpoint.
pub fn encode(version: ProxyProtocolVersion, source: SocketAddr, destination: SocketAddr) -> io::Result<Vec<u8>> {
    match version {
        ProxyProtocolVersion::V1 => {
            let family = match (source, destination) {
                (SocketAddr::V4(_), SocketAddr::V4(_)) => "TCP4",
                (SocketAddr::V6(_), SocketAddr::V6(_)) => "TCP6",
                (SocketAddr::V4(_), SocketAddr::V6(_)) | (SocketAddr::V6(_), SocketAddr::V4(_)) => {
                    return Ok(b"PROXY UNKNOWN\r\n".to_vec());
                }
            };
            Ok(format!(
                "PROXY {family} {} {} {} {}\r\n",
                source.ip(),
                destination.ip(),
                source.port(),
                destination.port()
            )
            .into_bytes())
        }
        ProxyProtocolVersion::V2 => v2::Builder::with_addresses(
            v2::Version::Two | v2::Command::Proxy,
            v2::Protocol::Stream,
            (source, destination),
        )
        .build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_come_back() {
        let (source, destination) = ("10.1.2.3:4567".parse().unwrap(), "10.9.9.9:443".parse().unwrap());
        for version in [ProxyProtocolVersion::V1, ProxyProtocolVersion::V2] {
            let header = encode(version, source, destination).unwrap();
            for n in 0..header.len() {
                assert_eq!(parse(&header[..n]), Parsed::NeedMore, "{version:?} {n}");
            }
            let mut stream = header.clone();
            stream.extend_from_slice(b"GET / HTTP/1.1\r\n");
            let expected = Header { length: header.len(), addresses: Some((source, destination)) };
            assert_eq!(parse(&stream), Parsed::Header(expected));
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01\x02\x00", b"PROXY TCP4 x\r\n", &[0; 16]] {
            assert_eq!(parse(bytes), Parsed::Invalid, "{bytes:?}");
        }
    }
}
