//! One request over a connection of its own, in clear or through TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::body::Bytes;
use axum::http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// No answer within this time is none.
const PATIENCE: Duration = Duration::from_secs(5);

/// GET over HTTP/1.1 in clear.
pub(crate) async fn get(
    to: SocketAddr,
    host: &str,
    path: &str,
    headers: &HeaderMap,
) -> anyhow::Result<Response<Bytes>> {
    let exchange = async {
        let stream = TcpStream::connect(to).await.with_context(|| format!("connect to {to}"))?;
        http1(stream, host, path, headers).await
    };
    timeout(PATIENCE, exchange).await.with_context(|| format!("no answer of {to} within {PATIENCE:?}"))?
}

/// GET through TLS, over HTTP/2 if the server agrees.
pub(crate) async fn get_tls(
    to: SocketAddr,
    host: &str,
    path: &str,
    headers: &HeaderMap,
    tls: &Arc<ClientConfig>,
) -> anyhow::Result<Response<Bytes>> {
    let exchange = async {
        let stream = TcpStream::connect(to).await.with_context(|| format!("connect to {to}"))?;
        let server_name = host.split(':').next().unwrap_or(host).to_owned();
        let connector = TlsConnector::from(Arc::clone(tls));
        let stream = connector.connect(ServerName::try_from(server_name)?, stream).await.context("TLS handshake")?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => http2(stream, host, path, headers).await,
            _ => http1(stream, host, path, headers).await,
        }
    };
    timeout(PATIENCE, exchange).await.with_context(|| format!("no answer of {to} within {PATIENCE:?}"))?
}

async fn http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    path: &str,
    headers: &HeaderMap,
) -> anyhow::Result<Response<Bytes>> {
    let (mut sender, connection) = conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::get(path).header(header::HOST, host).body(Empty::<Bytes>::new())?;
    request.headers_mut().extend(headers.clone());
    collect(sender.send_request(request).await?).await
}

async fn http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    path: &str,
    headers: &HeaderMap,
) -> anyhow::Result<Response<Bytes>> {
    let (mut sender, connection) = conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::get(format!("https://{host}{path}")).body(Empty::<Bytes>::new())?;
    request.headers_mut().extend(headers.clone());
    collect(sender.send_request(request).await?).await
}

async fn collect(response: Response<hyper::body::Incoming>) -> anyhow::Result<Response<Bytes>> {
    let (head, body) = response.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}
