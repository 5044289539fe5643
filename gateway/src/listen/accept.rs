//! Accepting connections, on every worker by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use config_schema::snapshot::Bind;
use tokio::net::TcpListener;

use super::connection::{Accepted, OpenConnection, serve};
use super::manager::Serve;
use super::original_dst::{OriginalDestination, of_socket};
use crate::net::Conn;
use crate::proxy::Worker;

/// After an error that is not the connection's own (out of descriptors) accepting pauses so long.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts until told to stop.
pub async fn accept(worker: Arc<Worker>, listener: Serve) {
    let socket = match TcpListener::from_std(listener.socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(listener = %listener.name, %error, "cannot serve the socket");
            return;
        }
    };
    let process = &worker.shared.observer.process;
    let gauge = process.connections.with_label_values(&[&listener.name]);
    let accepted = process.accepted.with_label_values(&[&listener.name]);
    let limited = process.rejected.with_label_values(&[listener.name.as_str(), "connection_limit"]);
    let mut stop = listener.stop.signal();
    loop {
        let next = tokio::select! {
            () = std::future::poll_fn(|cx| stop.poll_draining(cx)) => return,
            next = socket.accept() => next,
        };
        let (stream, peer) = match next {
            Ok(next) => next,
            Err(error) if is_connection_error(&error) => continue,
            Err(error) => {
                tracing::warn!(listener = %listener.name, %error, "cannot accept");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        accepted.inc();
        let runtime = worker.shared.store.load();
        let Some(compiled) = runtime.listeners.get(&listener.name) else { continue };
        let all = &worker.shared.open_connections;
        if over(&listener.open, compiled.spec.connection_limit) || over(all, runtime.settings.connection_limit) {
            limited.inc();
            continue;
        }
        let Ok(mut local) = stream.local_addr() else { continue };
        let own = local;
        if compiled.spec.bind == Bind::Redirected && worker.shared.original_dst == OriginalDestination::Socket {
            local = of_socket(&stream, local).unwrap_or(local);
        }
        let _ = stream.set_nodelay(true);
        let open = OpenConnection::new(gauge.clone(), vec![Arc::clone(&listener.open), Arc::clone(all)]);
        let connection = Accepted {
            conn: Conn::Tcp(stream),
            peer,
            local,
            own,
            listener: Arc::clone(compiled),
            drain: listener.drain.signal(),
            open,
        };
        tokio::spawn(serve(Arc::clone(&worker), connection));
    }
}

fn over(count: &AtomicUsize, limit: Option<u32>) -> bool {
    limit.is_some_and(|limit| count.load(Ordering::Relaxed) >= limit as usize)
}

/// Errors of the connection that was to be accepted; the next one may be fine.
fn is_connection_error(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}
