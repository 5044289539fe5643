//! What popular EnvoyFilters are for, and what does it here.

use serde_json::Value;

use crate::resources::envoy_filter::{EnvoyConfigObjectPatch, EnvoyFilter, PatchOperation};

/// What to say about one patch.
pub(super) struct Advice {
    pub(super) patch: usize,
    pub(super) message: String,
}

/// Something that people use an EnvoyFilter for.
struct Purpose {
    /// As operators call it.
    name: &'static str,
    /// Words in type URLs, extension names or field names of the patch that tell it, the most telling ones first.
    marks: &'static [&'static str],
    /// What does it here, if anything does.
    instead: Option<&'static str>,
}

const PURPOSES: &[Purpose] = &[
    Purpose { name: "a local rate limit", marks: &["local_ratelimit", "LocalRateLimit"], instead: None },
    Purpose { name: "a global rate limit", marks: &["http.ratelimit", "RateLimit", "rate_limits"], instead: None },
    Purpose { name: "a limit of request bodies", marks: &["filters.http.buffer", "max_request_bytes"], instead: None },
    Purpose {
        name: "compression",
        marks: &["filters.http.compressor", "filters.http.gzip", "compression.brotli", "filters.http.decompressor"],
        instead: None,
    },
    Purpose {
        name: "Lua",
        marks: &["filters.http.lua", "inline_code", "inlineCode"],
        instead: Some("headers of a VirtualService, as far as it changes headers"),
    },
    Purpose { name: "WebAssembly", marks: &["filters.http.wasm", "filters.network.wasm"], instead: None },
    Purpose {
        name: "the case of header names",
        marks: &["header_key_format", "preserve_case", "proper_case_words"],
        instead: None,
    },
    Purpose {
        name: "trusted proxies in front",
        marks: &["xff_num_trusted_hops", "use_remote_address", "original_ip_detection"],
        instead: Some("meshConfig.defaultConfig.gatewayTopology.numTrustedProxies"),
    },
    Purpose {
        name: "the PROXY protocol",
        marks: &["listener.proxy_protocol"],
        instead: Some("meshConfig.defaultConfig.gatewayTopology.proxyProtocol"),
    },
    Purpose {
        name: "the header x-forwarded-client-cert",
        marks: &["forward_client_cert_details", "set_current_client_cert_details"],
        instead: Some("meshConfig.defaultConfig.gatewayTopology.forwardClientCertDetails"),
    },
    Purpose {
        name: "timeouts and limits of connections",
        marks: &[
            "stream_idle_timeout",
            "request_headers_timeout",
            "request_timeout",
            "max_stream_duration",
            "max_connection_duration",
            "drain_timeout",
            "max_concurrent_streams",
            "initial_stream_window_size",
            "initial_connection_window_size",
            "per_connection_buffer_limit_bytes",
            "headers_with_underscores_action",
            "connection_limit",
            "idle_timeout",
        ],
        instead: Some("meshConfig.defaultConfig.connectionSettings"),
    },
    Purpose {
        name: "the normalisation of paths",
        marks: &["normalize_path", "merge_slashes", "path_with_escaped_slashes_action"],
        instead: Some("meshConfig.pathNormalization"),
    },
    Purpose {
        name: "the header server",
        marks: &["server_header_transformation", "server_name"],
        instead: Some("meshConfig.defaultConfig.proxyHeaders.server"),
    },
    Purpose {
        name: "external authorization",
        marks: &["filters.http.ext_authz", "filters.network.ext_authz"],
        instead: Some("an AuthorizationPolicy with the action CUSTOM and meshConfig.extensionProviders"),
    },
    Purpose {
        name: "verification of tokens",
        marks: &["filters.http.jwt_authn"],
        instead: Some("a RequestAuthentication"),
    },
    Purpose {
        name: "authorization",
        marks: &["filters.http.rbac", "network.rbac"],
        instead: Some("an AuthorizationPolicy"),
    },
    Purpose {
        name: "cross-origin rules",
        marks: &["filters.http.cors"],
        instead: Some("corsPolicy of a VirtualService"),
    },
    Purpose { name: "injected faults", marks: &["filters.http.fault"], instead: Some("fault of a VirtualService") },
    Purpose {
        name: "access logs",
        marks: &["access_log", "access_loggers"],
        instead: Some("meshConfig.accessLogFile"),
    },
    Purpose {
        name: "outlier detection and limits towards a backend",
        marks: &["outlier_detection", "circuit_breakers", "upstream_connection_options", "tcp_keepalive"],
        instead: Some("trafficPolicy of a DestinationRule"),
    },
    Purpose {
        name: "changes of headers",
        marks: &["headers_to_add", "headers_to_remove"],
        instead: Some("headers of a VirtualService"),
    },
    Purpose { name: "retries", marks: &["retry_policy"], instead: Some("retries of a VirtualService") },
];

/// What each patch of a filter is for, and what to use instead.
pub(super) fn advice(filter: &EnvoyFilter) -> Vec<Advice> {
    filter.config_patches.iter().enumerate().map(|(patch, found)| Advice { patch, message: message(found) }).collect()
}

fn message(patch: &EnvoyConfigObjectPatch) -> String {
    const NO_ENVOY: &str = "an EnvoyFilter changes the configuration of Envoy, and there is no Envoy here";
    let mut words = Vec::new();
    if let Some(value) = patch.patch.as_ref().and_then(|patch| patch.value.as_ref()) {
        collect(value, &mut words);
    }
    if patch.patch.as_ref().is_some_and(|patch| patch.operation == PatchOperation::Remove) {
        return format!("{NO_ENVOY}; this patch removes something, and should be removed itself");
    }
    let tells = |purpose: &&Purpose| purpose.marks.iter().any(|mark| words.iter().any(|word| word.contains(mark)));
    match PURPOSES.iter().find(tells) {
        Some(Purpose { name, instead: Some(instead), .. }) => {
            format!("{NO_ENVOY}; this patch is about {name}: use {instead}")
        }
        Some(Purpose { name, instead: None, .. }) => {
            format!("{NO_ENVOY}; this patch is about {name}, for which there is no field yet")
        }
        None => format!("{NO_ENVOY}; it is not known what this patch is for"),
    }
}

/// All keys, and the strings that name types and extensions.
fn collect<'v>(value: &'v Value, words: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                words.push(key);
                match value {
                    Value::String(text) if key == "@type" || key == "name" => words.push(text),
                    value => collect(value, words),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        _ => {}
    }
}
