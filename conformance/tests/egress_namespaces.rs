//! The examples of egress, end to end: a client, the gateway and a host outside, each in a network namespace of its own,
//! with the configuration of `deploy/examples/egress-*` as it is.
//!
//! The binary is `SALLYPORT_BIN`, else the one beside this test's own in the target folder.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use conformance::binary::{
    Asked, Command, DnsServer, EgressNamespaces, Listeners, Place, Process, READY, Reply, sallyport_binary,
};
use conformance::case::{Case, behaviour_dir};
use conformance::echo::Echo;
use conformance::pki::Pki;
use conformance::run::{Bench, Dialled, Gateway, LaunchError, Pace};
use conformance::world::World;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 1, 2));
const EXTERNAL: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 15000);
const STARTUP: Duration = Duration::from_secs(20);

/// Requests of a client without a sidecar, straight to the gateway's pod.
const REQUESTS: &str = r#"
name: namespaces
family: egress
about: what the examples do
config: ""
exchanges:
- about: a host as it is
  host: api.ext.example.com
  answer:
    status: 200
    headers: [[x-backend, '192.0.2.10:80'], [content-type, text/plain]]
    reached: ['192.0.2.10:80']
    seen: {method: GET, path: /, authority: api.ext.example.com, version: '1.1', backend: '192.0.2.10:80', headers: [[x-forwarded-for, 10.99.1.1], [x-forwarded-proto, http], [x-envoy-external-address, 10.99.1.1], [x-request-id, <uuid>], [x-envoy-attempt-count, '1']]}
    details: via_upstream
- about: a host that the gateway speaks TLS to
  host: secure.ext.example.com
  answer:
    status: 200
    headers: [[x-backend, '192.0.2.10:443'], [content-type, text/plain]]
    reached: ['192.0.2.10:443']
    seen: {method: GET, path: /, authority: secure.ext.example.com, version: '1.1', backend: '192.0.2.10:443', headers: [[x-forwarded-for, 10.99.1.1], [x-forwarded-proto, http], [x-envoy-external-address, 10.99.1.1], [x-request-id, <uuid>], [x-envoy-attempt-count, '1']], tls: {sni: secure.ext.example.com, alpn: http/1.1}}
    details: via_upstream
- about: a host that nothing allows
  host: elsewhere.example.com
  answer: {status: 404, flags: NR, details: route_not_found}
"#;

/// TLS that the gateway passes on.
const PASSED_ON: &str = r#"
name: namespaces-tls
family: egress
about: TLS through the gateway
config: ""
exchanges:
- host: api.ext.example.com
  tls: {sni: api.ext.example.com, alpn: [http/1.1]}
  answer:
    status: 200
    headers: [[x-backend, '192.0.2.10:443'], [content-type, text/plain]]
    reached: ['192.0.2.10:443']
    seen: {method: GET, path: /, authority: api.ext.example.com, version: '1.1', backend: '192.0.2.10:443', tls: {sni: api.ext.example.com, alpn: http/1.1}}
    tls: {version: '1.3', alpn: http/1.1, cert: backend}
- about: a name that nothing allows
  host: elsewhere.example.com
  tls: {sni: elsewhere.example.com, alpn: [http/1.1]}
  answer: {error: 'tls: closed'}
"#;

/// A forward proxy that knows no host yet.
const UNKNOWING: &str = r#"
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: proxy, namespace: istio-system, annotations: {sallyport.dev/forward-proxy: http-proxy}}
spec:
  selector: {istio: egressgateway}
  servers: [{port: {number: 3128, name: http-proxy, protocol: HTTP}, hosts: ["*"]}]
"#;

/// While hosts are learned, those that nothing has are let out, but for those that lead inside.
const LEARNING: &str = r#"
name: namespaces-learning
family: egress
about: hosts are learned
config: ""
exchanges:
- port: 3128
  raw: "GET http://api.ext.example.com/ HTTP/1.1\r\nHost: api.ext.example.com\r\n\r\n"
  answer:
    status: 200
    headers: [[x-backend, '192.0.2.10:80'], [content-type, text/plain]]
    reached: ['192.0.2.10:80']
    seen: {method: GET, path: /, authority: api.ext.example.com, version: '1.1', backend: '192.0.2.10:80', headers: [[x-forwarded-for, 10.99.1.1], [x-forwarded-proto, http], [x-envoy-external-address, 10.99.1.1], [x-request-id, <uuid>], [x-envoy-attempt-count, '1']]}
    details: via_upstream
