//! Fields that have no place in HTTP/2.

use crate::headers::Headers;

/// Drops what belongs to a connection of HTTP/1 (RFC 9113 §8.2.2): a message that has it would be refused as a whole.
pub(super) fn drop_connection_fields(headers: &mut Headers) {
    headers.retain(|name, value| !is_connection_field(name.as_bytes(), value));
}

/// Whether a field belongs to a connection of HTTP/1.
pub(super) fn is_connection_field(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => true,
        b"te" => value != b"trailers",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::headers::Name;

    #[test]
    fn fields_of_a_connection_are_dropped() {
        let fields = |list: &[(&str, &'static str)]| {
            let mut headers = Headers::default();
            for (name, value) in list {
                headers.append(Name::new(name), Bytes::from_static(value.as_bytes()));
            }
            headers
        };
        let mut headers = fields(&[("te", "gzip"), ("x-a", "1"), ("keep-alive", "5"), ("te", "trailers")]);
        drop_connection_fields(&mut headers);
        assert_eq!(headers, fields(&[("x-a", "1"), ("te", "trailers")]));
    }
}
