//! Backends that are dead, slow, half-open, expired or speak garbage: each gives the status, flag and detail that tells
//! an operator what is wrong, and nothing of them stays: no descriptor, no memory, no request in flight.

mod behaviour;
mod certificate;

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{Instant, sleep};

use crate::backends;
use crate::client;
use crate::gateway::Gateway;
use behaviour::Behaviour;

/// Rounds: leaks add up.
const ROUNDS: usize = 20;
/// Descriptors that may be more at the end: each of the two workers keeps its connection to the backend that speaks
/// HTTP/2 and says nothing, and the admin port one. What leaks does so in every round.
const KEPT: usize = 3;
/// Memory may be this much more at the end than half-way, in KiB.
const GROWTH: u64 = 4 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// A bad backend and what its clients and the log see.
struct Bad {
    name: &'static str,
    behaviour: Behaviour,
    /// `trafficPolicy` of its DestinationRule.
    policy: &'static str,
    /// What the client gets, and the log tells.
    status: u16,
    flags: &'static str,
    /// How the log's details begin, and what is in them.
    details: (&'static str, &'static str),
}

const fn bad(name: &'static str, behaviour: Behaviour, status: u16, flags: &'static str, details: &'static str) -> Bad {
    Bad { name, behaviour, policy: "{}", status, flags, details: (details, "") }
}

const TERMINATED: &str = "upstream_reset_before_response_started{connection_termination}";
const PROTOCOL: &str = "upstream_reset_before_response_started{protocol_error}";
const FAILED: &str = "upstream_reset_before_response_started{remote_connection_failure|";
const TLS_FAILED: &str = "upstream_reset_before_response_started{remote_connection_failure|TLS_error:";
const TLS: &str = "{tls: {mode: SIMPLE, caCertificates: CA, sni: bad.example.com}}";

