//! `grpc.health.v1`, the little of it that is needed.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

/// `HealthCheckRequest`
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, tag = "1")]
    service: String,
}

/// `HealthCheckResponse`
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `HealthCheckResponse.ServingStatus.SERVING`
const SERVING: i32 = 1;
/// A flag and a length come before each message.
const PREFIX: usize = 5;

/// The body that asks for a service.
pub(super) fn request(service: &str) -> Bytes {
    let message = Request { service: service.to_owned() }.encode_to_vec();
    let mut body = BytesMut::with_capacity(PREFIX + message.len());
    body.put_u8(0);
    // The name of a service in the configuration is not longer than 4 GiB.
    body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    body.put_slice(&message);
    body.freeze()
}

/// Whether an answer's body says SERVING; an error if it is no answer.
pub(super) fn is_serving(body: &[u8]) -> Result<bool, &'static str> {
    let (prefix, message) = body.split_at_checked(PREFIX).ok_or("an answer without a message")?;
    if prefix[0] != 0 || prefix[1..] != u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes() {
        return Err("an answer that is no single plain message");
    }
    let response = Response::decode(message).map_err(|_| "an answer that is no HealthCheckResponse")?;
    Ok(response.status == SERVING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_on_the_wire() {
        assert_eq!(&request("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&request("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!(is_serving(&[0, 0, 0, 0, 2, 8, 1]), Ok(true));
        assert_eq!(is_serving(&[0, 0, 0, 0, 2, 8, 2]), Ok(false));
        assert_eq!(is_serving(&[0, 0, 0, 0, 0]), Ok(false), "UNKNOWN is the default");
        for bad in [&[][..], &[0, 0, 0, 0], &[1, 0, 0, 0, 2, 8, 1], &[0, 0, 0, 0, 3, 8, 1], &[0, 0, 0, 0, 1, 8]] {
            assert!(is_serving(bad).is_err(), "{bad:?}");
        }
    }
}
