//! The client's address and scheme: x-forwarded-for, x-forwarded-proto and their kin.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use config_schema::snapshot::{HttpOptions, ListenerClass};

use super::record::Connection;
use crate::headers::{Headers, names, number};
use crate::message::{RequestHead, Version};

/// Writes the x-forwarded fields of this hop; returns the client's address behind the trusted proxies.
pub(super) fn apply(
    request: &mut RequestHead,
    connection: &Connection,
    options: &HttpOptions,
    class: ListenerClass,
) -> SocketAddr {
    let headers = &mut request.headers;
    let gateway = class == ListenerClass::Gateway;
    // An application speaks for itself, or passes on what it was told.
    let trusted = match class {
        ListenerClass::Gateway => usize::try_from(options.trusted_proxies).unwrap_or(usize::MAX),
        ListenerClass::SidecarOutbound => 1,
    };
    let client = match trusted {
        0 => connection.peer,
        hops => from_end(headers, hops).map_or(connection.peer, |ip| SocketAddr::new(ip, 0)),
    };
    if gateway {
        headers.join(names::X_FORWARDED_FOR, connection.peer_ip.clone(), b",");
    }
    let tls = connection.tls.is_some();
    if trusted == 0 || !headers.contains("x-forwarded-proto") {
        headers.set_static(names::X_FORWARDED_PROTO, if tls { "https" } else { "http" });
    }
    if options.forwarded_port {
        headers.set(names::X_FORWARDED_PORT, number(connection.local.port().into()));
    }
    if gateway {
        let external = match client.ip() == connection.peer.ip() {
            true => connection.peer_ip.clone(),
            false => Bytes::from(client.ip().to_string()),
        };
        headers.set(names::X_ENVOY_EXTERNAL_ADDRESS, external);
    }
    if request.version != Version::Http2 && trusted > 0 {
        // Behind a trusted proxy the scheme is what it says it was.
        match headers.get("x-forwarded-proto").map(|value| &value[..]) {
            Some(scheme) if scheme.eq_ignore_ascii_case(b"https") => request.scheme = Bytes::from_static(b"https"),
            Some(scheme) if scheme.eq_ignore_ascii_case(b"http") => request.scheme = Bytes::from_static(b"http"),
            Some(_) | None => {}
        }
    }
    client
}

/// The address that stands so many places from the end (1: the last).
fn from_end(headers: &Headers, place: usize) -> Option<IpAddr> {
    let list = headers.get_str("x-forwarded-for")?;
    let entry = list.rsplit(',').nth(place - 1)?.trim();
    entry.parse().ok()
}
