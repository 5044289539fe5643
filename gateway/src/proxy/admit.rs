//! Whether a request may be routed at all, and the header changes that every request gets (Envoy's connection manager).

use bytes::Bytes;
use config_schema::snapshot::{HttpOptions, ListenerClass, UnderscoresAction};
use rand::Rng;

use super::path::{self, Normalized};
use super::record::Connection;
use super::{forwarded, sanitize, xfcc};
use crate::headers::{Headers, names};
use crate::message::{RequestHead, Version};
use crate::outcome::{Outcome, ProtocolError};

/// A request that goes no further.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Why.
    pub outcome: Outcome,
    /// Where to instead.
    pub location: Option<Bytes>,
}

impl From<Outcome> for Refused {
    fn from(outcome: Outcome) -> Self {
        Refused { outcome, location: None }
    }
}

/// Checks and prepares a request. Returns the client's address behind trusted proxies.
pub(super) fn admit(
    request: &mut RequestHead,
    connection: &Connection,
    options: &HttpOptions,
    class: ListenerClass,
    rng: &mut impl Rng,
) -> Result<std::net::SocketAddr, Refused> {
    if request.version == Version::Http10 {
        return Err(Outcome::LowVersion.into());
    }
    if request.version == Version::Http2 {
        check_http2_fields(request, options)?;
    }
    if request.authority.is_none() {
        return Err(Outcome::MissingHost.into());
    }
    let connect = &request.method[..] == b"CONNECT";
    if !connect && request.path.first() != Some(&b'/') {
        return Err(Outcome::AbsolutePathRejected.into());
    }
    if &request.method[..] == b"QUERY" && !request.headers.contains("content-type") {
        return Err(Outcome::QueryMissingContentType.into());
    }
    if !connect {
        match path::normalize(&request.path, options) {
            Normalized::Path(path) => request.path = path,
            Normalized::Rejected => return Err(Outcome::PathNormalizationFailed.into()),
            Normalized::Redirect(path) => {
                return Err(Refused { outcome: Outcome::PathNormalizationRedirect, location: Some(path) });
            }
        }
    }
    let upgrade = request.is_upgrade();
    sanitize::request(request, upgrade, class);
    let client = forwarded::apply(request, connection, options, class);
    xfcc::apply(&mut request.headers, connection, options);
    let known = class == ListenerClass::SidecarOutbound && request.headers.contains("x-request-id");
    if options.generate_request_id && !known {
        request.headers.set(names::X_REQUEST_ID, request_id(rng));
    }
    Ok(client)
}

/// Over HTTP/2 these are not the codec's matter.
fn check_http2_fields(request: &mut RequestHead, options: &HttpOptions) -> Result<(), Refused> {
    // Envoy counts the four pseudo fields too.
    if request.headers.len() + 4 > options.max_headers {
        return Err(Outcome::Protocol(ProtocolError::TOO_MANY_HEADERS_H2).into());
    }
    let headers = &mut request.headers;
    let underscore = |headers: &Headers| headers.iter().any(|(name, _)| name.as_bytes().contains(&b'_'));
    match options.underscores {
        UnderscoresAction::RejectRequest if underscore(headers) => {
            return Err(Outcome::Protocol(ProtocolError::UNEXPECTED_UNDERSCORE_H2).into());
        }
        UnderscoresAction::DropHeader => headers.retain(|name, _| !name.as_bytes().contains(&b'_')),
        UnderscoresAction::RejectRequest | UnderscoresAction::Allow => {}
    }
    Ok(())
}

/// A random UUID (RFC 9562, version 4).
pub(crate) fn request_id(rng: &mut impl Rng) -> Bytes {
    let mut bytes = [0u8; 16];
    rng.fill_bytes(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(36);
    for (n, byte) in bytes.iter().enumerate() {
        if matches!(n, 4 | 6 | 8 | 10) {
            text.push(b'-');
        }
        text.push(HEX[usize::from(byte >> 4)]);
        text.push(HEX[usize::from(byte & 15)]);
    }
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::Name;

    #[test]
    fn underscores_over_http2() {
        for (underscores, expected) in [
            (UnderscoresAction::Allow, Ok(2)),
            (UnderscoresAction::DropHeader, Ok(1)),
            (UnderscoresAction::RejectRequest, Err(())),
        ] {
            let options = HttpOptions { underscores, ..HttpOptions::default() };
            let mut request = RequestHead::unread(Version::Http2);
            for name in ["a_b", "ab"] {
                request.headers.append(Name::from_lower(Bytes::from_static(name.as_bytes())), Bytes::new());
            }
            let checked = check_http2_fields(&mut request, &options).map_err(|_| ());
            assert_eq!(checked.map(|()| request.headers.len()), expected, "{underscores:?}");
        }
    }
}
