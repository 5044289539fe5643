//! A gateway with a configuration of its own.

use std::time::Duration;

use anyhow::Context;
use conformance::binary::{Command, Process, sallyport_binary};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::client;

const STARTUP: Duration = Duration::from_secs(10);

/// A running gateway and its directory of configuration.
pub(crate) struct Gateway {
    /// The process.
    pub(crate) process: Process,
    directory: TempDir,
}

impl Gateway {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(config: &str) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("sallyport-upstreams-")?;
        std::fs::write(directory.path().join("mesh.yaml"), MESH)?;
        std::fs::write(directory.path().join("config.yaml"), config)?;
        let mut command = Command::new(&sallyport_binary()?);
        command.args(["run", "--config"]).arg(directory.path()).args(["--workers", "2"]);
        let mut process = command.spawn()?;
        process.wait_ready(([127, 0, 0, 1], 15021).into(), "/healthz/ready", STARTUP).await?;
        Ok(Gateway { process, directory })
    }

    /// Changes the configuration and waits until it is in force.
    pub(crate) async fn change(&self, config: &str) -> anyhow::Result<()> {
        let before = self.version().await?;
        let new = self.directory.path().join(".new");
        std::fs::write(&new, config)?;
        std::fs::rename(new, self.directory.path().join("config.yaml"))?;
        let until = Instant::now() + STARTUP;
        while self.version().await? == before {
            anyhow::ensure!(Instant::now() < until, "the change is not in force");
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn version(&self) -> anyhow::Result<Value> {
        Ok(self.admin("/config_dump").await?["version"].clone())
    }

    /// Something from the admin port.
    pub(crate) async fn admin(&self, path: &str) -> anyhow::Result<Value> {
        let answer = client::get(15000, "localhost", path).await?;
        serde_json::from_str(&answer.body).with_context(|| format!("{path}: {}", answer.body))
    }

    /// The next line of the access log for this path.
    pub(crate) async fn logged(&self, path: &str) -> anyhow::Result<Value> {
        let until = Instant::now() + STARTUP;
        loop {
            if let Some(entry) = self.process.take_log().into_iter().find(|entry| entry["path"] == path) {
                return Ok(entry);
            }
            anyhow::ensure!(Instant::now() < until, "no access log for {path}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

const MESH: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    accessLogFile: /dev/stdout
    accessLogEncoding: JSON
";
