//! One question to one endpoint, over a connection of its own, spoken as requests are: with the cluster's TLS, PROXY
//! protocol and version of HTTP. The cluster's limits do not count it.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use config_schema::snapshot::{EndpointAddress, HealthCheck, HealthProbe, UpstreamProtocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::grpc;
use super::verdict::Answer;
use crate::headers::{Headers, Name, names};
use crate::http1::client::ClientConnection;
use crate::http2;
use crate::message::{BodyLength, Frame, RequestHead, ResponseHead, Version};
use crate::net::Dialer;
use crate::tls::client::Inner;
use crate::upstream::UpstreamIo;
use crate::upstream::cluster::Cluster;
use crate::upstream::connect::{self, Wanted};
use crate::upstream::host::Host;
use crate::upstream::stream::UpstreamStream;

/// An answer is read up to here.
const MAX_ANSWER: usize = 64 * 1024;
/// Nobody in particular asks.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// What one endpoint is asked.
#[derive(Debug)]
pub(super) struct Probe {
    cluster: Arc<Cluster>,
    /// The endpoint, at the port to ask.
    host: Arc<Host>,
    config: Arc<HealthCheck>,
}

impl Probe {
    pub(super) fn new(cluster: &Arc<Cluster>, host: &Arc<Host>, config: &Arc<HealthCheck>) -> Self {
        let host = match config.port {
            Some(port) => Arc::new(at_port(host, port)),
            None => Arc::clone(host),
        };
        Probe { cluster: Arc::clone(cluster), host, config: Arc::clone(config) }
    }

    /// Asks, within the time that an answer may take.
    pub(super) async fn ask(&self, dialer: &dyn Dialer) -> Answer {
        let asked = async {
            match &self.config.probe {
                HealthProbe::Http { path, host, headers, expected_statuses } => {
                    self.ask_http(dialer, path, host.as_deref(), headers, expected_statuses).await
                }
                HealthProbe::Tcp { send, receive } => self.ask_tcp(dialer, send, receive).await,
                HealthProbe::Grpc { service, authority } => self.ask_grpc(dialer, service, authority.as_deref()).await,
            }
        };
        match timeout(self.config.timeout, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => Answer::Failed(why),
            Err(_) => Answer::Failed("no answer in time".to_owned()),
        }
    }

    async fn ask_http(
        &self,
        dialer: &dyn Dialer,
        path: &str,
        host: Option<&str>,
        fields: &[(String, String)],
        expected: &[(u16, u16)],
    ) -> Result<Answer, String> {
        let http2 = self.cluster.spec.protocol == UpstreamProtocol::Http2;
        let host = host.unwrap_or(&self.cluster.spec.service.host);
        let mut head = self.head(b"GET", path, host, http2);
        for (name, value) in fields {
            head.headers.set(Name::new(&name.to_ascii_lowercase()), Bytes::copy_from_slice(value.as_bytes()));
        }
        let mut stream = self.stream(dialer, host, http2).await?;
        let head = exchange(&mut stream, &head, None).await?;
        if expected.iter().any(|(first, last)| (*first..=*last).contains(&head.status)) {
            Ok(Answer::Healthy)
        } else {
            Ok(Answer::Unhealthy(format!("status {}", head.status)))
        }
    }

    async fn ask_grpc(&self, dialer: &dyn Dialer, service: &str, host: Option<&str>) -> Result<Answer, String> {
        let host = host.unwrap_or(&self.cluster.spec.service.host);
        let mut head = self.head(b"POST", "/grpc.health.v1.Health/Check", host, true);
        head.headers.set_static(names::CONTENT_TYPE, "application/grpc");
        head.headers.set_static(names::TE, "trailers");
        let mut stream = self.stream(dialer, host, true).await?;
        let head = exchange(&mut stream, &head, Some(grpc::request(service))).await?;
        if head.status != 200 {
            return Ok(Answer::Unhealthy(format!("HTTP status {}", head.status)));
        }
        let mut body = BytesMut::new();
        let mut trailers = head.headers;
        loop {
            match poll_fn(|cx| stream.poll_response_frame(cx)).await.map_err(|reason| reason.name().to_owned())? {
                Frame::Data(data) if body.len() + data.len() <= MAX_ANSWER => body.extend_from_slice(&data),
                Frame::Data(_) => return Err("an answer that is too long".to_owned()),
                Frame::Trailers(fields) => trailers = fields,
                Frame::End => break,
            }
            if trailers.contains("grpc-status") {
                break;
            }
        }
        match trailers.get_str("grpc-status") {
            Some("0") => {}
            Some(status) => return Ok(Answer::Unhealthy(format!("gRPC status {status}"))),
            None => return Err("an answer without grpc-status".to_owned()),
        }
        match grpc::is_serving(&body)? {
            true => Ok(Answer::Healthy),
            false => Ok(Answer::Unhealthy("it is not SERVING".to_owned())),
        }
    }

