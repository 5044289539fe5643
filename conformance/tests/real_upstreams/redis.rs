//! Redis, from Debian's package, behind a TCP route: its own client is the judge.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::gateway::Gateway;

const CONFIG: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: redis, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 6379, name: redis, protocol: TCP}, hosts: ['*']}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: redis, namespace: default}
spec:
  hosts: [redis.example.com]
  resolution: STATIC
  ports: [{number: 6379, name: redis, protocol: TCP, targetPort: 16379}]
  endpoints: [{address: 127.0.1.1}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: redis, namespace: default}
spec:
  hosts: ['*']
  gateways: [istio-system/redis]
  tcp:
  - match: [{port: 6379}]
    route: [{destination: {host: redis.example.com, port: {number: 6379}}}]
";

pub(crate) async fn run() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut command = Command::new("redis-server");
    command.args(["--port", "16379", "--bind", "127.0.1.1", "--save", "", "--daemonize", "no", "--dir"]);
    let _server = start(command.arg(directory.path()), "redis-server")?;
    wait_for("127.0.1.1:16379").await?;
    let _gateway = Gateway::start(CONFIG).await?;

    ensure!(cli(&["SET", "greeting", "hello"], "").await? == "OK\n");
    ensure!(cli(&["GET", "greeting"], "").await? == "hello\n");

    let pipeline: String = (0..50_000).map(|n| format!("SET key:{n} value:{n}\r\n")).collect();
    let said = cli(&["--pipe"], &pipeline).await?;
    ensure!(said.contains("errors: 0, replies: 50000"), "{said}");
    ensure!(cli(&["DBSIZE"], "").await? == "50001\n");

    let large = "x".repeat(16 << 20);
    ensure!(cli(&["-x", "SET", "large"], &large).await? == "OK\n");
    let got = cli(&["GET", "large"], "").await?;
    ensure!(got.trim_end() == large, "{} bytes of {}", got.len(), large.len());

    // A connection that waits for another one's push.
    let waiting = tokio::spawn(async { cli(&["BLPOP", "queue", "10"], "").await });
    sleep(Duration::from_millis(100)).await;
    ensure!(cli(&["RPUSH", "queue", "work"], "").await? == "1\n");
    let popped = waiting.await??;
    ensure!(popped == "queue\nwork\n", "{popped}");
    Ok(())
}

/// Starts a server that ends with what is returned.
pub(crate) fn start(command: &mut Command, name: &str) -> anyhow::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().with_context(|| format!("{name} is missing (.ci/prerequisites test installs it)"))
}

/// Waits until a server accepts connections.
pub(crate) async fn wait_for(address: &str) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).await.is_err() {
        ensure!(Instant::now() < until, "nothing listens at {address}");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn cli(arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let mut command = Command::new("redis-cli");
    command.args(["-h", "127.0.0.1", "-p", "6379"]).args(arguments);
    run_client(&mut command, input).await
}

/// Runs a client to its end, within limits, and gives back what it said.
pub(crate) async fn run_client(command: &mut Command, input: &str) -> anyhow::Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let feeding = async {
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        anyhow::Ok(())
    };
    let (fed, output) = tokio::join!(feeding, timeout(Duration::from_secs(60), child.wait_with_output()));
    let output = output.context("the client does not end")??;
    fed?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}