const BACKENDS: &[Bad] = &[
    bad("dead", Behaviour::Refuse, 503, "UF", FAILED),
    bad("silent", Behaviour::Say(b"", Then::Wait), 504, "UT", "response_timeout"),
    bad("closing", Behaviour::Say(b"", Then::Close), 503, "UC", TERMINATED),
    bad("resetting", Behaviour::Say(b"", Then::Reset), 503, "UC", TERMINATED),
    bad("garbage", Behaviour::Say(b"\x01\x02 what is this\r\n\r\n", Then::Wait), 502, "UPE", PROTOCOL),
    bad("half-a-head", Behaviour::Say(b"HTTP/1.1 200 OK\r\ncontent-", Then::Close), 503, "UC", TERMINATED),
    bad("half-a-head-held", Behaviour::Say(b"HTTP/1.1 200 OK\r\ncontent-", Then::Wait), 504, "UT", "response_timeout"),
    bad("two-lengths", Behaviour::Say(TWO_LENGTHS, Then::Wait), 502, "UPE", PROTOCOL),
    bad("endless-head", Behaviour::Repeat(b"HTTP/1.1 200 OK\r\n", b"x-header: and so on\r\n"), 502, "UPE", PROTOCOL),
    bad("informational", Behaviour::Repeat(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), 504, "UT", "response_timeout"),
    bad(
        "short-body",
        Behaviour::Say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", Then::Close),
        200,
        "UC",
        "upstream_reset_after_response_started{connection_termination}",
    ),
    bad(
        "broken-chunk",
        Behaviour::Say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", Then::Wait),
        200,
        "UPE",
        "upstream_reset_after_response_started{protocol_error}",
    ),
    bad(
        "held-body",
        Behaviour::Say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", Then::Wait),
        200,
        "UT",
        "response_timeout",
    ),
    Bad {
        policy: "{connectionPool: {tcp: {connectTimeout: 200ms}}}",
        ..bad(
            "black-hole",
            Behaviour::BlackHole,
            503,
            "UF",
            "upstream_reset_before_response_started{connection_timeout}",
        )
    },
    Bad {
        policy: TLS,
        details: (TLS_FAILED, "xpired"),
        ..bad("expired", Behaviour::Tls { name: "bad.example.com", expired: true }, 503, "UF", "")
    },
    Bad {
        policy: "{tls: {mode: SIMPLE, caCertificates: CA, sni: bad.example.com, subjectAltNames: [bad.example.com]}}",
        ..bad("other-name", Behaviour::Tls { name: "other.example.com", expired: false }, 503, "UF", TLS_FAILED)
    },
    Bad {
        policy: TLS,
        ..bad("no-tls", Behaviour::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n", Then::Close), 503, "UF", TLS_FAILED)
    },
    Bad {
        policy: "{connectionPool: {tcp: {connectTimeout: 200ms}}, tls: {mode: SIMPLE, caCertificates: CA}}",
        ..bad(
            "handshake-held",
            Behaviour::Say(b"", Then::Wait),
            503,
            "UF",
            "upstream_reset_before_response_started{connection_timeout}",
        )
    },
    Bad {
        policy: "{connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}",
        ..bad("no-http2", Behaviour::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n", Then::Wait), 502, "UPE", PROTOCOL)
    },
    Bad {
        policy: "{connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}",
        ..bad("http2-silent", Behaviour::Say(b"\0\0\0\x04\0\0\0\0\0", Then::Wait), 504, "UT", "response_timeout")
    },
    Bad {
        policy: "{connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}",
        ..bad("http2-closing", Behaviour::Say(b"\0\0\0\x04\0\0\0\0\0", Then::Close), 503, "UC", TERMINATED)
    },
];

use behaviour::Then;

const TWO_LENGTHS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok";

pub(crate) async fn run() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let authority = certificate::Authority::new(directory.path())?;
    let mut servers = Vec::new();
    let mut full = Vec::new();
    for (n, bad) in BACKENDS.iter().enumerate() {
        let address = format!("{}:17100", address(n));
        match bad.behaviour {
            Behaviour::Refuse => {}
            Behaviour::BlackHole => full.push(black_hole(&address).await?),
            Behaviour::Say(..) | Behaviour::Repeat(..) | Behaviour::Tls { .. } => {
                let acting = bad.behaviour.prepare(&authority)?;
                servers.push(backends::serve(&address, move |stream| acting.clone().serve(stream)).await?);
            }
        }
    }
    let gateway = Gateway::start(&config(&authority.path())).await?;
    let mut wrong = Vec::new();
    for bad in BACKENDS {
        if let Err(error) = check(&gateway, bad).await {
            wrong.push(format!("{}: {error:#}", bad.name));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    nothing_stays(&gateway).await
}

/// One request, its answer, and its line in the log.
async fn check(gateway: &Gateway, bad: &Bad) -> anyhow::Result<()> {
    let path = format!("/{}", bad.name);
    let answer = client::get(8080, "bad.example.com", &path).await?;
    let entry = gateway.logged(&path).await?;
    let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let (flags, details) = (text("response_flags"), text("response_code_details"));
    let (begins, contains) = bad.details;
    // An answer that breaks off may do so before the client has seen any of it.
    let seen = answer.status == bad.status || (bad.status == 200 && answer.status == 0);
    let said = details.starts_with(begins) && details.contains(contains);
    let fits = seen && entry["response_code"] == bad.status && flags == bad.flags && said;
    ensure!(
        fits,
        "expected {} {} {begins}…{contains}, got {} (logged {}) {flags} {details} {:?}",
        bad.status,
        bad.flags,
        answer.status,
        entry["response_code"],
        answer.body.chars().take(200).collect::<String>()
    );
    Ok(())
}

/// Many rounds, all backends at once; then everything is as it was.
async fn nothing_stays(gateway: &Gateway) -> anyhow::Result<()> {
    let pid = gateway.process.id().context("the gateway has ended")?;
    let before = descriptors(pid)?;
    let mut half_way = 0;
    for round in 0..ROUNDS {
        let mut requests = tokio::task::JoinSet::new();
        for bad in BACKENDS {
            let path = format!("/{}", bad.name);
            requests.spawn(async move { client::get(8080, "bad.example.com", &path).await });
        }
        while let Some(answer) = requests.join_next().await {
            answer??;
        }
        if round == ROUNDS / 2 {
            half_way = gateway.process.resident_memory()?;
        }
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let (now, active) = (descriptors(pid)?, in_flight(&gateway.admin("/clusters").await?));
        if now <= before + KEPT && active.is_empty() {
            break;
        }
        ensure!(Instant::now() < until, "descriptors: {before} before, {now} after; in flight: {active:?}");
        sleep(Duration::from_millis(50)).await;
    }
    let end = gateway.process.resident_memory()?;
    ensure!(end <= half_way + GROWTH, "memory grew from {half_way} to {end} KiB");
    Ok(())
}

/// Clusters that still count something.
fn in_flight(clusters: &Value) -> Vec<String> {
    let busy = |cluster: &&Value| {
        let endpoints = cluster["endpoints"].as_array().into_iter().flatten();
        cluster["active_requests"] != 0 || endpoints.into_iter().any(|endpoint| endpoint["active"] != 0)
    };
    clusters.as_array().into_iter().flatten().filter(busy).map(|cluster| cluster["name"].to_string()).collect()
}

fn descriptors(pid: u32) -> anyhow::Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

fn address(n: usize) -> String {
    format!("127.0.2.{}", n + 1)
}

/// A socket whose queue is full: the kernel drops what asks for a connection, as a dead network does.
async fn black_hole(address: &str) -> anyhow::Result<(TcpListener, Vec<tokio::task::JoinHandle<()>>)> {
    let socket = TcpSocket::new_v4()?;
    let address = address.parse()?;
    socket.bind(address)?;
    let listener = socket.listen(1)?;
    let fill = |_| {
        tokio::spawn(async move {
            let connected = tokio::net::TcpStream::connect(address).await;
            std::future::pending::<()>().await;
            drop(connected);
        })
    };
    let filling = (0..4).map(fill).collect();
    sleep(Duration::from_millis(100)).await;
    Ok((listener, filling))
}

fn config(authority: &str) -> String {
    let mut text = String::from(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: door, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}
",
    );
    let mut routes = String::new();
    for (n, bad) in BACKENDS.iter().enumerate() {
        let (name, address, policy) = (bad.name, address(n), bad.policy.replace("CA", authority));
        text += &format!(
            "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}.example.com]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 17100}}]
  endpoints: [{{address: {address}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: default}}
spec: {{host: {name}.example.com, trafficPolicy: {policy}}}
"
        );
        routes += &format!(
            "  - match: [{{uri: {{exact: /{name}}}}}]
    timeout: 500ms
    retries: {{attempts: 0}}
    route: [{{destination: {{host: {name}.example.com, port: {{number: 80}}}}}}]
"
        );
    }
    text + "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bad, namespace: default}
spec:
  hosts: [bad.example.com]
  gateways: [istio-system/door]
  http:
" + &routes
}
