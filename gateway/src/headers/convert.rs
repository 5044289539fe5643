//! To and from the `http` crate's maps, which the HTTP/2 library speaks.

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Headers, Name};

/// Takes over all fields of a map.
pub fn from_http(map: HeaderMap) -> Headers {
    from_http_ref(&map)
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
    // All of them in one piece of memory.
    let size = map.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let mut text = BytesMut::with_capacity(size);
    for (name, value) in map {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(value.as_bytes());
    }
    let mut text = text.freeze();
    let mut headers = Headers::with_capacity(map.len() + 8);
    for (name, value) in map {
        let name = Name::from_lower(text.split_to(name.as_str().len()));
        headers.append(name, text.split_to(value.len()));
    }
    headers
}
