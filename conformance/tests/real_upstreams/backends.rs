//! Backends on sockets of their own.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Serves every connection at an address; ends with what is returned.
pub(crate) async fn serve<F, S>(address: &str, serve: F) -> anyhow::Result<JoinSet<()>>
where
    F: Fn(TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(address.parse::<SocketAddr>()?).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Ok((stream, _)) = listener.accept() => {
                    // A socket that lingers would hide what a backend does.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(stream));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    });
    Ok(tasks)
}