- port: 3128
  raw: "GET http://inside.example.com/ HTTP/1.1\r\nHost: inside.example.com\r\n\r\n"
  answer: {status: 403, headers: [[content-type, text/plain]], details: 'destination_forbidden[cluster_address]'}
- port: 3128
  raw: "GET http://127.0.0.1:15000/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
  answer: {status: 403, headers: [[content-type, text/plain]], details: 'destination_forbidden[address_as_host]'}
"#;

/// Set where there is a mount namespace for names of network namespaces.
const INSIDE: &str = "SALLYPORT_EGRESS_NAMESPACES";

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--list") {
        return said("egress_namespaces: test");
    }
    if std::env::var_os(INSIDE).is_none() {
        return outside();
    }
    let run = || -> anyhow::Result<()> {
        let namespaces = EgressNamespaces::up("egress")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(play(&namespaces))
    };
    match run() {
        Ok(()) => said("egress in namespaces: the recipe of Istio, one resource, and learning hold"),
        Err(error) => failed(&error),
    }
}

/// Runs this test again where it may make networks and name them without touching the machine's: for root in a mount
/// namespace, for others in a user namespace too.
fn outside() -> ExitCode {
    let unshare = |who: &[&str], what: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args(who).args(["--mount", "sh", "-c", &format!("mount -t tmpfs tmpfs /run && {what}")]);
        command
    };
    for who in [&[][..], &["--user", "--map-root-user"]] {
        let probe = unshare(who, "ip netns add probe && ip -n probe link set lo up").output();
        if probe.is_ok_and(|output| output.status.success()) {
            let own = std::env::current_exe().unwrap_or_default();
            let status = unshare(who, "exec \"$0\"").arg(own).env(INSIDE, "1").status();
            return if status.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    }
    said("SKIPPED: network namespaces cannot be made here (no root, and no user namespaces), or `ip` is missing")
}

fn said(what: &str) -> ExitCode {
    use io::Write;
    let _ = writeln!(io::stdout(), "{what}");
    ExitCode::SUCCESS
}

fn failed(error: &anyhow::Error) -> ExitCode {
    use io::Write;
    let _ = writeln!(io::stderr(), "{error:#}");
    ExitCode::FAILURE
}

/// A gateway in its namespace; clients come from theirs.
struct Remote {
    process: Process,
}

impl Gateway for Remote {
    async fn connect(&self, port: u16, _: Option<IpAddr>) -> io::Result<Dialled> {
        let stream = TcpStream::connect((GATEWAY, port)).await?;
        let from = stream.local_addr()?;
        Ok(Dialled { stream: Box::new(stream), from })
    }

    fn take_log(&self) -> Vec<Value> {
        self.process.take_log()
    }
}

struct Stage<'a> {
    namespaces: &'a EgressNamespaces,
    pki: Pki,
    echo: Echo,
    dns: SocketAddr,
}

async fn play(namespaces: &EgressNamespaces) -> anyhow::Result<()> {
    let pki = Pki::new(behaviour_dir().join("pki"));
    let echo = Echo::new(&pki, &World::empty())?;
    namespaces.enter(Place::External)?;
    let _outside = Listeners::bind([80, 443].map(|port| SocketAddr::new(EXTERNAL, port)).into_iter(), &echo)?;
    namespaces.enter(Place::Gateway)?;
    let dns = DnsServer::scripted(|asked: &Asked| match asked.name.as_str() {
        "inside.example.com" => Reply::Addresses(vec![GATEWAY], 60),
        name if name.ends_with(".ext.example.com") => Reply::Addresses(vec![EXTERNAL], 60),
        _ => Reply::Missing(None),
    });
    let dns = dns.await?;
    let stage = Stage { namespaces, pki, echo, dns: dns.address() };
    namespaces.enter(Place::Client)?;
    ensure!(TcpStream::connect((EXTERNAL, 80)).await.is_err(), "the client can go round the gateway");

    stage.example("egress-istio", &[REQUESTS]).await.context("the recipe of Istio")?;
    stage.example("egress-one-resource", &[REQUESTS, PASSED_ON]).await.context("one resource")?;
    stage.learning().await.context("learning")
}

