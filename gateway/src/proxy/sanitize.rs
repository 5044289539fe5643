//! Fields that end at this hop or that only the proxy may write.

use bytes::Bytes;
use config_schema::snapshot::ListenerClass;

use crate::headers::{Headers, names};
use crate::message::RequestHead;

/// Fields that steer the proxy and that a client may not set.
const CONTROL: &[&str] = &[
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-max-retries",
    "x-envoy-original-host",
    "x-envoy-original-path",
    "x-envoy-original-url",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-stream-duration-ms",
];

/// Of those, what an application may pass on that was told so by its own sidecar.
const OF_THE_MESH: &[&str] = &[
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-external-address",
    "x-envoy-original-host",
    "x-envoy-original-path",
];

/// Removes them from a request.
pub(super) fn request(request: &mut RequestHead, upgrade: bool, class: ListenerClass) {
    let inside = class == ListenerClass::SidecarOutbound;
    let mut te = request.headers.get_all("te").peekable();
    let empty_te = te.peek().is_some_and(|te| te.is_empty());
    let keep_te = te.flat_map(|te| te.split(|b| *b == b',')).any(|word| word.trim_ascii() == b"trailers");
    request.headers.retain(|name, _| match name.as_bytes() {
        b"connection" | b"upgrade" => upgrade,
        b"keep-alive" | b"proxy-connection" | b"transfer-encoding" => false,
        b"te" => upgrade || keep_te || empty_te,
        other if other.starts_with(b"x-envoy-") => {
            let kept = inside && OF_THE_MESH.contains(&name.as_str());
            (kept || !CONTROL.contains(&name.as_str())) && !other.starts_with(b"x-envoy-peer-metadata")
        }
        _ => true,
    });
    if keep_te && !upgrade {
        request.headers.set(names::TE, Bytes::from_static(b"trailers"));
    }
}

/// Removes from a backend's answer what ends at this hop.
pub(super) fn response(headers: &mut Headers, upgraded: bool) {
    headers.retain(|name, _| match name.as_bytes() {
        b"connection" | b"upgrade" => upgraded,
        b"keep-alive" | b"proxy-connection" | b"transfer-encoding" => false,
        b"x-envoy-decorator-operation" => false,
        other => !other.starts_with(b"x-envoy-peer-metadata"),
    });
}
