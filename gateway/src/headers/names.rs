//! Names that the gateway itself reads or writes.

use super::Name;

macro_rules! names {
    ($($constant:ident = $text:literal,)*) => {
        $(#[doc = concat!("`", $text, "`")] pub const $constant: Name = Name::from_static($text);)*
    };
}

names! {
    CONNECTION = "connection",
    CONTENT_LENGTH = "content-length",
    CONTENT_TYPE = "content-type",
    COOKIE = "cookie",
    DATE = "date",
    GRPC_MESSAGE = "grpc-message",
    GRPC_STATUS = "grpc-status",
    GRPC_ACCEPT_ENCODING = "grpc-accept-encoding",
    GRPC_TIMEOUT = "grpc-timeout",
    HOST = "host",
    LOCATION = "location",
    ORIGIN = "origin",
    SERVER = "server",
    SET_COOKIE = "set-cookie",
    TE = "te",
    TRAILER = "trailer",
    TRANSFER_ENCODING = "transfer-encoding",
    UPGRADE = "upgrade",
    USER_AGENT = "user-agent",
    VARY = "vary",
    ACCESS_CONTROL_ALLOW_ORIGIN = "access-control-allow-origin",
    ACCESS_CONTROL_ALLOW_METHODS = "access-control-allow-methods",
    ACCESS_CONTROL_ALLOW_HEADERS = "access-control-allow-headers",
    ACCESS_CONTROL_ALLOW_CREDENTIALS = "access-control-allow-credentials",
    ACCESS_CONTROL_EXPOSE_HEADERS = "access-control-expose-headers",
    ACCESS_CONTROL_MAX_AGE = "access-control-max-age",
    X_ENVOY_ATTEMPT_COUNT = "x-envoy-attempt-count",
    X_ENVOY_DECORATOR_OPERATION = "x-envoy-decorator-operation",
    X_ENVOY_EXPECTED_RQ_TIMEOUT_MS = "x-envoy-expected-rq-timeout-ms",
    X_ENVOY_EXTERNAL_ADDRESS = "x-envoy-external-address",
    X_ENVOY_OVERLOADED = "x-envoy-overloaded",
    X_ENVOY_INTERNAL = "x-envoy-internal",
    X_ENVOY_ORIGINAL_HOST = "x-envoy-original-host",
    X_ENVOY_ORIGINAL_PATH = "x-envoy-original-path",
    X_ENVOY_UPSTREAM_SERVICE_TIME = "x-envoy-upstream-service-time",
    X_FORWARDED_CLIENT_CERT = "x-forwarded-client-cert",
    X_FORWARDED_FOR = "x-forwarded-for",
    X_FORWARDED_HOST = "x-forwarded-host",
    X_FORWARDED_PORT = "x-forwarded-port",
    X_FORWARDED_PROTO = "x-forwarded-proto",
    X_REQUEST_ID = "x-request-id",
}
