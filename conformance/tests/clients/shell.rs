//! Programs.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::process::Command;

/// A program that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a program has said.
pub(crate) struct Said {
    pub(crate) ok: bool,
    pub(crate) out: String,
    /// Both streams, for reports.
    pub(crate) all: String,
}

/// Runs a program with these words on its standard input.
pub(crate) async fn run(program: &str, args: &[&str]) -> anyhow::Result<Said> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output());
    let output = output.await.with_context(|| format!("{program} hangs: {args:?}"))?;
    let output = output.with_context(|| format!("cannot start {program}: install it"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    Ok(Said { ok: output.status.success(), all: format!("{out}{err}"), out })
}

/// What curl prints; it must succeed.
pub(crate) async fn curl(args: &[&str]) -> anyhow::Result<String> {
    let said = run("curl", &[&["-sS", "--noproxy", "*"], args].concat()).await?;
    ensure!(said.ok, "curl {}: {}", args.join(" "), said.all.trim());
    Ok(said.out)
}

/// What openssl prints, wrong or right.
pub(crate) async fn openssl(args: &[&str]) -> anyhow::Result<Said> {
    run("openssl", args).await
}
