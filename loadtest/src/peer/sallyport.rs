//! The gateway, with a small configuration such as people have: two servers, a few routes with timeouts and retries, a
//! DestinationRule with limits, metrics.

use std::ffi::OsString;

use anyhow::Context;
use serde_json::{Value, json};

use super::Task;
use crate::arguments;
use crate::workload::HOST;

pub(super) fn configure(task: &Task<'_>, log: bool) -> anyhow::Result<Vec<OsString>> {
    let objects =
        [mesh(task, log), gateway_service(task), secret(task)?, gateway(), backend_service(), backend_slice(task)];
    let routing = [virtual_service(), destination_rule()];
    let text: String = objects.iter().chain(&routing).map(|object| format!("---\n{object:#}\n")).collect();
    task.write("config.yaml", &text)?;
    Ok(arguments![
        "run",
        "--config",
        task.directory.join("config.yaml"),
        "--bind",
        task.plain.ip().to_string(),
        "--workers",
        task.scene.workers.to_string(),
        "--admin",
        "off",
        "--readiness",
        "127.0.0.1:0",
        "--metrics",
        "127.0.0.1:0"
    ])
}

fn mesh(task: &Task<'_>, log: bool) -> Value {
    let file = if log { task.directory.join("access.log").display().to_string() } else { String::new() };
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": "istio-system"},
        // There is no mesh behind this gateway, and it has no mesh identity.
        "data": {"mesh": json!({"accessLogFile": file, "enableAutoMtls": false}).to_string()},
    })
}

/// The Gateway's ports are those of this Service; its target ports are where the gateway listens.
fn gateway_service(task: &Task<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "istio-ingressgateway", "namespace": "istio-system"},
        "spec": {
            "selector": {"istio": "ingressgateway"},
            "ports": [
                {"name": "http2", "port": 80, "targetPort": task.plain.port(), "protocol": "TCP"},
                {"name": "https", "port": 443, "targetPort": task.tls.port(), "protocol": "TCP"},
            ],
        },
    })
}

fn secret(task: &Task<'_>) -> anyhow::Result<Value> {
    let certificate = &task.scene.certificate;
    let read = |path: &std::path::Path| std::fs::read_to_string(path).with_context(|| path.display().to_string());
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "shop-certificate", "namespace": "istio-system"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": read(&certificate.chain)?, "tls.key": read(&certificate.key)?},
    }))
}

fn gateway() -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "edge", "namespace": "istio-system"},
        "spec": {
            "selector": {"istio": "ingressgateway"},
            "servers": [
                {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*.example.com"]},
                {
                    "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
                    "hosts": ["*.example.com"],
                    "tls": {"mode": "SIMPLE", "credentialName": "shop-certificate"},
                },
            ],
        },
    })
}

fn backend_service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {
            "selector": {"app": "shop"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
        },
    })
}

fn backend_slice(task: &Task<'_>) -> Value {
    let backend = task.scene.backend;
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "shop-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "shop"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [backend.ip().to_string()], "conditions": {"ready": true}}],
        "ports": [{"name": "http", "port": backend.port(), "protocol": "TCP"}],
    })
}

/// The requests of all workloads take the fourth route.
fn virtual_service() -> Value {
    let to_shop = json!([{"destination": {"host": "shop", "port": {"number": 80}}}]);
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {
            "hosts": [HOST],
            "gateways": ["istio-system/edge"],
            "http": [
                {"name": "health", "match": [{"uri": {"exact": "/healthz"}}], "directResponse": {"status": 200}},
                {
                    "name": "canary",
                    "match": [{"uri": {"prefix": "/api/"}, "headers": {"x-canary": {"exact": "yes"}}}],
                    "route": to_shop,
                },
                {"name": "items", "match": [{"uri": {"regex": "/items/[0-9]+"}}], "route": to_shop},
                {
                    "name": "api",
                    "match": [{"uri": {"prefix": "/api/"}}],
                    "timeout": "15s",
                    "retries": {"attempts": 2, "perTryTimeout": "5s", "retryOn": "5xx,reset,connect-failure"},
                    "route": to_shop,
                },
                {"name": "rest", "route": to_shop},
            ],
        },
    })
}

fn destination_rule() -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {
            "host": "shop",
            "trafficPolicy": {
                "connectionPool": {
                    "tcp": {"maxConnections": 10_000, "connectTimeout": "5s"},
                    "http": {"http1MaxPendingRequests": 10_000, "http2MaxRequests": 10_000},
                },
            },
        },
    })
}