impl Stage<'_> {
    async fn start(&self, config: &[PathBuf], more: &[&str]) -> anyhow::Result<Remote> {
        self.namespaces.enter(Place::Gateway)?;
        let mut command = Command::new(&sallyport_binary()?);
        // The authorities of the machine are those of the test.
        command.env("SSL_CERT_FILE", self.pki.path("root.crt"));
        command.args(["run", "--proxy", "istio-system/istio-egressgateway-0", "--dns-server", &self.dns.to_string()]);
        command.arg("--config").args(config).args(more);
        let mut process = command.spawn()?;
        process.wait_ready(READY, "/healthz/ready", STARTUP).await?;
        self.namespaces.enter(Place::Client)?;
        Ok(Remote { process })
    }

    async fn check(&self, gateway: Remote, cases: &[&str]) -> anyhow::Result<Remote> {
        let bench = Bench { echo: &self.echo, pki: &self.pki, pace: Pace::default() };
        let launched: Result<Remote, LaunchError> = Ok(gateway);
        for text in cases {
            let case = Case::parse(text)?;
            let failures = bench.check(&case, &launched).await;
            let told: String = failures.iter().map(|failure| format!("\n{failure}")).collect();
            ensure!(failures.is_empty(), "{}:{told}", case.name);
        }
        launched.map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    async fn example(&self, name: &str, cases: &[&str]) -> anyhow::Result<()> {
        let gateway = self.start(&[examples().join(name)], &[]).await?;
        let gateway = self.check(gateway, cases).await?;
        let report: Value = serde_json::from_str(&self.admin("/egress").await?)?;
        let row = |list: &str, key: &str, value: &str| {
            let rows = report[list].as_array().cloned().unwrap_or_default();
            rows.into_iter().find(|row| row[key] == value).with_context(|| format!("no {value} in {report:#}"))
        };
        let api = row("hosts", "host", "api.ext.example.com")?;
        ensure!(api["port"] == 80 && api["requests"] == 1 && api["bytes_in"] == 4, "{api:#}");
        ensure!(api["sources"] == serde_json::json!(["10.99.1.1"]), "{api:#}");
        row("hosts", "host", "secure.ext.example.com")?;
        let refused = row("refused", "host", "elsewhere.example.com")?;
        ensure!(refused["source"] == "10.99.1.1" && refused["count"] == 1, "{refused:#}");
        ensure!(
            ["route_not_found", "filter_chain_not_found"].contains(&refused["reason"].as_str().unwrap_or_default())
        );
        let learned = self.admin("/egress/learned").await?;
        ensure!(learned.contains("hosts: [\"elsewhere.example.com\"]"), "{learned}");
        gateway.process.stop().await.map_or(Ok(()), |why| Err(anyhow::anyhow!(why)))
    }

    async fn learning(&self) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let (config, file) = (folder.path().join("proxy.yaml"), folder.path().join("learned.yaml"));
        std::fs::write(&config, UNKNOWING)?;
        let cluster = examples().join("egress-one-resource/cluster.yaml");
        let flag = ["--learn-egress", file.to_str().context("path")?];
        let gateway = self.start(&[cluster, config], &flag).await?;
        let gateway = self.check(gateway, &[LEARNING]).await?;
        let yaml = until(STARTUP, async || std::fs::read_to_string(&file).ok()).await.context("nothing is written")?;
        ensure!(yaml.contains("hosts: [\"api.ext.example.com\"]") && yaml.contains("number: 80"), "{yaml}");
        ensure!(!yaml.contains("127.0.0.1\n"), "{yaml}");
        gateway.process.stop().await.map_or(Ok(()), |why| Err(anyhow::anyhow!(why)))
    }

    /// What the admin server says, on the gateway's own loopback.
    async fn admin(&self, path: &str) -> anyhow::Result<String> {
        self.namespaces.enter(Place::Gateway)?;
        let mut stream = TcpStream::connect(ADMIN).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        self.namespaces.enter(Place::Client)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        Ok(body.to_owned())
    }
}

/// Asks until there is an answer.
async fn until<T>(limit: Duration, ask: impl AsyncFn() -> Option<T>) -> Option<T> {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(limit, asking).await.ok()
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples")
}
