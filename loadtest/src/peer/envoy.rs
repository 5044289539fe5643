//! Envoy: one virtual host, one prefix route, one static cluster, no log.

use std::ffi::OsString;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::Task;
use crate::arguments;

/// Where the types of Envoy's extensions begin.
const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";

pub(super) fn configure(task: &Task<'_>) -> anyhow::Result<Vec<OsString>> {
    let file = task.write("envoy.json", &format!("{:#}", configuration(task)))?;
    Ok(arguments![
        "-c",
        file,
        "--concurrency",
        task.scene.workers.to_string(),
        "--disable-hot-restart",
        "--log-level",
        "error"
    ])
}

fn configuration(task: &Task<'_>) -> Value {
    let certificate = &task.scene.certificate;
    let tls = json!({
        "name": "tls",
        "typed_config": {
            "@type": format!("{EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext"),
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                "tls_certificates": [{
                    "certificate_chain": {"filename": certificate.chain},
                    "private_key": {"filename": certificate.key},
                }],
            },
        },
    });
    let endpoint = json!({"endpoint": {"address": address(task.scene.backend)}});
    let cluster = json!({
        "name": "shop",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [{"max_connections": 20_000, "max_pending_requests": 20_000, "max_requests": 20_000}]},
        "load_assignment": {"cluster_name": "shop", "endpoints": [{"lb_endpoints": [endpoint]}]},
    });
    json!({
        "static_resources": {
            "listeners": [listener("plain", task.plain, None), listener("tls", task.tls, Some(tls))],
            "clusters": [cluster],
        },
    })
}

fn listener(name: &str, at: SocketAddr, tls: Option<Value>) -> Value {
    let manager = json!({
        "@type": format!("{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": name,
        "codec_type": "AUTO",
        "http_filters": [{
            "name": "router",
            "typed_config": {"@type": format!("{EXTENSIONS}.filters.http.router.v3.Router")},
        }],
        "route_config": {
            "name": "routes",
            "virtual_hosts": [{
                "name": "shop",
                "domains": [crate::workload::HOST],
                "routes": [{"match": {"prefix": "/api/"}, "route": {"cluster": "shop"}}],
            }],
        },
    });
    let mut chain = json!({"filters": [{"name": "http", "typed_config": manager}]});
    if let Some(tls) = tls {
        chain["transport_socket"] = tls;
    }
    json!({"name": name, "address": address(at), "filter_chains": [chain]})
}

fn address(at: SocketAddr) -> Value {
    json!({"socket_address": {"address": at.ip().to_string(), "port_value": at.port()}})
}
