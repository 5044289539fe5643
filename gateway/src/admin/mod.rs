//! Servers for operators: the admin page on loopback, metrics, readiness.

mod dump;
mod egress;
mod page;
mod profile;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::config::Applied;
use crate::listen::manager::ListenerStates;
use crate::logging::Logging;
use crate::proxy::Shared;

/// What the servers tell about.
pub struct AdminState {
    /// What serves.
    pub shared: Arc<Shared>,
    /// What became of listeners.
    pub listeners: Arc<Mutex<ListenerStates>>,
    /// What came of the last change.
    pub applied: Mutex<Arc<Applied>>,
    /// The first configuration is in force and all its listeners are bound.
    pub ready: AtomicBool,
    /// On the way out.
    pub leaving: AtomicBool,
    /// Asks the process to leave.
    pub quit: Notify,
    /// The log's level.
    pub logging: Logging,
}

impl AdminState {
    /// May be sent traffic.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed) && !self.leaving.load(Ordering::Relaxed)
    }
}

async fn serve(address: SocketAddr, what: &str, router: Router) -> Result<(), String> {
    let listener = TcpListener::bind(address).await.map_err(|e| format!("{what} on {address}: {e}"))?;
    let what = what.to_owned();
    tokio::spawn(async move {
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "{what} on {address} ended");
        }
    });
    Ok(())
}

/// `/healthz/ready` (Istio: 15021).
pub async fn serve_readiness(address: SocketAddr, state: Arc<AdminState>) -> Result<(), String> {
    serve(address, "readiness", Router::new().route("/healthz/ready", get(ready)).with_state(state)).await
}

/// Metrics (Istio: 15020, 15090), with readiness and `/quitquitquit` as Istio's agent has them.
pub async fn serve_metrics(address: SocketAddr, state: Arc<AdminState>) -> Result<(), String> {
    let router = Router::new()
        .route("/stats/prometheus", get(page::metrics))
        .route("/metrics", get(page::metrics))
        .route("/healthz/ready", get(ready))
        .route("/quitquitquit", post(quit_from_here))
        .with_state(state);
    serve(address, "metrics", router).await
}

/// Everything else (Istio: 15000).
pub async fn serve_admin(address: SocketAddr, state: Arc<AdminState>) -> Result<(), String> {
    let router = Router::new()
        .route("/", get(page::index))
        .route("/config_dump", get(dump::config))
        .route("/listeners", get(dump::listeners))
        .route("/routes", get(dump::routes))
        .route("/clusters", get(dump::clusters))
        .route("/certs", get(dump::certificates))
        .route("/findings", get(dump::findings))
        .route("/dns", get(dump::names))
        .route("/egress", get(egress::report))
        .route("/egress/learned", get(egress::learned))
        .route("/logging", get(page::level).post(page::set_level))
        .route("/stats/prometheus", get(page::metrics))
        .route("/profile/cpu", get(profile::cpu))
        .route("/profile/heap", get(profile::heap))
        .route("/ready", get(ready))
        .route("/quitquitquit", post(quit))
        .with_state(state);
    serve(address, "admin", router).await
}

async fn ready(State(state): State<Arc<AdminState>>) -> (StatusCode, &'static str) {
    if state.is_ready() {
        (StatusCode::OK, "ready\n")
    } else if state.leaving.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "leaving\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: a listener is not bound yet\n")
    }
}

/// Metrics are served to everyone; this only to the same machine (or Pod: a job's last step ends its sidecar so).
async fn quit_from_here(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    state: State<Arc<AdminState>>,
) -> (StatusCode, &'static str) {
    if !peer.ip().to_canonical().is_loopback() {
        return (StatusCode::FORBIDDEN, "only from the machine itself\n");
    }
    (StatusCode::OK, quit(state).await)
}

async fn quit(State(state): State<Arc<AdminState>>) -> &'static str {
    state.quit.notify_one();
    "leaving\n"
}
