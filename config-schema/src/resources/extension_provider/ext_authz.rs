//! Servers that decide on requests (`ext_authz`).

use crate::resources::wire::{Duration, scalar};
use serde::Deserialize;
use std::collections::BTreeMap;

/// An authorization service over HTTP: the request's head is sent to it, and 200 allows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtAuthzHttp {
    /// Host of the registry, as `[namespace/]host`.
    #[serde(default)]
    pub service: String,
    /// Port.
    #[serde(default)]
    pub port: u32,
    /// Time to wait for an answer; default 600 s.
    pub timeout: Option<Duration>,
    /// Stands before the path of the request.
    #[serde(default, deserialize_with = "scalar")]
    pub path_prefix: Option<String>,
    /// Let requests pass if there is no answer.
    #[serde(default)]
    pub fail_open: bool,
    /// Route again after the headers were changed.
    #[serde(default)]
    pub clear_route_cache: bool,
    /// Status if there is no answer; default 403.
    #[serde(default, deserialize_with = "scalar")]
    pub status_on_error: Option<String>,
    /// Deprecated form of `includeRequestHeadersInCheck`.
    #[serde(default)]
    pub include_headers_in_check: Vec<String>,
    /// Request headers to send; `*` may stand at one end. Host, method, path, content-length and authorization are
    /// always sent.
    #[serde(default)]
    pub include_request_headers_in_check: Vec<String>,
    /// Further headers to send.
    #[serde(default)]
    pub include_additional_headers_in_check: BTreeMap<String, String>,
    /// Send the body too.
    pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
    /// Headers of the answer that go to the backend.
    #[serde(default)]
    pub headers_to_upstream_on_allow: Vec<String>,
    /// Headers of a denial that go to the client; default all.
    #[serde(default)]
    pub headers_to_downstream_on_deny: Vec<String>,
    /// Headers of a permission that go to the client.
    #[serde(default)]
    pub headers_to_downstream_on_allow: Vec<String>,
}

/// How much of the body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtAuthzRequestBody {
    /// Most bytes; a longer body gives 413 unless a part is enough.
    #[serde(default)]
    pub max_request_bytes: u32,
    /// A part is enough.
    #[serde(default)]
    pub allow_partial_message: bool,
    /// Send it as bytes rather than as text.
    #[serde(default)]
    pub pack_as_bytes: bool,
}

/// An authorization service over gRPC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtAuthzGrpc {
    /// Host of the registry, as `[namespace/]host`.
    #[serde(default)]
    pub service: String,
    /// Port.
    #[serde(default)]
    pub port: u32,
    /// Time to wait for an answer; default 600 s.
    pub timeout: Option<Duration>,
    /// Let requests pass if there is no answer.
    #[serde(default)]
    pub fail_open: bool,
    /// Route again after the headers were changed.
    #[serde(default)]
    pub clear_route_cache: bool,
    /// Status if there is no answer; default 403.
    #[serde(default, deserialize_with = "scalar")]
    pub status_on_error: Option<String>,
    /// Send the body too.
    pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
}
