//! A gateway with a directory of configuration.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use conformance::binary::{Command, Process, sallyport_binary};
use conformance::case::behaviour_dir;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::shell;

/// Until what is waited for must have happened.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// ConfigMap with quick drain times and an access log on standard output.
const MESH: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    accessLogFile: /dev/stdout
    accessLogEncoding: JSON
    defaultConfig: {terminationDrainDuration: 300ms, drainDuration: 10s}
";

/// A running gateway.
pub(crate) struct Sallyport {
    process: Process,
    directory: TempDir,
}

impl Sallyport {
    /// Starts one with these files and waits until it is ready.
    pub(crate) async fn start(files: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut gateway = Self::start_without_waiting(files)?;
        gateway.process.wait_ready(SocketAddr::from(([127, 0, 0, 1], 15021)), "/healthz/ready", PATIENCE).await?;
        Ok(gateway)
    }

    /// Starts one that may not become ready.
    pub(crate) fn start_without_waiting(files: &[(&str, &str)]) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("sallyport-clients-")?;
        std::fs::write(directory.path().join("00-mesh.yaml"), MESH)?;
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text)?;
        }
        let mut command = Command::new(&sallyport_binary()?);
        command.args(["run", "--config"]).arg(directory.path()).args(["--workers", "2"]);
        Ok(Sallyport { process: command.spawn()?, directory })
    }

    /// The directory that it watches.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Replaces a file as editors do, never leaving half of one, and waits until that is in force.
    pub(crate) async fn change(&self, file: &str, text: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let before = updates().await?;
        self.put(file, text)?;
        wait_for_update(before).await
    }

    /// Replaces a file.
    pub(crate) fn put(&self, file: &str, text: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let new = self.directory().join(format!(".{file}.new"));
        std::fs::write(&new, text)?;
        Ok(std::fs::rename(new, self.directory().join(file))?)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.process.id().context("the gateway has ended")?;
        Ok(kill(Pid::from_raw(i32::try_from(pid)?), signal)?)
    }

    /// What it has said last.
    pub(crate) fn said(&self) -> String {
        self.process.said()
    }

    /// Waits until the process has ended by itself; its exit code.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<Option<i32>> {
        self.process.wait(PATIENCE).await
    }

    /// Kills it; an error if it had ended before.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        match self.process.stop().await {
            None => Ok(()),
            Some(ended) => anyhow::bail!(ended),
        }
    }
}

/// How many configurations have been put in force.
pub(crate) async fn updates() -> anyhow::Result<u64> {
    let text = shell::curl(&["http://127.0.0.1:15090/stats/prometheus"]).await?;
    let line = text.lines().find_map(|line| line.strip_prefix("sallyport_config_updates_total "));
    Ok(line.context("no sallyport_config_updates_total")?.trim().parse()?)
}

/// Waits until another configuration is in force than after `before` updates.
pub(crate) async fn wait_for_update(before: u64) -> anyhow::Result<()> {
    eventually("the change is not in force", async || Ok(updates().await? > before)).await
}

/// Asks again until it is so.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let until = Instant::now() + PATIENCE;
    while !is_so().await? {
        ensure!(Instant::now() < until, "{what} after {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A file of the test certificates.
pub(crate) fn pki(file: &str) -> String {
    behaviour_dir().join("pki").join(file).display().to_string()
}

/// A Secret in istio-system with these keys, each from a file.
pub(crate) fn secret(name: &str, keys: &[(&str, String)]) -> anyhow::Result<String> {
    use base64::Engine;
    let mut text =
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: istio-system}}\ndata:\n");
    for (key, file) in keys {
        let content = std::fs::read(file).with_context(|| file.clone())?;
        text += &format!("  {key}: {}\n", base64::engine::general_purpose::STANDARD.encode(content));
    }
    Ok(text + "---\n")
}

/// A Secret with the certificate and key of this name.
pub(crate) fn tls_secret(name: &str) -> anyhow::Result<String> {
    secret(name, &[("tls.crt", pki(&format!("{name}.crt"))), ("tls.key", pki(&format!("{name}.key")))])
}

/// A Gateway for every ingress gateway, with these servers (a flow list).
pub(crate) fn gateway(servers: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: gw, namespace: istio-system}}\n\
         spec: {{selector: {{istio: ingressgateway}}, servers: [{servers}]}}\n---\n"
    )
}

/// A VirtualService for every host, with one rule (the inside of a flow map).
pub(crate) fn route(rule: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: all, namespace: default}}\n\
         spec: {{hosts: ['*'], gateways: [istio-system/gw], http: [{{{rule}}}]}}\n---\n"
    )
}

/// A plain server on port 8080 that takes every host.
pub(crate) const HTTP: &str = "{port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}";

/// A rule that answers `text`.
pub(crate) fn says(text: &str) -> String {
    format!("directResponse: {{status: 200, body: {{string: {text}}}}}")
}
