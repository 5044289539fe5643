//! gRPC streams while their endpoint is taken out of the configuration: they go on to their end, new ones go elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::backends;
use crate::gateway::Gateway;

const ADDRESSES: [&str; 2] = ["127.0.1.1:17000", "127.0.1.2:17000"];
const PATIENCE: Duration = Duration::from_secs(5);

fn config(endpoints: &[&str]) -> String {
    let list: Vec<String> =
        endpoints.iter().map(|a| format!("{{address: {}}}", a.trim_end_matches(":17000"))).collect();
    format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: grpc, namespace: istio-system}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - {{port: {{number: 8080, name: grpc, protocol: GRPC}}, hosts: ['*']}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: grpc, namespace: default}}
spec:
  hosts: [grpc.example.com]
  resolution: STATIC
  ports: [{{number: 80, name: grpc, protocol: GRPC, targetPort: 17000}}]
  endpoints: [{}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: grpc, namespace: default}}
spec:
  hosts: [grpc.example.com]
  gateways: [istio-system/grpc]
  http:
  - route: [{{destination: {{host: grpc.example.com, port: {{number: 80}}}}}}]
",
        list.join(", ")
    )
}

pub(crate) async fn run() -> anyhow::Result<()> {
    let open: [Arc<AtomicUsize>; 2] = Default::default();
    let mut servers = Vec::new();
    for (address, open) in ADDRESSES.into_iter().zip(&open) {
        let open = Arc::clone(open);
        servers.push(backends::serve(address, move |stream| serve(stream, address, Arc::clone(&open))).await?);
    }
    let gateway = Gateway::start(&config(&ADDRESSES)).await?;
    let (client, connection) = h2::client::handshake(TcpStream::connect("127.0.0.1:8080").await?).await?;
    let driver = tokio::spawn(connection);

    let mut streams = Vec::new();
    for n in 0..20 {
        streams.push(Stream::open(&client).await.with_context(|| format!("stream {n}"))?);
    }
    let at_removed = streams.iter().filter(|stream| stream.backend == ADDRESSES[0]).count();
    ensure!((1..20).contains(&at_removed), "{at_removed} of 20 streams at the first of two endpoints");

    gateway.change(&config(&ADDRESSES[1..])).await?;
    for round in 0..5 {
        for stream in &mut streams {
            stream
                .echo(&format!("round {round}"))
                .await
                .with_context(|| format!("{} round {round}", stream.backend))?;
        }
    }
    for _ in 0..20 {
        let stream = Stream::open(&client).await?;
        ensure!(stream.backend == ADDRESSES[1], "a new stream at the removed endpoint");
        stream.finish().await?;
    }
    for stream in streams {
        stream.finish().await?;
    }
    // Once nothing uses them any more, connections to what is gone are closed.
    let until = Instant::now() + PATIENCE;
    while open[0].load(Ordering::Relaxed) > 0 {
        ensure!(Instant::now() < until, "{} connections to the removed endpoint stay", open[0].load(Ordering::Relaxed));
        sleep(Duration::from_millis(20)).await;
    }
    drop(client);
    driver.await??;
    Ok(())
}

/// A call that sends and receives for as long as it likes.
struct Stream {
    sender: SendStream<Bytes>,
    body: RecvStream,
    backend: String,
}

impl Stream {
    async fn open(client: &SendRequest<Bytes>) -> anyhow::Result<Self> {
        let request = Request::post("http://grpc.example.com/test.Echo/Stream")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        let (response, sender) = client.clone().ready().await?.send_request(request, false)?;
        let response = timeout(PATIENCE, response).await.context("no answer")??;
        ensure!(response.status() == 200, "{}", response.status());
        let backend = response.headers().get("x-backend").context("no backend")?.to_str()?.to_owned();
        Ok(Stream { sender, body: response.into_body(), backend })
    }

    async fn echo(&mut self, text: &str) -> anyhow::Result<()> {
        self.sender.send_data(message(text), false)?;
        let mut got = Vec::new();
        while got.len() < text.len() + 5 {
            let data =
                timeout(PATIENCE, self.body.data()).await.context("no message")?.context("the stream ended")??;
            self.body.flow_control().release_capacity(data.len())?;
            got.extend_from_slice(&data);
        }
        ensure!(got == message(text), "{got:?}");
        Ok(())
    }

    async fn finish(mut self) -> anyhow::Result<()> {
        self.sender.send_data(Bytes::new(), true)?;
        while let Some(data) = timeout(PATIENCE, self.body.data()).await.context("the stream does not end")? {
            self.body.flow_control().release_capacity(data?.len())?;
        }
        let trailers = timeout(PATIENCE, self.body.trailers()).await.context("no trailers")??;
        let status = trailers.as_ref().and_then(|trailers| trailers.get("grpc-status"));
        ensure!(status.is_some_and(|status| status == "0"), "{trailers:?}");
        Ok(())
    }
}

/// A gRPC message: no compression, length, bytes.
fn message(text: &str) -> Bytes {
    let mut message = vec![0];
    message.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    message.extend_from_slice(text.as_bytes());
    message.into()
}

async fn serve(stream: TcpStream, address: &'static str, open: Arc<AtomicUsize>) {
    open.fetch_add(1, Ordering::Relaxed);
    if let Ok(mut connection) = h2::server::handshake(stream).await {
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            tokio::spawn(async move {
                let head = Response::builder().header("content-type", "application/grpc").header("x-backend", address);
                let Ok(head) = head.body(()) else { return };
                let Ok(sender) = respond.send_response(head, false) else { return };
                // What breaks is noticed by the client.
                let _ = give_back(request.into_body(), sender).await;
            });
        }
    }
    open.fetch_sub(1, Ordering::Relaxed);
}

async fn give_back(mut body: RecvStream, mut sender: SendStream<Bytes>) -> Result<(), h2::Error> {
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        sender.send_data(data, false)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    sender.send_trailers(trailers)
}
