//! What is in force, as JSON.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::AdminState;
use crate::config::Rejection;
use crate::dns::Condition;
use crate::listen::manager::ListenerState;
use crate::upstream::{Checked, Host};

/// The whole snapshot; keys of certificates are left out.
pub(super) async fn config(State(state): State<Arc<AdminState>>) -> Json<Value> {
    let runtime = state.shared.store.load();
    let mut snapshot = (*runtime.snapshot).clone();
    let secrets: Vec<&String> = runtime.snapshot.secrets.keys().collect();
    snapshot.secrets.clear();
    Json(json!({ "version": runtime.version, "secrets": secrets, "snapshot": snapshot }))
}

/// Listeners and whether they are bound.
pub(super) async fn listeners(State(state): State<Arc<AdminState>>) -> Json<Value> {
    let runtime = state.shared.store.load();
    let states = state.listeners.lock().clone();
    let list: Vec<Value> = states
        .iter()
        .map(|(name, state)| {
            let chains = runtime.listeners.get(name).map(|listener| {
                listener
                    .spec
                    .filter_chains
                    .iter()
                    .map(|chain| json!({ "name": chain.name, "match": chain.matches }))
                    .collect::<Vec<_>>()
            });
            match state {
                ListenerState::Bound(address) => json!({ "name": name, "bound": address, "filter_chains": chains }),
                ListenerState::Failed(reason) => json!({ "name": name, "failed": reason, "filter_chains": chains }),
            }
        })
        .collect();
    Json(list.into())
}

/// Routing tables.
pub(super) async fn routes(State(state): State<Arc<AdminState>>) -> Json<Value> {
    Json(json!(state.shared.store.load().snapshot.route_tables))
}

/// Clusters with their endpoints.
pub(super) async fn clusters(State(state): State<Arc<AdminState>>) -> Json<Value> {
    let runtime = state.shared.store.load();
    let mut names: Vec<_> = runtime.clusters.keys().collect();
    names.sort();
    let list: Vec<Value> = names
        .into_iter()
        .map(|name| {
            let cluster = &runtime.clusters[name];
            cluster.state.sweep(tokio::time::Instant::now().into_std());
            let hosts = cluster.state.hosts.load();
            let breakers = &cluster.state.breakers;
            let endpoints: Vec<Value> = hosts
                .priorities
                .iter()
                .enumerate()
                .flat_map(|(priority, group)| group.hosts.iter().map(move |host| endpoint(host, priority)))
                .collect();
            json!({
                "name": &**name,
                "service": cluster.spec.service,
                "destination_rule": cluster.spec.destination_rule,
                "tls": cluster.tls.as_ref().map(|tls| tls.as_ref().err().map(ToString::to_string)),
                "active_requests": breakers.requests.load(Ordering::Relaxed),
                "pending_requests": breakers.pending.load(Ordering::Relaxed),
                "connections": breakers.connections.load(Ordering::Relaxed),
                "active_retries": breakers.retries.load(Ordering::Relaxed),
                "overflows": {
                    "requests": breakers.overflows.requests.load(Ordering::Relaxed),
                    "pending_requests": breakers.overflows.pending.load(Ordering::Relaxed),
                    "connections": breakers.overflows.connections.load(Ordering::Relaxed),
                    "retries": breakers.overflows.retries.load(Ordering::Relaxed),
                },
                "ejections": cluster.state.ejections(),
                "endpoints": endpoints,
            })
        })
        .collect();
    Json(list.into())
}

fn endpoint(host: &Host, priority: usize) -> Value {
    json!({
        "address": &*host.name,
        "priority": priority,
        "locality": host.locality.to_string(),
        "healthy": host.is_healthy(),
        "health": host.spec.health,
        "ejected": host.state.is_ejected(),
        "health_check": match host.state.checked() {
            Checked::Never => None,
            Checked::NotYet => Some("pending"),
            Checked::Healthy => Some("healthy"),
            Checked::Unhealthy => Some("unhealthy"),
        },
        "weight": host.spec.weight,
        "active": host.state.active.load(Ordering::Relaxed),
        "connections": host.state.connections.load(Ordering::Relaxed),
        "requests": host.state.requests.load(Ordering::Relaxed),
        "errors": host.state.errors.load(Ordering::Relaxed),
        "workload": host.spec.workload.name,
    })
}

/// Certificates that are served.
pub(super) async fn certificates(State(state): State<Arc<AdminState>>) -> Json<Value> {
    let runtime = state.shared.store.load();
    let mut list = Vec::new();
    for listener in runtime.listeners.values() {
        for chain in listener.chains() {
            for pair in chain.tls.iter().flat_map(|tls| tls.certificates()) {
                list.push(json!({
                    "listener": listener.spec.name,
                    "filter_chain": chain.name,
                    "subject": pair.info.subject,
                    "issuer": pair.info.issuer,
                    "names": pair.names,
                    "uris": pair.info.uris,
                    "serial": pair.info.serial,
                    "not_before": pair.info.not_before,
                    "not_after": pair.info.not_after,
                }));
            }
        }
    }
    Json(list.into())
}

/// Names that are kept resolved.
pub(super) async fn names(State(state): State<Arc<AdminState>>) -> Json<Value> {
    let now = tokio::time::Instant::now();
    let list = state.shared.dns.list().into_iter().map(|(key, name, users)| {
        let condition = match &name.condition {
            Condition::Pending => "pending",
            Condition::Fresh => "fresh",
            Condition::Absent(_) => "absent",
            Condition::Failed(_) if name.addresses.is_empty() => "failed",
            Condition::Failed(_) => "stale",
        };
        json!({
            "name": &*key.question.name,
            "condition": condition,
            "error": name.error().map(ToString::to_string),
            "addresses": &*name.addresses,
            "ttl_seconds": name.ttl.map(|ttl| ttl.as_secs()),
            "answered_seconds_ago": name.answered.map(|at| now.duration_since(at).as_secs()),
            "refresh_in_seconds": name.refresh_at.map(|at| at.duration_since(now).as_secs()),
            "lookups": name.lookups,
            "users": users,
        })
    });
    Json(list.collect::<Vec<Value>>().into())
}

/// What was found wrong, and what became of each object.
pub(super) async fn findings(State(state): State<Arc<AdminState>>) -> Json<Value> {
    let applied = Arc::clone(&state.applied.lock());
    let reports: Vec<Value> = applied
        .reports
        .iter()
        .map(|report| {
            let findings: Vec<Value> = report
                .findings
                .iter()
                .map(|f| json!({ "path": f.path, "rule": f.rule, "severity": f.severity.to_string(), "message": f.message }))
                .collect();
            json!({ "object": report.object, "accepted": report.accepted, "findings": findings })
        })
        .collect();
    let (rejected, warnings): (Vec<&Rejection>, Vec<&Rejection>) =
        applied.rejections.iter().partition(|rejection| rejection.is_error());
    let warnings = warnings.into_iter().map(|warning| format!("warning: {warning}"));
    Json(json!({
        "version": applied.version,
        "findings": applied.all_findings().map(ToString::to_string).chain(warnings).collect::<Vec<_>>(),
        "rejected": rejected.into_iter().map(ToString::to_string).collect::<Vec<_>>(),
        "served_in_an_earlier_version": applied.kept,
        "objects": reports,
    }))
}
