//! To and from the `http` crate's maps, which the HTTP/2 library speaks.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Headers, Name};

/// Takes over all fields of a map.
pub fn from_http(map: HeaderMap) -> Headers {
    let mut headers = Headers::with_capacity(map.len());
    let mut last: Option<Name> = None;
    for (name, value) in map {
        if let Some(name) = name {
            last = Some(Name::from_lower(Bytes::copy_from_slice(name.as_str().as_bytes())));
        }
        if let Some(name) = &last {
            headers.append(name.clone(), Bytes::copy_from_slice(value.as_bytes()));
        }
    }
    headers
}

/// Copies all fields into a map. A field that HTTP cannot carry is left out.
pub fn to_http(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter() {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_maybe_shared(value.clone());
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    map
}

/// Copies all fields of a map.
pub fn from_http_ref(map: &HeaderMap) -> Headers {
    let mut headers = Headers::with_capacity(map.len());
    for (name, value) in map {
        headers.append(
            Name::from_lower(Bytes::copy_from_slice(name.as_str().as_bytes())),
            Bytes::copy_from_slice(value.as_bytes()),
        );
    }
    headers
}
