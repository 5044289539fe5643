//! Statuses of HTTP and gRPC that stand for each other.

/// HTTP status that stands for a gRPC status (Envoy's `grpcToHttpStatus`, which is that of google.rpc.Code).
pub fn http_status(grpc_status: u32) -> u16 {
    match grpc_status {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

/// gRPC status that stands for an HTTP status in a local reply (gRPC over HTTP/2 status mapping).
pub fn grpc_status(http_status: u16) -> u32 {
    match http_status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}
