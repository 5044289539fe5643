//! Leaving in order, and what else operators tell a running process.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::backend::{self, TO_BACKEND, service};
use crate::gateway::{HTTP, PATIENCE, Sallyport, eventually, gateway, route, says};
use crate::shell::{curl, run};

/// Reads an answer with this body.
async fn answer(stream: &mut TcpStream, body: &str) -> anyhow::Result<String> {
    let mut answer = Vec::new();
    while !answer.ends_with(body.as_bytes()) {
        ensure!(timeout(PATIENCE, stream.read_buf(&mut answer)).await.context("no answer")?? > 0, "closed");
    }
    Ok(String::from_utf8_lossy(&answer).to_ascii_lowercase())
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: site.example.com\r\n\r\n";

/// Requests that are under way are answered, readiness fails, idle connections end, and the process with them.
pub(crate) async fn on_sigterm() -> anyhow::Result<()> {
    let (address, permits, _server) = backend::slow().await?;
    let config = gateway(HTTP) + &route(TO_BACKEND) + &service(address, "http");
    let mut sallyport = Sallyport::start(&[("all.yaml", &config)]).await?;

    let mut busy = TcpStream::connect("127.0.0.1:8080").await?;
    let mut idle = TcpStream::connect("127.0.0.1:8080").await?;
    permits.add_permits(1);
    idle.write_all(GET).await?;
    answer(&mut idle, "slow").await?;
    busy.write_all(GET).await?;
    let (client, connection) = h2::client::handshake(TcpStream::connect("127.0.0.1:8080").await?).await?;
    let ended = tokio::spawn(connection);
    let request = http::Request::get("http://site.example.com/").body(())?;
    let (response, _) = client.ready().await?.send_request(request, true)?;
    eventually("the requests have not come", async || {
        let text = curl(&["http://127.0.0.1:15090/stats/prometheus"]).await?;
        let open = text.lines().filter(|line| line.starts_with("sallyport_downstream_connections{"));
        Ok(open.filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok()).sum::<u32>() == 3)
    })
    .await?;

    sallyport.signal(Signal::SIGTERM)?;
    eventually("readiness does not fail", async || {
        let said =
            run("curl", &["-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:15021/healthz/ready"]);
        Ok(said.await?.out == "503")
    })
    .await?;
    // The idle connection ends by itself.
    ensure!(timeout(PATIENCE, idle.read(&mut [0])).await.context("the idle connection stays open")?? == 0);
    permits.add_permits(2);
    let text = answer(&mut busy, "slow").await?;
    ensure!(text.contains("connection: close"), "{text}");
    let mut body = timeout(PATIENCE, response).await.context("h2: no answer")??.into_body();
    let data: Bytes = body.data().await.context("h2: no body")??;
    ensure!(&data[..] == b"slow");
    drop((body, client_is_told(ended).await));
    let code = sallyport.ended().await?;
    ensure!(code == Some(0), "it ended with {code:?}");
    Ok(())
}

/// The HTTP/2 connection was ended in order: by GOAWAY without an error.
async fn client_is_told(ended: tokio::task::JoinHandle<Result<(), h2::Error>>) -> anyhow::Result<()> {
    let ended = timeout(PATIENCE, ended).await.context("h2: the connection stays open")??;
    Ok(ended?)
}

/// As Istio's agent has it: POST, from the machine itself.
pub(crate) async fn on_quitquitquit() -> anyhow::Result<()> {
    let said = run("ip", &["address", "add", "10.99.0.1/32", "dev", "lo"]).await?;
    ensure!(said.ok || said.all.contains("File exists"), "{}", said.all);
    let mut sallyport = Sallyport::start(&[("all.yaml", &(gateway(HTTP) + &route(&says("hello"))))]).await?;
    let status = ["-o", "/dev/null", "-w", "%{http_code}"];
    let ask = async |args: &[&str]| curl(&[&status, args].concat()).await;
    let get = ask(&["http://127.0.0.1:15020/quitquitquit"]).await?;
    ensure!(get == "405", "GET: {get}");
    let elsewhere = ask(&["-X", "POST", "--interface", "10.99.0.1", "http://10.99.0.1:15020/quitquitquit"]).await?;
    ensure!(elsewhere == "403", "from elsewhere: {elsewhere}");
    let other_port = ask(&["-X", "POST", "--interface", "10.99.0.1", "http://10.99.0.1:15090/quitquitquit"]).await?;
    ensure!(other_port == "403", "from elsewhere: {other_port}");
    ensure!(curl(&["http://127.0.0.1:8080/"]).await? == "hello");
    let here = ask(&["-X", "POST", "http://127.0.0.1:15020/quitquitquit"]).await?;
    ensure!(here == "200", "{here}");
    let code = sallyport.ended().await?;
    ensure!(code == Some(0), "it ended with {code:?}");
    Ok(())
}

/// The access log's file is moved away, and SIGUSR1 opens a new one.
pub(crate) async fn rotation() -> anyhow::Result<()> {
    let logs = tempfile::tempdir()?;
    let (log, rotated) = (logs.path().join("access.log"), logs.path().join("access.log.1"));
    let mesh = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
         data: {{mesh: \"accessLogFile: {}\"}}\n",
        log.display()
    );
    let config = gateway(HTTP) + &route(&says("hello"));
    let sallyport = Sallyport::start(&[("00-mesh.yaml", &mesh), ("all.yaml", &config)]).await?;
    let request = async |path: &str| curl(&[&format!("http://127.0.0.1:8080/{path}")]).await;
    let has = |file: &std::path::Path, path: &str| {
        let (file, line) = (file.to_owned(), format!("GET /{path} "));
        async move || Ok(std::fs::read_to_string(&file).unwrap_or_default().contains(&line))
    };
    request("before").await?;
    eventually("no line in the log", has(&log, "before")).await?;
    std::fs::rename(&log, &rotated)?;
    request("between").await?;
    eventually("no line in the file that was moved away", has(&rotated, "between")).await?;
    sallyport.signal(Signal::SIGUSR1)?;
    eventually("no new file", async || {
        request("after").await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        has(&log, "after")().await
    })
    .await?;
    ensure!(has(&rotated, "before")().await?, "the old file has lost its lines");
    sallyport.stop().await
}
