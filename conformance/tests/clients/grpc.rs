//! A gRPC client and server (tonic) with the gateway between them: unary calls, server streams, statuses in trailers.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::transport::{Endpoint, Server};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::backend::{TO_BACKEND, service};
use crate::gateway::{Sallyport, gateway, route};

/// No message takes so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A runtime that ends at once, and may do so inside of another.
struct Servers(Option<tokio::runtime::Runtime>);

impl Drop for Servers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// `grpc.health.v1.Health`: `Check` is unary, `Watch` streams.
pub(crate) async fn unary_and_streams() -> anyhow::Result<()> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop", ServingStatus::Serving).await;
    // Its own runtime: ending it ends the server's connections, too, as a crash does.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let servers = Servers(Some(runtime));
    let listener = std::net::TcpListener::bind("127.0.1.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    servers.0.as_ref().context("no runtime")?.spawn(async move {
        let listener = TcpListener::from_std(listener)?;
        let served = Server::builder().add_service(health).serve_with_incoming(TcpListenerStream::new(listener));
        served.await.map_err(std::io::Error::other)
    });
    let door = "{port: {number: 8080, name: grpc, protocol: GRPC}, hosts: ['*']}";
    let config = gateway(door) + &route(TO_BACKEND) + &service(address, "grpc");
    let sallyport = Sallyport::start(&[("all.yaml", &config)]).await?;

    let channel = Endpoint::from_static("http://127.0.0.1:8080").timeout(Duration::from_secs(60)).connect().await?;
    let mut client = HealthClient::new(channel);
    let request = |service: &str| HealthCheckRequest { service: service.to_owned() };
    for _ in 0..10 {
        let answer = client.check(request("shop")).await?.into_inner();
        ensure!(answer.status == ServingStatus::Serving as i32, "{answer:?}");
    }
    let status = client.check(request("unknown")).await.err().context("an unknown service is served")?;
    ensure!(status.code() == Code::NotFound, "{status}");

    let mut stream = client.watch(request("shop")).await?.into_inner();
    // The first message says what is; the others come with changes.
    let changes = [None, Some(ServingStatus::NotServing), Some(ServingStatus::Serving)];
    for change in changes {
        let expected = change.unwrap_or(ServingStatus::Serving);
        if let Some(status) = change {
            reporter.set_service_status("shop", status).await;
        }
        let message = timeout(PATIENCE, stream.message()).await.context("no message")??.context("the stream ended")?;
        ensure!(message.status == expected as i32, "{message:?} instead of {expected:?}");
    }
    // The stream goes on while the configuration changes.
    sallyport.change("more.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: more}\n").await?;
    reporter.set_service_status("shop", ServingStatus::NotServing).await;
    let message = timeout(PATIENCE, stream.message()).await.context("no message")??.context("the stream ended")?;
    ensure!(message.status == ServingStatus::NotServing as i32, "{message:?}");

    drop(servers);
    let ended = timeout(PATIENCE, stream.message()).await.context("the stream outlives its server")?;
    let status = ended.err().context("a stream that broke off ended well")?;
    ensure!(status.code() != Code::Ok, "{status:?}");
    let status = client.check(request("shop")).await.err().context("a server that is gone answers")?;
    ensure!(status.code() == Code::Unavailable, "{status:?}");
    sallyport.stop().await
}
