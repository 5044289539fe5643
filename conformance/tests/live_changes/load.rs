//! Clients that send requests without pause over every kind of connection.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use boring::ssl::{Ssl, SslContext, SslMethod, SslVerifyMode};
use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Between two requests of a client: there is work enough, and the machine can do something else too.
const PAUSE: Duration = Duration::from_millis(2);
/// No answer for so long is a failure.
const PATIENCE: Duration = Duration::from_secs(5);

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}
type Stream = BufReader<Box<dyn Io>>;

/// What clients have seen.
#[derive(Default)]
pub(crate) struct Load {
    stopping: AtomicBool,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// Everything that went wrong.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests that were answered.
    pub(crate) fn total(&self) -> u64 {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Requests by kind of client.
    pub(crate) fn summary(&self) -> String {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(kind, count)| format!("{kind}: {count}")).collect::<Vec<_>>().join(", ")
    }

    /// Ends all clients after the request they are at.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn count(&self, kind: &'static str) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    fn ended(&self, kind: &str, ended: anyhow::Result<()>) {
        if let Err(error) = ended {
            self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{kind}: {error:#}"));
        }
    }
}

/// Starts all clients.
pub(crate) fn start(load: &Arc<Load>) -> Vec<JoinHandle<()>> {
    let mut clients = Vec::new();
    for n in 0..4 {
        let load = Arc::clone(load);
        clients.push(tokio::spawn(async move {
            let ended = match n {
                0 => keep_alive(&load, "h1 keep-alive", false).await,
                1 => keep_alive(&load, "h1 TLS keep-alive", true).await,
                2 => new_connections(&load).await,
                _ => http2(&load).await,
            };
            load.ended("client", ended);
        }));
    }
    for tls in [false, true] {
        let load = Arc::clone(load);
        clients.push(tokio::spawn(async move {
            let ended = websocket(&load, tls).await;
            load.ended("WebSocket", ended);
        }));
    }
    clients
}

async fn connect(tls: bool) -> anyhow::Result<Stream> {
    let stream = TcpStream::connect(("127.0.0.1", if tls { 8443 } else { 8080 })).await?;
    stream.set_nodelay(true)?;
    if !tls {
        return Ok(BufReader::new(Box::new(stream)));
    }
    Ok(BufReader::new(Box::new(handshake(stream).await?)))
}

async fn handshake(stream: TcpStream) -> anyhow::Result<tokio_boring::SslStream<TcpStream>> {
    let mut context = SslContext::builder(SslMethod::tls())?;
    context.set_verify(SslVerifyMode::NONE);
    let mut ssl = Ssl::new(&context.build())?;
    ssl.set_hostname("site.example.com")?;
    Ok(tokio_boring::SslStreamBuilder::new(ssl, stream).connect().await?)
}

/// One request on a connection; the answer must be 200 and leave the connection open.
async fn request(stream: &mut Stream, path: &str) -> anyhow::Result<()> {
    let head = format!("GET {path} HTTP/1.1\r\nhost: site.example.com\r\n\r\n");
    stream.get_mut().write_all(head.as_bytes()).await?;
    let (mut line, mut length, mut first) = (String::new(), 0, true);
    loop {
        line.clear();
        ensure!(timeout(PATIENCE, stream.read_line(&mut line)).await.context("no answer")?? > 0, "connection closed");
        let lower = line.to_ascii_lowercase();
        if std::mem::take(&mut first) {
            if !line.starts_with("HTTP/1.1 200") {
                let mut rest = vec![0; 1024];
                let n = timeout(PATIENCE, stream.read(&mut rest)).await.context("no answer")??;
                bail!("{path}: {line}{}", String::from_utf8_lossy(&rest[..n]));
            }
        } else if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        } else if lower.starts_with("connection: close") {
            bail!("the gateway closes the connection");
        } else if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    timeout(PATIENCE, stream.read_exact(&mut body)).await.context("no body")??;
    ensure!(body == b"ok", "body {body:?}");
    Ok(())
}

async fn keep_alive(load: &Load, kind: &'static str, tls: bool) -> anyhow::Result<()> {
    let mut stream = connect(tls).await?;
    while !load.stopping() {
        request(&mut stream, "/").await.context(kind)?;
        load.count(kind);
        sleep(PAUSE).await;
    }
    Ok(())
}

async fn new_connections(load: &Load) -> anyhow::Result<()> {
    while !load.stopping() {
        let mut stream = connect(true).await.context("new TLS connection")?;
        request(&mut stream, "/").await.context("new TLS connection")?;
        load.count("new TLS connections");
        sleep(PAUSE).await;
    }
    Ok(())
}

async fn http2(load: &Load) -> anyhow::Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", 8080)).await?;
    let (mut client, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    while !load.stopping() {
        client = client.ready().await.context("h2: the connection ended")?;
        let request = http::Request::get("http://site.example.com/").body(())?;
        let (response, _) = client.send_request(request, true)?;
        let response = timeout(PATIENCE, response).await.context("h2: no answer")?.context("h2")?;
        ensure!(response.status() == 200, "h2: status {}", response.status());
        let mut body = response.into_body();
        let data: Bytes = timeout(PATIENCE, body.data()).await.context("h2: no body")?.context("h2: no body")??;
        body.flow_control().release_capacity(data.len())?;
        load.count("h2");
        sleep(PAUSE).await;
    }
    Ok(())
}

async fn websocket(load: &Load, tls: bool) -> anyhow::Result<()> {
    let mut stream = connect(tls).await?;
    let head = "GET / HTTP/1.1\r\nhost: site.example.com\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    stream.get_mut().write_all(head.as_bytes()).await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    ensure!(line.starts_with("HTTP/1.1 101"), "{}", line.trim());
    while line != "\r\n" {
        line.clear();
        ensure!(stream.read_line(&mut line).await? > 0, "connection closed inside the head");
    }
    for n in 0_u64.. {
        if load.stopping() {
            break;
        }
        let message = format!("message {n}\n");
        stream.get_mut().write_all(message.as_bytes()).await?;
        line.clear();
        ensure!(timeout(PATIENCE, stream.read_line(&mut line)).await.context("no echo")?? > 0, "connection closed");
        ensure!(line == message, "{line:?} came back for {message:?}");
        load.count("WebSocket messages");
        sleep(PAUSE).await;
    }
    Ok(())
}

/// A request on a connection of its own.
pub(crate) async fn get(path: &str) -> anyhow::Result<()> {
    request(&mut connect(false).await?, path).await
}

/// Common name of the certificate that a new connection gets.
pub(crate) async fn served_certificate() -> anyhow::Result<String> {
    let stream = handshake(TcpStream::connect("127.0.0.1:8443").await?).await?;
    let certificate = stream.ssl().peer_certificate().context("no certificate")?;
    let name = certificate.subject_name().entries_by_nid(boring::nid::Nid::COMMONNAME).next().context("no name")?;
    Ok(name.data().as_utf8()?.to_string())
}

/// How many configurations have been put in force.
pub(crate) async fn updates() -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect("127.0.0.1:15090").await?;
    let head = "GET /stats/prometheus HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let line = text.lines().find_map(|line| line.strip_prefix("sallyport_config_updates_total "));
    Ok(line.context("no sallyport_config_updates_total")?.trim().parse()?)
}

/// Waits until another configuration is in force.
pub(crate) async fn wait_for_update(before: u64, patience: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + patience;
    while updates().await? == before {
        ensure!(Instant::now() < until, "not in force after {patience:?}");
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
