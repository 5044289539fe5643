//! TLS that is passed through by SNI: the client sees the server's own certificate, byte for byte.

use std::path::Path;

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::gateway::Gateway;
use crate::redis::{run_client, start, wait_for};

const CONFIG: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: door, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 8443, name: tls, protocol: TLS}, hosts: ['*.through.example.com'], tls: {mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: servers, namespace: default}
spec:
  hosts: [a.through.example.com, b.through.example.com]
  resolution: STATIC
  ports: [{number: 443, name: tls, protocol: TLS, targetPort: 18443}]
  endpoints: [{address: 127.0.1.1, labels: {name: a}}, {address: 127.0.1.2, labels: {name: b}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a, namespace: default}
spec:
  host: a.through.example.com
  subsets: [{name: a, labels: {name: a}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: b, namespace: default}
spec:
  host: b.through.example.com
  subsets: [{name: b, labels: {name: b}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: through, namespace: default}
spec:
  hosts: ['*.through.example.com']
  gateways: [istio-system/door]
  tls:
  - match: [{sniHosts: [a.through.example.com]}]
    route: [{destination: {host: a.through.example.com, subset: a, port: {number: 443}}}]
  - match: [{sniHosts: [b.through.example.com]}]
    route: [{destination: {host: b.through.example.com, subset: b, port: {number: 443}}}]
";

pub(crate) async fn run() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut servers = Vec::new();
    for (name, address) in [("a", "127.0.1.1:18443"), ("b", "127.0.1.2:18443")] {
        certificate(directory.path(), name).await?;
        let mut server = Command::new("openssl");
        server.args(["s_server", "-quiet", "-www", "-accept", address, "-key"]);
        server.arg(directory.path().join(format!("{name}.key")));
        servers.push(start(server.arg("-cert").arg(directory.path().join(format!("{name}.crt"))), "openssl")?);
        wait_for(address).await?;
    }
    let _gateway = Gateway::start(CONFIG).await?;
    for name in ["a", "b"] {
        let host = format!("{name}.through.example.com");
        let own = std::fs::read_to_string(directory.path().join(format!("{name}.crt")))?;
        for version in ["-tls1_2", "-tls1_3"] {
            let seen = s_client(&host, &[version]).await?;
            ensure!(seen.contains(own.trim()), "{host} {version}: another certificate:\n{seen}");
        }
    }
    let refused = s_client("c.through.example.com", &[]).await;
    ensure!(refused.is_err(), "a name without a route is served: {refused:?}");
    Ok(())
}

async fn certificate(directory: &Path, name: &str) -> anyhow::Result<()> {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    command.arg("-subj").arg(format!("/CN={name}.through.example.com"));
    command.arg("-keyout").arg(directory.join(format!("{name}.key")));
    command.arg("-out").arg(directory.join(format!("{name}.crt")));
    run_client(&mut command, "").await.context("openssl req").map(drop)
}

async fn s_client(host: &str, options: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", "127.0.0.1:8443", "-showcerts", "-servername", host]).args(options);
    run_client(&mut command, "").await
}