    async fn ask_tcp(&self, dialer: &dyn Dialer, send: &[u8], receive: &[u8]) -> Result<Answer, String> {
        let mut io = self.connect(dialer, "", false, Inner::Bytes).await?;
        let broken = |error: std::io::Error| error.to_string();
        if !send.is_empty() {
            io.write_all(send).await.map_err(broken)?;
            io.flush().await.map_err(broken)?;
        }
        let mut received = BytesMut::new();
        while memchr::memmem::find(&received, receive).is_none() {
            if received.len() >= MAX_ANSWER {
                return Err("what was expected has not come".to_owned());
            }
            if io.read_buf(&mut received).await.map_err(broken)? == 0 {
                return Err("closed before what was expected has come".to_owned());
            }
        }
        Ok(Answer::Healthy)
    }

    fn head(&self, method: &'static [u8], path: &str, host: &str, http2: bool) -> RequestHead {
        let mut headers = Headers::default();
        headers.set_static(names::USER_AGENT, "sallyport/health-check");
        let scheme: &[u8] = if self.cluster.uses_tls(&self.host) { b"https" } else { b"http" };
        RequestHead {
            version: if http2 { Version::Http2 } else { Version::Http11 },
            method: Bytes::from_static(method),
            scheme: Bytes::copy_from_slice(scheme),
            authority: Some(Bytes::copy_from_slice(host.as_bytes())),
            path: Bytes::copy_from_slice(path.as_bytes()),
            headers,
        }
    }

    async fn connect(
        &self,
        dialer: &dyn Dialer,
        authority: &str,
        http2: bool,
        inner: Inner,
    ) -> Result<UpstreamIo, String> {
        let wanted = Wanted { cluster: &self.cluster, host: &self.host, http2, authority, addresses: (NOBODY, NOBODY) };
        let server_name = connect::server_name(&self.cluster, authority);
        let opened = connect::open(dialer, &wanted, server_name.as_deref(), inner).await;
        opened.map(|(io, _)| io).map_err(|failure| failure.transport)
    }

    async fn stream(&self, dialer: &dyn Dialer, authority: &str, http2: bool) -> Result<UpstreamStream, String> {
        let inner = if http2 { Inner::Http2 } else { Inner::Http1 };
        let io = self.connect(dialer, authority, http2, inner).await?;
        if !http2 {
            return Ok(UpstreamStream::H1(Box::new(ClientConnection::new(io))));
        }
        let connection = http2::client::connect(io, &http2::client::ClientOptions::default(), ()).await;
        let connection = connection.map_err(|reason| reason.name().to_owned())?;
        match connection.spawn_stream().await {
            Ok(Some(session)) => Ok(UpstreamStream::H2(Box::new(http2::client::H2Stream::new(session)))),
            Ok(None) | Err(_) => Err("no stream can be opened".to_owned()),
        }
    }
}

/// Sends a request; the head of its answer.
async fn exchange(
    stream: &mut UpstreamStream,
    head: &RequestHead,
    body: Option<Bytes>,
) -> Result<ResponseHead, String> {
    let length = body.as_ref().map_or(BodyLength::None, |body| BodyLength::Exact(body.len() as u64));
    let mut body = body;
    let answered = async {
        stream.start_request(head, length)?;
        poll_fn(|cx| {
            if let Some(data) = body.take() {
                match stream.poll_ready(cx) {
                    Poll::Ready(Ok(())) => {
                        stream.send_data(data);
                        stream.end_request(None);
                    }
                    Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                    Poll::Pending => body = Some(data),
                }
            }
            if let Poll::Ready(Err(reason)) = stream.poll_flush(cx) {
                return Poll::Ready(Err(reason));
            }
            loop {
                match stream.poll_response_head(cx) {
                    Poll::Ready(Ok((head, _))) if head.is_informational() => {}
                    other => return other.map_ok(|(head, _)| head),
                }
            }
        })
        .await
    };
    answered.await.map_err(|reason: crate::outcome::ResetReason| reason.name().to_owned())
}

/// The same endpoint at another port. Unix sockets have none.
fn at_port(host: &Host, port: u16) -> Host {
    let address = match &host.spec.address {
        EndpointAddress::Socket(address) => EndpointAddress::Socket(SocketAddr::new(address.ip(), port)),
        EndpointAddress::Host(name, _) => EndpointAddress::Host(name.clone(), port),
        EndpointAddress::Unix(path) => EndpointAddress::Unix(path.clone()),
    };
    Host {
        spec: config_schema::snapshot::Endpoint { address, ..host.spec.clone() },
        name: Arc::clone(&host.name),
        locality: Arc::clone(&host.locality),
        priority: host.priority,
        state: Arc::clone(&host.state),
    }
}
