//! A port that another process has: told of, not ready, and no reason for the other listeners not to serve.

use anyhow::ensure;
use tokio::net::TcpListener;

use crate::gateway::{HTTP, Sallyport, eventually, gateway, route, says};
use crate::shell::{curl, run};

/// The status of readiness.
async fn readiness() -> anyhow::Result<String> {
    let said = run("curl", &["-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:15021/healthz/ready"]);
    Ok(said.await?.out)
}

/// A port is taken at the start, is freed, and is served; another is taken later.
pub(crate) async fn conflict() -> anyhow::Result<()> {
    let taken = TcpListener::bind("0.0.0.0:9100").await?;
    let server = |port: u16| format!("{{port: {{number: {port}, name: http-{port}, protocol: HTTP}}, hosts: ['*']}}");
    let config = gateway(&[HTTP.to_owned(), server(9100)].join(", "));
    let files = [("gateway.yaml", config.as_str()), ("routes.yaml", &route(&says("hello")))];
    let sallyport = Sallyport::start_without_waiting(&files)?;
    eventually("the other listener does not serve", async || {
        Ok(run("curl", &["-s", "--noproxy", "*", "http://127.0.0.1:8080/"]).await?.out == "hello")
    })
    .await?;
    ensure!(readiness().await? == "503", "it is ready without a listener");
    let listeners = curl(&["http://127.0.0.1:15000/listeners"]).await?;
    ensure!(listeners.contains("cannot bind 0.0.0.0:9100: Address already in use"), "{listeners}");
    ensure!(sallyport.said().contains("cannot bind"), "the log does not say it:{}", sallyport.said());

    drop(taken);
    // Any look at the files tries again; one comes every 10 s by itself.
    sallyport.put("routes.yaml", route(&says("again")))?;
    eventually("it is not ready", async || Ok(readiness().await? == "200")).await?;
    ensure!(curl(&["http://127.0.0.1:9100/"]).await? == "again");

    let _taken = TcpListener::bind("0.0.0.0:9101").await?;
    sallyport.change("gateway.yaml", gateway(&[HTTP.to_owned(), server(9101)].join(", "))).await?;
    ensure!(readiness().await? == "200", "a later listener takes the others out of service");
    ensure!(curl(&["http://127.0.0.1:8080/"]).await? == "again");
    let gone = run("curl", &["-s", "--noproxy", "*", "http://127.0.0.1:9100/"]).await?;
    ensure!(!gone.ok, "port 9100 is still open");
    sallyport.stop().await
}
